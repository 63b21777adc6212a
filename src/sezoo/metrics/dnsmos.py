"""DNSMOS: listener ratings of a clip, predicted by networks without a clean clip.

P.835 gives opinions of the speech (SIG), of the background (BAK) and of the whole (OVRL): Reddy et al., "DNSMOS
P.835: a non-intrusive perceptual objective speech quality metric to evaluate noise suppressors", ICASSP 2022. P.808
gives one of the whole: Reddy et al., "DNSMOS: a non-intrusive perceptual objective speech quality metric to evaluate
noise suppressors", ICASSP 2021. All are 1 (bad) to 5 (excellent). Microsoft's package `speechmos` (MIT) has the
networks.

We take its networks and not its functions. Those open the networks with a thread for every core, where an evaluation
has a process for every core already; and they load librosa and requests, which the package does not install. What is
left of them is short, and the tests hold it against them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sezoo.metrics.checks import MetricError, check_clip, check_not_silent
from sezoo.metrics.definition import cache_per_clip
from sezoo.models.onnx_session import open_session

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["dnsmos_p808", "dnsmos_p835"]

RATE = 16_000
SEGMENT_S = 9.01
SEGMENT = 144_160  # samples

# From a network's output to the opinion scale: polynomials, the square's weight first.
CALIBRATION = {
    "dnsmos_sig": (-0.08397278, 1.22083953, 0.0052439),
    "dnsmos_bak": (-0.13166888, 1.60915514, -0.39604546),
    "dnsmos_ovrl": (-0.06766283, 1.11546468, 0.04602535),
}

MEL_BANDS = 120
MEL_FFT = 321
MEL_HOP = 160
MEL_RANGE_DB = 80.0
POWER_FLOOR = 1e-10


@cache_per_clip
def dnsmos_p835(denoised: np.ndarray, sample_rate: int) -> dict[str, float]:
    """P.835's three scores of a clip, by the names dnsmos_sig, dnsmos_bak and dnsmos_ovrl.

    They are means over segments of 9 s, one a second; a shorter clip is repeated. Samples beyond full scale are
    limited to it, as a file would hold them. It is slow: 0.25 s of computing a segment.

    Parameters
    ----------
    denoised : (samples,) float, full scale 1.0
    sample_rate : 16000

    Raises
    ------
    MetricError : another sample rate, and a clip that is empty, silent, not finite or not 1-D float.
    ModuleNotFoundError : `speechmos` is not installed.
    """
    network = _network("sig_bak_ovr.onnx")
    raw = [network.run(None, {"input_1": _batch(segment)})[0][0] for segment in _segments(denoised, sample_rate)]
    columns = zip(CALIBRATION.items(), np.transpose(raw), strict=True)
    return {name: _mean(np.polyval(polynomial, values)) for (name, polynomial), values in columns}


def dnsmos_p808(denoised: np.ndarray, sample_rate: int) -> float:
    """P.808's score of a clip; parameters and errors as for `dnsmos_p835`, in a tenth of its time."""
    network = _network("model_v8.onnx")
    return _mean(
        [
            network.run(None, {"input_1": _batch(_log_mel_spectrum(segment[:-MEL_HOP]))})[0][0, 0]
            for segment in _segments(denoised, sample_rate)
        ]
    )


def _batch(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32)[None]


def _mean(scores: Sequence[float]) -> float:
    mean = float(np.mean(scores))
    if not np.isfinite(mean):
        raise MetricError("DNSMOS gave no finite score for the clip")
    return mean


def _folder() -> Path | None:
    """Return the package's folder of networks, without importing it, which would load librosa."""
    package = find_spec("speechmos")
    places = (package.submodule_search_locations or ()) if package is not None else ()
    folders = [Path(place) / "dnsmos_models" for place in places]
    return next((folder for folder in folders if folder.is_dir()), None)


@cache
def _network(name: str) -> onnxruntime.InferenceSession:
    """One of the networks, loaded once a process, with one thread."""
    folder = _folder()
    if folder is None:
        raise ModuleNotFoundError("DNSMOS needs the package speechmos: pip install 'sezoo[dnsmos]'")
    return open_session(folder / name)


def _segments(denoised: np.ndarray, sample_rate: int) -> list[np.ndarray]:
    """The clip's segments of 9.01 s, one a second, (144160,) float64 each; errors as for `dnsmos_p835`."""
    if sample_rate != RATE:
        raise MetricError(f"DNSMOS scores clips at {RATE} Hz, not at {sample_rate} Hz: resample first")
    clip = check_clip(denoised, "denoised")
    check_not_silent(clip, "denoised")
    clip = np.clip(clip, -1.0, 1.0)
    while clip.size < SEGMENT:
        clip = np.append(clip, clip)
    count = int(clip.size // RATE - SEGMENT_S) + 1
    # Microsoft's programs leave out the segments whose end, in floating point, comes to be a sample early: those that
    # begin at 7 to 23 s and at 119 to 122 s. Published scores are without them, so ours are.
    ends = [int((second + SEGMENT_S) * RATE) for second in range(count)]
    return [clip[end - SEGMENT : end] for second, end in enumerate(ends) if end - second * RATE == SEGMENT]


def _log_mel_spectrum(samples: np.ndarray) -> np.ndarray:
    """The features of P.808 as librosa computes them: 0 dB below the loudest give 1, 80 dB give -1; (900, 120)."""
    padded = np.pad(samples, MEL_FFT // 2)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(MEL_FFT) / MEL_FFT)
    frames = np.lib.stride_tricks.sliding_window_view(padded, MEL_FFT)[::MEL_HOP]
    spectra = np.fft.rfft(frames * window)
    power = (np.square(spectra.real) + np.square(spectra.imag)) @ _mel_weights().T
    levels = 10 * np.log10(np.maximum(power, POWER_FLOOR))
    levels = np.maximum(levels - levels.max(), -MEL_RANGE_DB)
    return (levels + MEL_RANGE_DB / 2) / (MEL_RANGE_DB / 2)


@cache
def _mel_weights() -> np.ndarray:
    """Triangles of unit area on Slaney's mel scale (Auditory Toolbox, 1998), up to 8 kHz: (120, 161)."""
    kink_hz, hz_a_mel, step = 1000.0, 200 / 3, np.log(6.4) / 27  # linear up to the kink, then exponential
    kink = kink_hz / hz_a_mel
    mels = np.linspace(0.0, kink + np.log(RATE / 2 / kink_hz) / step, MEL_BANDS + 2)
    edges = np.where(mels < kink, mels * hz_a_mel, kink_hz * np.exp(step * (mels - kink)))
    frequencies = np.fft.rfftfreq(MEL_FFT, 1 / RATE)
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rise, fall = (frequencies - low) / (centre - low), (high - frequencies) / (high - centre)
    return np.maximum(0.0, np.minimum(rise, fall)) * 2 / (high - low)

"""How close a denoised clip is to the clean one: PESQ, STOI, ESTOI, SNR, SI-SNR and MSE.

Training and evaluation share these functions. Each takes the clean clip first, then the denoised one, as
one-dimensional float arrays of equal length with full scale at 1.0, and gives one number. A clip that a
metric cannot score raises `MetricError` with the reason: there is no stand-in value, so that a mean over a
test set never holds a number that nobody measured.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

__all__ = [
    "HIGHER_IS_BETTER",
    "METRICS",
    "MetricError",
    "estoi",
    "mse",
    "pesq",
    "si_snr",
    "snr",
    "stoi",
]

PESQ_MODES = {16_000: "wb", 8_000: "nb"}

# P.862's reference code, which the package `pesq` compiles, cuts the clean clip into windows of 4 ms and
# keeps its utterances in tables of 50 entries, whose end it does not check: a long clip with more of them is
# scored from overwritten memory or ends the process. We count them beforehand, without the code's input
# filter, hence the margin.
P862_WINDOW_S = 0.004
P862_MIN_SPEECH = 4  # windows; a shorter burst is not speech
P862_JOIN = 50  # windows; a shorter pause joins two bursts
P862_MIN_UTTERANCE = 50  # windows
P862_PADDING = 75  # windows of zeros that the code puts on either side
P862_MAX_UTTERANCES = 50
UTTERANCE_MARGIN = 10

STOI_NOT_SCORED = 1e-5  # what pystoi returns, with a warning, when it has too few frames


class MetricError(ValueError):
    """The metric has no value for this clip; the message is one line with the reason."""


def _checked(clean: np.ndarray, denoised: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both clips as float64, or MetricError where no metric could be computed."""
    clips = []
    for name, samples in (("clean", clean), ("denoised", denoised)):
        samples = np.asarray(samples)
        if samples.ndim != 1:
            raise MetricError(f"the {name} clip has {samples.ndim} dimensions, expected 1")
        if not np.issubdtype(samples.dtype, np.floating):
            raise MetricError(f"the {name} clip is {samples.dtype}, expected float with full scale at 1.0")
        if samples.size == 0:
            raise MetricError(f"the {name} clip is empty")
        if not np.isfinite(samples).all():
            raise MetricError(f"the {name} clip holds NaN or infinite samples")
        clips.append(samples.astype(np.float64, copy=False))
    if clips[0].size != clips[1].size:
        raise MetricError(f"the clips differ in length: clean {clips[0].size} samples, denoised {clips[1].size}")
    return clips[0], clips[1]


def _energy(samples: np.ndarray) -> float:
    return float(np.dot(samples, samples))


def _not_silent(samples: np.ndarray, name: str) -> None:
    if _energy(samples) == 0.0:
        raise MetricError(f"the {name} clip is silent")


def mse(clean: np.ndarray, denoised: np.ndarray) -> float:
    """Mean squared error of the waveform, full scale 1.0. A silent clean clip is allowed.

    Raises MetricError for clips that are empty, not finite, not 1-D float or of different lengths.
    """
    clean, denoised = _checked(clean, denoised)
    return _energy(denoised - clean) / clean.size


def snr(clean: np.ndarray, denoised: np.ndarray) -> float:
    """Signal-to-noise ratio in dB: 10 log10(sum clean^2 / sum (denoised - clean)^2).

    `inf` when the two clips are identical. Raises MetricError for a silent clean clip and for clips that are
    empty, not finite, not 1-D float or of different lengths.
    """
    clean, denoised = _checked(clean, denoised)
    _not_silent(clean, "clean")
    return _ratio_db(_energy(clean), _energy(denoised - clean))


def si_snr(clean: np.ndarray, denoised: np.ndarray) -> float:
    """Scale-invariant SNR in dB: the denoised clip's part along the clean one against the rest.

    With a = <denoised, clean> / <clean, clean>: 10 log10(sum (a clean)^2 / sum (denoised - a clean)^2).
    No mean is removed. It is the SI-SDR of Le Roux et al., "SDR - half-baked or well done?", ICASSP 2019.
    `inf` when the clips are identical, `-inf` when they are orthogonal. Raises MetricError when either clip
    is silent and for clips that are empty, not finite, not 1-D float or of different lengths.
    """
    clean, denoised = _checked(clean, denoised)
    _not_silent(clean, "clean")
    _not_silent(denoised, "denoised")
    target = float(np.dot(denoised, clean)) / _energy(clean) * clean
    return _ratio_db(_energy(target), _energy(denoised - target))


def _ratio_db(signal: float, noise: float) -> float:
    if noise == 0.0:
        return float("inf")
    if signal == 0.0:
        return float("-inf")
    # A difference of logarithms, since the quotient of two extreme energies can overflow.
    return 10.0 * float(np.log10(signal) - np.log10(noise))


def pesq(clean: np.ndarray, denoised: np.ndarray, sample_rate: int) -> float:
    """PESQ as MOS-LQO, about 1.0 to 4.64: wide-band (ITU-T P.862.2) at 16 kHz, narrow-band at 8 kHz.

    The package `pesq` computes it. Raises MetricError for another sample rate; for a silent clip; when PESQ
    finds no speech in the clean clip or the clips are shorter than 1/4 s; when the clean clip has more
    utterances than PESQ's code can hold (not below 16 s, and minutes in most speech);
    and for clips that are not finite, not 1-D float or of different lengths.
    """
    if sample_rate not in PESQ_MODES:
        raise MetricError(f"PESQ scores clips at 16000 or 8000 Hz, not at {sample_rate} Hz: resample first")
    clean, denoised = _checked(clean, denoised)
    _not_silent(clean, "clean")
    _not_silent(denoised, "denoised")
    utterances = _p862_utterances(clean, sample_rate)
    if utterances > P862_MAX_UTTERANCES - UTTERANCE_MARGIN:
        raise MetricError(
            f"the clip is too long for PESQ: about {utterances} utterances in "
            f"{clean.size / sample_rate:.0f} s, PESQ's code holds {P862_MAX_UTTERANCES}; cut it into "
            "shorter clips"
        )
    from pesq import PesqError
    from pesq import pesq as pesq_package

    try:
        score = float(pesq_package(sample_rate, clean, denoised, PESQ_MODES[sample_rate]))
    except PesqError as error:
        reason = error.args[0] if error.args else type(error).__name__
        text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise MetricError(f"PESQ cannot score the clip: {text}") from error
    except ValueError as error:
        # The package takes a score that is NaN for an error code and fails to look that up.
        raise MetricError("PESQ gave no finite score for the clip") from error
    if not np.isfinite(score):
        raise MetricError("PESQ gave no finite score for the clip")
    return score


def _p862_utterances(clean: np.ndarray, sample_rate: int) -> int:
    """Number of utterances that P.862's voice activity detector finds in the clean clip, or a few more."""
    window = round(P862_WINDOW_S * sample_rate)
    if clean.size / sample_rate < (P862_JOIN + P862_MIN_UTTERANCE) * P862_WINDOW_S * (
        P862_MAX_UTTERANCES - UTTERANCE_MARGIN
    ):
        return 0  # too short for so many, whatever is in it
    count = clean.size // window
    power = np.mean(np.square(clean[: count * window].reshape(count, window)), axis=1)
    power = np.pad(power, P862_PADDING)
    threshold = float(power.mean())
    power = np.maximum(power, 1e-4 * power.max())
    for _ in range(12):
        quiet = power[power <= threshold]
        if quiet.size == 0:
            return 1
        threshold = 1.001 * float(quiet.mean() + 2.0 * quiet.std())
    speech = np.concatenate(([0], power > threshold, [0])).astype(np.int8)
    edges = np.flatnonzero(np.diff(speech)).reshape(-1, 2)
    edges = edges[edges[:, 1] - edges[:, 0] > P862_MIN_SPEECH]
    if len(edges) == 0:
        return 0
    apart = edges[1:, 0] - edges[:-1, 1] > P862_JOIN
    starts = edges[np.concatenate(([True], apart)), 0]
    ends = edges[np.concatenate((apart, [True])), 1]
    return int(np.sum(ends - starts >= P862_MIN_UTTERANCE))


def stoi(clean: np.ndarray, denoised: np.ndarray, sample_rate: int) -> float:
    """Short-time objective intelligibility, up to 1.0 (Taal et al., IEEE TASLP 19(7), 2011).

    The package `pystoi` computes it, at 10 kHz, on the frames within 40 dB of the loudest clean one. Raises
    MetricError when fewer than 30 such frames (0.4 s) are left, when either clip is silent, and for clips
    that are not finite, not 1-D float or of different lengths.
    """
    return _pystoi(clean, denoised, sample_rate, extended=False)


def estoi(clean: np.ndarray, denoised: np.ndarray, sample_rate: int) -> float:
    """Extended STOI, up to 1.0 (Jensen and Taal, IEEE/ACM TASLP 24(11), 2016); errors as for `stoi`.

    `pystoi` adds random noise of 2e-16 to the spectra, so that the last digits vary from call to call.
    """
    return _pystoi(clean, denoised, sample_rate, extended=True)


def _pystoi(clean: np.ndarray, denoised: np.ndarray, sample_rate: int, *, extended: bool) -> float:
    name = "ESTOI" if extended else "STOI"
    if sample_rate <= 0:
        raise MetricError(f"{name} needs a sample rate above 0 Hz, not {sample_rate}")
    clean, denoised = _checked(clean, denoised)
    _not_silent(clean, "clean")
    # pystoi scores silence all the same: STOI 0, ESTOI whatever its random noise happens to give.
    _not_silent(denoised, "denoised")
    from pystoi import stoi as pystoi_package

    too_short = MetricError(
        f"the clip is too short for {name}: fewer than 30 frames (0.4 s) of speech in {clean.size / sample_rate:.2f} s"
    )
    # Shorter than one frame of 256 samples at 10 kHz, pystoi fails on an empty array.
    if clean.size * 10_000 <= 256 * sample_rate:
        raise too_short
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Not enough STFT frames", category=RuntimeWarning)
        score = float(pystoi_package(clean, denoised, sample_rate, extended=extended))
    if score == STOI_NOT_SCORED:
        raise too_short
    if not np.isfinite(score):
        raise MetricError(f"{name} gave no finite score for the clip")
    return score


def _without_rate(metric: Callable[[np.ndarray, np.ndarray], float]) -> Callable[..., float]:
    def scored(clean: np.ndarray, denoised: np.ndarray, sample_rate: int) -> float:
        del sample_rate
        return metric(clean, denoised)

    scored.__name__ = metric.__name__
    scored.__doc__ = metric.__doc__
    return scored


METRICS: dict[str, Callable[[np.ndarray, np.ndarray, int], float]] = {
    "pesq": pesq,
    "stoi": stoi,
    "estoi": estoi,
    "snr": _without_rate(snr),
    "si_snr": _without_rate(si_snr),
    "mse": _without_rate(mse),
}
"""Every metric by name, all called as (clean, denoised, sample_rate)."""

HIGHER_IS_BETTER: dict[str, bool] = {name: name != "mse" for name in METRICS}
"""Whether a larger value of the metric means a better clip."""

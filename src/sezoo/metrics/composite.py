"""CSIG, CBAK and COVL: predicted listener ratings of the speech, the background and the overall quality.

Hu and Loizou, "Evaluation of objective quality measures for speech enhancement", IEEE TASLP 16(1), 2008, fitted
three opinion scores to PESQ and to three distances that are computed here: the log-likelihood ratio (LLR), the
weighted spectral slope (WSS) and the segmental SNR. Papers on VoiceBank+DEMAND print them as Loizou's program
composite.m computes them, with wide-band PESQ in the place of PESQ, and so do we. Full scale is 1.0 as there: ports
that divide such signals by 32768 lose quiet bands under WSS's floor, halve it, and so give scores 0.1 higher.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from sezoo.metrics.checks import MetricError, check_clips, check_not_silent
from sezoo.metrics.definition import cache_per_clip
from sezoo.metrics.measures.pesq import pesq

__all__ = ["CompositeParts", "composite_parts", "composite_score", "predicted_opinion"]

RATE = 16_000
FRAME = 480  # samples: 30 ms
HOP = 120
FFT = 1024
FRAMES_A_CHUNK = 64  # so that a chunk's spectra stay in the processor's cache
PREDICTION_ORDER = 16
BEST_SHARE = 0.95  # of the frames; LLR and WSS leave out the worst
SNR_LIMITS_DB = (-10.0, 35.0)

# composite.m adds this to all samples, so that digital silence has a logarithm.
EPS = float(np.finfo(np.float64).eps)
WINDOW = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1, FRAME + 1) / (FRAME + 1))

# The bands of the WSS: bell curves on the ear's scale of frequencies.
BAND_CENTRES_HZ = np.array(
    [
        *(
            50,
            120,
            190,
            260,
            330,
            400,
            470,
            540,
            617.372,
            703.378,
            798.717,
            904.128,
            1020.38,
            1148.30,
            1288.72,
            1442.54,
        ),
        *(1610.70, 1794.16, 1993.93, 2211.08, 2446.71, 2701.97, 2978.04, 3276.17, 3597.63),
    ]
)
BANDWIDTHS_HZ = np.array(
    [
        *(70, 70, 70, 70, 70, 70, 70, 77.3724, 86.0056, 95.3398, 105.411, 116.256, 127.914, 140.423, 153.823, 168.154),
        *(183.457, 199.776, 217.153, 235.631, 255.255, 276.072, 298.126, 321.465, 346.136),
    ]
)
BANDS = len(BAND_CENTRES_HZ)
BAND_FLOOR = float(np.exp(-30 / (2 * 2.303)))  # smaller weights are zero
POWER_FLOOR = 1e-10
KLATT_MAX_DB = 20.0  # how much bands below the loudest one count, and bands below the nearest peak
KLATT_PEAK_DB = 1.0

REGRESSIONS = {  # constant, and the weights of PESQ, LLR, WSS and segmental SNR
    "csig": (3.093, 0.603, -1.029, -0.009, 0.0),
    "cbak": (1.634, 0.478, 0.0, -0.007, 0.063),
    "covl": (1.594, 0.805, -0.512, -0.007, 0.0),
}


@dataclass(frozen=True)
class CompositeParts:
    """Components of the composite scores besides PESQ.

    Attributes
    ----------
    llr : log-likelihood ratio of the linear predictions, mean over the 95 % best frames; 0 is perfect.
    wss : weighted spectral slope distance (Klatt, ICASSP 1982) in dB^2, mean over the 95 % best frames; 0 is perfect.
    segmental_snr : mean over frames of the SNR in dB, limited to -10..35 in each.
    """

    llr: float
    wss: float
    segmental_snr: float


def predicted_opinion(name: str, clean: np.ndarray, denoised: np.ndarray, sample_rate: int) -> float:
    """The score `name` (csig, cbak or covl) of a clip, 1 to 5.

    Raises MetricError where `composite_parts` or `pesq` does.
    """
    parts = composite_parts(clean, denoised, sample_rate)  # first: they are refused sooner, and PESQ takes longer
    return composite_score(name, pesq(clean, denoised, sample_rate), parts)


def composite_score(name: str, wide_band_pesq: float, parts: CompositeParts) -> float:
    """The score `name` (csig, cbak or covl), 1 to 5, out of PESQ and the other parts."""
    constant, *weights = REGRESSIONS[name]
    values = (wide_band_pesq, parts.llr, parts.wss, parts.segmental_snr)
    score = constant + sum(weight * value for weight, value in zip(weights, values, strict=True))
    return min(5.0, max(1.0, score))


@cache_per_clip
def composite_parts(clean: np.ndarray, denoised: np.ndarray, sample_rate: int) -> CompositeParts:
    """LLR, WSS and segmental SNR of a clip.

    Parameters
    ----------
    clean, denoised : (samples,) float each, full scale 1.0
    sample_rate : 16000; papers print no composite scores at other rates.

    Raises
    ------
    MetricError : another sample rate, a silent clip, a clip shorter than 37.5 ms, and clips that are empty, not
        finite, not 1-D float or of different lengths.
    """
    if sample_rate != RATE:
        raise MetricError(f"CSIG, CBAK and COVL score clips at {RATE} Hz, not at {sample_rate} Hz: resample first")
    clean, denoised = check_clips(clean, denoised)
    check_not_silent(clean, "clean")
    check_not_silent(denoised, "denoised")
    count = (clean.size - FRAME) // HOP  # composite.m leaves the last whole frame out
    if count < 1:
        raise MetricError(f"the clip is too short for CSIG, CBAK and COVL: {clean.size} samples, {FRAME + HOP} needed")
    chunks = []
    for first in range(0, count, FRAMES_A_CHUNK):
        last = min(first + FRAMES_A_CHUNK, count)
        chunks.append(_frame_distances(_frames(clean, first, last), _frames(denoised, first, last)))
    llr, wss, snr = (np.concatenate(distances) for distances in zip(*chunks, strict=True))
    if llr.size == 0:
        raise MetricError("the clean clip is silent in all frames of CSIG, CBAK and COVL")
    return CompositeParts(_mean_of_best(llr), _mean_of_best(wss), float(np.mean(snr)))


def _mean_of_best(distances: np.ndarray) -> float:
    best = max(1, int(BEST_SHARE * distances.size + 0.5))  # a half counts up, as in MATLAB
    return float(np.mean(np.sort(distances)[:best]))


def _frames(clip: np.ndarray, first: int, last: int) -> np.ndarray:
    """Windowed frames from `first` to before `last`: (frames, 480)."""
    samples = clip[first * HOP : (last - 1) * HOP + FRAME] + EPS
    return np.lib.stride_tricks.sliding_window_view(samples, FRAME)[::HOP] * WINDOW


def _frame_distances(clean: np.ndarray, denoised: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """LLR, WSS and SNR in dB of frames (frames, 480); the LLR of those frames only that have one."""
    signal, noise = _energies(clean), _energies(clean - denoised)
    snr = 10 * np.log10(signal / (noise + EPS) + EPS)
    bands, lags = _bands_and_lags(np.concatenate((clean, denoised)))
    frames = len(clean)
    # Digital silence has no spectrum that another could be likened to: composite.m's value for it is a rounding error.
    audible = signal > 100 * EPS**2 * float(np.dot(WINDOW, WINDOW))
    return (
        _log_likelihood_ratios(lags, frames, audible),
        _slope_distances(bands[:, :frames], bands[:, frames:]),
        np.clip(snr, *SNR_LIMITS_DB),
    )


def _energies(frames: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", frames, frames)


def _bands_and_lags(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Powers in the bands (25, frames) and autocorrelation at lags of 0 to 16 samples (17, frames)."""
    spectra = np.fft.rfft(frames, FFT)
    power = np.square(spectra.real) + np.square(spectra.imag)
    # The spectrum is long enough for its inverse transform to be the frame's autocorrelation without wrapping round.
    sums = _spectrum_weights() @ power.T
    return sums[:BANDS], sums[BANDS:]


@cache
def _spectrum_weights() -> np.ndarray:
    """Return the matrix (25 + 17, 513) from a power spectrum (513,) to band powers and the autocorrelation."""
    bins = np.arange(FFT // 2 + 1)
    centres = np.floor(BAND_CENTRES_HZ * FFT / RATE)[:, None]
    widths = (BANDWIDTHS_HZ * FFT / RATE)[:, None]
    bands = np.exp(-11 * np.square((bins - centres) / widths)) * (BANDWIDTHS_HZ[0] / BANDWIDTHS_HZ)[:, None]
    bands[bands <= BAND_FLOOR] = 0.0
    lags = np.cos(2 * np.pi * np.arange(PREDICTION_ORDER + 1)[:, None] * bins / FFT) / FFT
    lags[:, 1:-1] *= 2  # those bins stand for their mirror images, too
    return np.concatenate((bands, lags))


def _log_likelihood_ratios(lags: np.ndarray, frames: int, audible: np.ndarray) -> np.ndarray:
    """Log-likelihood ratio of the denoised and the clean frame's linear prediction on the clean frame.

    lags: (17, 2 * frames), those of the clean frames first; gives the ratios of the `audible` frames.
    """
    predictors, errors = _linear_prediction(lags)
    clean_lags, denoised_predictors = lags[:, :frames], predictors[:, frames:]
    denoised_errors = np.zeros(frames)
    for lag in range(PREDICTION_ORDER + 1):
        products = np.einsum("if,if->f", denoised_predictors[: PREDICTION_ORDER + 1 - lag], denoised_predictors[lag:])
        denoised_errors += (1 if lag == 0 else 2) * products * clean_lags[lag]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.log(denoised_errors / errors[:frames])
    return ratios[audible & np.isfinite(ratios)]


def _linear_prediction(lags: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Levinson-Durbin on all frames at once: prediction error filters (17, frames) and their errors' energy (frames,).

    lags: autocorrelation (17, frames).
    """
    filters, errors = np.zeros_like(lags), lags[0].copy()
    filters[0] = 1.0
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for order in range(1, PREDICTION_ORDER + 1):
            reflection = -np.einsum("if,if->f", filters[:order], lags[order:0:-1]) / errors
            filters[1 : order + 1] += reflection * filters[:order][::-1]
            errors *= 1 - np.square(reflection)
    return filters, errors


def _slope_distances(clean: np.ndarray, denoised: np.ndarray) -> np.ndarray:
    """Squared differences of the slopes from band to band, weighted towards the peaks: (frames,).

    clean, denoised: powers in the bands (25, frames).
    """
    clean_slopes, clean_weights = _slopes_and_weights(clean)
    denoised_slopes, denoised_weights = _slopes_and_weights(denoised)
    weights = (clean_weights + denoised_weights) / 2
    return np.sum(weights * np.square(clean_slopes - denoised_slopes), axis=0) / np.sum(weights, axis=0)


def _slopes_and_weights(powers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slopes in dB and their weights, (24, frames) each, out of the bands' powers (25, frames)."""
    levels = 10 * np.log10(np.maximum(powers, POWER_FLOOR))
    slopes, rises = np.diff(levels, axis=0), np.diff(levels, axis=0) > 0
    # The nearest peak: downhill it is where the fall began. Uphill composite.m takes the band before the top, so that
    # the last one counts as its own peak.
    peaks = levels[:-1].copy()
    for band in range(1, BANDS - 1):
        np.copyto(peaks[band], peaks[band - 1], where=~(rises[band] | rises[band - 1]))
    for band in range(BANDS - 3, -1, -1):
        np.copyto(peaks[band], peaks[band + 1], where=rises[band] & rises[band + 1])
    below_loudest, below_peak = levels.max(axis=0) - levels[:-1], peaks - levels[:-1]
    weights = KLATT_MAX_DB / (KLATT_MAX_DB + below_loudest) * KLATT_PEAK_DB / (KLATT_PEAK_DB + below_peak)
    return slopes, weights

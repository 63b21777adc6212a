"""Metrics of intelligibility: STOI and ESTOI, as the package `pystoi` computes them."""

from __future__ import annotations

import warnings

import numpy as np

from sezoo.metrics.checks import MetricError, checked, not_silent

__all__ = ["STOI_RATE", "at_stoi_rate", "estoi", "stoi"]

STOI_RATE = 10_000
"""The sample rate in Hz at which STOI is defined; pystoi resamples clips of another one."""

NOISE_SEED = 0
NOT_SCORED = 1e-5  # what pystoi returns, with a warning, when it has too few frames


def stoi(clean: np.ndarray, denoised: np.ndarray, sample_rate: int) -> float:
    """Short-time objective intelligibility, up to 1.0 (Taal et al., IEEE TASLP 19(7), 2011).

    The package `pystoi` computes it, at 10 kHz, on the frames within 40 dB of the loudest clean one. Raises
    MetricError when fewer than 30 such frames (0.4 s) are left, when either clip is silent, and for clips
    that are not finite, not 1-D float or of different lengths.
    """
    return _pystoi(clean, denoised, sample_rate, extended=False)


def estoi(clean: np.ndarray, denoised: np.ndarray, sample_rate: int) -> float:
    """Extended STOI, up to 1.0 (Jensen and Taal, IEEE/ACM TASLP 24(11), 2016); errors as for `stoi`.

    `pystoi` adds random noise of 2e-16 to the spectra, which decides over frames of digital silence, as a silence
    gate leaves them. It is always the same noise here, so that a clip has one score.
    """
    return _pystoi(clean, denoised, sample_rate, extended=True)


def at_stoi_rate(clean: np.ndarray, denoised: np.ndarray, sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Both clips at 10 kHz, (samples,) float64 each: with them, STOI and ESTOI need not resample twice.

    pystoi's own resampling, so that the scores stay the same to the last bit. Raises MetricError for a sample
    rate of zero or less and for clips that are empty, not finite, not 1-D float or of different lengths.
    """
    _check_rate(sample_rate, "STOI")
    clean, denoised = checked(clean, denoised)
    if sample_rate == STOI_RATE:
        return clean, denoised
    from pystoi.utils import resample_oct

    return resample_oct(clean, STOI_RATE, sample_rate), resample_oct(denoised, STOI_RATE, sample_rate)


def _pystoi(clean: np.ndarray, denoised: np.ndarray, sample_rate: int, *, extended: bool) -> float:
    name = "ESTOI" if extended else "STOI"
    _check_rate(sample_rate, name)
    clean, denoised = checked(clean, denoised)
    not_silent(clean, "clean")
    # pystoi scores silence all the same: STOI 0, ESTOI whatever its random noise happens to give.
    not_silent(denoised, "denoised")
    from pystoi import stoi as pystoi_package

    too_short = MetricError(
        f"the clip is too short for {name}: fewer than 30 frames (0.4 s) of speech in {clean.size / sample_rate:.2f} s"
    )
    # Shorter than one frame of 256 samples at 10 kHz, pystoi fails on an empty array.
    if clean.size * STOI_RATE <= 256 * sample_rate:
        raise too_short
    random_state = np.random.get_state()  # pystoi draws its noise from it
    try:
        np.random.seed(NOISE_SEED)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Not enough STFT frames", category=RuntimeWarning)
            score = float(pystoi_package(clean, denoised, sample_rate, extended=extended))
    finally:
        np.random.set_state(random_state)
    if score == NOT_SCORED:
        raise too_short
    if not np.isfinite(score):
        raise MetricError(f"{name} gave no finite score for the clip")
    return score


def _check_rate(sample_rate: int, name: str) -> None:
    if sample_rate <= 0:
        raise MetricError(f"{name} needs a sample rate above 0 Hz, not {sample_rate}")

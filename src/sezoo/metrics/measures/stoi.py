"""STOI, short-time objective intelligibility, computed by the package `pystoi`."""

from __future__ import annotations

import warnings

import numpy as np

from sezoo.metrics.checks import MetricError, check_clips, check_not_silent
from sezoo.metrics.definition import cache_per_clip, metric

__all__ = ["intelligibility", "stoi"]

STOI_RATE = 10_000
"""The sample rate in Hz at which STOI is defined; pystoi resamples clips of another one."""

NOISE_SEED = 0
NOT_SCORED = 1e-5  # what pystoi returns, with a warning, when it has too few frames


@metric("STOI", form="{:.4f}")
def stoi(clean: np.ndarray, denoised: np.ndarray, sample_rate: int) -> float:
    """Short-time objective intelligibility, up to 1.0 (Taal et al., IEEE TASLP 19(7), 2011).

    The package `pystoi` computes it, at 10 kHz, on the frames within 40 dB of the loudest clean one. Raises
    MetricError when fewer than 30 such frames (0.4 s) are left, when either clip is silent, and for clips
    that are not finite, not 1-D float or of different lengths.
    """
    return intelligibility(clean, denoised, sample_rate, extended=False)


def intelligibility(clean: np.ndarray, denoised: np.ndarray, sample_rate: int, *, extended: bool) -> float:
    """STOI, or ESTOI where it is `extended`; see `stoi`."""
    name = "ESTOI" if extended else "STOI"
    if sample_rate <= 0:
        raise MetricError(f"{name} needs a sample rate above 0 Hz, not {sample_rate}")
    speech, made = check_clips(clean, denoised)
    check_not_silent(speech, "clean")
    # pystoi scores silence all the same: STOI 0, ESTOI whatever its random noise happens to give.
    check_not_silent(made, "denoised")
    from pystoi import stoi as pystoi_package

    too_short = MetricError(
        f"the clip is too short for {name}: fewer than 30 frames (0.4 s) of speech in {speech.size / sample_rate:.2f} s"
    )
    # Shorter than one frame of 256 samples at 10 kHz, pystoi fails on an empty array.
    if speech.size * STOI_RATE <= 256 * sample_rate:
        raise too_short
    speech, made = _at_stoi_rate(clean, denoised, sample_rate)
    random_state = np.random.get_state()  # pystoi draws its noise from it
    try:
        np.random.seed(NOISE_SEED)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Not enough STFT frames", category=RuntimeWarning)
            score = float(pystoi_package(speech, made, STOI_RATE, extended=extended))
    finally:
        np.random.set_state(random_state)
    if score == NOT_SCORED:
        raise too_short
    if not np.isfinite(score):
        raise MetricError(f"{name} gave no finite score for the clip")
    return score


@cache_per_clip
def _at_stoi_rate(clean: np.ndarray, denoised: np.ndarray, sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Return both clips at 10 kHz, (samples,) float64 each, so that STOI and ESTOI need not resample twice.

    pystoi's own resampling, so that the scores stay the same to the last bit.
    """
    clean, denoised = check_clips(clean, denoised)
    if sample_rate == STOI_RATE:
        return clean, denoised
    from pystoi.utils import resample_oct

    return resample_oct(clean, STOI_RATE, sample_rate), resample_oct(denoised, STOI_RATE, sample_rate)

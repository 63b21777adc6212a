"""Checks of clips that all metrics share."""

from __future__ import annotations

import numpy as np

__all__ = ["MetricError", "check_clip", "check_clips", "check_not_silent", "energy", "ratio_db"]


class MetricError(ValueError):
    """The metric has no value for this clip; the message is one line with the reason."""


def check_clips(clean: np.ndarray, denoised: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both clips as float64 (samples,); MetricError if no metric can be computed."""
    clean, denoised = check_clip(clean, "clean"), check_clip(denoised, "denoised")
    if clean.size != denoised.size:
        raise MetricError(f"the clips differ in length: clean {clean.size} samples, denoised {denoised.size}")
    return clean, denoised


def check_clip(samples: np.ndarray, name: str) -> np.ndarray:
    """Return a clip as float64 (samples,); MetricError if it is empty, not finite or not 1-D float."""
    samples = np.asarray(samples)
    if samples.ndim != 1:
        raise MetricError(f"the {name} clip has {samples.ndim} dimensions, expected 1")
    if not np.issubdtype(samples.dtype, np.floating):
        raise MetricError(f"the {name} clip is {samples.dtype}, expected float with full scale at 1.0")
    if samples.size == 0:
        raise MetricError(f"the {name} clip is empty")
    if not np.isfinite(samples).all():
        raise MetricError(f"the {name} clip holds NaN or infinite samples")
    return samples.astype(np.float64, copy=False)


def energy(samples: np.ndarray) -> float:
    """Sum of the squared samples."""
    return float(np.dot(samples, samples))


def check_not_silent(samples: np.ndarray, name: str) -> None:
    """Raise MetricError for a clip without energy."""
    if energy(samples) == 0.0:
        raise MetricError(f"the {name} clip is silent")


def ratio_db(signal: float, noise: float) -> float:
    """A ratio of energies in dB, infinite where one of them is zero."""
    if noise == 0.0:
        return float("inf")
    if signal == 0.0:
        return float("-inf")
    # A difference of logarithms, since the quotient of two extreme energies can overflow.
    return 10.0 * float(np.log10(signal) - np.log10(noise))

"""The ratio of signal to quantization noise."""

from __future__ import annotations

import math

import numpy as np

__all__ = ["energy", "sqnr"]


def energy(values: np.ndarray) -> float:
    """Sum of squares, in float64."""
    return float(np.square(values).sum(dtype=np.float64))


def sqnr(signal: float, noise: float) -> float | None:
    """Return the ratio of two energies in dB; None for no values, no difference, or non-finite values."""
    if not (0 < signal < math.inf and 0 < noise < math.inf):
        return None
    return 10 * (math.log10(signal) - math.log10(noise))  # not of the ratio, which can be rounded to 0

"""Calibration options, and the ranges that result."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["CalibrationOptions", "Ranges"]

Ranges = dict[str, tuple[np.float32, np.float32]]
"""Lowest and highest value of each activation, by tensor name."""


@dataclass(frozen=True)
class CalibrationOptions:
    """The calibration keys of onnxruntime's `extra_options`, with onnxruntime's defaults."""

    method: str = "MinMax"
    moving_average: bool = False
    averaging_constant: float = 0.01
    stride: int | None = None
    percentile: float = 99.999
    symmetric: bool | None = None
    """None leaves it to the method: Percentile is symmetric, the others are not."""

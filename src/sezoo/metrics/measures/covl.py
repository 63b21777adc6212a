"""COVL, predicted overall rating, a composite measure (see `sezoo.metrics.composite`)."""

from __future__ import annotations

import numpy as np

from sezoo.metrics.composite import predicted_opinion
from sezoo.metrics.definition import metric

__all__ = ["covl"]


@metric("COVL", form="{:.3f}")
def covl(clean: np.ndarray, denoised: np.ndarray, sample_rate: int) -> float:
    """Predicted opinion of the whole, 1 (bad) to 5 (excellent), clips at 16 kHz.

    Raises MetricError where `composite_parts` or `pesq` does.
    """
    return predicted_opinion("covl", clean, denoised, sample_rate)

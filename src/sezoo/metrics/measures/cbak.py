"""CBAK, predicted rating of the background, a composite measure (see `sezoo.metrics.composite`)."""

from __future__ import annotations

import numpy as np

from sezoo.metrics.composite import predicted_opinion
from sezoo.metrics.definition import metric

__all__ = ["cbak"]


@metric("CBAK", form="{:.3f}")
def cbak(clean: np.ndarray, denoised: np.ndarray, sample_rate: int) -> float:
    """Predicted opinion of the background, 1 (very intrusive) to 5 (not noticeable), clips at 16 kHz.

    Raises MetricError where `composite_parts` or `pesq` does.
    """
    return predicted_opinion("cbak", clean, denoised, sample_rate)

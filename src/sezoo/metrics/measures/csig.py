"""CSIG, predicted rating of the speech, a composite measure (see `sezoo.metrics.composite`)."""

from __future__ import annotations

import numpy as np

from sezoo.metrics.composite import predicted_opinion
from sezoo.metrics.definition import metric

__all__ = ["csig"]


@metric("CSIG", form="{:.3f}")
def csig(clean: np.ndarray, denoised: np.ndarray, sample_rate: int) -> float:
    """Predicted opinion of the speech's distortion, 1 (very distorted) to 5 (not distorted), clips at 16 kHz.

    Raises MetricError where `composite_parts` or `pesq` does.
    """
    return predicted_opinion("csig", clean, denoised, sample_rate)

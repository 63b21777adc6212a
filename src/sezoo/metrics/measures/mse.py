"""MSE, the mean squared error of the waveform."""

from __future__ import annotations

import numpy as np

from sezoo.metrics.checks import check_clips, energy
from sezoo.metrics.definition import metric

__all__ = ["mse"]


@metric("MSE", form="{:.2e}", higher_is_better=False)
def mse(clean: np.ndarray, denoised: np.ndarray) -> float:
    """Mean squared error of the waveform, full scale 1.0. A silent clean clip is allowed.

    Raises MetricError for clips that are empty, not finite, not 1-D float or of different lengths.
    """
    clean, denoised = check_clips(clean, denoised)
    return energy(denoised - clean) / clean.size

"""SNR, the signal-to-noise ratio."""

from __future__ import annotations

import math

import numpy as np

from sezoo.metrics.checks import check_clips, check_not_silent, energy, ratio_db
from sezoo.metrics.definition import metric

__all__ = ["snr"]


@metric("SNR", unit="dB", form="{:.2f}", infinite={math.inf: "the clips are identical"})
def snr(clean: np.ndarray, denoised: np.ndarray) -> float:
    """Signal-to-noise ratio in dB: 10 log10(sum clean^2 / sum (denoised - clean)^2).

    `inf` when the two clips are identical. Raises MetricError for a silent clean clip and for clips that are
    empty, not finite, not 1-D float or of different lengths.
    """
    clean, denoised = check_clips(clean, denoised)
    check_not_silent(clean, "clean")
    return ratio_db(energy(clean), energy(denoised - clean))

"""SI-SNR, the signal-to-noise ratio whatever the level."""

from __future__ import annotations

import math

import numpy as np

from sezoo.metrics.checks import check_clips, check_not_silent, energy, ratio_db
from sezoo.metrics.definition import metric

__all__ = ["si_snr"]


@metric(
    "SI-SNR",
    unit="dB",
    form="{:.2f}",
    infinite={
        math.inf: "the clips are identical up to a gain",
        -math.inf: "the denoised clip holds nothing of the clean one",
    },
)
def si_snr(clean: np.ndarray, denoised: np.ndarray) -> float:
    """Scale-invariant SNR in dB: the denoised clip's part along the clean one against the rest.

    With a = <denoised, clean> / <clean, clean>: 10 log10(sum (a clean)^2 / sum (denoised - a clean)^2).
    No mean is removed. It is the SI-SDR of Le Roux et al., "SDR - half-baked or well done?", ICASSP 2019.
    `inf` when the clips are identical, `-inf` when they are orthogonal. Raises MetricError when either clip
    is silent and for clips that are empty, not finite, not 1-D float or of different lengths.
    """
    clean, denoised = check_clips(clean, denoised)
    check_not_silent(clean, "clean")
    check_not_silent(denoised, "denoised")
    target = float(np.dot(denoised, clean)) / energy(clean) * clean
    return ratio_db(energy(target), energy(denoised - target))

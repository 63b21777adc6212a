"""Metrics of the waveform itself: MSE, SNR and SI-SNR."""

from __future__ import annotations

import numpy as np

from sezoo.metrics.checks import checked, energy, not_silent

__all__ = ["mse", "si_snr", "snr"]


def mse(clean: np.ndarray, denoised: np.ndarray) -> float:
    """Mean squared error of the waveform, full scale 1.0. A silent clean clip is allowed.

    Raises MetricError for clips that are empty, not finite, not 1-D float or of different lengths.
    """
    clean, denoised = checked(clean, denoised)
    return energy(denoised - clean) / clean.size


def snr(clean: np.ndarray, denoised: np.ndarray) -> float:
    """Signal-to-noise ratio in dB: 10 log10(sum clean^2 / sum (denoised - clean)^2).

    `inf` when the two clips are identical. Raises MetricError for a silent clean clip and for clips that are
    empty, not finite, not 1-D float or of different lengths.
    """
    clean, denoised = checked(clean, denoised)
    not_silent(clean, "clean")
    return _ratio_db(energy(clean), energy(denoised - clean))


def si_snr(clean: np.ndarray, denoised: np.ndarray) -> float:
    """Scale-invariant SNR in dB: the denoised clip's part along the clean one against the rest.

    With a = <denoised, clean> / <clean, clean>: 10 log10(sum (a clean)^2 / sum (denoised - a clean)^2).
    No mean is removed. It is the SI-SDR of Le Roux et al., "SDR - half-baked or well done?", ICASSP 2019.
    `inf` when the clips are identical, `-inf` when they are orthogonal. Raises MetricError when either clip
    is silent and for clips that are empty, not finite, not 1-D float or of different lengths.
    """
    clean, denoised = checked(clean, denoised)
    not_silent(clean, "clean")
    not_silent(denoised, "denoised")
    target = float(np.dot(denoised, clean)) / energy(clean) * clean
    return _ratio_db(energy(target), energy(denoised - target))


def _ratio_db(signal: float, noise: float) -> float:
    if noise == 0.0:
        return float("inf")
    if signal == 0.0:
        return float("-inf")
    # A difference of logarithms, since the quotient of two extreme energies can overflow.
    return 10.0 * float(np.log10(signal) - np.log10(noise))

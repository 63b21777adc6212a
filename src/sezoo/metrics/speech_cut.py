"""What a denoiser does to the speech itself: how much of it is cut away, and what becomes of its upper bands."""

from __future__ import annotations

import numpy as np

from sezoo.spectrum import Stft

__all__ = ["speech_figures"]

LOCAL_SNR_DB = 5.0
"""A bin is speech where the clean clip has so much more power than what was added to it ..."""

BELOW_MEAN_DB = 40.0
"""... and no less than so far below the clean clip's mean power."""

CUT_DB = 6.0
"""A bin of speech that comes out so much quieter is cut."""

HIGH_BAND_HZ = 4000.0

FEWEST_BINS = 20
"""Of speech above 4 kHz, for its level to mean something."""


def speech_figures(
    noisy: np.ndarray, clean: np.ndarray, denoised: np.ndarray, stft: Stft, sample_rate: int
) -> dict[str, float]:
    """The share of speech that is cut away, and the change of its level above 4 kHz.

    Parameters
    ----------
    noisy, clean, denoised : (samples,) float32, aligned.

    Returns
    -------
    figures : `speech_cut`, a share from 0 to 1 of the bins that are speech, and `high_band` in dB, the power of the
        denoised bins of speech above 4 kHz over that of the clean ones. Without such bins a figure is left out.
    """
    powers = [np.abs(stft.analyse(wave)) ** 2 for wave in (noisy - clean, clean, denoised)]
    noise, meant, found = powers
    spoken = (meant > noise * 10 ** (LOCAL_SNR_DB / 10)) & (meant > meant.mean() * 10 ** (-BELOW_MEAN_DB / 10))
    figures = {}
    if spoken.any():
        figures["speech_cut"] = float(np.mean(found[spoken] < meant[spoken] * 10 ** (-CUT_DB / 10)))
    hertz = np.arange(len(meant)) * sample_rate / stft.n_fft
    high = spoken & (hertz > HIGH_BAND_HZ)[:, np.newaxis]
    if high.sum() >= FEWEST_BINS:
        least = 1e-12 * meant[high].sum()  # of a clip that was muted: -120 dB
        figures["high_band"] = float(10 * np.log10((found[high].sum() + least) / meant[high].sum()))
    return figures

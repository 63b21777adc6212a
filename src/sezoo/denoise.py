"""Wave in, denoised wave out."""

from __future__ import annotations

import numpy as np

from sezoo.mask_model import MaskModel
from sezoo.spectrum import Stft

__all__ = ["denoise", "peak_normalized"]


def peak_normalized(wave: np.ndarray) -> np.ndarray:
    """The wave scaled to a peak of 1; silence stays silence."""
    peak = np.abs(wave).max(initial=0)
    return wave / peak if peak > 0 else wave


def denoise(wave: np.ndarray, model: MaskModel, stft: Stft) -> np.ndarray:
    """Denoise a whole clip at once: mask times complex spectrum, phases as they are.

    Parameters
    ----------
    wave : (samples,) float32

    Returns
    -------
    denoised : (samples,) float32
    """
    spectrum = stft.analyse(wave)
    mask = model(stft.magnitude(spectrum)[np.newaxis])[0]
    return stft.synthesise(spectrum * mask, len(wave))

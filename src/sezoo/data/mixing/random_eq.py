"""Random EQ (spectral-shaping augmentation), as by other microphones and rooms."""

from __future__ import annotations

import numpy as np

__all__ = ["apply_random_eq"]

LARGEST = 3 / 8
"""Magnitude of a filter's coefficients: it then is stable, and tilts the spectrum by 17 dB at most."""


def apply_random_eq(waveform: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Filter a waveform by random zeros and poles, two each; its level changes as well.

    With few recordings a network gets used to how they were made, and takes what their microphones did not pass for
    noise. The filter is that of Valin, "A hybrid DSP/deep learning approach to real-time full-band speech
    enhancement", 2018: coefficients drawn uniformly from -3/8 to 3/8.

    Parameters
    ----------
    waveform : (samples,) float32
    random : four numbers are drawn from it.

    Returns
    -------
    coloured : (samples,) float32
    """
    from scipy.signal import lfilter  # half a second, for all who mix

    zeros, poles = random.uniform(-LARGEST, LARGEST, (2, 2))
    return lfilter([1.0, *zeros], [1.0, *poles], waveform).astype(np.float32)

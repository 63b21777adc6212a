"""Samples as on a board: 16-bit integers, and the input gain of ST's STM32N6 application."""

from __future__ import annotations

import numpy as np

__all__ = ["LOUD_PEAK", "from_int16", "input_gain", "to_int16"]

FULL_SCALE = 32768
LOUD_PEAK = 2000
"""A patch whose largest sample exceeds it gets the input gain (hard-coded in the board's C)."""


def to_int16(waveform: np.ndarray) -> np.ndarray:
    """Samples with full scale at 1 as the microphone's int16, saturated; files of 16 bits come back exactly."""
    return np.clip(np.rint(waveform * np.float32(FULL_SCALE)), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def from_int16(samples: np.ndarray) -> np.ndarray:
    """int16 samples as float32 with full scale at 1."""
    return samples.astype(np.float32) / np.float32(FULL_SCALE)


def input_gain(buffer: np.ndarray) -> np.float32:
    """Gain applied to the model's magnitudes, from the peak of the int16 samples."""
    peak = int(np.abs(buffer.astype(np.int32)).max(initial=0))
    return np.float32(FULL_SCALE - 1) / np.float32(peak) if peak > LOUD_PEAK else np.float32(1)

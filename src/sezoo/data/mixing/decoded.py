"""Decoded recordings as they are kept in memory, and the memory that they may take."""

from __future__ import annotations

import math
import threading
from typing import NamedTuple

import numpy as np

__all__ = ["FAINTEST", "Decoded", "Memory", "round_to_int16"]

FAINTEST = 2.0**-40
"""Recordings are scaled up by 1 / FAINTEST at most; what is then less than half a step of 16 bits is silence."""


class Memory:
    """Memory budget for decoded recordings, which several `Recordings` and threads may share.

    Parameters
    ----------
    size : in bytes.
    """

    def __init__(self, size: int = 0):
        self.size = self.left = size
        self.taking = threading.Lock()

    def take(self, amount: int) -> bool:
        """Reserve bytes; False if not enough are left."""
        with self.taking:
            if amount > self.left:
                return False
            self.left -= amount
            return True

    def __reduce__(self) -> tuple[type[Memory], tuple[int]]:
        return Memory, (self.size,)  # another process begins with nothing kept


class Decoded(NamedTuple):
    """A decoded recording: `samples` (n,) int16, which times `scale` are the waveform, and its loudest position."""

    samples: np.ndarray
    scale: np.float32
    loudest: int

    @classmethod
    def of(cls, waveform: np.ndarray) -> Decoded:
        """A waveform, (n,) float32, scaled by the power of two that fits 16 bits."""
        # The lowest value of 16 bits is one step further from 0 than the highest: -1.0 needs no larger scale.
        loudest = int(np.argmax(np.abs(waveform)))
        peak = max(float(waveform.max()), -float(waveform.min()) * (1 - 2.0**-16))
        exponent = math.frexp(max(peak, FAINTEST))[1]
        return cls(round_to_int16(waveform, exponent), np.float32(2.0 ** (exponent - 15)), loudest)

    @property
    def waveform(self) -> np.ndarray:
        """(n,) float32, full scale is 1."""
        return self.samples * self.scale

    @property
    def peak(self) -> float:
        """The largest magnitude."""
        return abs(float(self.samples[self.loudest])) * float(self.scale)


def round_to_int16(waveform: np.ndarray, exponent: int) -> np.ndarray:
    """A waveform below 2 to that power as integers of 16 bits."""
    return np.rint(np.ldexp(waveform, 15 - exponent)).clip(-(2**15), 2**15 - 1).astype(np.int16)

"""Tensors of the integer graph: a row of integers for each frame.

What ONNX calls channels and frequencies is the order inside a row: all channels of the first position, then those of
the next.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Tensor"]

ROW = 16
"""Rows begin at multiples of so many integers, and weights are padded to it: one vector register of Helium."""


def padded(items: int) -> int:
    """The number of integers that a row of `items` takes."""
    return -(-items // ROW) * ROW


@dataclass(frozen=True)
class Tensor:
    """Integers, a row of `items` for each frame.

    Attributes
    ----------
    name : of the float tensor in the ONNX graph that they stand for.
    bits : 8 or 16, signed.
    scale, zero_point : an integer q stands for ``(q - zero_point) * scale``.
    """

    name: str
    items: int
    scale: np.float32
    zero_point: int
    bits: int = 8

    @property
    def low(self) -> int:
        """The lowest integer."""
        return -(1 << (self.bits - 1))

    @property
    def high(self) -> int:
        """The highest integer."""
        return (1 << (self.bits - 1)) - 1

    @property
    def row_bytes(self) -> int:
        """What a row takes in memory."""
        return padded(self.items) * self.bits // 8

    @property
    def dtype(self) -> np.dtype:
        """Of its integers in numpy."""
        return np.dtype(np.int8 if self.bits == 8 else np.int16)

"""Tensors of the integer graph: a row of integers for each frame.

The channels and frequencies of an ONNX tensor are the items of a row: all channels of the first position, then those
of the next.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["OneInput", "Tensor", "TwoInputs", "padded"]

ROW = 16
"""Alignment of rows and padding of weights, in integers: one Helium vector register of int8."""


def padded(items: int) -> int:
    """Return the number of integers that a row of `items` items occupies, including padding."""
    return -(-items // ROW) * ROW


@dataclass(frozen=True)
class Tensor:
    """An integer tensor with one row of `items` items per frame.

    Attributes
    ----------
    name : name of the quantized float tensor in the ONNX graph.
    bits : 8 or 16, signed.
    scale, zero_point : an integer q represents ``(q - zero_point) * scale``.
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
        """Size of a row in memory, in bytes."""
        return padded(self.items) * self.bits // 8

    @property
    def dtype(self) -> np.dtype:
        """The numpy dtype of the integers."""
        return np.dtype(np.int8 if self.bits == 8 else np.int16)


class OneInput:
    """An operator that reads one tensor."""

    input: Tensor

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """Input tensors."""
        return (self.input,)


class TwoInputs:
    """An operator that reads two tensors."""

    a: Tensor
    b: Tensor

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """Input tensors."""
        return (self.a, self.b)

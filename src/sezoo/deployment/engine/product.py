"""Matrix product of two tensors, neither of them constant, as in attention."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sezoo.deployment.engine.tensor import Tensor, TwoInputs

__all__ = ["Product"]


@dataclass(frozen=True, eq=False)
class Product(TwoInputs):
    """Matrix products within a frame, one for each group (e.g. attention head).

    A row of `a` has shape (groups, rows, depth) and a row of `b` (groups, columns, depth), so that both are contiguous
    along the sum; a row of the output has shape (groups, rows, columns). The sums are exact, and an integer is
    ``rint(float32(sum of (p - zero of a) * (q - zero of b)) * multiplier)``.

    Attributes
    ----------
    a, b : tensors of the same number of bits.
    multiplier : float32, scale of a * scale of b / scale of the output.
    """

    name: str
    a: Tensor
    b: Tensor
    output: Tensor
    groups: int
    rows: int
    columns: int
    depth: int
    multiplier: np.float32
    low: int
    high: int
    kind = "Product"

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations per frame."""
        return self.groups * self.rows * self.columns * self.depth

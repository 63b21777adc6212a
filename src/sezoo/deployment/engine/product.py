"""The matrix product of two tensors, of which neither is a constant: what attention is made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sezoo.deployment.engine.tensor import Tensor

__all__ = ["Product"]


@dataclass(frozen=True, eq=False)
class Product:
    """Matrix products within a frame, one for each group (a head of attention, say).

    A row of `a` has the groups one behind the other, in each `rows` times `depth` integers; a row of `b` has `columns`
    times `depth` in each, so that both are read along what is summed; the output has `rows` times `columns`. With
    sums that are exact, an integer is ``rint(float32(sum of (p - zero of a) * (q - zero of b)) * multiplier)``.

    Attributes
    ----------
    a, b : of the same number of bits.
    multiplier : float32, the scale of a times that of b over that of the output.
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
    def inputs(self) -> tuple[Tensor, ...]:
        """The tensors that it reads."""
        return (self.a, self.b)

    @property
    def macs(self) -> int:
        """Multiplications a frame."""
        return self.groups * self.rows * self.columns * self.depth

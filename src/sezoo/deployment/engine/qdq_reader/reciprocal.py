"""A multiplication that rounds as onnxruntime's division does: Helium has no division of vectors."""

from __future__ import annotations

import numpy as np

from sezoo.deployment.engine.operators import Elementwise
from sezoo.deployment.engine.tensor import Tensor

__all__ = ["reciprocal_for"]

F = np.float32

NEIGHBOURS = 8
"""Floats above and below 1 / scale that are tried; for all additions of the shipped models the first one was enough."""


def reciprocal_for(operator: Elementwise, output: Tensor) -> np.float32:
    """The float32 to multiply by in place of the division by the scale of `output`, 1 / scale or near it.

    Of two 8-bit operands there are 65,536 pairs, so all are tried: the float is taken for which the fewest are rounded
    to another integer than the division gives, which is none for nearly all scales. Where a few are left, they differ
    by one step. Operands of 16 bits get 1 / scale as it is.
    """
    nearest = F(1) / output.scale
    if max(operator.a.bits, operator.b.bits) > 8:
        return nearest
    integers = np.arange(-128, 128)
    x = (integers - operator.a.zero_point).astype(F) * operator.scales[0]
    y = (integers - operator.b.zero_point).astype(F) * operator.scales[1]
    values = x[:, np.newaxis] + y if operator.kind == "add" else x[:, np.newaxis] * y
    steps = np.rint(values / output.scale)
    best, fewest = nearest, values.size
    for tried in _from(nearest):
        differing = np.count_nonzero(np.rint(values * tried) != steps)
        if differing < fewest:
            best, fewest = tried, differing
        if not fewest:
            break
    return best


def _from(value: np.float32) -> list[np.float32]:
    """The value and its neighbours in float32, the nearest first."""
    above = below = value
    found = [value]
    for _ in range(NEIGHBOURS):
        above, below = np.nextafter(above, F(np.inf)), np.nextafter(below, F(0))
        found += [above, below]
    return found

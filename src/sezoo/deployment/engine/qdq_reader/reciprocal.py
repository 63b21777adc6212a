"""A multiplier that rounds as onnxruntime's division does, as Helium has no vector division."""

from __future__ import annotations

import numpy as np

from sezoo.deployment.engine.operators import Elementwise
from sezoo.deployment.engine.tensor import Tensor

__all__ = ["reciprocal_for"]

F = np.float32

NEIGHBOURS = 8
"""Number of floats tried above and below 1 / scale; the shipped models never needed more than the first."""


def reciprocal_for(operator: Elementwise, output: Tensor) -> np.float32:
    """Return the float32, equal or close to 1 / scale, that replaces the division by the scale of `output`.

    All 65,536 pairs of two 8-bit operands are tried, and the float with the fewest pairs that round differently from
    the division is returned. For nearly all scales there are none; the rest differ by one step. For 16-bit operands it
    is 1 / scale.
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
    """Return the value and its neighbours in float32, nearest first."""
    above = below = value
    found = [value]
    for _ in range(NEIGHBOURS):
        above, below = np.nextafter(above, F(np.inf)), np.nextafter(below, F(0))
        found += [above, below]
    return found

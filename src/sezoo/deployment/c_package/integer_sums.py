"""Additions of two int8 tensors in integers, for cores where most of the cost is the conversion to float.

An addition is two products in float32, a sum, a product and a rounding. It is the same function of its 65,536 pairs of
operands as ``(offset + (factor_a * 256 a >> 16) + (factor_b * 256 b >> 16)) >> 20``, limited to int8, for suitable
integers, which is verified on all pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sezoo.deployment.engine.operators import Elementwise

__all__ = ["IntegerSum", "integer_sum"]

SHIFT = 20
"""Fractional bits of the kernel."""

PRODUCT_SHIFT = 8
"""Fractional bits dropped from a product: operands are multiplied by 256, products shifted right by 16."""

MARGIN, ENOUGH = 5e-6, 4e-6
"""Target and sufficient distance, in output steps, of sums from rounding boundaries; truncation costs 2 * 2^-20."""

ATTEMPTS = 60

OFFSETS = range(-3, 4)
"""Corrections to the offset computed for truncated products that are tried."""

INT32 = 1 << 31
INTEGERS = np.arange(-128, 128)


@dataclass(frozen=True)
class IntegerSum:
    """The factors and the offset of an addition in integers, int32 each."""

    factor_a: int
    factor_b: int
    offset: int


def integer_sum(operator: Elementwise) -> IntegerSum | None:
    """Return integers that give the same result as an addition for all int8 pairs, or None if none were found.

    The boundaries between adjacent results are lines in the plane of both operands. Factors and offset are adjusted
    (Agmon's relaxation method, 1954) until every pair lies on the correct side.
    """
    a, b, output = operator.a, operator.b, operator.output
    if operator.kind != "add" or {a.bits, b.bits, output.bits} != {8} or (operator.low, operator.high) != (-128, 127):
        return None
    x = (INTEGERS - a.zero_point).astype(np.float32) * operator.scales[0]
    y = (INTEGERS - b.zero_point).astype(np.float32) * operator.scales[1]
    wanted = np.clip(np.rint((x[:, np.newaxis] + y) * operator.inverse).astype(np.int64) + output.zero_point, -128, 127)
    by_a, by_b, rest = _separate(operator, wanted)
    scale = 1 << SHIFT
    factors = round(by_a * scale * (1 << PRODUCT_SHIFT)), round(by_b * scale * (1 << PRODUCT_SHIFT))
    for more in OFFSETS:
        # Products are truncated, by half a unit each on average.
        found = IntegerSum(*factors, round((rest + 0.5) * scale) + 1 + more)
        if np.array_equal(_sums(found), wanted):
            return found
    return None


def _separate(operator: Elementwise, wanted: np.ndarray) -> tuple[float, float, float]:
    """Return the output steps per step of each operand, and the offset, that separate the results best."""
    by_a, by_b = (float(scale) * float(operator.inverse) for scale in operator.scales)
    rest = operator.output.zero_point - operator.a.zero_point * by_a - operator.b.zero_point * by_b
    place, best, widest = np.array([by_a, by_b, rest]), np.zeros(3), -np.inf
    lower = np.where(wanted > -128, wanted - 0.5, -np.inf)
    upper = np.where(wanted < 127, wanted + 0.5, np.inf)
    for _ in range(ATTEMPTS):
        sums = place[0] * INTEGERS[:, np.newaxis] + place[1] * INTEGERS + place[2]
        above, below = sums - lower, upper - sums
        sign, room = (1, above) if above.min() < below.min() else (-1, below)
        i, k = np.unravel_index(room.argmin(), room.shape)
        if room[i, k] > widest:
            best, widest = place.copy(), room[i, k]
        if widest > ENOUGH:
            break
        direction = np.array([INTEGERS[i], INTEGERS[k], 64.0])  # the offset moves as easily as a factor
        place += sign * (MARGIN - room[i, k]) / (direction @ direction) * direction * np.array([1, 1, 64.0])
    return tuple(best)


def _sums(integers: IntegerSum) -> np.ndarray:
    """Return the kernel's results for all pairs, (256, 256), or an empty array if it would overflow."""
    by_a = (integers.factor_a * (INTEGERS.astype(np.int64) << 8)) >> 16
    by_b = (integers.factor_b * (INTEGERS.astype(np.int64) << 8)) >> 16
    first = integers.offset + by_a
    sums = first[:, np.newaxis] + by_b
    largest = max(abs(integers.factor_a), abs(integers.factor_b), np.abs(first).max(), np.abs(sums).max())
    return np.clip(sums >> SHIFT, -128, 127) if largest < INT32 else np.zeros(0)

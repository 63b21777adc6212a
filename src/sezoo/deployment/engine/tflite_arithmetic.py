"""Requantization as in TensorFlow Lite's reference kernels, which TFLite Micro uses.

A real multiplier is an int32 and a shift. The product is rounded to its upper half, and rounded again by the shift
(`MultiplyByQuantizedMultiplier`, with gemmlowp's `SaturatingRoundingDoublingHighMul` and
`RoundingDivideByPOT`; Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only
inference", 2018, appendix B). The compiler for Arm's NPUs selects the same rounding.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np

from sezoo.deployment.engine.arithmetic import Arithmetic
from sezoo.deployment.engine.conv import Conv
from sezoo.deployment.engine.operators import Elementwise, LookupTable

__all__ = [
    "TFLITE",
    "by_quantized_multiplier",
    "cost_of_neighbours",
    "requantized_table",
    "scales_for_factors",
    "weight_scales",
]

F = np.float32
NEIGHBOURS = 3
"""Number of adjacent float32 values tried on either side of a scale."""

ADDITION_SHIFT = 20
"""Left shift of the operands of a sum, in bits, so that rescaling them loses none."""

HALVED = 16
"""Steps from zero that halve the assumed frequency of an integer."""

SMALL = F(2.0**-100)
"""Smallest divisor; a channel of zeros has the multiplier zero."""

NEAR = 1
"""Largest difference in steps between a table and the TFLite operator that replaces it."""


def by_quantized_multiplier(x: np.ndarray, real: np.ndarray | float) -> np.ndarray:
    """Multiply int64 values (in the range of int32) by positive real numbers, with two roundings."""
    fixed, exponent = _quantized_multiplier(real)
    right = np.maximum(-exponent, 0)
    is_shifted = -np.minimum(right, 1)
    half = (np.int64(1) << right) >> 1
    value = np.asarray(x, np.int64) << np.maximum(exponent, 0)
    value = np.atleast_1d(value * fixed)
    value += 1 << 30
    value >>= 31  # SaturatingRoundingDoublingHighMul: halves go up, towards zero if they are negative
    sign = value >> 63
    sign &= is_shifted
    value += sign
    value += half
    value >>= right  # RoundingDivideByPOT: halves go away from zero
    return value.reshape(np.broadcast_shapes(np.shape(x), np.shape(real)))


def _quantized_multiplier(real: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """Return a real number as an int32 over 2^31 and a left shift, both int64."""
    mantissa, exponent = np.frexp(np.asarray(real, np.float64))
    fixed = np.floor(mantissa * (1 << 31) + 0.5).astype(np.int64)
    exponent = np.where(fixed == 1 << 31, exponent + 1, exponent).astype(np.int64)
    fixed = np.where(fixed == 1 << 31, 1 << 30, fixed)
    return np.where(exponent < -31, 0, fixed), np.where(exponent < -31, 0, exponent)


def weight_scales(conv: Conv) -> np.ndarray:
    """Return the scales of a convolution's weights for a .tflite file: (outputs,) float32, read-only.

    Among adjacent float32 values, each scale is one that reproduces the multiplier in float32, as runtimes with a
    single rounding compute it: ``(scale of the input * scale of the weights) / scale of the output``. Where none does,
    it is one that gives a neighbour of the multiplier, the one that rounds fewer accumulators to another integer.
    """
    if conv not in _WEIGHT_SCALES:
        found, _ = scales_for_factors(conv.input.scale, conv.output.scale, conv.multiplier, cost_of_neighbours(conv))
        found.flags.writeable = False
        _WEIGHT_SCALES[conv] = found
    return _WEIGHT_SCALES[conv]


def scales_for_factors(
    source: np.float32, output: np.float32, multiplier: np.ndarray, cost: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return scales of weights that reproduce a convolution's multipliers, or a neighbour of them, and their cost.

    Parameters
    ----------
    source, output : scales of the convolution's input and output.
    multiplier : (outputs,) float32
    cost : (2, outputs) of the float32 values below and above it, as `cost_of_neighbours` returns it.

    Returns
    -------
    scales : (outputs,) float32
    cost : (outputs,) zero where the multiplier is reproduced.
    """
    nearest = (multiplier.astype(np.float64) * float(output) / float(source)).astype(F)
    scales, below, above = [nearest], nearest, nearest
    for _ in range(NEIGHBOURS):
        below, above = np.nextafter(below, F(0)), np.nextafter(above, F(np.inf))
        scales += [below, above]
    candidates = np.stack(scales)
    factors = F(source) * candidates / F(output)
    costs = np.where(factors == np.nextafter(multiplier, F(0)), cost[0], np.inf)
    costs = np.where(factors == np.nextafter(multiplier, F(np.inf)), cost[1], costs)
    costs = np.where(factors == multiplier, -1, costs)  # before a neighbour that costs nothing
    best, channel = costs.argmin(axis=0), np.arange(len(multiplier))
    return candidates[best, channel], np.maximum(costs[best, channel], 0)


def cost_of_neighbours(conv: Conv) -> np.ndarray:
    """Return the cost of the float32 values below and above the multiplier of each channel: (2, outputs) float64.

    It is the expected share of the channel's integers that are rounded differently, if integers are the rarer the
    farther they are from zero. Only accumulators next to a half can be, and most channels have none that is.
    """
    zero = conv.output.zero_point
    halves = np.arange(conv.low - zero, conv.high - zero) + 0.5
    right = conv.multiplier[:, np.newaxis]
    sums = np.rint(halves / np.maximum(right, SMALL).astype(np.float64)).astype(F)
    commonness = right * 2.0 ** (-np.abs(halves) / HALVED) * (np.log(2) / (2 * HALVED))
    apart = [np.rint(sums * np.nextafter(right, F(end))) != np.rint(sums * right) for end in (0, np.inf)]
    return np.stack([(each * commonness).sum(axis=1) for each in apart])


_WEIGHT_SCALES: WeakKeyDictionary[Conv, np.ndarray] = WeakKeyDictionary()
"""Cache of weight scales, which every patch needs again."""


def requantized_table(lookup: LookupTable) -> np.ndarray | None:
    """Return TFLite's QUANTIZE of -128 to 127, (256,) int8, or None if it is not the function of the table."""
    source, output = lookup.input, lookup.output
    steps = by_quantized_multiplier(np.arange(-128, 128) - source.zero_point, float(source.scale) / float(output.scale))
    table = np.clip(steps + output.zero_point, -128, 127).astype(np.int8)
    return table if np.abs(table.astype(int) - lookup.table).max() <= NEAR else None


def _table(lookup: LookupTable) -> np.ndarray:
    found = requantized_table(lookup)
    return lookup.table if found is None else found


def _clip(steps: np.ndarray, operator: Conv | Elementwise) -> np.ndarray:
    return np.clip(steps + operator.output.zero_point, operator.low, operator.high).astype(operator.output.dtype)


def _conv(conv: Conv, accumulators: np.ndarray) -> np.ndarray:
    real = float(conv.input.scale) * weight_scales(conv).astype(np.float64) / float(conv.output.scale)
    return _clip(by_quantized_multiplier(accumulators, real), conv)


def _elementwise(operator: Elementwise, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    scales = [float(tensor.scale) for tensor in operator.inputs]
    output = float(operator.output.scale)
    if operator.kind == "mul":
        x, y = (
            values.astype(np.int64) - tensor.zero_point for values, tensor in zip((a, b), operator.inputs, strict=True)
        )
        return _clip(by_quantized_multiplier(x * y, scales[0] * scales[1] / output), operator)
    twice = 2 * max(scales)
    total: np.ndarray | int = 0
    for values, tensor, scale, signed in zip((a, b), operator.inputs, scales, operator.scales, strict=True):
        every = np.arange(tensor.low, tensor.high + 1) - tensor.zero_point
        scaled = int(np.sign(signed)) * by_quantized_multiplier(every << ADDITION_SHIFT, scale / twice)
        total = total + scaled[values.astype(np.int64) - tensor.low]
    return _clip(by_quantized_multiplier(total, twice / ((1 << ADDITION_SHIFT) * output)), operator)


TFLITE = Arithmetic("TensorFlow Lite Micro", _conv, _elementwise, _table)
"""Two roundings, as in the reference kernels of TensorFlow Lite and TFLite Micro."""

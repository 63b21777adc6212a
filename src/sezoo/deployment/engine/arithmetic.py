"""Requantization of sums and products to integers, which differs between runtimes.

The integer sums of an operator are the same in all runtimes. Then onnxruntime multiplies by a float32 and rounds once,
and TensorFlow Lite multiplies by an integer and shifts (`tflite_arithmetic`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sezoo.deployment.engine.conv import Conv
from sezoo.deployment.engine.operators import Elementwise, LookupTable
from sezoo.deployment.engine.tensor import Tensor

__all__ = ["ONNXRUNTIME", "Arithmetic", "requantize"]

F = np.float32


@dataclass(frozen=True)
class Arithmetic:
    """The requantization of a runtime.

    Attributes
    ----------
    conv : function of a convolution and its accumulators (frames, positions, outputs) int64 that returns the output
        integers, in the same shape.
    elementwise : function of an operator and the integers of its two inputs, (frames, items) each, that returns the
        output integers.
    table : function of a `LookupTable` that returns the runtime's table.
    """

    name: str
    conv: Callable[[Conv, np.ndarray], np.ndarray]
    elementwise: Callable[[Elementwise, np.ndarray, np.ndarray], np.ndarray]
    table: Callable[[LookupTable], np.ndarray]


def requantize(steps: np.ndarray, output: Tensor, low: int, high: int) -> np.ndarray:
    """Round float32 steps, without the zero point, to integers between `low` and `high`; ties to even."""
    zero = output.zero_point
    return (np.clip(np.rint(steps), low - zero, high - zero).astype(np.int32) + zero).astype(output.dtype)


def _conv(conv: Conv, accumulators: np.ndarray) -> np.ndarray:
    return requantize(accumulators.astype(F) * conv.multiplier, conv.output, conv.low, conv.high)


def _elementwise(operator: Elementwise, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    x = (a.astype(np.int32) - operator.a.zero_point).astype(F) * operator.scales[0]
    y = (b.astype(np.int32) - operator.b.zero_point).astype(F) * operator.scales[1]
    both = x + y if operator.kind == "add" else x * y
    return requantize(both * operator.inverse, operator.output, operator.low, operator.high)


ONNXRUNTIME = Arithmetic("onnxruntime", _conv, _elementwise, lambda lookup: lookup.table)
"""Multiplication in float32, one rounding, ties to even; the C package computes the same."""

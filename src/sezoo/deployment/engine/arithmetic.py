"""What becomes of sums and products on their way back to integers: how a runtime rounds.

An operator's sums of integers are the same everywhere. What follows differs: onnxruntime multiplies by a float32 and
rounds once, TensorFlow Lite multiplies by an integer and shifts (`tflite_arithmetic`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sezoo.deployment.engine.conv import Conv
from sezoo.deployment.engine.operators import Elementwise, LookupTable
from sezoo.deployment.engine.tensor import Tensor

__all__ = ["ONNXRUNTIME", "Arithmetic", "rounded"]

F = np.float32


@dataclass(frozen=True)
class Arithmetic:
    """How a runtime comes from sums and products to integers.

    Attributes
    ----------
    conv : of a convolution and its accumulators, (frames, positions, outputs) int64: integers of the same shape.
    elementwise : of an operator and the integers of its two inputs, (frames, items) each: those of its output.
    table : the table of a function.
    """

    name: str
    conv: Callable[[Conv, np.ndarray], np.ndarray]
    elementwise: Callable[[Elementwise, np.ndarray, np.ndarray], np.ndarray]
    table: Callable[[LookupTable], np.ndarray]


def rounded(steps: np.ndarray, output: Tensor, low: int, high: int) -> np.ndarray:
    """Steps in float32, without the zero point, to integers between `low` and `high`; ties to even."""
    zero = output.zero_point
    return (np.clip(np.rint(steps), low - zero, high - zero).astype(np.int32) + zero).astype(output.dtype)


def _conv(conv: Conv, accumulators: np.ndarray) -> np.ndarray:
    return rounded(accumulators.astype(F) * conv.multiplier, conv.output, conv.low, conv.high)


def _elementwise(operator: Elementwise, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    x = (a.astype(np.int32) - operator.a.zero_point).astype(F) * operator.scales[0]
    y = (b.astype(np.int32) - operator.b.zero_point).astype(F) * operator.scales[1]
    both = x + y if operator.kind == "add" else x * y
    return rounded(both * operator.inverse, operator.output, operator.low, operator.high)


ONNXRUNTIME = Arithmetic("onnxruntime", _conv, _elementwise, lambda lookup: lookup.table)
"""float32, rounded once, ties to even: what the C package computes as well."""

"""Tables of functions of one value, computed by onnxruntime: 256 entries for int8, 1025 points for int16."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import helper, numpy_helper

from sezoo.deployment.engine.qdq_reader.nodes import Node
from sezoo.deployment.engine.tensor import Tensor
from sezoo.models.onnx_graph import copy_node
from sezoo.models.onnx_session import open_session

__all__ = ["FUNCTIONS", "changes_zero", "curve_table", "integer_table", "mask_points", "mask_table"]

FUNCTIONS = {
    *("Relu", "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "Clip", "Sigmoid", "Tanh", "HardSigmoid", "HardSwish"),
    *("Softplus", "Softsign", "Gelu", "Mish", "Exp", "Log", "Sqrt", "Abs", "Neg", "Reciprocal", "Erf", "Round"),
    *("Sin", "Cos", "Atan", "Shrink", "ThresholdedRelu"),
    *("Floor", "Ceil", "Sign", "Add", "Sub", "Mul", "Div", "Pow", "Min", "Max"),
}
"""Operators that are functions of one value if their other operands are single numbers."""

POINTS = 1025
"""Points of a curve: one every 64 integers, including both ends."""

INTEGERS = np.arange(-128, 128, dtype=np.int8)


ZERO = Tensor("zero", 1, np.float32(1), 0)


def changes_zero(functions: Sequence[Node], opset: int) -> bool:
    """Return whether the functions make something else of 0."""
    return bool(functions) and bool(mask_table(functions, ZERO, opset)[ZERO.zero_point - ZERO.low])


def integer_table(functions: Sequence[Node], source: Tensor, output: Tensor, opset: int) -> np.ndarray:
    """Return the integers of `output` for the integers of `source` from -128 to 127: (256,) int8."""
    return _run(functions, source, output, opset)


def mask_table(functions: Sequence[Node], source: Tensor, opset: int) -> np.ndarray:
    """Return the functions of the dequantized integers of `source` from -128 to 127: (256,) float32."""
    return _run(functions, source, None, opset)


def mask_points(functions: Sequence[Node], source: Tensor, opset: int) -> np.ndarray:
    """Return the functions at the points of `source`, from -32768 to 32768 in steps of 64: (1025,) float32."""
    return _run(functions, None, None, opset, _points(source))


def _points(source: Tensor) -> np.ndarray:
    """Return the dequantized values at the points of a curve."""
    return ((np.arange(POINTS) * 64 - 32768 - source.zero_point) * np.float64(source.scale)).astype(np.float32)


def curve_table(functions: Sequence[Node], source: Tensor, output: Tensor, opset: int) -> np.ndarray:
    """Return the points of a `Curve`: (1025,) int16, in steps of `output`, or in 1/256 steps of an 8-bit output."""
    real = np.nan_to_num(_run(functions, None, None, opset, _points(source)))  # e.g. square roots of negative values
    fine = 256 if output.bits == 8 else 1
    steps = np.rint(real.astype(np.float64) / output.scale * fine) + output.zero_point * fine
    return np.clip(steps, -32768, 32767).astype(np.int16)


def _run(
    functions: Sequence[Node],
    source: Tensor | None,
    output: Tensor | None,
    opset: int,
    values: np.ndarray = INTEGERS,
) -> np.ndarray:
    """Evaluate the functions on integers of `source`, or on real numbers if it is None."""
    weights, nodes = [], []

    def constant(name: str, value: np.ndarray) -> str:
        weights.append(numpy_helper.from_array(value, name))
        return name

    def quantizer(kind: str, input_: str, tensor: Tensor, made: str) -> None:
        scale = constant(f"{made}/scale", np.float32(tensor.scale).reshape(()))
        zero = constant(f"{made}/zero", np.array(tensor.zero_point, np.int8))
        nodes.append(helper.make_node(kind, [input_, scale, zero], [made]))

    now = "given"
    if source is not None:
        quantizer("DequantizeLinear", "given", source, "real")
        now = "real"
    for number, function in enumerate(functions):
        copy = copy_node(function.proto)
        for position, name in enumerate(function.inputs):
            value = function.constant(position)
            if value is not None:
                copy.input[position] = constant(f"constant/{number}/{position}", value.reshape(()))
            elif name:
                copy.input[position] = now
        now = copy.output[0] = f"function/{number}"
        nodes.append(copy)
    element = onnx.TensorProto.FLOAT
    if output is not None:
        quantizer("QuantizeLinear", now, output, "rounded")
        now, element = "rounded", onnx.TensorProto.INT8
    graph = helper.make_graph(
        nodes,
        "table",
        [helper.make_tensor_value_info("given", helper.np_dtype_to_tensor_dtype(values.dtype), values.shape)],
        [helper.make_tensor_value_info(now, element, values.shape)],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    (table,) = open_session(model, optimization="none").run(None, {"given": values})
    return table

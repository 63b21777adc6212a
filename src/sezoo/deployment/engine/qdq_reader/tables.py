"""Functions of one int8 value as tables of 256 entries, filled by onnxruntime itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import helper, numpy_helper

from sezoo.deployment.engine.integer_graph import Tensor
from sezoo.deployment.engine.qdq_reader.nodes import Node
from sezoo.models.onnx_session import open_session

__all__ = ["FUNCTIONS", "integer_table", "mask_table"]

FUNCTIONS = {
    *("Relu", "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "Clip", "Sigmoid", "Tanh", "HardSigmoid", "HardSwish"),
    *("Softplus", "Softsign", "Gelu", "Mish", "Exp", "Log", "Sqrt", "Abs", "Neg", "Reciprocal", "Erf", "Round"),
    *("Floor", "Ceil", "Sign", "Add", "Sub", "Mul", "Div", "Pow", "Min", "Max"),
}
"""Operators that are functions of one value, where their other operands are numbers."""

INTEGERS = np.arange(-128, 128, dtype=np.int8)


def integer_table(functions: Sequence[Node], source: Tensor, output: Tensor, opset: int) -> np.ndarray:
    """The integers of `output` for those of `source` from -128 to 127: (256,) int8."""
    return _run(functions, source, output, opset)


def mask_table(functions: Sequence[Node], source: Tensor, opset: int) -> np.ndarray:
    """What the integers of `source` from -128 to 127 stand for with functions applied: (256,) float32."""
    return _run(functions, source, None, opset)


def _run(functions: Sequence[Node], source: Tensor, output: Tensor | None, opset: int) -> np.ndarray:
    weights, nodes = [], []

    def constant(name: str, value: np.ndarray) -> str:
        weights.append(numpy_helper.from_array(value, name))
        return name

    def quantizer(kind: str, input_: str, tensor: Tensor, made: str) -> None:
        scale = constant(f"{made}/scale", np.float32(tensor.scale).reshape(()))
        zero = constant(f"{made}/zero", np.array(tensor.zero_point, np.int8))
        nodes.append(helper.make_node(kind, [input_, scale, zero], [made]))

    quantizer("DequantizeLinear", "integers", source, "real")
    now = "real"
    for number, function in enumerate(functions):
        copy = onnx.NodeProto()
        copy.CopyFrom(function.proto)
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
        [helper.make_tensor_value_info("integers", onnx.TensorProto.INT8, [256])],
        [helper.make_tensor_value_info(now, element, [256])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    (table,) = open_session(model, optimization="none").run(None, {"integers": INTEGERS})
    return table

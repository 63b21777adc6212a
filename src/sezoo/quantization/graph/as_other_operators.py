"""Interpolation, division and the largest of an axis as operators that integer kernels have.

- An interpolation over bins or channels multiplies by a fixed matrix, whatever its mode and its coordinates are.
- A quotient of two tensors is a product with a reciprocal, which is a function of one tensor.
- The largest value along an axis is that of a pooling over all of it.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper

from sezoo.models.onnx_graph import attribute, copy_node
from sezoo.models.onnx_session import open_session
from sezoo.quantization.graph.rewriting import Rewriter, axes_of_reduction

__all__ = ["FORMS"]

UNROUNDED = {
    *("Abs", "Atan", "Ceil", "Celu", "Cos", "Div", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish"),
    *("Log", "Mish", "Neg", "Pow", "Reciprocal", "Round", "Selu", "Shrink", "Sign", "Sin", "Softplus", "Softsign"),
    *("Sqrt", "Tanh", "ThresholdedRelu"),
}
"""Functions of one value whose output onnxruntime's quantizer rounds only where a layer reads it."""

LONGEST = 64
"""Values along an axis of which the largest is taken: each is an operand of an expression."""


def _interpolation(graph: Rewriter, node: onnx.NodeProto) -> bool:
    """A Resize of one axis that is not that of frames, by other means than repetition."""
    source = node.input[0]
    if node.op_type != "Resize" or attribute(node, "mode", b"nearest") == b"nearest" or len(node.input) != 3:
        return False
    before, after, scales = graph.lengths(source), graph.lengths(node.output[0]), graph.constants.get(node.input[2])
    if scales is None or len(before) not in (3, 4) or len(scales) != len(before) or source not in graph.behind_layers:
        return False
    resized = [axis for axis, scale in enumerate(scales) if scale != 1]
    if len(resized) != 1 or resized[0] < len(before) - 2:
        return False
    axis = resized[0]
    if not (isinstance(before[axis], int) and isinstance(after[axis], int)):
        return False
    matrix = _matrix_of(graph, node, scales, axis, before[axis], len(before))
    name = f"{node.name}/matrix"
    is_last = axis == len(before) - 1
    operands = [source, graph.constant(name, matrix.T)] if is_last else [graph.constant(name, matrix), source]
    graph.put("MatMul", operands, node.output[0], node.name)
    return True


def _matrix_of(
    graph: Rewriter, node: onnx.NodeProto, scales: np.ndarray, axis: int, length: int, rank: int
) -> np.ndarray:
    """Return the node's matrix (new length, length) float32, from its output for each unit vector."""
    copy = copy_node(node)
    roi = copy.input[1]
    copy.input[:], copy.output[:] = ["units", roi, "scales"], ["made"]
    weights = [onnx.numpy_helper.from_array(scales, "scales")]
    if roi:
        weights.append(onnx.numpy_helper.from_array(graph.constants.get(roi, np.empty(0, np.float32)), roi))
    other = 1 if axis != 1 else 2
    shape = [length if each in (axis, other) else 1 for each in range(rank)]
    ends = [
        [helper.make_tensor_value_info("units", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("made", TensorProto.FLOAT, None)],
    ]
    tiny = helper.make_model(
        helper.make_graph([copy], "interpolation", *ends, weights),
        opset_imports=graph.model.opset_import, ir_version=graph.model.ir_version,
    )  # fmt: skip
    units = np.eye(length, dtype=np.float32).reshape(shape)
    (made,) = open_session(tiny).run(None, {"units": units})
    made = np.moveaxis(made, (axis, other), (0, 1))
    return made.reshape(made.shape[0], length)


def _division(graph: Rewriter, node: onnx.NodeProto) -> bool:
    """A Div of two tensors that are no constants."""
    if node.op_type != "Div" or any(name in graph.constants for name in node.input):
        return False
    if not set(node.input) <= graph.behind_layers:
        return False
    inverse = graph.put("Reciprocal", [node.input[1]], graph.tensor(f"{node.name}/reciprocal"))
    graph.put("Mul", [node.input[0], inverse], node.output[0], node.name)
    return True


def _largest(graph: Rewriter, node: onnx.NodeProto) -> bool:
    """A ReduceMax over bins or channels."""
    source = node.input[0]
    if node.op_type != "ReduceMax" or source not in graph.behind_layers:
        return False
    shape, axes = graph.lengths(source), axes_of_reduction(graph, node)
    if len(shape) != 4 or len(axes) != 1 or axes[0] == 0:
        return False
    axis, length = axes[0], shape[axes[0]]
    if not isinstance(length, int) or length > LONGEST:
        return False
    source = _round(graph, node, source)
    if axis == 1:
        source = graph.put("Transpose", [source], graph.tensor(f"{node.name}/turned"), perm=[0, 2, 1, 3])
    kernel = [length, 1] if axis < 3 else [1, length]
    is_last = axis != 1 and attribute(node, "keepdims", 1)
    made = node.output[0] if is_last else graph.tensor(f"{node.name}/pooled")
    graph.put("MaxPool", [source], made, node.name, kernel_shape=kernel)
    if axis == 1:
        last = node.output[0] if attribute(node, "keepdims", 1) else graph.tensor(f"{node.name}/back")
        made = graph.put("Transpose", [made], last, perm=[0, 2, 1, 3])
    if not attribute(node, "keepdims", 1):
        graph.put("Squeeze", [made, graph.integers(f"{node.name}/axes", axis)], node.output[0])
    return True


def _largest_of_a_function(graph: Rewriter, node: onnx.NodeProto) -> bool:
    """A MaxPool directly behind an operator that nothing rounds the output of."""
    source = node.input[0]
    if node.op_type != "MaxPool" or source not in graph.behind_layers or not _is_unrounded(graph, source):
        return False
    copy = copy_node(node)
    copy.input[0] = _round(graph, node, source)
    graph.keep(copy)
    return True


def _is_unrounded(graph: Rewriter, name: str) -> bool:
    maker = graph.made_by.get(name)
    return maker is not None and maker.op_type in UNROUNDED


def _round(graph: Rewriter, node: onnx.NodeProto, name: str) -> str:
    """A tensor that is rounded: times 1, as a product is, where no function of one value is by itself."""
    if not _is_unrounded(graph, name):
        return name
    one = graph.constant(f"{node.name}/one", np.ones(1, np.float32))
    return graph.put("Mul", [name, one], graph.tensor(f"{node.name}/rounded"))


FORMS = (_interpolation, _division, _largest, _largest_of_a_function)
"""See `rewriting.rewrite`."""

"""Matrix products with constant weights as 1x1 convolutions, which is what they are to kernels for microcontrollers.

A convolution takes its bias along as 32-bit integers, where onnxruntime's quantizer rounds the product of a MatMul, and
the constant that is added behind it, to 8 bits each.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx

from sezoo.models.onnx_graph import attribute
from sezoo.quantization.graph.rewriting import Rewriter

__all__ = ["FORMS"]


def _convolution(graph: Rewriter, node: onnx.NodeProto) -> bool:
    """A MatMul or a Gemm of a constant matrix and an activation of 2 to 4 axes; the convolution has the node's name."""
    found = _matrix(node, graph.weights, graph.shapes)
    if found is None:
        return False
    source, matrix, bias, from_left = found
    end = node.output[0]
    behind = graph.only_reader(end)
    if bias is None and behind is not None:
        bias = _bias_behind(behind, end, graph.weights, len(matrix), from_left)
        if bias is not None:
            graph.done.add(behind.name)
            end = behind.output[0]
    _write_convolution(graph, node, source, matrix, bias, from_left, end)
    return True


def _matrix(
    node: onnx.NodeProto, weights: Mapping[str, np.ndarray], shapes: Mapping[str, list[int | str]]
) -> tuple[str, np.ndarray, np.ndarray | None, bool] | None:
    """The activation, the matrix (outputs, inputs), the bias, and whether it is W x; None for another node."""
    if node.op_type not in ("MatMul", "Gemm"):
        return None
    constant = [name in weights for name in node.input[:2]]
    if sum(constant) != 1:
        return None
    from_left = constant[0]
    source, matrix = (node.input[1], node.input[0]) if from_left else (node.input[0], node.input[1])
    matrix = weights[matrix]
    if matrix.ndim != 2 or len(shapes.get(source, ())) not in (2, 3, 4) or (from_left and len(shapes[source]) < 3):
        return None
    if node.op_type == "MatMul":
        return source, matrix if from_left else matrix.T, None, from_left
    settings = {
        name: attribute(node, name, default) for name, default in (("alpha", 1.0), ("beta", 1.0), ("transA", 0))
    }
    if from_left or settings != {"alpha": 1.0, "beta": 1.0, "transA": 0}:
        return None
    matrix = matrix if attribute(node, "transB", 0) else matrix.T
    bias = None
    if len(node.input) > 2 and node.input[2]:
        given = weights.get(node.input[2])
        if given is None or given.size not in (1, len(matrix)) or given.ndim > 2:
            return None
        bias = np.broadcast_to(given.ravel(), len(matrix)).astype(np.float32)
    return source, matrix, bias, False


def _bias_behind(
    node: onnx.NodeProto, product: str, weights: Mapping[str, np.ndarray], outputs: int, from_left: bool
) -> np.ndarray | None:
    """The constant that an Add behind a product adds to each output; None where it does something else."""
    if node.op_type != "Add":
        return None
    others = [name for name in node.input if name != product]
    if len(others) != 1 or others[0] not in weights:
        return None
    values = weights[others[0]]
    wanted = (outputs, 1) if from_left else (outputs,)
    if values.size != outputs or values.shape[-len(wanted) :] != wanted:
        return None
    return values.ravel()


def _write_convolution(
    graph: Rewriter,
    node: onnx.NodeProto,
    source: str,
    matrix: np.ndarray,
    bias: np.ndarray | None,
    from_left: bool,
    output: str,
) -> None:
    rank, name = len(graph.shapes[source]), node.name
    spatial = max(rank, 3) - 2
    inputs = [graph.constant(f"{name}/weight", np.ascontiguousarray(matrix.reshape(*matrix.shape, *[1] * spatial)))]
    if bias is not None:
        inputs.append(graph.constant(f"{name}/bias", np.ascontiguousarray(bias, np.float32)))

    def put(op_type: str, read: list[str], made: str, **attributes: object) -> str:
        return graph.put(op_type, read, made, graph.tensor(f"{made}/node"), **attributes)

    channels_at = rank - 2 if from_left else rank - 1
    forth = [0, channels_at, *(axis for axis in range(1, rank) if axis != channels_at)]
    is_plain = rank > 2 and forth == list(range(rank))
    if rank == 2:
        axis = graph.integers(f"{name}/axis", 2)
        source = put("Unsqueeze", [source, axis], graph.tensor(f"{name}/input"))
    elif not is_plain:
        source = put("Transpose", [source], graph.tensor(f"{name}/input"), perm=forth)
    made = output if is_plain else graph.tensor(f"{name}/output")
    graph.put("Conv", [source, *inputs], made, name, kernel_shape=[1] * spatial)
    if rank == 2:
        put("Squeeze", [made, axis], output)
    elif not is_plain:
        put("Transpose", [made], output, perm=[forth.index(axis) for axis in range(rank)])


FORMS = (_convolution,)
"""See `rewriting.rewrite`."""

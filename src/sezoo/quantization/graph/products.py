"""Matrix products with constant weights as 1x1 convolutions, which is what they are to kernels for microcontrollers.

A convolution takes its bias along as 32-bit integers, where onnxruntime's quantizer rounds the product of a MatMul, and
the constant that is added behind it, to 8 bits each.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import onnx
from onnx import helper

from sezoo.models.onnx_graph import (
    UnusedNames,
    attribute,
    copy_model,
    float_weights,
    keep_needed,
    layout,
    readers,
    set_weights,
)
from sezoo.quantization.graph.preparation import with_known_shapes

__all__ = ["with_products_as_convolutions"]


def with_products_as_convolutions(model: onnx.ModelProto, kept: Collection[str] = ()) -> onnx.ModelProto:
    """The model with its MatMul and Gemm of one activation of 2 to 4 axes and a constant matrix as convolutions.

    The convolution has the node's name. The argument is not changed.

    Parameters
    ----------
    model : float, with known shapes and node names.
    kept : names of nodes to leave as they are.
    """
    shapes, weights, read_by = layout(model), float_weights(model.graph), readers(model.graph)
    changed = copy_model(model)
    names = UnusedNames(changed.graph)
    outputs = {value.name for value in model.graph.output}
    nodes: list[onnx.NodeProto] = []
    done: set[str] = set()
    for node in model.graph.node:
        if node.name in done:
            continue
        found = None if node.name in kept else _matrix(node, weights, shapes)
        if found is None:
            nodes.append(node)
            continue
        source, matrix, bias, from_left = found
        end = node.output[0]
        behind = read_by[end]
        if bias is None and len(behind) == 1 and end not in outputs:
            bias = _added(behind[0], end, weights, len(matrix), from_left)
            if bias is not None:
                done.add(behind[0].name)
                end = behind[0].output[0]
        written = _convolution(changed.graph, names, node, source, matrix, bias, len(shapes[source]), from_left, end)
        nodes += written
    if len(nodes) == len(model.graph.node) and not done:
        return model
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del changed.graph.node[:]
    changed.graph.node.extend(copies)
    keep_needed(changed.graph)
    return with_known_shapes(changed)


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


def _added(
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


def _convolution(
    graph: onnx.GraphProto,
    names: UnusedNames,
    node: onnx.NodeProto,
    source: str,
    matrix: np.ndarray,
    bias: np.ndarray | None,
    rank: int,
    from_left: bool,
    output: str,
) -> list[onnx.NodeProto]:
    spatial = max(rank, 3) - 2
    weight = names.new(f"{node.name}/weight")
    constants = {weight: np.ascontiguousarray(matrix.reshape(*matrix.shape, *[1] * spatial))}
    inputs = [weight]
    if bias is not None:
        inputs.append(names.new(f"{node.name}/bias"))
        constants[inputs[1]] = np.ascontiguousarray(bias, np.float32)
    nodes: list[onnx.NodeProto] = []

    def add(op_type: str, read: list[str], name: str, **attributes: object) -> str:
        nodes.append(helper.make_node(op_type, read, [name], names.new(f"{name}/node"), **attributes))
        return name

    channels_at = rank - 2 if from_left else rank - 1
    forth = [0, channels_at, *(axis for axis in range(1, rank) if axis != channels_at)]
    back = [forth.index(axis) for axis in range(rank)]
    as_it_is = forth == list(range(rank))
    read = source
    if rank == 2:
        axis = names.new(f"{node.name}/axis")
        constants[axis] = np.array([2], np.int64)
        read = add("Unsqueeze", [source, axis], names.new(f"{node.name}/input"))
    elif not as_it_is:
        read = add("Transpose", [source], names.new(f"{node.name}/input"), perm=forth)
    plain = rank > 2 and as_it_is
    made = output if plain else names.new(f"{node.name}/output")
    conv = helper.make_node("Conv", [read, *inputs], [made], node.name, kernel_shape=[1] * spatial)
    nodes.append(conv)
    if rank == 2:
        add("Squeeze", [made, axis], output)
    elif not plain:
        add("Transpose", [made], output, perm=back)
    set_weights(graph, constants)
    return nodes

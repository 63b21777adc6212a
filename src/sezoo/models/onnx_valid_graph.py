"""The graph of an ONNX file as the rest of the program takes it: sound, in order, and of a size that can be computed.

The second half of the check at the door, after `onnx_checks`. What cannot be known without running the model is
found out by a trial in a process of its own (`onnx_trial`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path

import numpy as np
import onnx
import onnx.inliner
from onnx import TensorProto

from sezoo.base.errors import UserError
from sezoo.models.nested_graphs import graphs_of, nested_graphs, reads_of, sorted_nodes
from sezoo.models.onnx_checks import MAX_NODES
from sezoo.models.onnx_graph import node_label, set_nodes
from sezoo.models.onnx_tensor_checks import MAX_VALUES, shape_text
from sezoo.models.onnx_trial import try_in_subprocess

__all__ = ["with_valid_graph"]

TRIED_FRAMES = 37
"""Of the magnitudes for which the sizes of all tensors are inferred."""

CONTROL_FLOW = {"If", "Loop", "Scan", "SequenceMap"}

EXPANDING = {
    *("ConstantOfShape", "Expand", "Tile", "Range", "Pad", "Resize", "Upsample", "OneHot", "Compress", "NonZero"),
    *("RandomNormal", "RandomUniform", "EyeLike", "MelWeightMatrix", "HannWindow", "HammingWindow", "BlackmanWindow"),
}
"""Operators whose output may be of any size, whatever that of their inputs."""


def with_valid_graph(model: onnx.ModelProto, path: Path) -> onnx.ModelProto:
    """The model as the rest of the program takes it: a named graph, nodes in order, and no functions of its own.

    What is harmless is mended: nodes in no topological order, a graph without a name, an initializer that is there
    twice with the same values, functions of the file's own, which are expanded. What is computed has to be of a size
    that can be, and has to end.

    Parameters
    ----------
    model : whose declarations are checked; it is changed.
    path : for messages.

    Raises
    ------
    UserError : the first thing that is wrong, in one line.
    """
    model = _without_functions(model, path)
    model.graph.name = model.graph.name or "graph"
    for graph in graphs_of(model.graph):
        _make_dense(graph, path)
        _drop_equal_initializers(graph, path)
    _sort(model.graph, set(), path)
    inferred = _infer_shapes(model)
    _check_sizes(inferred, path)
    if _has_unpredictable_size(model, inferred):
        try_in_subprocess(model, path)
    return model


def _make_dense(graph: onnx.GraphProto, path: Path) -> None:
    """Sparse weights become ordinary ones, which is all that most tools know."""
    for sparse in graph.sparse_initializer:
        dense = np.zeros(tuple(sparse.dims), onnx.helper.tensor_dtype_to_np_dtype(sparse.values.data_type))
        indices = onnx.numpy_helper.to_array(sparse.indices)
        try:  # indices of one axis count through the whole tensor, those of two are coordinates
            flat = indices if indices.ndim == 1 else np.ravel_multi_index(tuple(indices.T), dense.shape)
            dense.reshape(-1)[flat] = onnx.numpy_helper.to_array(sparse.values)
        except (IndexError, ValueError) as error:
            raise UserError(f"{path}: the indices of sparse weight '{sparse.values.name}' do not fit it") from error
        graph.initializer.append(onnx.numpy_helper.from_array(dense, sparse.values.name))
    del graph.sparse_initializer[:]


def _drop_equal_initializers(graph: onnx.GraphProto, path: Path) -> None:
    """Drop an initializer whose equal came before; two of one name that differ are an error."""
    known: dict[str, TensorProto] = {}
    for tensor in graph.initializer:
        if known.setdefault(tensor.name, tensor) is not tensor and known[tensor.name] != tensor:
            raise UserError(f"{path}: two weights that differ have the name '{tensor.name}'; re-export the model")
    if len(known) < len(graph.initializer):
        kept = list(known.values())
        copies = [TensorProto.FromString(tensor.SerializeToString()) for tensor in kept]
        del graph.initializer[:]
        graph.initializer.extend(copies)


def _sort(graph: onnx.GraphProto, outer: set[str], path: Path) -> None:
    """Put the nodes of a graph and of those nested in it in order; each tensor is made once, before it is read."""
    given = {value.name for value in (*graph.input, *graph.initializer)}
    given.update(tensor.values.name for tensor in graph.sparse_initializer)
    made: set[str] = set()
    for node in graph.node:
        for name in filter(None, node.output):
            if name in made or name in given:
                raise UserError(f"{path}: {node_label(node)} makes the tensor '{name}', which already exists")
            made.add(name)
    known = outer | given | made
    for node in graph.node:
        missing = next((name for name in reads_of(node) if name not in known), None)
        if missing is not None:
            raise UserError(f"{path}: {node_label(node)} reads the tensor '{missing}', which nothing makes")
    missing = next((value.name for value in graph.output if value.name not in known), None)
    if missing is not None:
        raise UserError(f"{path}: nothing makes the output '{missing}'")
    try:
        nodes = sorted_nodes(graph, graph.node)
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error
    if any(node is not before for node, before in zip(nodes, graph.node, strict=True)):
        set_nodes(graph, nodes)
    for node in graph.node:
        for nested in nested_graphs(node):
            _sort(nested, known, path)


# -- local functions --------------------------------------------------------------------------------------


def _without_functions(model: onnx.ModelProto, path: Path) -> onnx.ModelProto:
    """The model with the functions that it defines expanded; one that cannot be expanded stays."""
    if not model.functions:
        return model
    count = _expanded_nodes(model, path)
    if count > MAX_NODES:
        raise UserError(f"{path}: its local functions expand to more than {MAX_NODES:,} nodes")
    try:
        return onnx.inliner.inline_local_functions(model)
    except Exception as error:  # RuntimeError and others alike
        raise UserError(f"{path}: its local functions cannot be expanded: {str(error).splitlines()[0]}") from error


def _expanded_nodes(model: onnx.ModelProto, path: Path) -> int:
    """Return the number of nodes with all functions expanded; counting stops shortly after `MAX_NODES`."""
    bodies = {(function.domain, function.name): function for function in model.functions}
    sizes: dict[tuple[str, str], int] = {}

    def size(nodes) -> int:
        return sum(_size_of(node) for node in nodes)

    def _size_of(node: onnx.NodeProto) -> int:
        key = (node.domain, node.op_type)
        inside = sum(size(nested.node) for nested in nested_graphs(node))
        return inside + sizes.get(key, 1)

    waiting = dict(bodies)
    while waiting:
        done = [key for key, body in waiting.items() if not any(_calls(body.node, waiting))]
        if not done:
            domain, name = next(iter(waiting))
            raise UserError(f"{path}: its local function '{domain}.{name}' calls itself")
        for key in done:
            sizes[key] = min(size(waiting.pop(key).node), 2 * MAX_NODES)
    return size(model.graph.node)


def _calls(nodes, functions: Mapping[tuple[str, str], onnx.FunctionProto]) -> Iterator[tuple[str, str]]:
    for node in nodes:
        if (node.domain, node.op_type) in functions:
            yield node.domain, node.op_type
        for nested in nested_graphs(node):
            yield from _calls(nested.node, functions)


# -- what is computed -------------------------------------------------------------------------------------


def _check_sizes(inferred: onnx.ModelProto, path: Path) -> None:
    """Check that no tensor becomes too large on a short clip, as far as that can be known without running the model."""
    for value in inferred.graph.value_info:
        dims = value.type.tensor_type.shape.dim
        lengths = [dim.dim_value for dim in dims if dim.HasField("dim_value")]
        if prod(max(length, 1) for length in lengths) > MAX_VALUES:
            raise UserError(
                f"{path}: the tensor '{value.name}' would have {prod(lengths):,} values, {shape_text(lengths)}, for "
                f"{TRIED_FRAMES} frames; at most {MAX_VALUES:,} are computed"
            )


def _infer_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    """The shapes of all tensors for one short clip; without the values of large weights, which decide none."""
    light = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import)
    light.graph.name = "sizes"
    light.graph.node.extend(model.graph.node)
    light.graph.input.extend(model.graph.input)
    for tensor in model.graph.initializer:
        if prod(tensor.dims) <= 64:
            light.graph.initializer.append(tensor)
        else:
            light.graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    for value in light.graph.input:
        for place, dim in enumerate(value.type.tensor_type.shape.dim):
            if not dim.HasField("dim_value"):
                dim.dim_value = TRIED_FRAMES if place else 1
    for value in model.graph.output:
        light.graph.output.add(name=value.name, type=onnx.TypeProto(tensor_type=_of_type(value)))
    try:
        return onnx.shape_inference.infer_shapes(light, data_prop=True)
    except Exception:  # operators that onnx does not know, shapes that do not fit: onnxruntime says which
        return light


def _of_type(value: onnx.ValueInfoProto) -> onnx.TypeProto.Tensor:
    return onnx.TypeProto.Tensor(elem_type=value.type.tensor_type.elem_type)


def _has_unpredictable_size(model: onnx.ModelProto, inferred: onnx.ModelProto) -> bool:
    """Whether it may compute without end, or tensors of any size, in a way that its declarations do not show."""
    nodes = [node for graph in graphs_of(model.graph) for node in graph.node]
    if model.functions or any(node.op_type in CONTROL_FLOW for node in nodes):
        return True
    expanded = {name for node in nodes if node.op_type in EXPANDING for name in node.output}
    return not expanded <= _names_with_known_shape(inferred)


def _names_with_known_shape(model: onnx.ModelProto) -> set[str]:
    values = (*model.graph.value_info, *model.graph.output)
    return {
        value.name
        for value in values
        if value.type.tensor_type.HasField("shape")
        and all(dim.HasField("dim_value") for dim in value.type.tensor_type.shape.dim)
    }

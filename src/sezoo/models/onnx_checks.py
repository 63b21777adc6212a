"""Checks of an ONNX file's declarations against its content and against limits, before memory is allocated.

The first half of the check at the door; the second, of the graph, is `sezoo.models.onnx_valid_graph`.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from pathlib import Path

import onnx

from sezoo.base.errors import UserError
from sezoo.models.nested_graphs import graphs_of
from sezoo.models.onnx_graph import node_label
from sezoo.models.onnx_tensor_checks import TYPES, check_tensors, shape_text

__all__ = ["MAX_NODES", "check_declarations"]

MAX_BINS = 2**14 + 1
"""Of the magnitudes: an n_fft of 32,768."""


MAX_INPUT = 2**22
"""Values of one input with all its fixed axes."""


MAX_NODES = 20_000
"""With local functions expanded; a GRU that was unrolled over 500 frames has about 10,000."""


OLDEST_IR = 3
"""Of the format: from here on a file says which operators it uses."""


AT_LEAST_ONE = {"group", "strides", "dilations", "kernel_shape", "hidden_size", "num_outputs"}
"""Attributes that runtimes divide by, or take as a size, without asking."""


MAX_ATTRIBUTE = 2**24
"""Of the numbers in attributes that are lengths along an axis."""


LENGTHS = {"pads", "strides", "dilations", "kernel_shape", "output_padding", "output_shape", "hidden_size", "group"}


DOMAINS = ("ai.onnx", "com.microsoft", "com.ms.", "org.pytorch.aten")
"""What the domains of onnxruntime's operators begin with, but for the one without a name."""


def check_declarations(model: onnx.ModelProto, path: Path) -> None:
    """Check what a file declares, before anything is allocated by it: names, versions, types, dims, attributes.

    Parameters
    ----------
    model : as parsed; data in files of their own need not have been read.
    path : for messages.

    Raises
    ------
    UserError : the first thing that is wrong, in one line.
    """
    _check_names(model, path)
    _check_format(model, path)
    _check_nodes(model, path)
    for graph in graphs_of(model.graph):
        for kind, value in _values(graph):
            _check_value(kind, value, path)
    check_tensors(model, path)


def _check_format(model: onnx.ModelProto, path: Path) -> None:
    if not model.graph.node:
        raise UserError(f"{path} is not an ONNX model: it has no operators")
    if model.ir_version < OLDEST_IR:
        found = f"IR version {model.ir_version}"
        raise UserError(f"{path}: {found} is older than what onnxruntime reads ({OLDEST_IR} or later); re-export it")
    if not model.opset_import:
        raise UserError(f"{path} is not an ONNX model: it imports no operators (opset)")
    for kind, values in (("input", model.graph.input), ("output", model.graph.output)):
        if not values:
            raise UserError(f"{path}: its graph has no {kind}; magnitudes go in and a mask comes out")
    newest = onnx.defs.onnx_opset_version()
    for entry in model.opset_import:
        if entry.domain in ("", "ai.onnx") and not 1 <= entry.version <= newest:
            raise UserError(
                f"{path}: it has opset {entry.version}, and 1 to {newest} can be read; re-export it with one of those"
            )


def _check_names(model: onnx.ModelProto, path: Path) -> None:
    """Check that all names are UTF-8; protobuf returns others as bytes."""
    for name in _names_in(model):
        if isinstance(name, bytes):
            raise UserError(f"{path} is damaged: a name in it is not UTF-8 ({name[:40]!r})")


def _names_in(model: onnx.ModelProto) -> Iterator[str]:
    for entry in model.metadata_props:
        yield from (entry.key, entry.value)
    for entry in model.opset_import:
        yield entry.domain
    for function in model.functions:
        yield from (function.name, function.domain, *function.input, *function.output)
    for body in (*graphs_of(model.graph), *model.functions):
        yield body.name
        for node in body.node:
            yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
            yield from (entry.name for entry in node.attribute)
        for value in () if isinstance(body, onnx.FunctionProto) else (*body.input, *body.output, *body.value_info):
            yield value.name
            yield from (dim.dim_param for dim in value.type.tensor_type.shape.dim)
        for tensor in () if isinstance(body, onnx.FunctionProto) else body.initializer:
            yield tensor.name
            for entry in tensor.external_data:
                yield from (entry.key, entry.value)


def _values(graph: onnx.GraphProto) -> Iterator[tuple[str, onnx.ValueInfoProto]]:
    for kind, values in (("input", graph.input), ("output", graph.output), ("tensor", graph.value_info)):
        for value in values:
            yield kind, value


def _check_value(kind: str, value: onnx.ValueInfoProto, path: Path) -> None:
    """Whether a declared type is one, and its fixed axes are lengths that can be."""
    tensor, what = value.type.tensor_type, f"{kind} '{value.name}'"
    if not value.type.HasField("tensor_type"):
        return
    if TYPES.get(tensor.elem_type) is None and not (tensor.elem_type == 0 and kind != "input"):
        raise UserError(f"{path}: {what} has the element type {tensor.elem_type}, which ONNX does not have")
    lengths = [dim.dim_value for dim in tensor.shape.dim if dim.HasField("dim_value")]
    shape = [dim.dim_value if dim.HasField("dim_value") else dim.dim_param or "?" for dim in tensor.shape.dim]
    if kind == "tensor":  # what is inferred is inferred anew; exporters are known to write nonsense here
        return
    if any(length < 1 for length in lengths):
        raise UserError(
            f"{path}: {what} has an axis of length {min(lengths)}: {shape_text(shape)}; re-export the model"
        )
    if len(shape) == 3 and isinstance(shape[1], int) and shape[1] > MAX_BINS:
        raise UserError(f"{path}: {what} has {shape[1]:,} bins; at most {MAX_BINS:,} are taken")
    if prod(lengths) > MAX_INPUT:
        raise UserError(f"{path}: {what} declares {prod(lengths):,} values, {shape_text(shape)}; at most {MAX_INPUT:,}")


def _check_nodes(model: onnx.ModelProto, path: Path) -> None:
    bodies = [*graphs_of(model.graph), *model.functions]
    count = sum(len(body.node) for body in bodies)
    if count > MAX_NODES:
        raise UserError(f"{path} has {count:,} nodes; at most {MAX_NODES:,} are read")
    own = {function.domain for function in model.functions}
    for body in bodies:
        for node in body.node:
            if node.domain not in own and not node.domain.startswith(DOMAINS) and node.domain:
                raise UserError(
                    f"{path}: {node_label(node)} is a custom operator, of the domain '{node.domain}', which "
                    "onnxruntime "
                    "does not have; export the network with standard operators in its place"
                )
            _check_node(node, path)


def _check_node(node: onnx.NodeProto, path: Path) -> None:
    if not any(node.output):
        raise UserError(
            f"{path}: {node_label(node)} has no output; a node that makes nothing does not belong in a graph"
        )
    for entry in node.attribute:
        numbers = [entry.i] if entry.HasField("i") else entry.ints
        if entry.name in AT_LEAST_ONE and any(number < 1 for number in numbers):
            raise UserError(f"{path}: {node_label(node)} has {entry.name} {_numbers(entry)}; 1 or more is needed")
        if entry.name in LENGTHS and any(abs(number) > MAX_ATTRIBUTE for number in numbers):
            raise UserError(f"{path}: {node_label(node)} has {entry.name} {_numbers(entry)}; at most {MAX_ATTRIBUTE:,}")


def _numbers(entry: onnx.AttributeProto) -> str:
    return str(entry.i) if entry.HasField("i") else str(list(entry.ints[:8]))

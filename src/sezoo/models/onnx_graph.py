"""Looking at a graph and changing a copy of it: who makes a tensor, who reads it, which weights there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import onnx
from onnx import helper, numpy_helper

from sezoo.models.nested_graphs import graphs_of, reads_of

__all__ = [
    "UnusedNames",
    "attribute",
    "axes_of",
    "axes_text",
    "copy_model",
    "copy_node",
    "drop_inner_shapes",
    "float_weights",
    "initializers",
    "keep_needed",
    "layout",
    "metadata_of",
    "node_label",
    "opset_of",
    "producers",
    "readers",
    "set_metadata",
    "set_nodes",
    "set_weights",
    "type_name",
    "unused_name",
]


def copy_model(model: onnx.ModelProto) -> onnx.ModelProto:
    """A model of its own, to be changed."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def copy_node(node: onnx.NodeProto) -> onnx.NodeProto:
    """A node of its own, to be changed."""
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    return copy


def set_nodes(graph: onnx.GraphProto, nodes: Iterable[onnx.NodeProto]) -> None:
    """Set the nodes of a graph to others, or its own in another order, in place."""
    copies = [copy_node(node) for node in nodes]  # deleting those of the graph empties them
    del graph.node[:]
    graph.node.extend(copies)


def opset_of(model: onnx.ModelProto) -> int:
    """The version of ONNX's own operators that a model uses; 0 where it uses none."""
    return next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)


def producers(graph: onnx.GraphProto) -> dict[str, onnx.NodeProto]:
    """The node that makes each tensor, by the tensor's name."""
    return {name: node for node in graph.node for name in node.output if name}


def readers(graph: onnx.GraphProto) -> dict[str, list[onnx.NodeProto]]:
    """Return the nodes that read each tensor; a node that reads it twice is listed twice."""
    found: dict[str, list[onnx.NodeProto]] = defaultdict(list)
    for node in graph.node:
        for name in node.input:
            if name:
                found[name].append(node)
    return found


def attribute(node: onnx.NodeProto, name: str, default):
    """The value of an attribute, or `default`."""
    found = next((entry for entry in node.attribute if entry.name == name), None)
    return default if found is None else helper.get_attribute_value(found)


def float_weights(graph: onnx.GraphProto) -> dict[str, np.ndarray]:
    """The float32 initializers as arrays (read only), by name."""
    return {
        weight.name: numpy_helper.to_array(weight)
        for weight in graph.initializer
        if weight.data_type == onnx.TensorProto.FLOAT
    }


def initializers(graph: onnx.GraphProto) -> dict[str, np.ndarray]:
    """All initializers as arrays (read only), by name."""
    return {weight.name: numpy_helper.to_array(weight) for weight in graph.initializer}


def set_weights(graph: onnx.GraphProto, values: Mapping[str, np.ndarray]) -> None:
    """Put arrays in the place of initializers, or beside them where there is none of that name."""
    missing = dict(values)
    for weight in graph.initializer:
        if weight.name in missing:
            weight.CopyFrom(_tensor(missing.pop(weight.name), weight.name))
    graph.initializer.extend(_tensor(array, name) for name, array in missing.items())


def _tensor(array: np.ndarray, name: str) -> onnx.TensorProto:
    # Not ascontiguousarray: that makes a number an array of one.
    return numpy_helper.from_array(np.array(array, order="C"), name)


def keep_needed(graph: onnx.GraphProto) -> None:
    """Remove the nodes and the weights that no output of the graph depends on, in place."""
    makers = {name: index for index, node in enumerate(graph.node) for name in node.output if name}
    waiting, needed = [value.name for value in graph.output], set()
    read = set(waiting)
    while waiting:
        index = makers.get(waiting.pop())
        if index is not None and index not in needed:
            needed.add(index)
            reads = reads_of(graph.node[index])
            read.update(reads)
            waiting += reads
    for index in reversed(range(len(graph.node))):
        if index not in needed:
            del graph.node[index]
    for index in reversed(range(len(graph.initializer))):
        if graph.initializer[index].name not in read:
            del graph.initializer[index]


def drop_inner_shapes(model: onnx.ModelProto) -> None:
    """Drop what a file says of the shapes of tensors inside its graph; they are inferred where they are needed.

    `torch.onnx.export(dynamo=True)` notes the length of its example behind an LSTM or a GRU, although the graph takes
    any (torch 2.13): onnxruntime believes it, and merges a MatMul and an Add to a Gemm that takes no other length.
    """
    del model.graph.value_info[:]


def metadata_of(model: onnx.ModelProto) -> dict[str, str]:
    """The entries of a model's metadata by key."""
    return {entry.key: entry.value for entry in model.metadata_props}


def set_metadata(model: onnx.ModelProto, key: str, value: str) -> None:
    """Set an entry of a model's metadata, in place; the others stay."""
    others = [entry for entry in model.metadata_props if entry.key != key]
    del model.metadata_props[:]
    model.metadata_props.extend(others)
    model.metadata_props.add(key=key, value=value)


def type_name(element_type: int) -> str:
    """The name of a tensor's element type, such as "float" or "int8"."""
    return onnx.TensorProto.DataType.Name(element_type).lower()


def axes_of(value: onnx.ValueInfoProto) -> list[int | str] | None:
    """The axes of a tensor: a length, or the name of a dynamic axis ("" if it has none); None if unknown."""
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    return [dim.dim_value if dim.HasField("dim_value") else dim.dim_param for dim in tensor.shape.dim]


def axes_text(axes: Sequence[int | str] | None) -> str:
    """Return axes for a message: (1, 257, frames), with ? for one without a name."""
    if axes is None:
        return "(shape unknown)"
    return "(" + ", ".join(f"{axis}" if axis != "" else "?" for axis in axes) + ")"


def layout(model: onnx.ModelProto) -> dict[str, list[int | str]]:
    """The axes of every tensor whose shape is known, by name."""
    axes: dict[str, list[int | str]] = {weight.name: list(weight.dims) for weight in model.graph.initializer}
    for value in (*model.graph.input, *model.graph.value_info, *model.graph.output):
        if (known := axes_of(value)) is not None:
            axes[value.name] = known
    return axes


def node_label(node: onnx.NodeProto) -> str:
    """A node in a message: its operator, and its name or that of an output."""
    name = node.name or next(filter(None, node.output), "")
    return f"the node {node.op_type} '{name}'" if name else f"a node {node.op_type}"


class UnusedNames:
    """Generator of unused names for the tensors and nodes that are added to a graph.

    No name is given twice, and none that a tensor or a node has, in the graph or in one nested in its nodes.
    """

    def __init__(self, graph: onnx.GraphProto):
        self.taken = _names_of(graph)

    def new(self, wanted: str) -> str:
        """`wanted`, or that with a number behind it."""
        name, number = wanted, 1
        while name in self.taken:
            number += 1
            name = f"{wanted}_{number}"
        self.taken.add(name)
        return name


def unused_name(graph: onnx.GraphProto, wanted: str) -> str:
    """`wanted`, or that with a number behind it, so that no tensor and no node of the graph has that name."""
    return UnusedNames(graph).new(wanted)


def _names_of(graph: onnx.GraphProto) -> set[str]:
    names = {""}
    for each in graphs_of(graph):
        names.update(value.name for value in (*each.input, *each.output, *each.initializer, *each.value_info))
        names.update(tensor.values.name for tensor in each.sparse_initializer)
        for node in each.node:
            names.add(node.name)
            names.update(node.input, node.output)
    return names

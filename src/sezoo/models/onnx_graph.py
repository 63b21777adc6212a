"""Looking at a graph and changing a copy of it: who makes a tensor, who reads it, which weights there are."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import onnx
from onnx import helper, numpy_helper

__all__ = [
    "UnusedNames",
    "attribute",
    "copy_model",
    "drop_inner_shapes",
    "float_weights",
    "graphs_of",
    "initializers",
    "keep_needed",
    "layout",
    "nested_graphs",
    "nested_reads",
    "node_label",
    "producers",
    "readers",
    "reads_of",
    "rename_nested_reads",
    "rename_reads",
    "set_weights",
    "sorted_nodes",
    "unused_name",
]


def copy_model(model: onnx.ModelProto) -> onnx.ModelProto:
    """A model of its own, to be changed."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


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


def layout(model: onnx.ModelProto) -> dict[str, list[int | str]]:
    """The axes of every tensor whose shape is known: a length, or the name of a dynamic axis ("" without one)."""
    axes: dict[str, list[int | str]] = {weight.name: list(weight.dims) for weight in model.graph.initializer}
    for value in (*model.graph.input, *model.graph.value_info, *model.graph.output):
        tensor = value.type.tensor_type
        if tensor.HasField("shape"):
            axes[value.name] = [
                dim.dim_value if dim.HasField("dim_value") else dim.dim_param for dim in tensor.shape.dim
            ]
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


# -- nested graphs and the order of nodes -----------------------------------------------------------------


def nested_graphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """The graphs in the attributes of a node: the branches of an If, the body of a Loop or a Scan."""
    for entry in node.attribute:
        if entry.HasField("g"):
            yield entry.g
        yield from entry.graphs


def graphs_of(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graph and all that are nested in its nodes."""
    yield graph
    for node in graph.node:
        if node.attribute:
            for nested in nested_graphs(node):
                yield from graphs_of(nested)


def reads_of(node: onnx.NodeProto) -> list[str]:
    """The tensors that a node reads: its inputs, and what the graphs nested in it read from outside of them."""
    return list(dict.fromkeys([*filter(None, node.input), *nested_reads(node)]))


def nested_reads(node: onnx.NodeProto) -> list[str]:
    """The tensors that the graphs nested in a node read from outside of them."""
    if not node.attribute:
        return []
    return list(dict.fromkeys(name for nested in nested_graphs(node) for name in _reads_from_outside(nested)))


def _reads_from_outside(graph: onnx.GraphProto) -> list[str]:
    inside = {value.name for value in (*graph.input, *graph.initializer)}
    inside.update(tensor.values.name for tensor in graph.sparse_initializer)
    inside.update(name for node in graph.node for name in node.output)
    read = dict.fromkeys(name for node in graph.node for name in reads_of(node))
    read |= dict.fromkeys(value.name for value in graph.output)  # a branch may hand on a tensor as it is
    return [name for name in read if name not in inside]


def rename_reads(node: onnx.NodeProto, names: Mapping[str, str]) -> None:
    """Let a node, and the graphs nested in it, read other tensors, in place: new names by old ones."""
    node.input[:] = [names.get(name, name) for name in node.input]
    rename_nested_reads(node, names)


def rename_nested_reads(node: onnx.NodeProto, names: Mapping[str, str]) -> None:
    """Let the graphs nested in a node read other tensors from outside, in place: new names by old ones."""
    for nested in nested_graphs(node):
        outside = set(_reads_from_outside(nested))
        from_outside = {old: new for old, new in names.items() if old in outside}
        for inner in nested.node if from_outside else ():
            rename_reads(inner, from_outside)
        for value in nested.output:
            value.name = from_outside.get(value.name, value.name)


def sorted_nodes(graph: onnx.GraphProto, nodes: Iterable[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """The nodes in an order in which each comes after those that make what it reads; the given order where it can be.

    Raises
    ------
    ValueError : nodes that depend on each other in a circle.
    """
    nodes = list(nodes)
    maker = {name: index for index, node in enumerate(nodes) for name in node.output if name}
    before = [{maker[name] for name in reads_of(node) if name in maker} for node in nodes]
    if all(all(each < index for each in needed) for index, needed in enumerate(before)):
        return nodes
    after: dict[int, list[int]] = defaultdict(list)
    for index, needed in enumerate(before):
        for each in needed:
            after[each].append(index)
    missing = [len(needed) for needed in before]
    ready = [index for index, count in enumerate(missing) if not count]
    done: list[onnx.NodeProto] = []
    while ready:
        index = heapq.heappop(ready)
        done.append(nodes[index])
        for each in after[index]:
            missing[each] -= 1
            if not missing[each]:
                heapq.heappush(ready, each)
    if len(done) < len(nodes):
        stuck = next(node for node, count in zip(nodes, missing, strict=True) if count)
        raise ValueError(
            f"the nodes of {graph.name or 'the graph'} depend on each other in a circle: {stuck.op_type} "
            f"'{stuck.name or stuck.output[0]}' is among or behind them"
        )
    return done

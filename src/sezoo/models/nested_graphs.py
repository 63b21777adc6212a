"""Graphs that are nested in nodes, as the body of a Scan: what they read from outside, and the order of nodes."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

import onnx

__all__ = [
    "graphs_of",
    "nested_graphs",
    "nested_reads",
    "reads_of",
    "rename_nested_reads",
    "rename_reads",
    "sorted_nodes",
]


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

"""Looking at a graph and changing a copy of it: who makes a tensor, who reads it, which weights there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np
import onnx
from onnx import helper, numpy_helper

__all__ = [
    "attribute",
    "copied",
    "float_weights",
    "initializers",
    "layout",
    "producers",
    "readers",
    "set_weights",
    "sorted_nodes",
    "unused_name",
]


def copied(model: onnx.ModelProto) -> onnx.ModelProto:
    """A model of its own, to be changed."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def producers(graph: onnx.GraphProto) -> dict[str, onnx.NodeProto]:
    """The node that makes each tensor, by the tensor's name."""
    return {name: node for node in graph.node for name in node.output if name}


def readers(graph: onnx.GraphProto) -> dict[str, list[onnx.NodeProto]]:
    """The nodes that read each tensor; one that reads it twice is there twice."""
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


def unused_name(graph: onnx.GraphProto, wanted: str) -> str:
    """`wanted`, or that with a number behind it, so that no tensor and no node of the graph is called so."""
    taken = {value.name for value in (*graph.input, *graph.output, *graph.initializer)}
    for node in graph.node:
        taken |= {node.name, *node.input, *node.output}
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted}_{number}"
    return name


def sorted_nodes(graph: onnx.GraphProto, nodes: Iterable[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """The nodes in an order in which each comes after those that make its inputs."""
    left = list(nodes)
    made = {name for node in left for name in node.output}
    ready = {""} | {name for node in left for name in node.input if name not in made}
    done: list[onnx.NodeProto] = []
    while left:
        waiting = []
        for node in left:
            # A node with graphs inside (If, Loop) reads more than its inputs; those stay in the given order.
            if all(name in ready for name in node.input):
                done.append(node)
                ready.update(node.output)
            else:
                waiting.append(node)
        if len(waiting) == len(left):
            raise ValueError(f"the nodes of {graph.name or 'the graph'} depend on each other in a circle")
        left = waiting
    return done

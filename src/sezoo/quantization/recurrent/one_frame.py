"""Removal of Scans from a static one-frame model, whose bodies are inlined into the graph."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import helper

from sezoo.models.nested_graphs import rename_reads
from sezoo.models.onnx_graph import UnusedNames, attribute, copy_model, copy_node, layout, set_nodes, set_weights
from sezoo.quantization.recurrent.cells import Kind

__all__ = ["with_bodies_in_place"]


def with_bodies_in_place(model: onnx.ModelProto) -> onnx.ModelProto:
    """A model of one frame, with the bodies of recurrent layers in the place of their Scans.

    Scans that go over something else, as the bins of a frame, stay. The argument is not changed.
    """
    written, shapes = copy_model(model), layout(model)
    graph, names = written.graph, UnusedNames(written.graph)
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        body = attribute(node, "body", None) if node.op_type == "Scan" else None
        if body is None or Kind.of(body.name) is None or _steps(node, shapes) not in (None, 1):
            nodes.append(node)
        else:
            nodes += _inline_body(graph, names, node, body)
    set_nodes(graph, nodes)
    return written


def _steps(node: onnx.NodeProto, shapes: Mapping[str, list[int | str]]) -> int | None:
    """Return the number of iterations of a Scan; None if it depends on the number of frames."""
    sequences = attribute(node, "num_scan_inputs", 0)
    axes = shapes.get(node.input[len(node.input) - sequences])
    length = axes[attribute(node, "scan_input_axes", [0])[0]] if axes else None
    return length if isinstance(length, int) else None


def _inline_body(
    graph: onnx.GraphProto, names: UnusedNames, node: onnx.NodeProto, body: onnx.GraphProto
) -> list[onnx.NodeProto]:
    count = len(node.input) - attribute(node, "num_scan_inputs", 0)
    inside = [value.name for value in body.input]
    renamed = dict(zip(inside, node.input[:count], strict=False))
    nodes = []

    def axes(number: int) -> str:
        name = names.new(f"{node.name}/axis")
        set_weights(graph, {name: np.array([number], np.int64)})
        return name

    for name, source, axis in zip(
        inside[count:], node.input[count:], attribute(node, "scan_input_axes", []), strict=True
    ):
        nodes.append(helper.make_node("Squeeze", [source, axes(axis)], [name], names.new(f"{name}/frame")))
    graph.initializer.extend(body.initializer)
    ends = [value.name for value in body.output]
    renamed |= dict(zip(ends[:count], node.output, strict=False))
    for each in body.node:
        copy = copy_node(each)
        rename_reads(copy, renamed)
        copy.output[:] = [renamed.get(name, name) for name in copy.output]
        nodes.append(copy)
    sequences = zip(ends[count:], node.output[count:], attribute(node, "scan_output_axes", []), strict=True)
    for name, output, axis in sequences:
        source = renamed.get(name, name)
        nodes.append(helper.make_node("Unsqueeze", [source, axes(axis)], [output], names.new(f"{output}/frames")))
    return nodes

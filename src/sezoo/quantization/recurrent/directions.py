"""Recurrent layers that go backwards, or both ways, as layers that go forward over what is turned round.

Over the bins of a frame that costs nothing but another order. Over frames it would need the whole clip, which no stream
has: such layers stay as they are.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import onnx
from onnx import helper

from sezoo.models.onnx_graph import attribute
from sezoo.quantization.graph.rewriting import Rewriter, rewrite

__all__ = ["with_forward_layers"]

FORWARD = b"forward"

OF_BOTH = ("activations", "activation_alpha", "activation_beta")
"""Attributes that list first what is for the one direction, then what is for the other."""

STATES_FROM = 5
"""Inputs from here on are states; before them come the sequence, weights, biases, and the lengths of sequences."""


def with_forward_layers(model: onnx.ModelProto, names: Collection[str]) -> onnx.ModelProto:
    """The model with the layers of these names as one layer a direction, all of them forward, computing the same.

    The forward one keeps the name. Layers that are forward, that go over any number of steps (which are frames), whose
    weights are no constants, or that have `sequence_lens` or peepholes, stay as they are.
    """

    def form(graph: Rewriter, node: onnx.NodeProto) -> bool:
        if node.name not in names or not _can_be_split(graph, node):
            return False
        _split_directions(graph, node)
        return True

    return rewrite(model, [form])


def _can_be_split(graph: Rewriter, node: onnx.NodeProto) -> bool:
    given = [*node.input, *[""] * 8]
    is_plain = not given[4] and not given[7] and not attribute(node, "layout", 0)
    constant = all(name in graph.weights for name in given[1:4] if name)
    steps = next(iter(graph.lengths(node.input[0])), None)
    goes_back = attribute(node, "direction", FORWARD) != FORWARD
    return goes_back and isinstance(steps, int) and is_plain and constant


def _split_directions(graph: Rewriter, node: onnx.NodeProto) -> None:
    """Write the forward layers that replace a layer."""
    ways = [b"forward", b"reverse"] if attribute(node, "direction", FORWARD) == b"bidirectional" else [b"reverse"]
    made = [_one_direction(graph, node, place, way, len(ways)) for place, way in enumerate(ways)]
    for place, output in enumerate(node.output):
        if not output:
            continue
        parts = [each[place] for each in made]
        if len(parts) == 1:
            _put(graph, "Identity", parts, output)
        else:
            _put(graph, "Concat", parts, output, axis=1 if place == 0 else 0)


def _one_direction(graph: Rewriter, node: onnx.NodeProto, place: int, way: bytes, ways: int) -> list[str]:
    """One direction's layer; the names of its outputs, in the order of the sequence that went in."""
    backwards = way != FORWARD
    name = graph.tensor(f"{node.name}/backwards") if backwards else node.name
    inputs = [_reverse(graph, node.input[0], f"{name}/input") if backwards else node.input[0]]
    for index, given in enumerate(node.input[1:], 1):
        if not given:
            inputs.append("")
        elif given in graph.weights:
            inputs.append(graph.constant(f"{given}/{place}", graph.weights[given][place : place + 1]))
        elif index >= STATES_FROM and ways > 1:
            inputs.append(_slice(graph, given, f"{name}/state", place, place + 1, 1))
        else:
            inputs.append(given)
    outputs = [graph.tensor(f"{name}/output{index}") if output else "" for index, output in enumerate(node.output)]
    settings = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
    settings["direction"] = "forward"
    for key in OF_BOTH:
        if key in settings:
            count = len(settings[key]) // ways
            settings[key] = settings[key][place * count : (place + 1) * count]
    graph.keep(helper.make_node(node.op_type, inputs, outputs, name=name, **settings))
    if backwards and outputs[0]:
        outputs[0] = _reverse(graph, outputs[0], f"{name}/forwards")
    return outputs


def _reverse(graph: Rewriter, source: str, name: str) -> str:
    """The other end first, along the first axis."""
    return _slice(graph, source, name, -1, np.iinfo(np.int64).min, -1)


def _slice(graph: Rewriter, source: str, name: str, start: int, end: int, step: int) -> str:
    name = graph.tensor(name)
    limits = [
        graph.integers(f"{name}/{key}", value)
        for key, value in (("start", start), ("end", end), ("axis", 0), ("step", step))
    ]
    return _put(graph, "Slice", [source, *limits], name)


def _put(graph: Rewriter, op_type: str, inputs: list[str], output: str, **attributes: object) -> str:
    return graph.put(op_type, inputs, output, graph.tensor(f"{output}/node"), **attributes)

"""Recurrent layers that go backwards, or both ways, as layers that go forward over what is turned round.

Over the bins of a frame that costs nothing but another order. Over frames it would need the whole clip, which no stream
has: such layers stay as they are.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import onnx
from onnx import helper

from sezoo.models.onnx_graph import UnusedNames, attribute, copy_model, float_weights, keep_needed, layout, set_weights
from sezoo.quantization.graph.preparation import with_known_shapes

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
    weights, shapes = float_weights(model.graph), layout(model)
    chosen = {node.name for node in model.graph.node if node.name in names and _can_be_split(node, weights, shapes)}
    if not chosen:
        return model
    changed = copy_model(model)
    writer = _Writer(changed.graph, weights)
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        nodes += writer.split_directions(node) if node.name in chosen else [node]
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del changed.graph.node[:]
    changed.graph.node.extend(copies)
    keep_needed(changed.graph)
    return with_known_shapes(changed)


def _can_be_split(node: onnx.NodeProto, weights: Collection[str], shapes: Mapping[str, Sequence[int | str]]) -> bool:
    given = [*node.input, *[""] * 8]
    is_plain = not given[4] and not given[7] and not attribute(node, "layout", 0)
    constant = all(name in weights for name in given[1:4] if name)
    steps = next(iter(shapes.get(node.input[0], ())), None)
    goes_back = attribute(node, "direction", FORWARD) != FORWARD
    return goes_back and isinstance(steps, int) and is_plain and constant


class _Writer:
    def __init__(self, graph: onnx.GraphProto, weights: dict[str, np.ndarray]):
        self.graph, self.weights, self.names = graph, weights, UnusedNames(graph)
        self.nodes: list[onnx.NodeProto] = []

    def split_directions(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """Return the nodes, with forward layers only, that replace a layer."""
        self.nodes = []
        ways = [b"forward", b"reverse"] if attribute(node, "direction", FORWARD) == b"bidirectional" else [b"reverse"]
        made = [self._one(node, place, way, len(ways)) for place, way in enumerate(ways)]
        for place, output in enumerate(node.output):
            if not output:
                continue
            parts, axis = [each[place] for each in made], 1 if place == 0 else 0
            if len(parts) == 1:
                self._node("Identity", parts, output)
            else:
                self._node("Concat", parts, output, axis=axis)
        return self.nodes

    def _one(self, node: onnx.NodeProto, place: int, way: bytes, ways: int) -> list[str]:
        """One direction's layer; the names of its outputs, in the order of the sequence that went in."""
        backwards = way != FORWARD
        name = self.names.new(f"{node.name}/backwards") if backwards else node.name
        source = self._reverse(node.input[0], f"{name}/input") if backwards else node.input[0]
        inputs = [source]
        for index, given in enumerate(node.input[1:], 1):
            if not given:
                inputs.append("")
            elif given in self.weights:
                inputs.append(self._constant(f"{given}/{place}", self.weights[given][place : place + 1]))
            elif index >= STATES_FROM and ways > 1:
                inputs.append(self._slice(given, f"{name}/state", place, place + 1, 1))
            else:
                inputs.append(given)
        outputs = [
            self.names.new(f"{name}/output{index}") if output else "" for index, output in enumerate(node.output)
        ]
        settings = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
        settings["direction"] = "forward"
        for key in OF_BOTH:
            if key in settings:
                count = len(settings[key]) // ways
                settings[key] = settings[key][place * count : (place + 1) * count]
        self.nodes.append(helper.make_node(node.op_type, inputs, outputs, name=name, **settings))
        if backwards and outputs[0]:
            outputs[0] = self._reverse(outputs[0], f"{name}/forwards")
        return outputs

    def _reverse(self, source: str, name: str) -> str:
        """The other end first, along the first axis."""
        return self._slice(source, name, -1, np.iinfo(np.int64).min, -1)

    def _slice(self, source: str, name: str, start: int, end: int, step: int) -> str:
        name = self.names.new(name)
        inputs = [
            self._constant(f"{name}/{key}", np.array([value], np.int64))
            for key, value in (("start", start), ("end", end), ("axis", 0), ("step", step))
        ]
        self._node("Slice", [source, *inputs], name)
        return name

    def _constant(self, name: str, values: np.ndarray) -> str:
        name = self.names.new(name)
        set_weights(self.graph, {name: values})
        return name

    def _node(self, op_type: str, inputs: list[str], output: str, **attributes: object) -> None:
        self.nodes.append(helper.make_node(op_type, inputs, [output], self.names.new(f"{output}/node"), **attributes))

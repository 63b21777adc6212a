"""More than 8 bits for the network's input: an int16 tensor, or an int8 tensor with its rounding error as a second one.

Magnitudes span five orders: a step of 1/255 of the loudest rounds the quiet bins to nothing. In both forms all else
stays as it is, and the second needs no integers but those of 8 bits.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
import onnx
from onnx import helper

from sezoo.models.nested_graphs import sorted_nodes
from sezoo.models.onnx_graph import attribute, copy_model, float_weights, producers, set_nodes, set_weights, unused_name
from sezoo.models.receptive_field import RECURRENT
from sezoo.models.states import magnitude_input
from sezoo.quantization.calibration.segments import Segment
from sezoo.quantization.graph.linear_layers import LINEAR
from sezoo.quantization.graph.preparation import with_known_shapes
from sezoo.quantization.plan import Plan

__all__ = ["before_layers", "first_activations", "with_int8_input", "with_int16_input", "with_split_input"]

HEADROOM = 2.0
"""The finest of 16 bits is spent on what is louder than the calibration clips."""

LEVELS = 255

MAGNIFIED = 12.0
"""How much louder the fine part is made: twice that leaves its weights next to no bits, half of it its values."""


FINE_STEPS = int(MAGNIFIED / 2)
"""Steps of the coarse part that the fine one reaches to either side."""


def first_activations(plan: Plan) -> list[str]:
    """Return the inputs of the first layers, with no weights between them and the model's input."""
    weights = float_weights(plan.model.graph)
    behind_layers: set[str] = set()
    found: dict[str, None] = {}
    for node in plan.model.graph.node:
        if node.op_type in (*LINEAR, *RECURRENT) or any(name in behind_layers for name in node.input):
            behind_layers.update(node.output)
        if node.op_type in LINEAR and node.op_type in plan.op_types and node.input[1] in weights:
            source = node.input[0]
            if source not in behind_layers and source in plan.ranges and source not in weights:
                found[source] = None
    return list(found)


def before_layers(plan: Plan) -> frozenset[str]:
    """Return the activations of the float front end: before all layers, and read by none."""
    firsts, behind = set(first_activations(plan)), set()
    for node in plan.model.graph.node:
        if node.op_type in (*LINEAR, *RECURRENT) or any(name in behind for name in node.input):
            behind.update(node.output)
    return frozenset(plan.ranges.keys() - behind - firsts)


def with_int8_input(plan: Plan, segments: Sequence[Segment]) -> Plan:
    """The model's input in 8 bits, also where it is float operators that read it; as loud as the mean segment."""
    name = magnitude_input(plan.model).name
    loudest = np.float32(np.mean([segment.magnitude.max() for segment in segments]))
    return replace(plan, int8_input=True, ranges={name: (np.float32(0), loudest)} | plan.ranges)


def with_int16_input(plan: Plan) -> Plan:
    """The first activations in 16 bits, and what comes before them in float."""
    names = first_activations(plan)
    ranges = plan.ranges | {name: _with_headroom(plan.ranges[name]) for name in names}
    in_float = plan.in_float | _before(plan.model, names)
    return replace(plan, ranges=ranges, int16=plan.int16 | set(names), in_float=in_float)


def with_split_input(plan: Plan) -> Plan:
    """The first activations as one int8 tensor of twice the channels: a coarse part, and what it leaves, magnified.

    ``coarse = clip(round(x / step)) * step`` and ``fine = (x - coarse) * MAGNIFIED``, in float; the first layers get
    both side by side, with their weights for the coarse part and the same over `MAGNIFIED` for the fine one, so that
    all adds up before anything is rounded again. What else reads the activation gets the coarse part.
    """
    names = [name for name in first_activations(plan) if _can_be_split(plan, name)]
    model, ranges = copy_model(plan.model), dict(plan.ranges)
    in_float, fixed = set(plan.in_float) | _before(plan.model, names), set(plan.fixed_ranges)
    for name in names:
        low, high = _with_headroom(plan.ranges[name])
        step = np.float32((high - low) / (LEVELS - FINE_STEPS))
        lowest = min(np.rint(low / step), -FINE_STEPS) * step  # below zero the fine part needs integers as well
        highest = lowest + LEVELS * step
        layers = _layers_on(plan, name)
        axis = 1 if layers[0].op_type == "Conv" else -1
        split, coarse, both = _split(model.graph, name, step, (lowest, highest), axis)
        ranges[both] = ranges[coarse] = (np.float32(lowest), np.float32(highest))  # integers are the coarse steps
        in_float |= {node.name for node in split}
        fixed |= {both, coarse}
        for node in model.graph.node:
            if node.name in {layer.name for layer in layers}:
                node.input[:2] = [both, _with_fine_inputs(model.graph, node)]
            else:
                node.input[:] = [coarse if read == name else read for read in node.input]
        set_nodes(model.graph, sorted_nodes(model.graph, [*split, *model.graph.node]))
    model = with_known_shapes(model)
    return replace(
        plan,
        model=model,
        exact=model,
        ranges=ranges,
        in_float=frozenset(in_float),
        fixed_ranges=frozenset(fixed),
    )


def _layers_on(plan: Plan, name: str) -> list[onnx.NodeProto]:
    return [
        node
        for node in plan.model.graph.node
        if node.op_type in LINEAR and node.op_type in plan.op_types and node.input[0] == name
    ]


def _can_be_split(plan: Plan, name: str) -> bool:
    """Whether all layers on it take more input channels: no groups, and channels along the same axis."""
    layers = _layers_on(plan, name)
    same_axis = len({node.op_type == "Conv" for node in layers}) == 1
    plain = all(node.op_type in ("Conv", "MatMul") and attribute(node, "group", 1) == 1 for node in layers)
    return same_axis and plain


def _with_fine_inputs(graph: onnx.GraphProto, node: onnx.NodeProto) -> str:
    """The name of a layer's weights for both parts, which are added to the graph."""
    weight = float_weights(graph)[node.input[1]]
    name = unused_name(graph, f"{node.input[1]}/with_fine_inputs")
    both = np.concatenate([weight, weight / np.float32(MAGNIFIED)], axis=1 if node.op_type == "Conv" else 0)
    set_weights(graph, {name: both})
    return name


def _with_headroom(ends: tuple[np.float32, np.float32]) -> tuple[np.float32, np.float32]:
    low, high = ends
    return np.float32(HEADROOM) * min(low, np.float32(0)), np.float32(HEADROOM) * max(high, np.float32(1e-6))


def _before(model: onnx.ModelProto, names: Collection[str]) -> set[str]:
    """The names of the nodes that these tensors are made by, and of those before them."""
    made_by, waiting, found = producers(model.graph), list(names), set()
    while waiting:
        node = made_by.get(waiting.pop())
        if node is not None and node.name not in found:
            found.add(node.name)
            waiting += node.input
    return found


def _split(
    graph: onnx.GraphProto, name: str, step: np.float32, limits: tuple[float, float], axis: int
) -> tuple[list[onnx.NodeProto], str, str]:
    """The nodes that split a tensor, and the names of the coarse part and of both side by side."""

    def named(part: str) -> str:
        return unused_name(graph, f"{name}/{part}")

    numbers = {"step": step, "lowest": limits[0], "highest": limits[1], "magnified": MAGNIFIED}
    constants = {key: named(key) for key in numbers}
    set_weights(graph, {constants[key]: np.array(value, np.float32) for key, value in numbers.items()})
    steps, whole, rounded, coarse, rest, fine, both = (
        named(part) for part in ("steps", "whole", "rounded", "coarse", "rest", "fine", "both")
    )
    nodes = [
        helper.make_node("Div", [name, constants["step"]], [steps], named("divide")),
        helper.make_node("Round", [steps], [whole], named("round")),
        helper.make_node("Mul", [whole, constants["step"]], [rounded], named("multiply")),
        helper.make_node("Clip", [rounded, constants["lowest"], constants["highest"]], [coarse], named("limit")),
        helper.make_node("Sub", [name, coarse], [rest], named("subtract")),
        helper.make_node("Mul", [rest, constants["magnified"]], [fine], named("magnify")),
        helper.make_node("Concat", [coarse, fine], [both], named("join"), axis=axis),
    ]
    return nodes, coarse, both

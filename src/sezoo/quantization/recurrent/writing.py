"""Quantizers in the bodies of recurrent layers, in a model that onnxruntime has quantized."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import helper

from sezoo.models.onnx_graph import (
    UnusedNames,
    attribute,
    float_weights,
    keep_needed,
    producers,
    readers,
    set_nodes,
    set_weights,
)
from sezoo.quantization.recurrent.cells import (
    CANDIDATE_BIAS,
    CANDIDATE_WEIGHTS,
    GATE_WEIGHTS,
    HIDDEN,
    SIGMOID_IN,
    TANH_IN,
    UNIT,
    Body,
)
from sezoo.quantization.recurrent.expansion import Recurrence, recurrences
from sezoo.quantization.recurrent.scan_writer import graph_of

__all__ = ["LARGEST", "outer_ends", "with_integer_bodies"]

SCALES = {SIGMOID_IN: 16 / 2**15, TANH_IN: 8 / 2**15, UNIT: 1 / 2**15}
"""Of the int16 tensors whose ranges are known."""

LARGEST = 127
"""Of the integers of a weight."""

Quantizer = tuple[str, str]
"""The names of a scale and of a zero point."""


def with_integer_bodies(
    model: onnx.ModelProto, in_float: frozenset[str], weight_scales: Mapping[str, tuple[np.ndarray, int]]
) -> onnx.ModelProto:
    """The model whose recurrent layers are quantized inside as well; it is changed.

    The quantizers that onnxruntime has put behind a Scan's outputs move into its body, and those at the states in front
    of and behind it go: a state is rounded where it is made.

    Parameters
    ----------
    in_float : names of nodes that stay as they are.
    weight_scales : see `Plan`; weights without scales get those that their largest ones need.
    """
    found = [each for each in recurrences(model) if each.node.name not in in_float]
    for each in found:
        _write(model.graph, each, weight_scales)
    if found:
        keep_needed(model.graph)
    return model


def _write(graph: onnx.GraphProto, layer: Recurrence, weight_scales: Mapping[str, tuple[np.ndarray, int]]) -> None:
    read_by = readers(graph)
    quantizers = {role: _quantizer_of(read_by, name) for role, name in {HIDDEN: layer.hidden, **layer.inner}.items()}
    for role, scale in SCALES.items():
        quantizers[role] = _constants(graph, f"sezoo/{role}", np.float32(scale))
    for name in layer.last.values():
        _bypass(graph, read_by, name)
    made_by = producers(graph)
    inputs = [_before_rounding(made_by, name) for name in layer.states.values()] + [layer.gates, layer.candidate]
    ends = outer_ends(layer)
    for key in (GATE_WEIGHTS, CANDIDATE_WEIGHTS):
        ends[key] = _integer_weights(graph, ends[key], weight_scales.get(ends[key]))
    body = Body(f"{layer.node.name}/frame")

    def rounded(name: str, role: str) -> str:
        stem = name.removeprefix(f"{body.prefix}/")
        integers = body.node("QuantizeLinear", [name, *quantizers[role]], f"{stem}/integers")
        return body.node("DequantizeLinear", [integers, *quantizers[role]], f"{stem}/rounded")

    body.rounded = rounded
    hidden = layer.body.input[0].type.tensor_type.shape.dim[1].dim_value
    new_body = graph_of(body, layer.kind, ends, hidden, with_inner=False)
    kept = [*layer.last.values(), layer.hidden]
    node = helper.make_node(
        "Scan", inputs, kept, name=layer.node.name, body=new_body, num_scan_inputs=2,
        scan_input_axes=attribute(layer.node, "scan_input_axes", []),
        scan_output_axes=attribute(layer.node, "scan_output_axes", [])[:1],
    )  # fmt: skip
    # The weights' DequantizeLinears come first: nodes are in order.
    nodes = [node if each.name == layer.node.name else each for each in graph.node]
    weights = [each for each in graph.node if each.op_type == "DequantizeLinear" and each.output[0] in ends.values()]
    others = [each for each in nodes if each not in weights]
    inner = set(layer.inner.values())  # what calibration looked at is not made any more
    set_nodes(graph, (each for each in (*weights, *others) if not inner & set(each.input)))


def _quantizer_of(read_by: Mapping[str, list[onnx.NodeProto]], name: str) -> Quantizer:
    """The scale and the zero point that a tensor is rounded with."""
    node = next(each for each in read_by[name] if each.op_type == "QuantizeLinear")
    return node.input[1], node.input[2]


def _constants(graph: onnx.GraphProto, name: str, scale: np.float32) -> Quantizer:
    """A symmetric int16 quantizer's constants, which all layers share."""
    set_weights(graph, {f"{name}/scale": np.array(scale), f"{name}/zero_point": np.array(0, np.int16)})
    return f"{name}/scale", f"{name}/zero_point"


def _bypass(graph: onnx.GraphProto, read_by: Mapping[str, list[onnx.NodeProto]], name: str) -> None:
    """Let all that reads a tensor behind its quantizer read it before."""
    for quantize in read_by[name]:
        if quantize.op_type != "QuantizeLinear":
            continue
        behind = {each.output[0] for each in read_by[quantize.output[0]] if each.op_type == "DequantizeLinear"}
        for node in graph.node:
            node.input[:] = [name if read in behind else read for read in node.input]


def _before_rounding(made_by: Mapping[str, onnx.NodeProto], name: str) -> str:
    """A tensor before its quantizer."""
    dequantize = made_by.get(name)
    if dequantize is None or dequantize.op_type != "DequantizeLinear":
        return name
    quantize = made_by.get(dequantize.input[0])
    return name if quantize is None or quantize.op_type != "QuantizeLinear" else quantize.input[0]


def outer_ends(layer: Recurrence) -> dict[str, str]:
    """Return the outer tensors that the float body reads, by their role."""
    nodes = {node.output[0].split("/frame/", 1)[-1]: node for node in layer.body.node}
    from_state = nodes.get("candidate_from_state/product") or nodes["candidate_from_state"]
    ends = {GATE_WEIGHTS: nodes["gates_from_state"].input[1], CANDIDATE_WEIGHTS: from_state.input[1]}
    if layer.kind.reset_after:
        ends[CANDIDATE_BIAS] = nodes["candidate_from_state"].input[1]
    if "update_gate/rest" in nodes:
        ends["one"] = nodes["update_gate/rest"].input[0]
    return ends


def _integer_weights(graph: onnx.GraphProto, name: str, given: tuple[np.ndarray, int] | None) -> str:
    """Weights (inputs, outputs) as int8 with a scale for each output: the name of what stands for them.

    Parameters
    ----------
    given : the scales that they are multiples of, if they are.
    """
    values = float_weights(graph)[name]
    if given is None:
        scale = (np.abs(values).max(axis=0) / np.float32(LARGEST)).astype(np.float32)
        scale[scale < np.finfo(np.float32).tiny] = 1  # zeros
    else:
        scale = given[0].astype(np.float32)
    integers = np.clip(np.rint(values / scale), -LARGEST, LARGEST).astype(np.int8)
    names = UnusedNames(graph)
    parts = [names.new(f"{name}_{part}") for part in ("quantized", "scale", "zero_point")]
    values = (integers, scale, np.zeros(len(scale), np.int8))
    set_weights(graph, dict(zip(parts, values, strict=True)))
    made = names.new(f"{name}_rounded")
    graph.node.append(
        helper.make_node("DequantizeLinear", parts, [made], names.new(f"{name}_DequantizeLinear"), axis=1)
    )
    return made

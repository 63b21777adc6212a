"""Quantizers behind what only moves the values of an int8 tensor about.

onnxruntime 1.32 puts quantizers of its own there, in models of opset 21 and later of the wrong type where the model's
are signed, and refuses such a model ("output_dtype INT8 does not match y_zero_point type UINT8"). Those that are there
already it leaves alone. They round nothing: the values are multiples of the step.
"""

from __future__ import annotations

import onnx
from onnx import helper

from sezoo.models.movements import RESHAPING, SELECTING
from sezoo.models.onnx_graph import UnusedNames, initializers, opset_of, producers, readers, set_nodes

__all__ = ["with_quantized_movements"]

MOVERS = (RESHAPING | SELECTING) - {"Identity"}  # which onnxruntime removes

FIRST_OPSET = 21
"""With which a QuantizeLinear may name its type."""


def with_quantized_movements(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model, from opset 21 on with a quantizer behind each movement of an int8 tensor; it is changed.

    Bodies of nodes stay as they are.
    """
    if opset_of(model) < FIRST_OPSET:
        return model
    graph, names, weights = model.graph, UnusedNames(model.graph), initializers(model.graph)
    made_by, read_by = producers(graph), readers(graph)
    outputs = {value.name for value in graph.output}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        nodes.append(node)
        source = made_by.get(node.input[0]) if node.op_type in MOVERS else None
        if source is None or source.op_type != "DequantizeLinear" or len(source.input) < 3:
            continue
        if source.input[0] in weights or weights[source.input[1]].size != 1:  # a step for each channel may be moved too
            continue
        for place, name in enumerate(node.output):
            if not name or name in outputs or all(reader.op_type == "QuantizeLinear" for reader in read_by[name]):
                continue
            moved, rounded = names.new(f"{name}_moved"), names.new(f"{name}_moved_quantized")
            node.output[place] = moved
            parameters = list(source.input[1:3])
            pair = [
                helper.make_node("QuantizeLinear", [moved, *parameters], [rounded], names.new(f"{rounded}.node")),
                helper.make_node("DequantizeLinear", [rounded, *parameters], [name], names.new(f"{name}_dequantized")),
            ]
            nodes += pair
            made_by[name] = pair[1]
    set_nodes(graph, nodes)
    return model

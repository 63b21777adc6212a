"""Constants in place of what a graph computes from shapes, once those are known.

onnxruntime folds them as well, but moves the quantizers of an int8 model about when it does, and writes them for other
zero points than they had.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx
from onnx import helper, numpy_helper

from sezoo.models.nested_graphs import nested_graphs
from sezoo.models.onnx_graph import axes_of, initializers, keep_needed, set_nodes
from sezoo.models.onnx_session import open_session
from sezoo.quantization.graph.preparation import with_known_shapes

__all__ = ["with_folded_shapes"]

IR_VERSION = 8
"""Of the models of one node; onnxruntime reads all of them."""

QUANTIZERS = {"QuantizeLinear", "DequantizeLinear"}
"""They stay, although those of weights have constant inputs only."""


def with_folded_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with constants for all that depends on nothing but shapes that are known, and with all shapes.

    Parameters
    ----------
    model : its shapes are known as far as they can be inferred; it is changed.
    """
    while _fold(model):
        model = with_known_shapes(model)  # a constant shape makes those behind its Reshape known
    return model


def _fold(model: onnx.ModelProto) -> bool:
    """Fold what can be folded at once; whether there was anything."""
    graph = model.graph
    lengths = {value.name: axes_of(value) for value in (*graph.input, *graph.value_info, *graph.output)}
    weights, found, left = initializers(graph), {}, []
    for node in graph.node:  # in topological order
        if node.op_type == "Shape":
            axes = lengths.get(node.input[0])
            if axes is not None and all(isinstance(axis, int) and axis > 0 for axis in axes):
                places = {entry.name: entry.i for entry in node.attribute}
                found[node.output[0]] = np.array(axes[slice(places.get("start"), places.get("end"))], np.int64)
                continue
        elif _depends_on(node, found, weights):
            known = {name: found[name] if name in found else weights[name] for name in node.input if name}
            found |= _outputs_of(node, known, model.opset_import)
            continue
        left.append(node)
    set_nodes(graph, left)
    graph.initializer.extend(numpy_helper.from_array(np.asarray(values), name) for name, values in found.items())
    keep_needed(graph)
    return bool(found)


def _outputs_of(
    node: onnx.NodeProto, known: dict[str, np.ndarray], opsets: Iterable[onnx.OperatorSetIdProto]
) -> dict[str, np.ndarray]:
    """The outputs of a node whose inputs are known."""
    outputs = [helper.make_empty_tensor_value_info(name) for name in node.output if name]
    weights = [numpy_helper.from_array(np.asarray(values), name) for name, values in known.items()]
    graph = helper.make_graph([node], "folded", [], outputs, weights)
    session = open_session(helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION), optimization="none")
    return dict(zip((value.name for value in outputs), session.run(None, {}), strict=True))


def _depends_on(node: onnx.NodeProto, found: dict[str, np.ndarray], weights: dict[str, np.ndarray]) -> bool:
    """Whether a node computes something of what was folded, and of constants besides."""
    inputs = [name for name in node.input if name]
    if node.op_type in QUANTIZERS or any(True for _ in nested_graphs(node)):
        return False
    return not found.keys().isdisjoint(inputs) and all(name in found or name in weights for name in inputs)

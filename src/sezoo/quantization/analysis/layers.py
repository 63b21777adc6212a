"""The operators that multiply and add: their precision, how well their weights are rounded, and their work."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import onnx

from sezoo.models.macs import macs_by_node
from sezoo.models.onnx_graph import attribute, float_weights, type_name
from sezoo.quantization.analysis.quantizers import bits, precisions
from sezoo.quantization.analysis.sqnr import energy, sqnr
from sezoo.quantization.fidelity.probe import tensors_of
from sezoo.quantization.graph.linear_layers import LINEAR
from sezoo.quantization.graph.static_shape import static_length
from sezoo.quantization.plan import Plan
from sezoo.quantization.recurrent.cells import Kind
from sezoo.results.quantization import Layer

__all__ = ["layers_of", "macs_shares", "operator_of", "operators_in_float"]

RECURRENT = ("LSTM", "GRU", "RNN")


def layers_of(plan: Plan, model: onnx.ModelProto, call_frames: int, magnitude: np.ndarray) -> Iterator[Layer]:
    """The layers of the int8 model that are also layers of the float model, in graph order.

    Parameters
    ----------
    call_frames : the work is counted on N of them, if the model takes any number.
    magnitude : (1, bins, frames) float32; the int8 model is run on it once, so that it says what its weights are.
    """
    exact_nodes = {node.name: node for node in plan.exact.graph.node}
    kinds = (*LINEAR, *RECURRENT, "Scan", "Einsum")
    nodes = [node for node in model.graph.node if node.op_type in kinds and node.name in exact_nodes]
    exact_weights, types = float_weights(plan.exact.graph), precisions(model.graph)
    weights = {node.name: _weights_of(node, exact_nodes[node.name], exact_weights) for node in nodes}
    names = [name for of_layer in weights.values() for name in of_layer]
    _, values = next(tensors_of(model, names)(magnitude))
    values = dict(zip(names, values, strict=True))
    frames = static_length(plan.exact, call_frames)
    macs = macs_by_node(plan.exact, frames)
    total = None if None in macs.values() else sum(macs.values())
    for node in nodes:
        pairs = [(exact_weights[exact], values[name]) for name, exact in weights[node.name].items()]
        signal = sum(energy(exact) for exact, _ in pairs)
        noise = sum(energy(rounded - exact) for exact, rounded in pairs)
        precision = max(_types_of_inputs(node, model.graph, types), key=bits)
        work = macs[exact_nodes[node.name].output[0]]
        yield Layer(
            node.name,
            operator_of(node),
            precision,
            weight_sqnr=None if precision == "float" else sqnr(signal, noise),
            fitted=any(exact in plan.weight_scales for exact in weights[node.name].values()),
            weight_bytes=sum(values[name].size * bits(types.get(name, "float")) // 8 for name in weights[node.name]),
            macs=None if work is None else work / frames,
            macs_share=work / total if work is not None and total else None,
        )


def operator_of(node: onnx.NodeProto) -> str:
    """The operator; of a recurrent layer's Scan, in which its products with the state are, the layer's."""
    kind = Kind.of(attribute(node, "body", None).name) if node.op_type == "Scan" else None
    return node.op_type if kind is None else kind.op_type


def _products(node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """The matrix products of a Scan's frame."""
    return [each for each in attribute(node, "body", None).node if each.op_type == "MatMul"]


def _types_of_inputs(node: onnx.NodeProto, graph: onnx.GraphProto, types: Mapping[str, str]) -> list[str]:
    """The precision of the two tensors that a layer multiplies."""
    if node.op_type != "Scan":
        return [types.get(name, "float") for name in node.input[:2]]
    constants = {weight.name: type_name(weight.data_type) for weight in graph.initializer}
    inside = {
        each.output[0]: constants.get(each.input[2], "float")
        for each in attribute(node, "body", None).node
        if each.op_type == "DequantizeLinear"
    }
    names = [name for product in _products(node) for name in product.input]
    return [{**types, **inside}.get(name, "float") for name in names] or ["float"]


def _weights_of(node: onnx.NodeProto, exact: onnx.NodeProto, exact_weights: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Return the weights of a layer in the float model by their names in the int8 model, without biases."""
    if node.op_type == "Scan":
        products = zip(_products(node), _products(exact), strict=True)
        return {mine.input[1]: theirs.input[1] for mine, theirs in products if theirs.input[1] in exact_weights}
    of_inputs = slice(1, 2 if node.op_type in LINEAR else 3)
    pairs = zip(node.input[of_inputs], exact.input[of_inputs], strict=True)
    return {name: of_exact for name, of_exact in pairs if of_exact in exact_weights}


def macs_shares(layers: Sequence[Layer]) -> dict[str, float]:
    """Return the share of multiply-accumulates by precision; empty if a shape is unknown."""
    if any(layer.macs_share is None for layer in layers):
        return {}
    shares: dict[str, float] = defaultdict(float)
    for layer in layers:
        shares[layer.precision] += layer.macs_share
    return dict(shares)


def operators_in_float(plan: Plan) -> dict[str, int]:
    """Return the number of operators, by type, that stay in float in the int8 model."""
    values = (*plan.model.graph.value_info, *plan.model.graph.output)
    in_float = {value.name for value in values if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT}
    return Counter(
        f"{node.domain}.{node.op_type}" if node.domain not in ("", "ai.onnx") else node.op_type
        for node in plan.model.graph.node
        if node.output[0] in in_float and plan.is_in_float(node)
    )

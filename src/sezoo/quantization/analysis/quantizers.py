"""The activations of an int8 model and what rounds them, found in its graph."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx

from sezoo.models.onnx_graph import initializers, producers, readers, type_name
from sezoo.quantization.calibration.ranges import tensors_to_calibrate
from sezoo.quantization.plan import Plan

__all__ = ["Quantizer", "bits", "precisions", "quantizers", "tensor_names"]


@dataclass(frozen=True)
class Quantizer:
    """A QuantizeLinear on an activation, with what is before and behind it; or a tensor in float.

    Attributes
    ----------
    name : of the activation, in the float model if it is there.
    made_by, op_type, dtype, low, high : as a `Tensor` has them.
    before, behind : names of the float tensors in the int8 model; the same in float.
    limits : what activations that it replaces would have cut off before it.
    """

    name: str
    made_by: str
    op_type: str
    dtype: str
    before: str
    behind: str
    step: float = 0.0
    low: float | None = None
    high: float | None = None
    limits: tuple[float, float] = (-math.inf, math.inf)


def quantizers(plan: Plan, model: onnx.ModelProto) -> list[Quantizer]:
    """The activations of the int8 model: quantized ones in graph order, then those that were left in float."""
    graph, exact_names, own_names = model.graph, tensor_names(plan.exact), tensor_names(model)
    constants, made_by, read_by, types = initializers(graph), producers(graph), readers(graph), precisions(graph)
    float_constants, float_made_by = initializers(plan.model.graph), producers(plan.model.graph)
    found: dict[str, Quantizer] = {}
    for node in graph.node:
        behind = next((each.output[0] for each in read_by[node.output[0]] if each.op_type == "DequantizeLinear"), None)
        if node.op_type != "QuantizeLinear" or node.input[0] in constants or behind is None:
            continue
        before, scale = node.input[0], float(constants[node.input[1]])
        zero = float(constants[node.input[2]]) if len(node.input) > 2 else 0.0
        low, high = (scale * (end - zero) for end in _integer_limits(types[behind]))
        name = next((each for each in (before, behind) if each in exact_names), before)
        op_type, maker = _maker(made_by, before)
        fused, limits = _fused_activations(float_made_by, float_constants, name, maker)
        op_type = "+".join([op_type, *fused])
        at = Quantizer(name, maker, op_type, types[behind], before, behind, scale, low, high, limits)
        found.setdefault(name, at)  # one that is quantized for each of its readers is told once
    for name in tensors_to_calibrate(plan.exact, set(plan.op_types)):
        if name not in found and name in own_names:
            op_type, maker = _maker(made_by, name)
            found[name] = Quantizer(name, maker, op_type, "float", name, name)
    return list(found.values())


def tensor_names(model: onnx.ModelProto) -> set[str]:
    """The inputs, and what the nodes make."""
    return {value.name for value in model.graph.input} | set(producers(model.graph))


def precisions(graph: onnx.GraphProto) -> dict[str, str]:
    """Return the integer type (int8, int16 ...) of each dequantized tensor, by name."""
    types = {weight.name: type_name(weight.data_type) for weight in graph.initializer}
    return {
        node.output[0]: types.get((*node.input, "")[2], "uint8")
        for node in graph.node
        if node.op_type == "DequantizeLinear"
    }


def bits(precision: str) -> int:
    """Return the number of bits of a precision: int8, int16 ... or float."""
    return 32 if precision == "float" else int("".join(filter(str.isdigit, precision)))


def _integer_limits(precision: str) -> tuple[int, int]:
    lowest = 0 if precision.startswith("u") else -(2 ** (bits(precision) - 1))
    return lowest, lowest + 2 ** bits(precision) - 1


def _maker(made_by: Mapping[str, onnx.NodeProto], name: str) -> tuple[str, str]:
    """The type and the name of the node that makes a tensor."""
    node = made_by.get(name)
    return ("input", "") if node is None else (node.op_type, node.name)


def _fused_activations(
    made_by: Mapping[str, onnx.NodeProto], constants: Mapping[str, np.ndarray], name: str, maker: str
) -> tuple[list[str], tuple[float, float]]:
    """The activations that a quantizer stands for, as it cuts off the same, and where they cut.

    They are those of the float model, which the mappings are of, between `maker`, the node before the quantizer, and
    the tensor.
    """
    op_types, low, high = [], -math.inf, math.inf
    while name in made_by and made_by[name].op_type in ("Relu", "Clip") and made_by[name].name != maker:
        node = made_by[name]
        ends = (0, None) if node.op_type == "Relu" else [constants.get(end) for end in (*node.input[1:], "", "")[:2]]
        low = low if ends[0] is None else max(low, float(ends[0]))
        high = high if ends[1] is None else min(high, float(ends[1]))
        op_types.insert(0, node.op_type)
        name = node.input[0]
    return op_types, (low, high)

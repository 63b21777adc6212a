"""ONNX operators in torch, as far as mask models use them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional

from sezoo.training.quantization_aware.layers import LAYERS
from sezoo.training.quantization_aware.movements import MOVEMENTS, axes_of
from sezoo.training.quantization_aware.operator_types import Attributes, Inputs, Operator
from sezoo.training.quantization_aware.rounding import round_straight_through

__all__ = ["OPERATORS"]


def _clip(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
    x, low, high = (*inputs, None, None)[:3]
    low = attributes.get("min") if low is None else low
    high = attributes.get("max") if high is None else high
    if low is None and high is None:
        return x
    return torch.clamp(x, low, high)


def _prelu(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
    x, slope = inputs
    return torch.where(x < 0, x * slope, x)


def _leaky_relu(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
    return functional.leaky_relu(inputs[0], attributes.get("alpha", 0.01))


def _hard_sigmoid(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
    return torch.clamp(attributes.get("alpha", 0.2) * inputs[0] + attributes.get("beta", 0.5), 0, 1)


def _gelu(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
    return functional.gelu(inputs[0], approximate=attributes.get("approximate", b"none").decode())


def _cast(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
    types = {1: torch.float32, 6: torch.int32, 7: torch.int64, 9: torch.bool, 11: torch.float64}
    if attributes["to"] not in types:
        raise NotImplementedError(f"Cast to type {attributes['to']}")
    return inputs[0].to(types[attributes["to"]])


def _each(function: Callable[..., torch.Tensor]) -> Operator:
    return lambda inputs, attributes: function(*inputs)


def _fold(function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> Operator:
    def compute(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
        result = inputs[0]
        for other in inputs[1:]:
            result = function(result, other)
        return result

    return compute


def _divide(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
    left, right = inputs
    return left / right if left.is_floating_point() else torch.div(left, right, rounding_mode="trunc")


def _reduce(function: Callable[..., torch.Tensor]) -> Operator:
    def compute(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
        axes, keep = axes_of(inputs, attributes), bool(attributes.get("keepdims", 1))
        if axes is None and attributes.get("noop_with_empty_axes", 0):
            return inputs[0]
        return function(inputs[0], dim=list(range(inputs[0].ndim)) if axes is None else list(axes), keepdim=keep)

    return compute


def _softmax(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
    return torch.softmax(inputs[0], attributes.get("axis", -1))


OPERATORS: dict[str, Operator] = LAYERS | MOVEMENTS | {
    "MatMul": _each(torch.matmul),
    "Add": _each(torch.add), "Sub": _each(torch.sub), "Mul": _each(torch.mul), "Div": _divide,
    "Pow": _each(torch.pow), "Max": _fold(torch.maximum), "Min": _fold(torch.minimum), "Sum": _fold(torch.add),
    "Relu": _each(torch.relu), "LeakyRelu": _leaky_relu, "PRelu": _prelu, "Clip": _clip,
    "Elu": lambda inputs, attributes: functional.elu(inputs[0], attributes.get("alpha", 1.0)),
    "Sigmoid": _each(torch.sigmoid), "Tanh": _each(torch.tanh), "HardSigmoid": _hard_sigmoid,
    "HardSwish": _each(functional.hardswish), "Softplus": _each(functional.softplus), "Gelu": _gelu,
    "Softmax": _softmax, "Abs": _each(torch.abs), "Neg": _each(torch.neg), "Sqrt": _each(torch.sqrt),
    "Exp": _each(torch.exp), "Log": _each(torch.log), "Erf": _each(torch.erf), "Reciprocal": _each(torch.reciprocal),
    "Sin": _each(torch.sin), "Cos": _each(torch.cos), "Round": _each(round_straight_through),
    "Equal": _each(torch.eq), "Less": _each(torch.lt), "Greater": _each(torch.gt), "Where": _each(torch.where),
    "ReduceMean": _reduce(torch.mean), "ReduceSum": _reduce(torch.sum), "ReduceMax": _reduce(torch.amax),
    "ReduceMin": _reduce(torch.amin), "Cast": _cast,
}  # fmt: skip
"""By the type of a node: its outputs from its inputs and its attributes, which have the number of outputs beside them.

Round, which has no gradient, passes it on: what rounds its input in a graph does so to make integers of it.
"""

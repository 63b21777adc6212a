"""Conversion of matrix products with constant weights, and of 1x1 convolutions over batches."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sezoo.deployment.engine.qdq_reader.layouts import Layout, in_time
from sezoo.deployment.engine.qdq_reader.nodes import Node, UnsupportedError
from sezoo.deployment.engine.qdq_reader.values import QuantizedView, UnroundedOutput
from sezoo.deployment.engine.qdq_reader.weights import F, bias_of, integer_conv, pads_of, place_weights, weights_of
from sezoo.deployment.engine.tensor import Tensor

__all__ = ["of_batches", "read_product"]


def read_product(
    node: Node, value: QuantizedView, layout: Layout, row_of: Callable[[np.ndarray], Tensor], *, from_left: bool = False
) -> UnroundedOutput:
    """Return a matrix product with constant weights as a convolution whose kernel covers one position of one frame.

    Parameters
    ----------
    value, layout, row_of : as in `read_conv`.
    from_left : whether the weights are the left operand: W x with x (..., inputs, positions), else x W with
        x (..., positions, inputs).

    Raises
    ------
    UnsupportedError : sums over frames; weights that are not a matrix of symmetric int8; a Gemm with transA, alpha or
        beta.
    """
    is_gemm = node.op_type == "Gemm"
    if is_gemm and (
        node.attribute("transA", 0) or node.attribute("alpha", 1.0) != 1 or node.attribute("beta", 1.0) != 1
    ):
        raise UnsupportedError(f"{node} is transposed or scaled; x W + b can be run")
    outputs_first = from_left or bool(is_gemm and node.attribute("transB", 0))
    weights, scale = weights_of(node, 0 if from_left else 1, 0 if outputs_first else 1)
    if weights.ndim != 2:
        raise UnsupportedError(f"{node} has weights of shape {weights.shape}; a matrix can be run")
    weights = weights if outputs_first else weights.T
    dimensions = value.items.ndim
    summed = dimensions - 2 if from_left else dimensions - 1
    bias = node.inputs[2] if is_gemm and len(node.inputs) > 2 else ""
    return _product(node, value, layout, (weights, scale, bias), summed, row_of)


def of_batches(
    node: Node,
    value: QuantizedView,
    layout: Layout,
    weights: np.ndarray,
    scale: np.ndarray,
    row_of: Callable[[np.ndarray], Tensor],
) -> UnroundedOutput:
    """Return a 1x1 convolution, possibly grouped, whose batch axis is frames or bins."""
    kernel, ones = weights.shape[2:], [1] * (weights.ndim - 2)
    pads = pads_of(node, value.items.shape[2:], kernel, ones, ones)
    if node.attribute("strides", ones) != ones or any(pads[0] + pads[1]):
        raise UnsupportedError(f"{node} is not over time: its input is {value.items.shape}")
    bias = node.inputs[2] if len(node.inputs) > 2 else ""
    constants = (weights.reshape(weights.shape[:2]), scale, bias)
    return _product(node, value, layout, constants, 1, row_of, node.attribute("group", 1))


def _product(
    node: Node,
    value: QuantizedView,
    layout: Layout,
    constants: tuple[np.ndarray, np.ndarray, str],
    summed: int,
    row_of: Callable[[np.ndarray], Tensor],
    groups: int = 1,
) -> UnroundedOutput:
    """Return the products summed over an axis.

    Parameters
    ----------
    constants : weights (outputs, inputs per group), their scales, and the name of the bias.
    """
    weights, scale, bias_name = constants
    dimensions = value.items.ndim
    if layout.axis == summed or dimensions < 2:
        raise UnsupportedError(
            f"{node} adds up frames: they are on the axis {summed} of its input {value.items.shape}; a layer over bins "
            "or channels can be run, with a Transpose before it"
        )
    at = layout.place(summed)
    row = np.moveaxis(layout.row, at, -1)
    others, outputs = row.shape[:-1], len(weights)
    positions = int(np.prod(others))
    ordered = weights.reshape(groups, outputs // groups, 1, 1, -1)
    tensor, ordered = place_weights(value, row.ravel(), ordered, positions, row_of)
    multiplier = (tensor.scale * scale).astype(F)
    bias = bias_of(node, multiplier, outputs) if bias_name else np.zeros(outputs, np.int64)
    conv = integer_conv(node, tensor, ordered, bias, multiplier, positions_in=positions, positions=positions)
    made = np.moveaxis(np.arange(positions * outputs).reshape(*others, outputs), -1, at)
    return UnroundedOutput(conv, in_time(made, conv.output.items, layout.frames, layout.axis))

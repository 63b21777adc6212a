"""Functions that layers share: int8 weights in the order of a row, bias, pads, and the resulting `Conv`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from sezoo.deployment.engine.conv import Conv
from sezoo.deployment.engine.qdq_reader.nodes import Node, UnsupportedError, unrounded
from sezoo.deployment.engine.qdq_reader.values import QuantizedView, UnroundedOutput
from sezoo.deployment.engine.tensor import Tensor

__all__ = [
    "F",
    "bias_of",
    "integer_conv",
    "pads_of",
    "place_weights",
    "weights_of",
    "with_constant_added",
    "without_edges",
]

F = np.float32

LARGEST = 2**31 - 1
"""Largest accumulator on the chip."""


def place_weights(
    value: QuantizedView, order: np.ndarray, weights: np.ndarray, positions: int, row_of: Callable[[np.ndarray], Tensor]
) -> tuple[Tensor, np.ndarray]:
    """Return the tensor that a layer reads, and its weights in the order of the tensor's rows.

    For a dense layer on one tensor the weights are permuted, so that no items have to be moved.
    """
    groups, _, _, taps, _ = weights.shape
    alone = len(value.sources) == 1 and groups == 1 and positions == 1 and taps == 1
    if not alone or (order < 0).any() or len(np.unique(order)) < len(order):
        return row_of(order), weights
    tensor = value.sources[0].tensor
    spread = np.zeros((*weights.shape[:4], tensor.items), np.int8)
    spread[..., order] = weights
    return tensor, spread


def integer_conv(
    node: Node, tensor: Tensor, weights: np.ndarray, bias: np.ndarray, multiplier: np.ndarray, **geometry: int
) -> Conv:
    """Return the convolution of a node, without limits and without the scale of its output.

    Raises
    ------
    UnsupportedError : the accumulator can overflow.
    """
    conv = Conv(
        name=node.output,
        input=tensor,
        output=Tensor(node.output, geometry["positions"] * len(multiplier), F(1), 0),
        weights=np.ascontiguousarray(weights),
        bias=bias,
        multiplier=multiplier,
        low=-128,
        high=127,
        **geometry,
    )
    if conv.largest_accumulator > LARGEST:
        raise UnsupportedError(
            f"{node} can overflow its accumulator of 32 bits, with {tensor.bits} bits at its input; 8 bits there "
            "(quantization.activation_overrides) or a layer of fewer inputs can be run"
        )
    return conv


def with_constant_added(pending: UnroundedOutput, constant: np.ndarray, node: Node) -> UnroundedOutput:
    """Add a constant per output channel to a convolution's or a product's bias.

    Raises
    ------
    UnsupportedError : the constant differs between positions or frames, or a ReLU is in between.
    """
    conv, outputs = pending.operator, pending.operator.channels_out
    if np.isfinite([pending.lowest, pending.highest]).any():
        raise unrounded(node)
    spread = np.broadcast_to(np.asarray(constant, F), np.broadcast_shapes(constant.shape, pending.items.shape))
    if spread.shape != pending.items.shape:
        raise UnsupportedError(f"{node} adds a constant of shape {constant.shape} to {pending.items.shape}")
    channel = pending.items % pending.total % outputs
    bias = np.zeros(outputs, F)
    bias[channel.ravel()] = spread.ravel()
    if not np.array_equal(bias[channel], spread):
        raise UnsupportedError(f"{node} adds a constant that is another one for some positions or frames")
    added = np.rint(bias.astype(np.float64) / conv.multiplier).astype(np.int64)
    changed = replace(conv, bias=conv.bias + added)
    if changed.largest_accumulator > LARGEST:
        raise UnsupportedError(f"{node} can overflow an accumulator of 32 bits")
    return replace(pending, operator=changed)


def weights_of(node: Node, position: int = 1, axis: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return the int8 weights at an input, and the scales of the outputs, which are axis `axis`."""
    quantized = node.constants.quantized.get(node.inputs[position])
    if quantized is None:
        raise UnsupportedError(f"{node} works in float: its weights '{node.inputs[position]}' are not quantized")
    values = quantized.centred
    if values.min(initial=0) < -128 or values.max(initial=0) > 127:
        kind, zero = quantized.values.dtype.name, quantized.zero_point
        raise UnsupportedError(
            f"{node} has weights of {kind}{' with a zero point' if zero.any() else ''}, which differ from zero by more "
            "than int8 holds; symmetric int8 weights can be run"
        )
    if quantized.scale.size > 1 and quantized.axis != axis:
        raise UnsupportedError(
            f"{node} has scales of its weights on axis {quantized.axis}; on that of the outputs they can be run"
        )
    return values.astype(np.int8), np.broadcast_to(quantized.scale.astype(F).ravel(), (values.shape[axis],))


def bias_of(node: Node, unit: np.ndarray, outputs: int) -> np.ndarray:
    """Return the bias: (outputs,) int64 in units of the accumulator."""
    if len(node.inputs) < 3 or not node.inputs[2]:
        return np.zeros(outputs, np.int64)
    name = node.inputs[2]
    stored = node.constants.quantized.get(name)
    if stored is not None and not stored.zero_point.any() and np.allclose(stored.scale, unit, rtol=1e-5, atol=0):
        return stored.values.astype(np.int64)
    real = node.constants.real(name)
    if real is None:
        raise UnsupportedError(f"{node} has a bias that is no constant")
    return np.rint(real.astype(np.float64) / unit).astype(np.int64)


def pads_of(
    node: Node, shape: tuple[int, ...], kernel: tuple[int, ...], strides: list[int], dilations: list[int]
) -> tuple[list[int], list[int]]:
    """Return the numbers of zeros before and after, by dimension."""
    dimensions = len(kernel)
    how = node.attribute("auto_pad", b"NOTSET").decode()
    if how == "NOTSET":
        pads = node.attribute("pads", [0] * 2 * dimensions)
        return list(pads[:dimensions]), list(pads[dimensions:])
    if how == "VALID":
        return [0] * dimensions, [0] * dimensions
    before, behind = [], []
    for size, taps, stride, dilation in zip(shape, kernel, strides, dilations, strict=True):
        missing = max(0, (-(-size // stride) - 1) * stride + (taps - 1) * dilation + 1 - size)
        half = missing // 2
        before.append(half if how == "SAME_UPPER" else missing - half)
        behind.append(missing - before[-1])
    return before, behind


def without_edges(row: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """Return (channels, positions) without a Pad's zero positions, and the number of these at either edge.

    Positions where only some channels are zeros, as in the unfolding of a padded frame, stay in the row.
    """
    real = (row >= 0).all(axis=0)
    kept = np.flatnonzero(real)
    if not len(kept) or (row[:, ~real] >= 0).any() or not real[kept[0] : kept[-1] + 1].all():
        return row, (0, 0)
    return row[:, kept[0] : kept[-1] + 1], (int(kept[0]), int(row.shape[1] - kept[-1] - 1))

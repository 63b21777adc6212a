"""A Conv node between quantizers as an integer convolution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from sezoo.deployment.engine.conv import Conv
from sezoo.deployment.engine.qdq_reader.nodes import Node, UnsupportedError
from sezoo.deployment.engine.qdq_reader.values import Layout, Pending, Real, in_time
from sezoo.deployment.engine.tensor import Tensor

__all__ = ["pending_conv", "pending_product", "with_constant_added"]

F = np.float32
LARGEST = 2**31 - 1
"""Of an accumulator on the chip."""


def pending_conv(node: Node, value: Real, layout: Layout, row_of: Callable[[np.ndarray], Tensor]) -> Pending:
    """The convolution, its output not rounded yet.

    Parameters
    ----------
    value, layout : its input.
    row_of : gives items of the input, in an order, as a row.

    Raises
    ------
    UnsupportedError : strides in time, another number of frames, weights that are not symmetric int8.
    """
    weights, scale = _weights(node)
    outputs, dimensions = weights.shape[0], weights.ndim - 2
    if layout.axis == 1 and layout.frames == 1:  # one channel of one frame: the batch is the frames as well
        layout = replace(layout, axis=0)
    one_tap = weights[0, 0].size == 1
    if one_tap and layout.axis not in (0, 1) and layout.row.shape[0] > 1:  # so may be bins
        return _of_batches(node, value, layout, weights, scale, row_of)
    if layout.axis == 0:  # frames may be what the graph has as a batch
        return (_of_batches if one_tap else _within_frames)(node, value, layout, weights, scale, row_of)
    in_time_at = -1 if layout.axis is None else layout.axis - 2
    if not 0 <= in_time_at < dimensions or layout.row.ndim != dimensions + 1 or layout.row.shape[0] != 1:
        raise UnsupportedError(f"{node} is not over time: its input is {value.items.shape}")
    if dimensions > 2:
        raise UnsupportedError(f"{node} has {dimensions} dimensions; 1 and 2 can be run")
    groups, strides = node.attribute("group", 1), node.attribute("strides", [1] * dimensions)
    dilations = node.attribute("dilations", [1] * dimensions)
    kernel = weights.shape[2:]
    pads = _pads(node, value.items.shape[2:], kernel, strides, dilations)
    if strides[in_time_at] != 1:
        raise UnsupportedError(f"{node} leaves out frames: its stride in time is {strides[in_time_at]}")
    row = layout.row[0].reshape(layout.row.shape[1], -1)  # (channels, positions)
    row, edge = _without_edges(row)

    over = [axis for axis in range(dimensions) if axis != in_time_at]
    stride, dilation, taps, pad, pad_behind = 1, 1, 1, 0, 0
    if over:
        (axis,) = over
        stride, dilation, taps = strides[axis], dilations[axis], kernel[axis]
        pad, pad_behind = pads[0][axis] + edge[0], pads[1][axis] + edge[1]
    positions_in = row.shape[1]
    positions = (positions_in + pad + pad_behind - (taps - 1) * dilation - 1) // stride + 1

    span = (kernel[in_time_at] - 1) * dilations[in_time_at]
    before, after = pads[0][in_time_at] + layout.before, pads[1][in_time_at] + layout.after
    if before > span or before + after < span:
        raise UnsupportedError(
            f"{node} changes the number of frames: {before} before and {after} after a clip, for a kernel over "
            f"{span + 1} frames"
        )
    # (outputs, inputs, *kernel) -> (groups, outputs per group, time, positions, inputs per group)
    ordered = np.moveaxis(weights, 2 + in_time_at, 2).reshape(outputs, weights.shape[1], kernel[in_time_at], taps)
    ordered = ordered.transpose(0, 2, 3, 1).reshape(groups, outputs // groups, kernel[in_time_at], taps, -1)

    tensor, ordered = _placed(value, row.T.ravel(), ordered, positions_in, row_of)
    multiplier = (tensor.scale * scale).astype(F)
    conv = _conv(
        node,
        tensor,
        ordered,
        _bias(node, multiplier, outputs),
        multiplier,
        positions_in=positions_in,
        positions=positions,
        stride=stride,
        dilation=dilation,
        pad=pad,
        dilation_time=dilations[in_time_at],
        before=before,
    )
    made = np.arange(positions * outputs).reshape(positions, outputs).T[np.newaxis]
    if not over:
        made = made[:, :, 0]
    # Frames beyond the clip's last are there until something cuts them off.
    return Pending(conv, in_time(made, conv.output.items, layout.frames + before + after - span, layout.axis))


def _placed(
    value: Real, order: np.ndarray, weights: np.ndarray, positions: int, row_of: Callable[[np.ndarray], Tensor]
) -> tuple[Tensor, np.ndarray]:
    """The row that a layer reads, and its weights in the order of that row.

    Where it sees all of a row, the weights go where the row has the items, and nothing has to be moved.
    """
    groups, _, _, taps, _ = weights.shape
    alone = len(value.sources) == 1 and groups == 1 and positions == 1 and taps == 1
    if not alone or (order < 0).any() or len(np.unique(order)) < len(order):
        return row_of(order), weights
    tensor = value.sources[0].tensor
    spread = np.zeros((*weights.shape[:4], tensor.items), np.int8)
    spread[..., order] = weights
    return tensor, spread


def _conv(
    node: Node, tensor: Tensor, weights: np.ndarray, bias: np.ndarray, multiplier: np.ndarray, **geometry: int
) -> Conv:
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
        raise UnsupportedError(f"{node} can overflow its accumulator of 32 bits, with {tensor.bits} bits at its input")
    return conv


def pending_product(
    node: Node, value: Real, layout: Layout, row_of: Callable[[np.ndarray], Tensor], *, from_left: bool = False
) -> Pending:
    """A matrix product with constant weights as a convolution that sees one position of one frame.

    Parameters
    ----------
    value, layout, row_of : as `pending_conv` has them.
    from_left : whether the weights stand on the left: W x with x (..., inputs, positions), else x W with
        x (..., positions, inputs).

    Raises
    ------
    UnsupportedError : the sums run over frames; weights that are no matrix, or not symmetric int8; a scaled Gemm.
    """
    is_gemm = node.op_type == "Gemm"
    if is_gemm and (
        node.attribute("transA", 0) or node.attribute("alpha", 1.0) != 1 or node.attribute("beta", 1.0) != 1
    ):
        raise UnsupportedError(f"{node} is transposed or scaled; x W + b can be run")
    outputs_first = from_left or bool(is_gemm and node.attribute("transB", 0))
    weights, scale = _weights(node, 0 if from_left else 1, 0 if outputs_first else 1)
    if weights.ndim != 2:
        raise UnsupportedError(f"{node} has weights of shape {weights.shape}; a matrix can be run")
    weights = weights if outputs_first else weights.T
    dimensions = value.items.ndim
    summed = dimensions - 2 if from_left else dimensions - 1
    bias = node.inputs[2] if is_gemm and len(node.inputs) > 2 else ""
    return _product(node, value, layout, (weights, scale, bias), summed, row_of)


def _of_batches(
    node: Node,
    value: Real,
    layout: Layout,
    weights: np.ndarray,
    scale: np.ndarray,
    row_of: Callable[[np.ndarray], Tensor],
) -> Pending:
    """A 1x1 convolution whose batches are frames, or bins."""
    kernel, ones = weights.shape[2:], [1] * (weights.ndim - 2)
    pads = _pads(node, value.items.shape[2:], kernel, ones, ones)
    if node.attribute("group", 1) != 1 or node.attribute("strides", ones) != ones or any(pads[0] + pads[1]):
        raise UnsupportedError(f"{node} is not over time: its input is {value.items.shape}")
    bias = node.inputs[2] if len(node.inputs) > 2 else ""
    return _product(node, value, layout, (weights.reshape(weights.shape[:2]), scale, bias), 1, row_of)


def _within_frames(
    node: Node,
    value: Real,
    layout: Layout,
    weights: np.ndarray,
    scale: np.ndarray,
    row_of: Callable[[np.ndarray], Tensor],
) -> Pending:
    """A convolution whose batches are frames, such as one over a frame and those that were kept of earlier ones.

    Where it has two axes, that at which it stands in one place alone is taken for channels, or for rows.
    """
    outputs, dimensions = weights.shape[0], weights.ndim - 2
    if dimensions > 2 or layout.before or layout.after:
        raise UnsupportedError(f"{node} is not over time: its input is {value.items.shape}")
    groups, strides = node.attribute("group", 1), node.attribute("strides", [1] * dimensions)
    dilations, kernel = node.attribute("dilations", [1] * dimensions), weights.shape[2:]
    before, behind = _pads(node, value.items.shape[2:], kernel, strides, dilations)
    row = layout.row.reshape(groups, layout.row.shape[0] // groups, *layout.row.shape[1:])
    weights = weights.reshape(groups, outputs // groups, *weights.shape[1:])  # (groups, outputs, inputs, *kernel)
    counts = [
        (size + first + last - dilation * (taps - 1) - 1) // stride + 1
        for size, first, last, dilation, taps, stride in zip(
            value.items.shape[2:], before, behind, dilations, kernel, strides, strict=True
        )
    ]
    over = [axis for axis in range(dimensions) if counts[axis] != 1]
    if len(over) > 1:
        raise UnsupportedError(f"{node} is over two axes of a frame; it can be run over one, and over time")
    kept, rows = (over[0] if over else dimensions - 1), 1
    if dimensions == 2:
        folded = 1 - kept
        places = np.arange(kernel[folded]) * dilations[folded] - before[folded]
        inside = (places >= 0) & (places < row.shape[2 + folded])
        row = np.take(row, places[inside], 2 + folded)
        weights = np.take(weights, np.flatnonzero(inside), 3 + folded)
        row, weights = np.moveaxis(row, 2 + folded, 2), np.moveaxis(weights, 3 + folded, 3)
        if groups > 1 and layout.frames == 1:  # channels by themselves stay so
            rows = row.shape[2]
        else:
            row = row.reshape(groups, -1, 1, row.shape[-1])
            weights = weights.reshape(groups, outputs // groups, -1, 1, weights.shape[-1])
    else:
        row, weights = row[:, :, np.newaxis], weights[:, :, :, np.newaxis]
    row, edge = _without_edges(row.reshape(-1, row.shape[-1]))
    order = np.moveaxis(row.reshape(-1, rows, row.shape[-1]), 0, -1).ravel()
    ordered = np.ascontiguousarray(weights.transpose(0, 1, 3, 4, 2))
    tensor, ordered = _placed(value, order, ordered, row.shape[1], row_of)
    multiplier = (tensor.scale * scale).astype(F)
    conv = _conv(
        node,
        tensor,
        ordered,
        _bias(node, multiplier, outputs),
        multiplier,
        positions_in=row.shape[1],
        positions=counts[kept],
        stride=strides[kept],
        dilation=dilations[kept],
        pad=before[kept] + edge[0],
        rows=rows,
    )
    made = np.arange(counts[kept] * outputs).reshape(counts[kept], outputs).T
    made = made.reshape(outputs, *(counts[axis] if axis == kept else 1 for axis in range(dimensions)))
    return Pending(conv, in_time(made, conv.output.items, layout.frames, 0))


def _product(
    node: Node,
    value: Real,
    layout: Layout,
    constants: tuple[np.ndarray, np.ndarray, str],
    summed: int,
    row_of: Callable[[np.ndarray], Tensor],
) -> Pending:
    """Sums over an axis.

    Parameters
    ----------
    constants : weights (outputs, inputs), their scales, and the name of the bias.
    """
    weights, scale, bias_name = constants
    dimensions = value.items.ndim
    if layout.axis == summed or dimensions < 2:
        raise UnsupportedError(f"{node} adds up frames: they are on the axis {summed} of its input {value.items.shape}")
    if layout.before or layout.after or (layout.row < 0).any():
        raise UnsupportedError(f"{node} reads zeros that a Pad put there")
    at = layout.place(summed)
    row = np.moveaxis(layout.row, at, -1)
    others, outputs = row.shape[:-1], len(weights)
    positions = int(np.prod(others))
    ordered = weights.reshape(1, outputs, 1, 1, -1)
    tensor, ordered = _placed(value, row.ravel(), ordered, positions, row_of)
    multiplier = (tensor.scale * scale).astype(F)
    bias = _bias(node, multiplier, outputs) if bias_name else np.zeros(outputs, np.int64)
    conv = _conv(node, tensor, ordered, bias, multiplier, positions_in=positions, positions=positions)
    made = np.moveaxis(np.arange(positions * outputs).reshape(*others, outputs), -1, at)
    return Pending(conv, in_time(made, conv.output.items, layout.frames, layout.axis))


def with_constant_added(pending: Pending, constant: np.ndarray, node: Node) -> Pending:
    """A convolution's or a product's output plus a constant for each of its outputs, which is a bias.

    Raises
    ------
    UnsupportedError : the constant has other numbers for some positions or frames; a ReLU is in between.
    """
    conv, outputs = pending.operator, pending.operator.channels_out
    if np.isfinite([pending.lowest, pending.highest]).any():
        raise UnsupportedError(f"{node} reads a tensor that no QuantizeLinear has rounded")
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


def _weights(node: Node, position: int = 1, axis: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """int8 weights at an input, and the scales of the outputs, which are on an axis."""
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


def _bias(node: Node, unit: np.ndarray, outputs: int) -> np.ndarray:
    """(outputs,) int64 in units of the accumulator."""
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


def _pads(
    node: Node, shape: tuple[int, ...], kernel: tuple[int, ...], strides: list[int], dilations: list[int]
) -> tuple[list[int], list[int]]:
    """Zeros before and behind, by dimension."""
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


def _without_edges(row: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """(channels, positions) without the positions of zeros that a Pad put there, and how many those are.

    Zeros that are at some channels of a position alone, as where a padded frame has been unfolded, stay in the row.
    """
    real = (row >= 0).all(axis=0)
    kept = np.flatnonzero(real)
    if not len(kept) or (row[:, ~real] >= 0).any() or not real[kept[0] : kept[-1] + 1].all():
        return row, (0, 0)
    return row[:, kept[0] : kept[-1] + 1], (int(kept[0]), int(row.shape[1] - kept[-1] - 1))

"""Conversion of a Conv node over time to an integer convolution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from sezoo.deployment.engine.qdq_reader.layouts import Layout, in_time
from sezoo.deployment.engine.qdq_reader.nodes import Node, UnsupportedError
from sezoo.deployment.engine.qdq_reader.products import of_batches
from sezoo.deployment.engine.qdq_reader.values import QuantizedView, UnroundedOutput
from sezoo.deployment.engine.qdq_reader.weights import (
    F,
    bias_of,
    integer_conv,
    pads_of,
    place_weights,
    weights_of,
    without_edges,
)
from sezoo.deployment.engine.qdq_reader.within_frames import within_frames
from sezoo.deployment.engine.tensor import Tensor

__all__ = ["read_conv"]


def read_conv(
    node: Node, value: QuantizedView, layout: Layout, row_of: Callable[[np.ndarray], Tensor]
) -> UnroundedOutput:
    """Return the convolution, with its output not yet rounded.

    Parameters
    ----------
    value, layout : the input and its layout.
    row_of : returns a tensor whose row holds the given items of the input, in that order.

    Raises
    ------
    UnsupportedError : strides in time, a change of the number of frames, or weights that are not symmetric int8.
    """
    weights, scale = weights_of(node)
    outputs, dimensions = weights.shape[0], weights.ndim - 2
    if layout.axis == 1 and layout.frames == 1:  # one channel of one frame: the batch axis may also be time
        layout = replace(layout, axis=0)
    one_tap = weights[0, 0].size == 1
    if one_tap and layout.axis not in (0, 1) and layout.row.shape[0] > 1:  # bins as the batch axis
        return of_batches(node, value, layout, weights, scale, row_of)
    if layout.axis == 0:  # frames as the batch axis
        return (of_batches if one_tap else within_frames)(node, value, layout, weights, scale, row_of)
    in_time_at = -1 if layout.axis is None else layout.axis - 2
    if not 0 <= in_time_at < dimensions or layout.row.ndim != dimensions + 1 or layout.row.shape[0] != 1:
        raise UnsupportedError(f"{node} is not over time: its input is {value.items.shape}")
    if dimensions > 2:
        raise UnsupportedError(f"{node} has {dimensions} dimensions; 1 and 2 can be run")
    groups, strides = node.attribute("group", 1), node.attribute("strides", [1] * dimensions)
    dilations = node.attribute("dilations", [1] * dimensions)
    kernel = weights.shape[2:]
    pads = pads_of(node, value.items.shape[2:], kernel, strides, dilations)
    if strides[in_time_at] != 1:
        raise UnsupportedError(
            f"{node} leaves out frames: its stride in time is {strides[in_time_at]}; every frame needs a mask"
        )
    row = layout.row[0].reshape(layout.row.shape[1], -1)  # (channels, positions)
    row, edge = without_edges(row)

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
            f"{span + 1} frames; pad it with {span} in all, or Slice the others off"
        )
    # (outputs, inputs, *kernel) -> (groups, outputs per group, time, positions, inputs per group)
    ordered = np.moveaxis(weights, 2 + in_time_at, 2).reshape(outputs, weights.shape[1], kernel[in_time_at], taps)
    ordered = ordered.transpose(0, 2, 3, 1).reshape(groups, outputs // groups, kernel[in_time_at], taps, -1)

    tensor, ordered = place_weights(value, row.T.ravel(), ordered, positions_in, row_of)
    multiplier = (tensor.scale * scale).astype(F)
    conv = integer_conv(
        node,
        tensor,
        ordered,
        bias_of(node, multiplier, outputs),
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
    # The output may extend beyond the clip's last frame until a Slice cuts it off.
    return UnroundedOutput(conv, in_time(made, conv.output.items, layout.frames + before + after - span, layout.axis))

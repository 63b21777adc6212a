"""Conversion of a Conv node with time as its batch axis, which runs on each frame separately."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sezoo.deployment.engine.qdq_reader.layouts import Layout, in_time
from sezoo.deployment.engine.qdq_reader.nodes import Node, UnsupportedError
from sezoo.deployment.engine.qdq_reader.values import QuantizedView, UnroundedOutput
from sezoo.deployment.engine.qdq_reader.weights import F, bias_of, integer_conv, pads_of, place_weights, without_edges
from sezoo.deployment.engine.tensor import Tensor

__all__ = ["within_frames"]


def within_frames(
    node: Node,
    value: QuantizedView,
    layout: Layout,
    weights: np.ndarray,
    scale: np.ndarray,
    row_of: Callable[[np.ndarray], Tensor],
) -> UnroundedOutput:
    """Return a convolution with time as its batch axis, such as one over a frame and a cache of earlier frames.

    Of two spatial axes, the one with a single output position is treated as channels or rows.
    """
    outputs, dimensions = weights.shape[0], weights.ndim - 2
    if dimensions > 2 or layout.before or layout.after:
        raise UnsupportedError(f"{node} is not over time: its input is {value.items.shape}")
    groups, strides = node.attribute("group", 1), node.attribute("strides", [1] * dimensions)
    dilations, kernel = node.attribute("dilations", [1] * dimensions), weights.shape[2:]
    before, behind = pads_of(node, value.items.shape[2:], kernel, strides, dilations)
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
        if groups > 1 and layout.frames == 1:  # depthwise channels stay separate
            rows = row.shape[2]
        else:
            row = row.reshape(groups, -1, 1, row.shape[-1])
            weights = weights.reshape(groups, outputs // groups, -1, 1, weights.shape[-1])
    else:
        row, weights = row[:, :, np.newaxis], weights[:, :, :, np.newaxis]
    row, edge = without_edges(row.reshape(-1, row.shape[-1]))
    order = np.moveaxis(row.reshape(-1, rows, row.shape[-1]), 0, -1).ravel()
    ordered = np.ascontiguousarray(weights.transpose(0, 1, 3, 4, 2))
    tensor, ordered = place_weights(value, order, ordered, row.shape[1], row_of)
    multiplier = (tensor.scale * scale).astype(F)
    conv = integer_conv(
        node,
        tensor,
        ordered,
        bias_of(node, multiplier, outputs),
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
    return UnroundedOutput(conv, in_time(made, conv.output.items, layout.frames, 0))

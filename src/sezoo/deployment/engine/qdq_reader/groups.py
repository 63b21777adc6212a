"""Conversion of operators over several items of a frame: normalization, softmax and max pooling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from sezoo.deployment.engine.group_operators import Normalize, Softmax
from sezoo.deployment.engine.qdq_reader.layouts import Layout, in_time
from sezoo.deployment.engine.qdq_reader.nodes import Node, UnsupportedError
from sezoo.deployment.engine.qdq_reader.values import QuantizedView, UnroundedOutput
from sezoo.deployment.engine.tensor import Tensor

__all__ = ["OVER_GROUPS", "read_over_groups", "windows"]

F = np.float32

OVER_GROUPS = {"LayerNormalization", "InstanceNormalization", "Softmax"}

LEAST = 1e-6
"""Smallest epsilon in units of squared integers, which keeps the division finite."""

UNIT = 2.0**20
"""Scale of the exponentials in a softmax's table."""

LONGEST = {8: 1 << 16, 16: 1 << 14}
"""Most items of a group, by the bits of the input, so that n q - S fits 32 bits."""

LONGEST_SOFTMAX = 1024
"""Most items of a group, so that the sum of the exponentials fits 31 bits."""


def read_over_groups(
    node: Node, value: QuantizedView, layout: Layout, row_of: Callable[[np.ndarray], Tensor]
) -> UnroundedOutput:
    """Return a normalization or a softmax, with its output not yet rounded.

    Parameters
    ----------
    value, layout : the input and its layout.
    row_of : returns a tensor whose row holds the given items of the input, in that order.

    Raises
    ------
    UnsupportedError : groups over frames; groups that are too long; factors that are not constant.
    """
    axes = _axes(node, value.items.ndim)
    if layout.axis in axes and layout.frames > 1:
        raise UnsupportedError(
            f"{node} goes over the frames, of which a stream does not know the last; over bins and channels it can be "
            "run, and over all axes in a model of one frame"
        )
    over = [layout.place(axis) for axis in axes if axis != layout.axis]
    behind = range(-len(over), 0)
    shape = [layout.row.shape[axis] for axis in over]
    size = int(np.prod(shape))
    # The orders within and of the groups are free: keep them as close to the order of the row as possible.
    groups = np.moveaxis(layout.row, over, behind).reshape(-1, size)
    inside = np.argsort(groups, axis=1)
    order_of_groups = np.argsort(groups.min(axis=1))
    places = np.arange(groups.size).reshape(groups.shape)
    places = np.take_along_axis(places, inside, axis=1)[order_of_groups].ravel()
    tensor = row_of(groups.ravel()[places])
    longest = LONGEST_SOFTMAX if node.op_type == "Softmax" else LONGEST[tensor.bits]
    if size > longest:
        raise UnsupportedError(f"{node} goes over {size} items; {longest} can be run")
    output = Tensor(node.output, groups.size, F(1), 0)
    if node.op_type == "Softmax":
        operator = _softmax(node, tensor, output, len(groups))
    else:
        factor, offset = (
            np.moveaxis(part, over, behind).ravel()[places].astype(F)
            for part in _affine(node, value.items.shape, layout.axis)
        )
        epsilon = F(max(LEAST, node.attribute("epsilon", 1e-5) * size**2 / np.float64(tensor.scale) ** 2))
        operator = Normalize(node.output, tensor, output, len(groups), factor, offset, epsilon, F(1), 0, 0)
    made = np.empty(groups.size, np.int64)
    made[places] = np.arange(groups.size)
    outer = [length for axis, length in enumerate(layout.row.shape) if axis not in over]
    made = np.moveaxis(made.reshape(*outer, *shape), behind, over)
    return UnroundedOutput(operator, in_time(made, groups.size, layout.frames, layout.axis))


def _axes(node: Node, dimensions: int) -> list[int]:
    """Return the axes that form a group."""
    if node.op_type == "InstanceNormalization":
        return list(range(2, dimensions))
    axis = node.attribute("axis", -1) % dimensions
    return [axis] if node.op_type == "Softmax" else list(range(axis, dimensions))


def _affine(node: Node, shape: tuple[int, ...], frames_at: int | None) -> list[np.ndarray]:
    """Return the factors and offsets in the shape of a row."""
    parts = []
    for position, default in ((1, 1.0), (2, 0.0)):
        given = node.constant(position)
        if given is None:
            if position < len(node.inputs) and node.inputs[position]:
                raise UnsupportedError(f"{node} has a factor or an offset that is no constant")
            given = np.array(default)
        if node.op_type == "InstanceNormalization" and given.ndim:
            given = given.reshape(-1, *[1] * (len(shape) - 2))
        spread = np.broadcast_to(given, shape)
        parts.append(spread if frames_at is None else np.take(spread, 0, axis=frames_at))
    return parts


def _softmax(node: Node, tensor: Tensor, output: Tensor, groups: int) -> Softmax:
    distance = np.arange(256)
    if tensor.bits == 16:
        distance = np.concatenate([distance, 256 * distance])
    table = np.rint(np.exp(-distance * np.float64(tensor.scale)) * UNIT).astype(np.int32)
    return Softmax(node.output, tensor, output, groups, table, F(1), 0, 0)


def windows(node: Node, value: QuantizedView) -> Sequence[QuantizedView]:
    """Return the values whose elementwise maximum is a MaxPool, each in the shape of its output.

    Elements beyond an edge are replaced by another element of the same window.

    Raises
    ------
    UnsupportedError : auto_pad or ceil_mode.
    """
    kernel = node.attribute("kernel_shape", [])
    spatial = len(kernel)
    if node.attribute("ceil_mode", 0) or node.attribute("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise UnsupportedError(f"{node} has ceil_mode or auto_pad; explicit pads can be run")
    strides, dilations = (node.attribute(name, [1] * spatial) for name in ("strides", "dilations"))
    pads = node.attribute("pads", [0] * 2 * spatial)
    parts = [value.items]
    for number in range(spatial):
        axis, taps = number + 2, kernel[number]
        size, before, behind = value.items.shape[axis], pads[number], pads[number + spatial]
        count = (size + before + behind - dilations[number] * (taps - 1) - 1) // strides[number] + 1
        first = np.arange(count) * strides[number] - before
        places = first + dilations[number] * np.arange(taps)[:, np.newaxis]  # (taps, count)
        is_there = (places >= 0) & (places < size)
        if not is_there.any(axis=0).all():
            raise UnsupportedError(f"{node} has windows beyond the edge")
        there = places[np.argmax(is_there, axis=0), np.arange(count)]
        taken = np.where(is_there, places, there)
        parts = [np.take(part, each, axis=axis) for part in parts for each in taken]
    return [replace(value, items=part) for part in parts]

"""Frames that an exporter has joined with the heads of attention in one axis, (frames * heads, ...), and apart again.

PyTorch's MultiheadAttention multiplies such batches of matrices where it returns its weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import onnx

from sezoo.deployment.engine.qdq_reader.nodes import Node
from sezoo.deployment.engine.qdq_reader.values import Value

__all__ = ["apart", "joined_again", "node_apart", "rows_per_frame"]

OPERATORS = {"MatMul", "Softmax", "Add", "Sub", "Mul", "Div", "Max", "Min", "Relu", "Clip"}
"""What leaves the first axis alone, whatever the others are."""


def rows_per_frame(node: Node, values: Mapping[str, Value], frames: int) -> int:
    """Return how many rows of the first axis a frame has in the operands that do not come from constants; 1 if several.

    Parameters
    ----------
    values : what has been read, by the names of the tensors.
    """
    operands = [values[name] for name in node.inputs if name in values]
    if node.op_type not in OPERATORS or frames == 1 or not operands:
        return 1
    counts = {_rows_per_frame(value, frames) for value in operands}
    return counts.pop() if len(counts) == 1 else 1


def _rows_per_frame(value: Value, frames: int) -> int:
    items = value.items
    if items.ndim < 3 or len(items) <= frames or len(items) % frames or (items < 0).any():
        return 1
    count = len(items) // frames
    frame = (items // value.total).reshape(frames, -1)
    return count if (frame == np.arange(frames)[:, np.newaxis]).all() else 1


def apart(value: Value, count: int) -> Value:
    """Return a value with an axis of the frames, and one of the rows of each."""
    return replace(value, items=value.items.reshape(-1, count, *value.items.shape[1:]))


def joined_again(value: Value) -> Value:
    """Return a value with both axes in one."""
    return replace(value, items=value.items.reshape(-1, *value.items.shape[2:]))


def node_apart(node: Node) -> Node:
    """Return the node on one more axis in front."""
    proto = onnx.NodeProto()
    proto.CopyFrom(node.proto)
    for entry in proto.attribute:
        if entry.name == "axis" and entry.i > 0:
            entry.i += 1
    return replace(node, proto=proto)

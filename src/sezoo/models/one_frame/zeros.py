"""Frames of zeros before the first one, and what cuts off the end again: a piece has neither, its states are zero."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from sezoo.base.errors import UserError
from sezoo.base.text import pluralize
from sezoo.models.one_frame.piece import END, Piece, set_attribute
from sezoo.models.onnx_graph import attribute, node_label

__all__ = ["joins_zeros", "keeps_zeros", "make_late", "write_pad", "write_slice"]

OF_ZEROS_ZEROS = {"Abs", "Cast", "Concat", "Dropout", "LeakyRelu", "Neg", "Relu", "Split", "Tanh"}
"""Operators that make zeros of zeros, of which the convolution behind them may still have need."""


def write_pad(piece: Piece, node: onnx.NodeProto) -> None:
    """Zeros before the first frame are counted instead; those over other axes stay."""
    axis, rank = piece.axis(node.input[0]), piece.value(node.input[0]).ndim
    given = [*node.input, *[""] * 4]
    axes = [each % rank for each in piece.value(given[3]).tolist()] if given[3] else list(range(rank))
    pads = list(attribute(node, "pads", None) or piece.value(given[1]).tolist())
    if axis in axes and (pads[axes.index(axis)] or pads[axes.index(axis) + len(axes)]):
        place = axes.index(axis)
        value = float(piece.value(given[2])) if given[2] else attribute(node, "value", 0.0)
        if attribute(node, "mode", b"constant") != b"constant" or value != 0:
            raise UserError(f"{node_label(node)} does not fill up with zeros; a stream begins with zeros")
        piece.padding[node.output[0]] = piece.padding.get(node.input[0], 0) + pads[place]
        pads[place] = pads[place + len(axes)] = 0
        if any(entry.name == "pads" for entry in node.attribute):
            set_attribute(node, "pads", pads)
        else:
            node.input[1] = piece.constant(f"{node.output[0]}.pads", np.array(pads, np.int64))
    else:
        piece.padding[node.output[0]] = piece.padding.get(node.input[0], 0)


def joins_zeros(piece: Piece, node: onnx.NodeProto) -> bool:
    """Whether a Concat puts frames of zeros before the first one; it is then passed by."""
    axis = piece.axis(node.output[0])
    if len(node.input) != 2 or axis is None:
        return False
    first, second = node.input
    rank = piece.value(second).ndim
    if piece.axis(first) is not None or attribute(node, "axis", 0) % rank != axis:
        return False
    zeros = piece.value(first)
    if np.any(zeros):
        return False
    piece.padding[node.output[0]] = piece.padding.get(second, 0) + zeros.shape[axis]
    node.op_type = "Identity"
    node.input[:] = [second]
    del node.attribute[:]
    return True


def write_slice(piece: Piece, node: onnx.NodeProto) -> None:
    """The end is no longer cut off; what is cut off the beginning has to be zeros that a Pad put there."""
    source, axis = node.input[0], piece.axis(node.input[0])
    shape = piece.value(source).shape
    given = [*node.input, *[""] * 4]
    starts = piece.value(given[1]).tolist()
    axes = piece.value(given[3]).tolist() if given[3] else range(len(starts))
    axes = [each % len(shape) for each in axes]
    steps = piece.value(given[4]).tolist() if given[4] else [1] * len(starts)
    padding = piece.padding.get(source, 0)
    if axis in axes:
        place = axes.index(axis)
        if steps[place] != 1:
            raise UserError(f"{node_label(node)} takes frames apart; a stream has one at a time")
        start = starts[place] + shape[axis] if starts[place] < 0 else starts[place]
        padding -= min(start, shape[axis])
        if padding < 0:
            raise UserError(
                f"{node_label(node)} drops {pluralize(-padding, 'frame')} from the beginning, so that what is "
                "behind it looks ahead; cut off the end, behind padding at the beginning (a causal convolution)"
            )
        ends = piece.value(given[2]).tolist()
        starts[place], ends[place] = 0, END
        node.input[1] = piece.constant(f"{node.output[0]}.starts", np.array(starts, np.int64))
        node.input[2] = piece.constant(f"{node.output[0]}.ends", np.array(ends, np.int64))
    piece.padding[node.output[0]] = padding


def keeps_zeros(piece: Piece, node: onnx.NodeProto) -> bool:
    """Whether the zeros before the first frame of all inputs are also those of the outputs; they are then counted."""
    padded = {piece.padding.get(name, 0) for name in node.input}
    if node.op_type not in OF_ZEROS_ZEROS or (len(padded) > 1 and node.op_type == "Concat"):
        return False
    piece.padding.update(dict.fromkeys(node.output, max(padded)))
    return True


def make_late(piece: Piece, node: onnx.NodeProto, source: str, frames: int) -> str:
    """Write a tensor some frames late, with zeros first, and return its name; the frames in between become a state.

    Parameters
    ----------
    node : that reads it.
    """
    if (source, frames) not in piece.late:
        axis, shape = piece.axis(source), list(piece.value(source).shape)
        shape[axis] = frames
        cache, kept = piece.new_state(node, "late", tuple(shape))
        both, late = (piece.names.new(f"{cache}.{part}") for part in ("frames", "first"))
        piece.nodes += [
            helper.make_node("Concat", [cache, source], [both], piece.names.new(f"{both}.join"), axis=axis),
            piece.slice_of(both, kept, axis, -frames, END),
            piece.slice_of(both, late, axis, 0, -frames),
        ]
        piece.late[source, frames] = piece.rounded_again(source, late)
    return piece.late[source, frames]

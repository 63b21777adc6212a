"""Takes the nodes of a model of whole clips one by one, and writes what each does on a piece."""

from __future__ import annotations

import onnx

from sezoo.base.errors import UserError
from sezoo.models.frame_axes import FrameTrace
from sezoo.models.movements import RESHAPING
from sezoo.models.nested_graphs import reads_of
from sezoo.models.one_frame.by_frame import why_not_by_frame
from sezoo.models.one_frame.kernels import POOLS, write_kernel
from sezoo.models.one_frame.piece import Piece
from sezoo.models.one_frame.recurrent import LAYERS, write_layer, write_scan
from sezoo.models.one_frame.zeros import joins_zeros, keeps_zeros, make_late, write_pad, write_slice
from sezoo.models.onnx_graph import copy_node, keep_needed, node_label
from sezoo.models.states import batch_of_one, fix_lengths, with_states

__all__ = ["one_frame"]

QUANTIZERS = {"QuantizeLinear", "DequantizeLinear"}
"""Of an int8 model; zeros stay zeros."""

WRITERS = {
    **dict.fromkeys(("Conv", "ConvTranspose", *POOLS), write_kernel),
    **dict.fromkeys(LAYERS, write_layer),
    "Scan": write_scan,
    "Pad": write_pad,
    "Slice": write_slice,
}
"""Operators that work on more than one frame, and what writes them for a piece."""


def one_frame(model: onnx.ModelProto, traced: FrameTrace, frames: int | None = 1) -> onnx.ModelProto:
    """The form of a model, opset 11 or later, that takes a clip in pieces, and carries the names of its states.

    Parameters
    ----------
    model : float, or int8 in QDQ form.
    frames : of a piece; None is any number.

    Raises
    ------
    UserError : the node for which there is none, and what would help.
    """
    piece = Piece(model, traced)
    for node in model.graph.node:
        copy = copy_node(node)
        _write(piece, copy)
        piece.nodes += [copy, *piece.behind]
        piece.behind.clear()
    piece.graph.node.extend(piece.nodes)
    fix_lengths(piece.written, piece.graph.input[0], 1, frames)
    fix_lengths(piece.written, piece.graph.output[0], 1, frames)
    written = with_states(piece.written, piece.states)
    batch_of_one(written)
    keep_needed(written.graph)
    return written


def _write(piece: Piece, node: onnx.NodeProto) -> None:
    """Change the copy of a node to what it does on a piece."""
    over = [name for name in reads_of(node) if piece.axis(name) is not None]
    if node.op_type in QUANTIZERS and over:
        piece.padding[node.output[0]] = piece.padding.get(over[0], 0)
        return
    if not over or piece.value(next(filter(None, node.output))).dtype.kind in "iu":
        return
    if (write := WRITERS.get(node.op_type)) is not None:
        write(piece, node)
        return
    if node.op_type == "Concat" and joins_zeros(piece, node):
        return
    if node.op_type in RESHAPING:  # where the frames are now, shapes have shown
        piece.padding[node.output[0]] = piece.padding.get(over[0], 0)
        return
    if (why := why_not_by_frame(piece, node, over[0])) is not None:
        raise UserError(f"{node_label(node)} {why}")
    if keeps_zeros(piece, node):
        return
    for place, name in enumerate(node.input):
        if padding := piece.padding.get(name):
            node.input[place] = make_late(piece, node, name, padding)

"""Convolutions and pooling of a piece: the past frames that a kernel reaches back to become a state."""

from __future__ import annotations

import onnx
from onnx import helper

from sezoo.base.errors import UserError
from sezoo.base.text import pluralize
from sezoo.models.one_frame.piece import END, Piece, set_attribute
from sezoo.models.one_frame.zeros import make_late
from sezoo.models.onnx_graph import attribute, node_label

__all__ = ["POOLS", "write_kernel"]

POOLS = {"AveragePool", "MaxPool"}


def write_kernel(piece: Piece, node: onnx.NodeProto) -> None:
    """Write a convolution or a pooling, whose past frames become a state."""
    source, axis, is_pool = node.input[0], piece.axis(node.input[0]), node.op_type in POOLS
    kernel = attribute(node, "kernel_shape", None) if is_pool else piece.value(node.input[1]).shape[2:]
    count, place = len(kernel), axis - 2
    padding = piece.padding.get(source, 0)
    if axis < 1 or (axis == 1 and is_pool):  # frames stand beside each other, as a batch does
        if padding:
            node.input[0] = make_late(piece, node, source, padding)
        return
    if axis == 1 or (not is_pool and piece.axis(node.input[1]) is not None):
        raise UserError(f"{node_label(node)} has frames as its channels; a stream has one at a time")
    if attribute(node, "auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise UserError(f"{node_label(node)} has auto_pad; export it with pads")
    pads = list(attribute(node, "pads", [0] * 2 * count))
    reach = (kernel[place] - 1) * list(attribute(node, "dilations", [1] * count))[place]
    before = pads[place] + padding
    if is_pool and pads[place] and not attribute(node, "count_include_pad", 0):
        raise UserError(f"{node_label(node)} passes over what is before the first frame; put zeros there by a Pad")
    transposed = node.op_type == "ConvTranspose"
    if transposed:
        more, ahead = padding, pads[place]  # of its whole output the first frames are those of the first inputs
    else:
        more, ahead = before - reach, reach - before
    if ahead > 0:
        raise UserError(
            f"{node_label(node)} looks {pluralize(ahead, 'frame')} ahead; put all of its zeros over time before the "
            "first frame (as a causal convolution has them)"
        )
    latest = make_late(piece, node, source, more) if more > 0 else source
    if reach or more:
        pads[place] = pads[place + count] = 0
        set_attribute(node, "pads", pads)
    if reach == 0:
        node.input[0] = latest
        return
    shape = list(piece.value(source).shape)
    shape[axis] = reach
    cache, kept = piece.new_state(node, "past", tuple(shape))
    both = piece.names.new(f"{cache}.frames")
    join = piece.names.new(f"{both}.join")
    piece.nodes.append(helper.make_node("Concat", [cache, latest], [both], join, axis=axis))
    piece.nodes.append(piece.slice_of(both, kept, axis, -reach, END))
    node.input[0] = piece.rounded_again(source, both)
    output = node.output[0]
    if transposed:  # of the frames that it makes of those, the ones that all of them add to
        node.output[0] = piece.names.new(f"{output}.frames")
        piece.behind.append(piece.slice_of(node.output[0], output, axis, reach, -reach))

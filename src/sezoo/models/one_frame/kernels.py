"""Convolutions and pooling of a piece: the past frames that a kernel reaches back to become a state."""

from __future__ import annotations

import onnx
from onnx import helper

from sezoo.base.errors import UserError
from sezoo.base.text import pluralize
from sezoo.models.one_frame.piece import END, Piece, set_attribute
from sezoo.models.onnx_graph import attribute, copy_node, node_label

__all__ = ["POOLS", "write_kernel"]

POOLS = {"AveragePool", "MaxPool"}


def write_kernel(piece: Piece, node: onnx.NodeProto) -> None:
    """Write a convolution or a pooling, whose past frames become a state."""
    source, axis, is_pool = node.input[0], piece.axis(node.input[0]), node.op_type in POOLS
    kernel = attribute(node, "kernel_shape", None) if is_pool else piece.value(node.input[1]).shape[2:]
    count, place = len(kernel), axis - 2
    if axis < 1 or (axis == 1 and is_pool):  # frames stand beside each other, as a batch does
        return
    if axis == 1 or (not is_pool and piece.axis(node.input[1]) is not None):
        raise UserError(f"{node_label(node)} has frames as its channels; a stream has one at a time")
    if attribute(node, "auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise UserError(f"{node_label(node)} has auto_pad; export it with pads")
    pads = list(attribute(node, "pads", [0] * 2 * count))
    reach = (kernel[place] - 1) * list(attribute(node, "dilations", [1] * count))[place]
    before = pads[place] + piece.padding.get(source, 0)
    if is_pool and pads[place] and not attribute(node, "count_include_pad", 0):
        raise UserError(f"{node_label(node)} passes over what is before the first frame; put zeros there by a Pad")
    transposed = node.op_type == "ConvTranspose"
    if transposed:
        before, ahead = 0, pads[place]  # of its whole output the first frames are those of the first inputs
        if piece.padding.get(source):
            raise UserError(f"{node_label(node)} works on frames of zeros that were put before the first one")
    else:
        ahead = reach - before
    if ahead > 0:
        raise UserError(
            f"{node_label(node)} looks {pluralize(ahead, 'frame')} ahead; put all of its zeros over time before the "
            "first frame (as a causal convolution has them)"
        )
    if ahead < 0:
        raise UserError(
            f"{node_label(node)} has {pluralize(before, 'frame')} of zeros before the first frame, and its kernel "
            f"reaches {reach} back; they have to be as many"
        )
    pads[place] = pads[place + count] = 0
    if reach == 0:
        return
    set_attribute(node, "pads", pads)
    shape = list(piece.value(source).shape)
    shape[axis] = reach
    cache, kept = piece.new_state(node, "past", tuple(shape))
    both = piece.names.new(f"{cache}.frames")
    join = piece.names.new(f"{both}.join")
    piece.nodes.append(helper.make_node("Concat", [cache, source], [both], join, axis=axis))
    piece.nodes.append(piece.slice_of(both, kept, axis, -reach, END))
    node.input[0] = _rounded_again(piece, source, both)
    output = node.output[0]
    if transposed:  # of the frames that it makes of those, the ones that all of them add to
        node.output[0] = piece.names.new(f"{output}.frames")
        piece.behind.append(piece.slice_of(node.output[0], output, axis, reach, -reach))


def _rounded_again(piece: Piece, source: str, both: str) -> str:
    """Quantize past and new frames again for the kernel of an int8 model, which is exact for dequantized integers."""
    chain = []
    for kind in reversed(("QuantizeLinear", "DequantizeLinear")):
        node = piece.made_by.get(chain[-1].input[0] if chain else source)
        if node is None or node.op_type != kind:
            return both
        chain.append(node)
    for node in reversed(chain):
        copy = copy_node(node)
        copy.input[0], copy.output[0] = both, piece.names.new(f"{both}.{node.op_type}")
        copy.name = piece.names.new(f"{copy.output[0]}.node")
        piece.nodes.append(copy)
        both = copy.output[0]
    return both

"""Recurrent layers of a piece: their states become inputs and outputs."""

from __future__ import annotations

import numpy as np
import onnx

from sezoo.base.errors import UserError
from sezoo.models.one_frame.piece import Piece
from sezoo.models.one_frame.zeros import make_late
from sezoo.models.onnx_graph import attribute, node_label

__all__ = ["LAYERS", "write_layer", "write_scan"]

LAYERS = {"GRU": ("h",), "LSTM": ("h", "c"), "RNN": ("h",)}
"""Recurrent layers, and the states that they have."""


def write_layer(piece: Piece, node: onnx.NodeProto) -> None:
    """Write a recurrent layer over frames, whose states become inputs and outputs."""
    source, axis = node.input[0], piece.axis(node.input[0])
    if attribute(node, "layout", 0):
        raise UserError(f"{node_label(node)} has the attribute layout; export it with frames first")
    if padding := piece.padding.get(source):
        node.input[0] = make_late(piece, node, source, padding)
    if axis == 1:  # its steps are those within a frame
        return
    direction = attribute(node, "direction", b"forward")
    if direction != b"forward":
        raise UserError(
            f"{node_label(node)} is {direction.decode()} over frames, and a stream has no later ones; train it with "
            "one direction, or run whole clips"
        )
    given, states = [*node.input, *[""] * 8][:8], LAYERS[node.op_type]
    if given[4]:
        raise UserError(f"{node_label(node)} has sequence_lens; export it without")
    batch, hidden = piece.value(source).shape[1], attribute(node, "hidden_size", 0)
    outputs = [*node.output, "", "", ""][: 1 + len(states)]
    for place, what in enumerate(states):
        last = outputs[1 + place]
        if last and piece.is_used(last):
            raise UserError(f"{node_label(node)}: its state after the last frame is used, which a stream never has")
        start = given[5 + place]
        if start and np.any(piece.value(start)):
            raise UserError(f"{node_label(node)} begins with a state that is not zero; states begin with zeros")
        given[5 + place], outputs[1 + place] = piece.new_state(node, what, (1, batch, hidden))
    while not given[-1]:
        given.pop()
    node.input[:], node.output[:] = given, outputs


def write_scan(piece: Piece, node: onnx.NodeProto) -> None:
    """Write a layer of an int8 model, a loop over frames, whose states become inputs and outputs."""
    sequences = attribute(node, "num_scan_inputs", 0)
    count = len(node.input) - sequences
    along = attribute(node, "scan_input_axes", [0] * sequences)
    pairs = list(zip(node.input[count:], along, strict=True))
    over = [name for name, axis in pairs if piece.axis(name) == axis % piece.value(name).ndim]
    for place, name in enumerate(node.input[count:], count):
        if padding := piece.padding.get(name):
            node.input[place] = make_late(piece, node, name, padding)
    if not over:  # its steps are those within a frame
        return
    if any(attribute(node, "scan_input_directions", [])):
        raise UserError(f"{node_label(node)} does not begin with the first frame; a stream has no later ones")
    for place in range(count):
        start, last = node.input[place], node.output[place]
        if piece.is_used(last):
            raise UserError(f"{node_label(node)}: its state after the last frame is used, which a stream never has")
        if np.any(piece.value(start)):
            raise UserError(f"{node_label(node)} begins with a state that is not zero; states begin with zeros")
        shape = piece.value(start).shape
        node.input[place], node.output[place] = piece.new_state(node, f"state{place + 1}", shape)

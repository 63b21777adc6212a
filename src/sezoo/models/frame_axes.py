"""The time axis of each tensor of a graph, determined by running it on clips of two lengths."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx

from sezoo.base.errors import UserError
from sezoo.models.onnx_graph import copy_model, initializers, node_label
from sezoo.models.onnx_session import open_session
from sezoo.models.spectra import random_input
from sezoo.models.states import bins_of, input_layout, magnitude_input

__all__ = ["EVERY_OTHER_FRAME", "LENGTHS", "FrameTrace", "trace_frames"]

LENGTHS = (41, 58)
"""Frames of the two runs: primes apart from each other and from what networks have as numbers of channels."""

EVERY_OTHER_FRAME = (
    "sets every frame against every other one: a stream has no later frames; use layers that look back only"
)
"""What is said of attention over frames, behind the name of a node."""


@dataclass(frozen=True)
class FrameTrace:
    """Results of two runs on clips of `LENGTHS` frames, in batches of one.

    Attributes
    ----------
    axes : by the name of a tensor, its axis of frames; tensors that have none are not there.
    values : of the shorter clip, those of all tensors, constants among them.
    longer : of the longer clip, those of tensors of integers, constants among them.
    """

    axes: dict[str, int]
    values: dict[str, np.ndarray]
    longer: dict[str, np.ndarray]


def trace_frames(model: onnx.ModelProto) -> FrameTrace:
    """Run a float model of any number of frames, and see which axis of each tensor grows with them.

    Raises
    ------
    UserError : one grows otherwise than frame by frame, or has two axes that grow; the node is named.
    """
    runs = [_run(model, frames) for frames in LENGTHS]
    axes = {magnitude_input(model).name: input_layout(model).frames}
    more = LENGTHS[1] - LENGTHS[0]
    for node in model.graph.node:
        for name in filter(None, node.output):
            shapes = [np.shape(run[name]) for run in runs]
            if len(shapes[0]) != len(shapes[1]):
                raise UserError(f"{node_label(node)} gives a tensor whose number of axes depends on the frames")
            grown = [axis for axis, (one, other) in enumerate(zip(*shapes, strict=True)) if one != other]
            if not grown:
                continue
            if len(grown) > 1:
                raise UserError(f"{node_label(node)} {EVERY_OTHER_FRAME}")
            (axis,) = grown
            if shapes[1][axis] - shapes[0][axis] != more:
                raise UserError(
                    f"{node_label(node)} has {shapes[1][axis]} values along an axis for {LENGTHS[1]} frames, and "
                    f"{shapes[0][axis]} for {LENGTHS[0]}: frames are merged, skipped or repeated there; keep them "
                    "along an axis of their own"
                )
            axes[name] = axis
    constants = initializers(model.graph)
    integers = {name: value for name, value in runs[1].items() if value.dtype.kind in "iu"}
    return FrameTrace(axes, constants | runs[0], constants | integers)


def _run(model: onnx.ModelProto, frames: int) -> dict[str, np.ndarray]:
    looked_into = copy_model(model)
    del looked_into.graph.output[:]
    names = [name for node in model.graph.node for name in node.output if name]
    looked_into.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session, layout = open_session(looked_into, optimization="none"), input_layout(model)
    given = layout.given(random_input(frames, (1, bins_of(model), frames), layout))
    source = magnitude_input(model).name
    values = session.run(names, {source: given})
    found = {name: np.asarray(value) for name, value in zip(names, values, strict=True) if value is not None}
    return {source: given} | found

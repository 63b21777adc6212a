"""Calibration: the range of each activation on the user's recordings, with one clip in memory at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto

from sezoo.base.errors import UserError
from sezoo.models.states import states_of
from sezoo.quantization.calibration.extremes import Extremes
from sezoo.quantization.calibration.options import CalibrationOptions, Ranges
from sezoo.quantization.calibration.statistics import Histograms, Watched

__all__ = ["MAX_FRAMES", "Calibration", "calibrate", "calibrate_groups", "calibration_of"]

MAX_FRAMES = 2048
"""Longer clips are run in pieces of N frames: that bounds the memory for an hour-long recording."""


def calibrate(
    model: onnx.ModelProto,
    clips: Iterable[Iterable[np.ndarray]],
    op_types: Iterable[str],
    options: CalibrationOptions,
    *,
    call_frames: int | None = None,
    in_float: frozenset[str] = frozenset(),
    wanted: Collection[str] | None = None,
) -> Ranges:
    """Run the float model over the clips and find the range of each activation that will be quantized.

    Parameters
    ----------
    model : float, with known shapes.
    clips : at least one, each a few pieces (1, bins, frames) of magnitudes, float32, `MAX_FRAMES` frames at
        most. A clip is run piece by piece, and only one piece is held at a time. States, which begin a clip with
        zeros, are fed back from piece to piece.
    op_types : operators to be quantized: the ranges of what goes in and comes out of them are found.
    call_frames : of a call, where a model with states takes any number: how often it will hand them on when it is
        used. Whole clips in one call would show no state but the first and the last. None cuts nothing.
    in_float : names of nodes that will not be quantized, whatever their type.
    wanted : activations whose ranges are asked for; None means all.

    Raises
    ------
    UserError : an activation became NaN or infinite; there is none.
    """
    groups = calibrate_groups(
        model, clips, op_types, options, [None], call_frames=call_frames, in_float=in_float, wanted=wanted
    )
    return groups[0]


def calibrate_groups(
    model: onnx.ModelProto,
    clips: Iterable[Iterable[np.ndarray]],
    op_types: Iterable[str],
    options: CalibrationOptions,
    groups: Sequence[Collection[int] | None],
    *,
    call_frames: int | None = None,
    in_float: frozenset[str] = frozenset(),
    wanted: Collection[str] | None = None,
) -> list[Ranges]:
    """Return the ranges of `calibrate` for several groups of clips, running the model once per clip.

    Parameters
    ----------
    groups : of each, the indices of its clips, at least one; None is all of them.
    """
    calibration = calibration_of(model, op_types, options, call_frames=call_frames, in_float=in_float, wanted=wanted)
    watch = calibration.watched.watcher()
    of_groups = [calibration.watched.merged() for _ in groups]
    for index, pieces in enumerate(clips):
        found = watch(pieces)
        for group, merged in zip(groups, of_groups, strict=True):
            if group is None or index in group:
                merged.add(found)
    return [calibration.ranges(merged) for merged in of_groups]


@dataclass(frozen=True)
class Calibration:
    """Specification of the statistics that the requested ranges need.

    Attributes
    ----------
    tensors : whose ranges are asked for.
    givers : tensors that are watched in the place of some of them.
    """

    watched: Watched
    tensors: tuple[str, ...]
    givers: dict[str, str]

    def ranges(self, merged: Extremes | Histograms) -> Ranges:
        """The ranges by what has been seen on all clips."""
        seen = merged.ranges()
        found = {name: seen[self.givers.get(name, name)] for name in self.tensors}
        return _with_states_ranges(self.watched.model, found)


def calibration_of(
    model: onnx.ModelProto,
    op_types: Iterable[str],
    options: CalibrationOptions,
    *,
    call_frames: int | None = None,
    in_float: frozenset[str] = frozenset(),
    wanted: Collection[str] | None = None,
) -> Calibration:
    """Return the specification of the statistics; see `calibrate`.

    Raises
    ------
    UserError : there is no activation to quantize.
    """
    tensors = tensors_to_calibrate(model, set(op_types))
    if not tensors:
        present = ", ".join(sorted({node.op_type for node in model.graph.node if node.op_type in set(op_types)}))
        raise UserError(f"quantization.op_types_to_quantize: {present} of the model work on no float32 activation")
    if wanted is not None:
        pairs = {name: pair for pair in states_of(model).items() for name in pair}  # which have one range
        wanted = {each for name in wanted for each in pairs.get(name, (name,))}
        tensors = [name for name in tensors if name in wanted]
    shared = ranges_of_activations(model, set(op_types), in_float)
    givers = {shared[name] for name in tensors if name in shared}  # one may itself take the next one's: Clip, Relu
    seen = [name for name in dict.fromkeys([*tensors, *givers]) if name not in shared or name in givers]
    return Calibration(Watched(model, tuple(seen), options, call_frames), tuple(tensors), shared)


def _with_states_ranges(model: onnx.ModelProto, ranges: Ranges) -> Ranges:
    """Return the ranges with a common one for each state and its successor, so that states are rounded only once."""
    for source, target in states_of(model).items():
        if source in ranges and target in ranges:
            low, high = zip(ranges[source], ranges[target], strict=True)
            ranges[source] = ranges[target] = (min(low), max(high))
    return ranges


def tensors_to_calibrate(model: onnx.ModelProto, op_types: set[str]) -> list[str]:
    """The float tensors that go in or come out of operators of these types, in graph order."""
    values = [*model.graph.input, *model.graph.value_info, *model.graph.output]
    is_float = {value.name: value.type.tensor_type.elem_type == TensorProto.FLOAT for value in values}
    weights = {weight.name for weight in model.graph.initializer}
    nodes = [node for node in model.graph.node if node.op_type in op_types]
    names = dict.fromkeys(name for node in nodes for name in (*node.input, *node.output))
    return [name for name in names if name not in weights and is_float.get(name, False)]


def ranges_of_activations(
    model: onnx.ModelProto, op_types: set[str], in_float: frozenset[str] = frozenset()
) -> dict[str, str]:
    """Tensors that only a quantized Relu or Clip reads, and that operator's output, whose range they take.

    What the operator cuts off needs no integers: onnxruntime gives its input the output's range, so
    looking at the input would be work for nothing.
    """
    outputs = {value.name for value in model.graph.output}
    readers = Counter(name for node in model.graph.node for name in node.input)
    return {
        node.input[0]: node.output[0]
        for node in model.graph.node
        if node.op_type in {"Relu", "Clip"} & op_types
        and node.name not in in_float
        and readers[node.input[0]] == 1
        and node.input[0] not in outputs
        and node.input[0] not in {value.name for value in model.graph.input}
    }

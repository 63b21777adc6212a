"""Calibration: which range every activation takes on the user's recordings, one clip in memory at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto, helper

from sezoo.base.errors import UserError
from sezoo.models.onnx_session import open_session
from sezoo.models.states import StateLoop, frames_of, in_calls, magnitude_input, states_of
from sezoo.quantization.calibration.histogram import SignedHistogram

__all__ = ["MAX_FRAMES", "CalibrationOptions", "NotFiniteError", "Ranges", "calibrate", "calibrate_groups"]

Ranges = dict[str, tuple[np.float32, np.float32]]
"""Lowest and highest value of each activation, by tensor name."""

MAX_FRAMES = 2048
"""Longer clips are run in pieces of so many frames: what bounds the memory for an hour-long recording."""

NEVER_NEGATIVE = {"Relu", "Sigmoid", "Softmax", "Abs"}
"""Operators whose outputs need no search for their minimum: 0 is part of every quantized range anyway."""


@dataclass(frozen=True)
class CalibrationOptions:
    """The calibration keys of onnxruntime's `extra_options`, with onnxruntime's defaults."""

    method: str = "MinMax"
    moving_average: bool = False
    averaging_constant: float = 0.01
    stride: int | None = None
    percentile: float = 99.999
    symmetric: bool | None = None
    """None leaves it to the method: Percentile is symmetric, the others are not."""


class NotFiniteError(UserError):
    """An activation of the float model became NaN or infinite."""


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
    """What `calibrate` finds on each of several groups of the clips, running the model on every clip once.

    Parameters
    ----------
    groups : of each, the indices of its clips, at least one; None is all of them.
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
    by_method = _by_histogram if options.method in ("Entropy", "Percentile") else _by_extremes
    return [
        _with_states_ranges(model, {name: ranges[shared.get(name, name)] for name in tensors})
        for ranges in by_method(model, clips, seen, options, call_frames, groups)
    ]


def _with_states_ranges(model: onnx.ModelProto, ranges: Ranges) -> Ranges:
    """The ranges with one for a state and what takes its place: what is rounded once is not rounded again."""
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


# -- the lowest and the highest value -----------------------------------------------------------------


@dataclass
class Extremes:
    """Lowest and highest values, (tensors,) each, combined clip by clip as onnxruntime does at the end.

    Without a moving average: the extremes of all clips. With it: the mean over the clips of each clip's
    extremes; a stride makes a mean of every so many clips, and blends the means with a smoothing constant.
    """

    options: CalibrationOptions
    blended: tuple[np.ndarray, np.ndarray] | None = None
    group: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)

    def add(self, low: np.ndarray, high: np.ndarray) -> None:
        """Take in one clip."""
        self.group.append((low, high))
        if not self.options.moving_average:  # minima need no memory of the clips that made them
            self.group = [self._of_group()]
        if self.options.stride and self.options.moving_average and len(self.group) == self.options.stride:
            self._close_group()

    def _of_group(self) -> tuple[np.ndarray, np.ndarray]:
        lows, highs = (np.stack(values) for values in zip(*self.group, strict=True))
        if self.options.moving_average:
            low, high = lows.mean(axis=0), highs.mean(axis=0)
        else:
            low, high = lows.min(axis=0), highs.max(axis=0)
        if self.options.symmetric:  # before groups are blended: each gives its larger end
            high = np.maximum(np.abs(low), np.abs(high))
            low = -high
        return low, high

    def _close_group(self) -> None:
        new, self.group = self._of_group(), []
        if self.blended is None:
            self.blended = new
        else:
            constant = np.float32(self.options.averaging_constant)
            self.blended = tuple(old + constant * (fresh - old) for old, fresh in zip(self.blended, new, strict=True))

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest values over all clips."""
        if self.group:
            self._close_group()
        return self.blended


def _by_extremes(
    model: onnx.ModelProto,
    clips: Iterable[Iterable[np.ndarray]],
    tensors: list[str],
    options: CalibrationOptions,
    call_frames: int | None,
    groups: Sequence[Collection[int] | None],
) -> Iterator[Ranges]:
    not_negative = {name for node in model.graph.node if node.op_type in NEVER_NEGATIVE for name in node.output}
    with_minimum = [name for name in tensors if name not in not_negative]
    run = _runner(*_with_extremes_as_outputs(model, with_minimum, tensors), call_frames)
    has_minimum = np.isin(tensors, with_minimum)
    of_groups = [Extremes(options) for _ in groups]
    for index, pieces in enumerate(clips):
        minima, sums, high = _extremes_of_clip(run(pieces), len(with_minimum))
        _check_finite(with_minimum, minima, sums)
        low = np.zeros(len(tensors), np.float32)
        low[has_minimum] = minima
        _check_finite(tensors, high)
        for group, extremes in zip(groups, of_groups, strict=True):
            if group is None or index in group:
                extremes.add(low, high)
    for extremes in of_groups:
        low, high = extremes.result()
        yield dict(zip(tensors, zip(low, high, strict=True), strict=True))


def _extremes_of_clip(calls: Iterable[list[np.ndarray]], minima: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lowest values, sums and highest values over all calls, whose numbers are so many of the first two and the rest.

    A clip can be very many calls, where a model takes a frame at a time: no list of them is made.
    """
    found = None
    for numbers in calls:
        low, total, high = np.split(np.array(numbers, np.float32), [minima, 2 * minima])
        if found is not None:
            low, total, high = np.minimum(low, found[0]), total + found[1], np.maximum(high, found[2])
        found = low, total, high
    return found


def _with_extremes_as_outputs(
    model: onnx.ModelProto, minima: list[str], maxima: list[str]
) -> tuple[onnx.ModelProto, list[str]]:
    """The model giving, instead of the mask, numbers (their names): tensors are reduced where they are computed.

    The sums are there because onnxruntime's extremes pass over most NaN. One that an operator without negative
    outputs lets through shows in the sums further on; one that it does not is of no consequence.
    """
    extended = onnx.ModelProto()
    extended.CopyFrom(model)
    del extended.graph.output[:]
    for operator, tensors in (("ReduceMin", minima), ("ReduceSum", minima), ("ReduceMax", maxima)):
        for index, name in enumerate(tensors):
            output = f"calibration/{operator}/{index}"
            extended.graph.node.append(helper.make_node(operator, [name], [output], keepdims=0))
            extended.graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, []))
    return _with_states_as_outputs(extended, model)


# -- histograms ---------------------------------------------------------------------------------------


def _by_histogram(
    model: onnx.ModelProto,
    clips: Iterable[Iterable[np.ndarray]],
    tensors: list[str],
    options: CalibrationOptions,
    call_frames: int | None,
    groups: Sequence[Collection[int] | None],
) -> Iterator[Ranges]:
    run = _runner(*_with_tensors_as_outputs(model, tensors), call_frames)
    of_groups = [[SignedHistogram() for _ in tensors] for _ in groups]
    for index, pieces in enumerate(clips):
        those = [each for group, each in zip(groups, of_groups, strict=True) if group is None or index in group]
        for outputs in run(pieces):
            for histograms in those:
                for name, histogram, values in zip(tensors, histograms, outputs, strict=True):
                    histogram.add(values)
                    _check_finite([name], np.array([histogram.low]), np.array([histogram.high]))
            del outputs  # they are large, and the next call makes as many
    for histograms in of_groups:
        yield dict(zip(tensors, [_range_of(histogram, options) for histogram in histograms], strict=True))


def _range_of(histogram: SignedHistogram, options: CalibrationOptions) -> tuple[np.float32, np.float32]:
    if options.method == "Entropy":
        return histogram.entropy_range()
    symmetric = options.symmetric is not False  # onnxruntime's default for this method
    return histogram.percentile_range(options.percentile, symmetric=symmetric)


def _with_tensors_as_outputs(model: onnx.ModelProto, tensors: list[str]) -> tuple[onnx.ModelProto, list[str]]:
    """The model giving the tensors themselves, and their names; an Identity, since an input cannot be an output too."""
    extended = onnx.ModelProto()
    extended.CopyFrom(model)
    inputs = {value.name for value in model.graph.input}
    del extended.graph.output[:]
    for index, name in enumerate(tensors):
        output = name
        if name in inputs:
            output = f"calibration/{index}"
            extended.graph.node.append(helper.make_node("Identity", [name], [output]))
        extended.graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, None))
    return _with_states_as_outputs(extended, model)


# -- running a clip -----------------------------------------------------------------------------------


def _with_states_as_outputs(extended: onnx.ModelProto, model: onnx.ModelProto) -> tuple[onnx.ModelProto, list[str]]:
    """A model of other outputs giving its states as well, and the names of those others."""
    names = [value.name for value in extended.graph.output]
    states = set(states_of(model).values()) - set(names)
    extended.graph.output.extend(value for value in model.graph.output if value.name in states)
    return extended, names


def _runner(
    model: onnx.ModelProto, outputs: Sequence[str], call_frames: int | None
) -> Callable[[Iterable[np.ndarray]], Iterator[list[np.ndarray]]]:
    """What takes the pieces of a clip, and gives the outputs of call after call; states begin with zeros."""
    session, states, source = open_session(model), states_of(model), magnitude_input(model)
    own = frames_of(model)
    frames = own if isinstance(own, int) else call_frames if states else None

    def run(pieces: Iterable[np.ndarray]) -> Iterator[list[np.ndarray]]:
        call = StateLoop(session, source.name, states, outputs)
        return (call(magnitude) for magnitude in in_calls(pieces, frames))

    return run


def _check_finite(tensors: list[str], *numbers: np.ndarray) -> None:
    bad = ~np.isfinite(numbers).all(axis=0)
    if bad.any():
        raise NotFiniteError(f"the float model's tensor '{tensors[int(np.argmax(bad))]}' becomes NaN or infinite")

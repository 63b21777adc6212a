"""Calibration: which range every activation takes on the user's recordings, one clip in memory at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence

import numpy as np
import onnx
from onnx import TensorProto

from sezoo.base.errors import UserError
from sezoo.models.states import states_of
from sezoo.quantization.calibration.extremes import ranges_by_extremes
from sezoo.quantization.calibration.histogram import SignedHistogram
from sezoo.quantization.calibration.options import CalibrationOptions, Ranges
from sezoo.quantization.calibration.runs import check_finite, runner, with_tensors_as_outputs

__all__ = ["MAX_FRAMES", "calibrate", "calibrate_groups"]

MAX_FRAMES = 2048
"""Longer clips are run in pieces of so many frames: what bounds the memory for an hour-long recording."""


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
    by_method = _by_histogram if options.method in ("Entropy", "Percentile") else ranges_by_extremes
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


def _by_histogram(
    model: onnx.ModelProto,
    clips: Iterable[Iterable[np.ndarray]],
    tensors: list[str],
    options: CalibrationOptions,
    call_frames: int | None,
    groups: Sequence[Collection[int] | None],
) -> Iterator[Ranges]:
    run = runner(*with_tensors_as_outputs(model, tensors), call_frames)
    of_groups = [[SignedHistogram() for _ in tensors] for _ in groups]
    for index, pieces in enumerate(clips):
        those = [each for group, each in zip(groups, of_groups, strict=True) if group is None or index in group]
        for outputs in run(pieces):
            for histograms in those:
                for name, histogram, values in zip(tensors, histograms, outputs, strict=True):
                    histogram.add(values)
                    check_finite([name], np.array([histogram.low]), np.array([histogram.high]))
            del outputs  # they are large, and the next call makes as many
    for histograms in of_groups:
        yield dict(zip(tensors, [_range_of(histogram, options) for histogram in histograms], strict=True))


def _range_of(histogram: SignedHistogram, options: CalibrationOptions) -> tuple[np.float32, np.float32]:
    if options.method == "Entropy":
        return histogram.entropy_range()
    symmetric = options.symmetric is not False  # onnxruntime's default for this method
    return histogram.percentile_range(options.percentile, symmetric=symmetric)

"""Ranges from the lowest and highest value of each tensor, clip by clip, as MinMax calibration has them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto, helper

from sezoo.models.onnx_graph import copy_model
from sezoo.quantization.calibration.options import CalibrationOptions, Ranges
from sezoo.quantization.calibration.runs import check_finite, runner, with_states_as_outputs

__all__ = ["Extremes", "extremes_watcher"]

NEVER_NEGATIVE = {"Relu", "Sigmoid", "Softmax", "Abs"}
"""Operators whose outputs need no search for their minimum: 0 is part of every quantized range anyway."""


@dataclass
class Extremes:
    """Lowest and highest values, (tensors,) each, combined clip by clip as onnxruntime does at the end.

    Without a moving average: the extremes of all clips. With it: the mean over the clips of each clip's
    extremes; a stride makes a mean of every N clips, and blends the means with a smoothing constant.
    """

    tensors: Sequence[str]
    options: CalibrationOptions
    blended: tuple[np.ndarray, np.ndarray] | None = None
    group: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)

    def add(self, of_clip: tuple[np.ndarray, np.ndarray]) -> None:
        """Take in one clip's."""
        self.group.append(of_clip)
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

    def ranges(self) -> Ranges:
        """Lowest and highest values over all clips."""
        if self.group:
            self._close_group()
        return dict(zip(self.tensors, zip(*self.blended, strict=True), strict=True))


def extremes_watcher(
    model: onnx.ModelProto, tensors: Sequence[str], call_frames: int | None
) -> Callable[[Iterable[np.ndarray]], tuple[np.ndarray, np.ndarray]]:
    """Return a function that runs a model on the pieces of a clip and returns the extremes of each tensor."""
    not_negative = {name for node in model.graph.node if node.op_type in NEVER_NEGATIVE for name in node.output}
    with_minimum = [name for name in tensors if name not in not_negative]
    run = runner(*_with_extremes_as_outputs(model, with_minimum, tensors), call_frames)
    has_minimum = np.isin(tensors, with_minimum)

    def watch(pieces: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        minima, sums, high = _extremes_of_clip(run(pieces), len(with_minimum))
        check_finite(with_minimum, minima, sums)
        low = np.zeros(len(tensors), np.float32)
        low[has_minimum] = minima
        check_finite(tensors, high)
        return low, high

    return watch


def _extremes_of_clip(calls: Iterable[list[np.ndarray]], minima: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lowest values, sums and highest values over all calls; a call gives `minima` of each of the first two.

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
    model: onnx.ModelProto, minima: Sequence[str], maxima: Sequence[str]
) -> tuple[onnx.ModelProto, list[str]]:
    """The model giving, instead of the mask, numbers (their names): tensors are reduced where they are computed.

    The sums are there because onnxruntime's extremes pass over most NaN. One that an operator without negative
    outputs lets through shows in the sums further on; one that it does not is of no consequence.
    """
    extended = copy_model(model)
    del extended.graph.output[:]
    for operator, tensors in (("ReduceMin", minima), ("ReduceSum", minima), ("ReduceMax", maxima)):
        for index, name in enumerate(tensors):
            output = f"calibration/{operator}/{index}"
            extended.graph.node.append(helper.make_node(operator, [name], [output], keepdims=0))
            extended.graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, []))
    return with_states_as_outputs(extended, model)

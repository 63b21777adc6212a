"""Rounding error of each activation, measured by running the int8 and the float model on the same input."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx

from sezoo.models.onnx_graph import axes_of, copy_model, layout
from sezoo.models.states import fix_lengths, magnitude_input, states_of
from sezoo.quantization.analysis.quantizers import Quantizer, quantizers, tensor_names
from sezoo.quantization.analysis.sqnr import energy, sqnr
from sezoo.quantization.fidelity.probe import tensors_of
from sezoo.quantization.graph.static_shape import static_length
from sezoo.quantization.plan import Plan
from sezoo.results.quantization import Tensor

__all__ = ["measure_tensors"]

BINS = 60
"""Of a histogram."""

MARGIN = 0.25
"""Of a range's width, on either side of it, that a histogram shows; what lies beyond is in its outermost bins."""

VALUES_AT_ONCE = 50_000_000
"""Of the tensors that are looked at in one run: what bounds the memory, 200 MB a model."""


def measure_tensors(
    plan: Plan, model: onnx.ModelProto, call_frames: int, magnitudes: Sequence[np.ndarray]
) -> Iterator[Tensor]:
    """The activations of the plan's int8 model on these magnitudes, each (1, bins, frames) float32.

    Parameters
    ----------
    call_frames : frames of an inference step, for models with states.
    """
    found, exact_names = quantizers(plan, model), tensor_names(plan.exact)
    model, exact = _with_call_length(model, call_frames), _with_call_length(plan.exact, call_frames)
    for group in _groups(found, exact, max(magnitude.shape[2] for magnitude in magnitudes)):
        known = [at.name for at in group if at.name in exact_names]
        run = tensors_of(model, [name for at in group for name in (at.before, at.behind)])
        run_exact, sums = tensors_of(exact, known), [_Sums() for _ in group]
        for magnitude in magnitudes:
            whole = _without_partial_call(model, magnitude)
            both = ([*values, *others] for (_, values), (_, others) in zip(run(whole), run_exact(whole), strict=True))
            for values in _merge_small_calls(both):
                references = dict(zip(known, values[2 * len(group) :], strict=True))
                pairs = zip(values[: 2 * len(group) : 2], values[1 : 2 * len(group) : 2], strict=True)
                for at, of_tensor, (before, behind) in zip(group, sums, pairs, strict=True):
                    of_tensor.add(at, before, behind, references.get(at.name))
        yield from (of_tensor.of(at) for at, of_tensor in zip(group, sums, strict=True))


def _merge_small_calls(calls: Iterable[list[np.ndarray]]) -> Iterator[list[np.ndarray]]:
    """The values of several small calls as one: a sum over a single frame costs as much as one over fifty."""
    waiting: list[list[np.ndarray]] = []
    held = 0
    for values in calls:
        waiting.append(values)
        held += sum(array.size for array in values)
        if held > VALUES_AT_ONCE // 5:
            yield _concatenate(waiting)
            waiting, held = [], 0
    if waiting:
        yield _concatenate(waiting)


def _concatenate(calls: list[list[np.ndarray]]) -> list[np.ndarray]:
    """Return the values of all calls, concatenated, by tensor."""
    if len(calls) == 1:
        return calls[0]
    return [np.concatenate([array.reshape(-1) for array in arrays]) for arrays in zip(*calls, strict=True)]


def _with_call_length(model: onnx.ModelProto, call_frames: int) -> onnx.ModelProto:
    """Return the model, with the frames of a call fixed if it is stateful."""
    if not states_of(model):
        return model
    fixed = copy_model(model)
    fix_lengths(fixed, magnitude_input(fixed), None, static_length(model, call_frames))
    return fixed


def _without_partial_call(model: onnx.ModelProto, magnitude: np.ndarray) -> np.ndarray:
    """Without the last frames, if a call of fixed length would have to be filled up with zeros for them."""
    frames = magnitude.shape[2]
    whole = frames - frames % static_length(model, 1)
    return magnitude[:, :, : whole or frames]


def _groups(found: Sequence[Quantizer], exact: onnx.ModelProto, frames: int) -> Iterator[list[Quantizer]]:
    """Tensors that fit into memory together, by what is known of their shapes."""
    shapes, batch = layout(exact), axes_of(magnitude_input(exact))[0]
    group, held = [], 0
    for at in found:
        axes = [axis if isinstance(axis, int) else 1 if axis == batch else frames for axis in shapes.get(at.name, ())]
        if group and held + math.prod(axes) > VALUES_AT_ONCE:
            yield group
            group, held = [], 0
        group.append(at)
        held += math.prod(axes)
    if group:
        yield group


@dataclass
class _Sums:
    """Sums over the values of a tensor, accumulated call by call."""

    count: int = 0
    saturated: int = 0
    signal: float = 0.0
    noise: float = 0.0
    saturation_noise: float = 0.0
    exact_signal: float = 0.0
    accumulated_noise: float = 0.0
    low: float = math.inf
    high: float = -math.inf
    histogram: np.ndarray = field(default_factory=lambda: np.zeros(BINS, np.int64))

    def add(self, at: Quantizer, before: np.ndarray, behind: np.ndarray, exact: np.ndarray | None) -> None:
        """Take in the values of a call, float32 of one shape."""
        values = np.clip(before, *at.limits)
        self.count += values.size
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        if at.low is not None:
            errors = behind - values
            beyond = (values < at.low - at.step / 2) | (values > at.high + at.step / 2)
            self.signal += energy(values)
            self.noise += energy(errors)
            self.histogram += _counts(values, *_ends(at))
            self.saturated += int(beyond.sum())
            self.saturation_noise += energy(errors[beyond])
        if exact is not None:
            self.exact_signal += energy(exact)
            self.accumulated_noise += energy(behind - exact)

    def of(self, at: Quantizer) -> Tensor:
        """The tensor, from all calls."""
        is_float = at.low is None
        ends = (None, None) if is_float else _ends(at)
        return Tensor(
            at.name,
            at.made_by,
            at.op_type,
            at.dtype,
            at.low,
            at.high,
            self.low,
            self.high,
            saturated=None if is_float else self.saturated / self.count,
            sqnr=sqnr(self.signal, self.noise),
            accumulated_sqnr=sqnr(self.exact_signal, self.accumulated_noise),
            saturation_noise=self.saturation_noise / self.noise if self.noise else None,
            rms_steps=None if is_float else math.sqrt(self.signal / self.count) / at.step,
            histogram=() if is_float else tuple(self.histogram.tolist()),
            histogram_low=ends[0],
            histogram_high=ends[1],
        )


def _counts(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return the histogram in `BINS` equal bins, (BINS,) int64; the end bins include values beyond them."""
    if high <= low:
        return np.bincount([0], minlength=BINS) * values.size
    places = (values.reshape(-1) - np.float32(low)) * np.float32(BINS / (high - low))
    places = np.fmin(np.fmax(places, 0), BINS - 1)  # not clip, which leaves NaN
    return np.bincount(places.astype(np.int32), minlength=BINS)


def _ends(at: Quantizer) -> tuple[float, float]:
    """Return the ends of the histogram of a quantizer's input."""
    margin = MARGIN * (at.high - at.low)
    return at.low - margin, at.high + margin

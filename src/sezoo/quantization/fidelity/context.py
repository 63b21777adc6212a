"""Context of accuracy recovery: plans are written as int8 models and compared with the float model by SI-SNR."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
import onnx

from sezoo.base.errors import UserError
from sezoo.config.sections import Quantization
from sezoo.quantization.calibration.options import CalibrationOptions, Ranges
from sezoo.quantization.calibration.ranges import calibrate_groups, tensors_to_calibrate
from sezoo.quantization.calibration.segments import Segment
from sezoo.quantization.fidelity.scorer import FidelityScorer, mask_function
from sezoo.quantization.graph.qdq import write_qdq
from sezoo.quantization.plan import Plan

__all__ = ["Progress", "RecoveryContext"]

Progress = Callable[[Iterable[Any], int, str], Iterable[Any]]
"""Passes items on, given their number, and shows the progress of a task by its name; see `Run.progress`."""

Item = TypeVar("Item")


def _without_progress(items: Iterable[Any], total: int, what: str) -> Iterable[Any]:
    return items


@dataclass(frozen=True)
class RecoveryContext:
    """Context that the recovery steps share.

    Attributes
    ----------
    fit : segments that steps may fit to.
    closeness : scores by hold-out segments.
    fit_closeness : scores by a few of the segments in `fit`.
    call_frames : frames of an inference step, for models with states.
    activation_types : the integers that the target has for activations.
    fits_target : whether a model keeps the rules of its target; the score of one that does not is minus infinity.
    is_readable : whether the target's backend can read a model; slower, so called once a step.
    progress : reports the progress of a step.
    """

    settings: Quantization
    options: CalibrationOptions
    fit: Sequence[Segment]
    closeness: FidelityScorer
    fit_closeness: FidelityScorer
    call_frames: int
    activation_types: tuple[str, ...] = ("Int8", "UInt8", "Int16", "UInt16")
    fits_target: Callable[[onnx.ModelProto], bool] = lambda model: True
    is_readable: Callable[[onnx.ModelProto], bool] = lambda model: True
    progress: Progress = _without_progress

    def with_progress(self, step: str, items: Collection[Item]) -> Iterator[Item]:
        """Iterate over a step's candidates, layers or segments, reporting progress; not reentrant."""
        yield from self.progress(items, len(items), f"accuracy recovery: {step}")

    def write_model(self, plan: Plan, *, with_relus: bool = False) -> onnx.ModelProto:
        """Write the plan as an int8 model.

        Parameters
        ----------
        with_relus : keep ReLUs that the quantizers behind them make superfluous.
        """
        settings = self.settings
        if with_relus:
            options = {**settings.extra_options, "QDQKeepRemovableActivations": True}
            settings = settings.model_copy(update={"extra_options": options})
        return write_qdq(plan, settings)

    def score(self, model: onnx.ModelProto, step: str = "int8") -> float:
        """SI-SNR of the model's denoised waveforms to the float model's, in dB, with progress for the step."""
        if not self.is_readable(model):
            return -np.inf
        return self._score(self.closeness, model, partial(self.with_progress, f"{step} against float"))

    def fit_score(self, model: onnx.ModelProto) -> float:
        """Return the score on the segments that steps may fit to."""
        return self._score(self.fit_closeness, model)

    def complete_ranges(self, plan: Plan) -> Plan:
        """Calibrate the tensors of a plan that have no range yet."""
        names = tensors_to_calibrate(plan.exact, set(plan.op_types))
        missing = [name for name in names if name not in plan.ranges]
        found = self.ranges_of_groups(plan, [None], missing)[0] if missing else {}
        ranges = found | plan.ranges
        return replace(plan, ranges={name: ranges[name] for name in dict.fromkeys([*names, *plan.ranges])})

    def ranges_of_groups(
        self, plan: Plan, groups: Sequence[Collection[int] | None], wanted: Collection[str] | None = None
    ) -> list[Ranges]:
        """Ranges on groups of the `fit` segments; see `calibrate_groups`."""
        segments = self.progress(self.fit, len(self.fit), "calibrating on segments")
        clips = ([segment.magnitude] for segment in segments)
        return calibrate_groups(
            plan.exact, clips, plan.op_types, self.options, groups, call_frames=self.call_frames,
            in_float=plan.in_float, wanted=wanted,
        )  # fmt: skip

    def _score(
        self, closeness: FidelityScorer, model: onnx.ModelProto, with_progress: Callable[[Sequence], Iterable] = iter
    ) -> float:
        """SI-SNR in dB; minus infinity for a model that the target or onnxruntime cannot run."""
        if not self.fits_target(model):
            return -np.inf
        try:
            masks = mask_function(model)
        except UserError:
            return -np.inf
        return closeness(masks, with_progress)

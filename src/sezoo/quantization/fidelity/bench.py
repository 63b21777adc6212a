"""The bench that plans are tried on: written as int8 models, and compared with the float model by ear."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
import onnx

from sezoo.base.errors import UserError
from sezoo.config.sections import Quantization
from sezoo.quantization.calibration.excerpts import Excerpt
from sezoo.quantization.calibration.options import CalibrationOptions, Ranges
from sezoo.quantization.calibration.ranges import calibrate_groups, tensors_to_calibrate
from sezoo.quantization.fidelity.closeness import Closeness, mask_function
from sezoo.quantization.graph.qdq import quantized
from sezoo.quantization.plan import Plan

__all__ = ["Bench", "Progress"]

Progress = Callable[[Iterable[Any], int, str], Iterable[Any]]
"""Passes on items, which are so many, telling how far it is with what; see `Run.progress`."""

Item = TypeVar("Item")


def _untold(items: Iterable[Any], total: int, what: str) -> Iterable[Any]:
    return items


@dataclass(frozen=True)
class Bench:
    """What the steps share.

    Attributes
    ----------
    fit : excerpts that steps may learn from.
    closeness : judges by other excerpts.
    fit_closeness : judges by a few of those that steps may learn from.
    call_frames : of a call, for models with states.
    activation_types : the integers that the target has for activations.
    fits_target : whether a model keeps the rules of what it is quantized for; one that does not is infinitely far away.
    is_readable : the same, by the reader of the target's backend; it takes longer, and is asked once a step.
    progress : tells how far a step is.
    """

    settings: Quantization
    options: CalibrationOptions
    fit: Sequence[Excerpt]
    closeness: Closeness
    fit_closeness: Closeness
    call_frames: int
    activation_types: tuple[str, ...] = ("Int8", "UInt8", "Int16", "UInt16")
    fits_target: Callable[[onnx.ModelProto], bool] = lambda model: True
    is_readable: Callable[[onnx.ModelProto], bool] = lambda model: True
    progress: Progress = _untold

    def told(self, step: str, items: Collection[Item]) -> Iterator[Item]:
        """The candidates, layers or excerpts that a step goes through, telling how far it is; never two at a time."""
        yield from self.progress(items, len(items), f"accuracy recovery: {step}")

    def written(self, plan: Plan, *, with_relus: bool = False) -> onnx.ModelProto:
        """The plan's int8 model.

        Parameters
        ----------
        with_relus : keep those that the quantizers behind them make superfluous.
        """
        settings = self.settings
        if with_relus:
            options = {**settings.extra_options, "QDQKeepRemovableActivations": True}
            settings = settings.model_copy(update={"extra_options": options})
        return quantized(plan, settings)

    def judged(self, model: onnx.ModelProto, step: str = "int8") -> float:
        """SI-SNR of the model's denoised waves against the float model's, in dB, telling whose model it is."""
        if not self.is_readable(model):
            return -np.inf
        return self._judged(self.closeness, model, partial(self.told, f"{step} against float"))

    def judged_while_fitting(self, model: onnx.ModelProto) -> float:
        """The same on excerpts that steps may learn from."""
        return self._judged(self.fit_closeness, model)

    def completed(self, plan: Plan) -> Plan:
        """The plan with ranges for the tensors that have none yet."""
        names = tensors_to_calibrate(plan.exact, set(plan.op_types))
        missing = [name for name in names if name not in plan.ranges]
        found = self.ranges_of_groups(plan, [None], missing)[0] if missing else {}
        ranges = found | plan.ranges
        return replace(plan, ranges={name: ranges[name] for name in dict.fromkeys([*names, *plan.ranges])})

    def ranges_of_groups(
        self, plan: Plan, groups: Sequence[Collection[int] | None], wanted: Collection[str] | None = None
    ) -> list[Ranges]:
        """The ranges on groups of the excerpts that steps may learn from; see `calibrate_groups`."""
        excerpts = self.progress(self.fit, len(self.fit), "calibrating on excerpts")
        clips = ([excerpt.magnitude] for excerpt in excerpts)
        return calibrate_groups(
            plan.exact, clips, plan.op_types, self.options, groups, call_frames=self.call_frames,
            in_float=plan.in_float, wanted=wanted,
        )  # fmt: skip

    def _judged(
        self, closeness: Closeness, model: onnx.ModelProto, told: Callable[[Sequence], Iterable] = iter
    ) -> float:
        """As close as can be heard; minus infinity for a model that the target or onnxruntime cannot run."""
        if not self.fits_target(model):
            return -np.inf
        try:
            masks = mask_function(model)
        except UserError:
            return -np.inf
        return closeness(masks, told)

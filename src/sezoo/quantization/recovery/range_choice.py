"""Ranges chosen by what they do to the denoised waveform, not by what they do to the tensor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sezoo.models.states import magnitude_input
from sezoo.quantization.calibration.ranges import tensors_to_calibrate
from sezoo.quantization.fidelity.context import RecoveryContext
from sezoo.quantization.plan import Plan

__all__ = ["input_floor", "ranges"]

FACTORS = (0.8, 1.25, 1.6)
"""Of what calibration found, tried for all tensors together; then around the best one for each."""

OWN_FACTORS = (0.7, 1.4)
"""Tried for one tensor at a time."""

TENSORS = 8
"""So many are tried alone: the first of the graph, whose errors go through all that follows."""

FLOORS = (0.02, 0.05, 0.1, 0.2, 0.3)
"""Shares of the input's step."""


def input_floor(plan: Plan, context: RecoveryContext) -> Plan:
    """The least magnitude that float operators behind an 8-bit input are given.

    Below half a step all is rounded to 0, where a power or a logarithm is far from what it was of the magnitudes
    themselves: quiet bins are most of a recording, and have a mean.
    """
    if not plan.int8_input or magnitude_input(plan.model).name in tensors_to_calibrate(plan.model, set(plan.op_types)):
        return plan
    best, closest = plan, context.fit_score(context.write_model(plan))
    for floor in context.with_progress("input_floor", FLOORS):
        best, closest = _pick_better(best, closest, replace(plan, input_floor=floor), context)
    return best


def ranges(plan: Plan, context: RecoveryContext) -> Plan:
    """Wider ranges cut off less and round more: the factor that brings the waveforms closest, for all and for each.

    It is looked for on segments that the other steps learn from: those held out have the last word on the step.
    """
    free = _adjustable_tensors(plan)
    best, closest = plan, context.fit_score(context.write_model(plan))
    candidates = [(free, factor) for factor in FACTORS]
    candidates += [([name], factor) for name in free[:TENSORS] for factor in OWN_FACTORS]
    for names, factor in context.with_progress("ranges", candidates):
        start = plan if names is free else best
        best, closest = _pick_better(best, closest, _scale_ranges(start, names, factor), context)
    return best


def _adjustable_tensors(plan: Plan) -> list[str]:
    """The activations whose ranges are no part of a transform."""
    return [name for name in plan.ranges if name not in plan.int16 and name not in plan.fixed_ranges]


def _scale_ranges(plan: Plan, names: list[str], factor: float) -> Plan:
    scaled = {name: tuple(np.float32(factor) * end for end in plan.ranges[name]) for name in names}
    return replace(plan, ranges=plan.ranges | scaled)


def _pick_better(best: Plan, closest: float, candidate: Plan, context: RecoveryContext) -> tuple[Plan, float]:
    found = context.fit_score(context.write_model(candidate))
    return (candidate, found) if found > closest else (best, closest)

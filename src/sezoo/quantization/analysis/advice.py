"""The tensors and weights that rounding hurts most, and what could be done about each."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sezoo.quantization.analysis.quantizers import bits
from sezoo.quantization.fidelity.context import RecoveryContext
from sezoo.quantization.options import KEY
from sezoo.quantization.plan import Plan
from sezoo.results.quantization import Layer, Tensor, Weakness

__all__ = ["weaknesses"]

WORST = 5

MOSTLY = 0.5
"""Share of the error that has to come from saturation, for a wider range to be what helps."""

FEW_STEPS = 12.0
"""A root mean square of fewer steps means that rare peaks take most of the 255."""

UNUSED = 1.5
"""A range this much wider than what came has levels to spare."""


def weaknesses(
    plan: Plan, context: RecoveryContext, tensors: Sequence[Tensor], layers: Sequence[Layer]
) -> list[Weakness]:
    """The `WORST`, by their own SQNR, the lowest first."""
    found = [
        Weakness(each.name, "activation", each.op_type, each.sqnr, _advice(each, plan, context))
        for each in tensors
        if each.sqnr is not None
    ]
    found += [
        Weakness(each.name, "weights", each.op_type, each.weight_sqnr, _advice_for_weights(context))
        for each in layers
        if each.weight_sqnr is not None and not each.fitted
    ]
    return sorted(found, key=lambda weakness: weakness.sqnr)[:WORST]


def _advice(tensor: Tensor, plan: Plan, context: RecoveryContext) -> str:
    used, seen = tensor.high - tensor.low, max(tensor.seen_high, 0) - min(tensor.seen_low, 0)
    if tensor.saturation_noise > MOSTLY:
        return (
            f"it saturates ({100 * tensor.saturated:.2g} % of the values): a wider range, by {_range_widening(context)}"
        )
    if tensor.name in plan.fixed_ranges:
        return "its range is part of how the input is split: nothing is to be done"
    if used > UNUSED * seen:
        return (
            f"its range is {used / seen if seen else math.inf:.2g} times as wide as what came: a narrower one, by "
            f"quantization.calibration_method: Percentile or accuracy_recovery's step ranges"
        )
    if bits(tensor.dtype) > 8:
        return f"it has {bits(tensor.dtype)} bits already: nothing is to be done"
    more_bits = "16 bits (quantization.activation_overrides), if the target has them"
    if tensor.rms_steps < FEW_STEPS:
        return (
            f"its RMS is {tensor.rms_steps:.2g} steps, as peaks take most of the range: "
            f"quantization.calibration_method: Percentile, accuracy_recovery's step equalization, or {more_bits}"
        )
    return f"range well used; only {more_bits}, would help"


def _range_widening(context: RecoveryContext) -> str:
    """Return the setting that would widen the ranges."""
    if context.options.method == "Percentile":
        return f"a higher CalibPercentile, now {context.options.percentile:g}"
    return f"{KEY}.CalibMovingAverage: False" if context.options.moving_average else "more clips"


def _advice_for_weights(context: RecoveryContext) -> str:
    if not context.settings.per_channel:
        return "one scale for all weights: quantization.per_channel: True"
    return (
        "few large weights take the range of their channels: accuracy_recovery's steps equalization and rounding, or "
        "the layer in float (quantization.max_float_macs)"
    )

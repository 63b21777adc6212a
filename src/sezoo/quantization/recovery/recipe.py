"""The recipe: the order of the recovery steps, and the decision which to keep."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass

import onnx

from sezoo.base.errors import UserError
from sezoo.config.sections import Quantization
from sezoo.quantization.fidelity.context import RecoveryContext
from sezoo.quantization.graph.scales import LARGEST
from sezoo.quantization.plan import Plan
from sezoo.quantization.recovery.activation_bits import int16_activations, int16_activations_of_few
from sezoo.quantization.recovery.fallback import fallback
from sezoo.quantization.recovery.operators import operators
from sezoo.quantization.recovery.range_choice import input_floor, ranges
from sezoo.quantization.recovery.recurrent_rounding import recurrent_rounding
from sezoo.quantization.recovery.steps import (
    bias_correction,
    equalization,
    int16_input,
    int16_states,
    rounding,
    split_input,
)
from sezoo.quantization.target import Target
from sezoo.results.quantization import StepOutcome

__all__ = ["STEPS", "RecoveryResult", "check_steps", "decibels", "recover", "write_plan"]

log = logging.getLogger(__name__)

INAUDIBLE = 60.0
"""dB of closeness above which nothing is left to win."""

FAR = 35.0
"""dB below which activations get 16 bits where they pay, unasked, on a target that has kernels for them."""

AUDIBLE = 25.0
"""dB below which a warning is due: of an SI-SNR of 17 dB, errors of that size take more than half a dB."""

KEY = "quantization.accuracy_recovery"


@dataclass(frozen=True)
class Step:
    """A step of the recipe.

    Attributes
    ----------
    name : in the YAML file.
    does : in a few words, for the log.
    least_gain : dB by which the waveforms must come closer; what costs memory or work has to bring more.
    """

    name: str
    run: Callable[[Plan, RecoveryContext], Plan]
    does: str
    least_gain: float = 0.05


STEPS = (
    Step("operators", operators, "operators that 8 bits would ruin stay in float", least_gain=1.0),
    Step("int16_input", int16_input, "the input in 16 bits", least_gain=0.5),
    Step("split_input", split_input, "the input with what its rounding leaves beside it", least_gain=0.5),
    Step("int16_states", int16_states, "hidden states of recurrent layers in 16 bits", least_gain=0.5),
    Step("int16_activations", int16_activations, "16 bits for the activations where they pay", least_gain=0.5),
    Step("input_floor", input_floor, "quiet bins that an 8-bit input rounds to nothing get their mean"),
    Step("equalization", equalization, "quiet channels scaled up"),
    Step("ranges", ranges, "ranges tuned on the denoised output"),
    Step("rounding", rounding, "weights refitted and rounded with compensation"),
    Step("recurrent_rounding", recurrent_rounding, "weights of recurrent layers rounded with compensation"),
    Step("bias_correction", bias_correction, "mean outputs corrected, layer by layer"),
    Step("fallback", fallback, "what hurts most in 16 bits or in float"),
)
"""In the order in which they are taken: what changes the graph before what is fitted to it."""

UNASKED = Step(
    "int16_activations", int16_activations_of_few, "16 bits for the activations where they pay", least_gain=0.5
)
"""The last one, where all others have left the output `FAR` from the float model's."""


@dataclass(frozen=True)
class RecoveryResult:
    """The plan that the steps led to, its int8 model, and how they got there."""

    plan: Plan
    model: onnx.ModelProto
    plain: float
    closeness: float
    steps: tuple[StepOutcome, ...]


def write_plan(plan: Plan, context: RecoveryContext) -> RecoveryResult:
    """The plan's int8 model as it is, without any step.

    Raises
    ------
    UserError : onnxruntime refuses it.
    """
    model = context.write_model(plan)
    closeness = context.score(model)
    log.info("int8: %s", _against_float(closeness))
    return RecoveryResult(plan, model, closeness, closeness, ())


def _warn_of_audible(closeness: float, settings: Quantization, target: Target) -> None:
    """Warn of an int8 model whose output is far from the float model's, and name the settings that may help."""
    if not math.isfinite(closeness) or closeness >= AUDIBLE:
        return
    hints = [f"{KEY}: [auto]"] if settings.accuracy_recovery != ("auto",) else []
    if "Int16" in target.activation_types and settings.activation_bits != 16:
        hints.append("quantization.activation_bits: 16")
    log.warning(
        "the int8 model's output has %s SI-SNR against the float model's, which is audible; try %s",
        decibels(closeness), " or ".join(hints) or "training it with its integers (docs/training.md)",
    )  # fmt: skip


def recover(plan: Plan, context: RecoveryContext, target: Target) -> RecoveryResult:
    """Take the steps that are configured.

    With `auto` a step is kept if the int8 model's denoised waveforms come closer to the float model's on segments that
    no step learns from; so the result is never farther away than the plain int8 model. Steps that are listed are
    taken as they are.

    Raises
    ------
    UserError : onnxruntime refuses the plain model.
    """
    wanted = context.settings.accuracy_recovery
    auto = wanted == ("auto",)
    model = context.write_model(plan)
    plain = closest = context.score(model, "plain int8")
    log.info("plain int8: %s", _against_float(plain))
    tried: list[StepOutcome] = []
    for step in _steps(context.settings, target) if _has_steps(context.settings) else ():
        if auto and closest >= INAUDIBLE:
            break
        if step is UNASKED and closest >= FAR:
            continue
        if auto and step.name == "bias_correction" and any(each.name == "rounding" and each.kept for each in tried):
            continue  # rounding has seen to the means, in one pass
        candidate = step.run(plan, context)
        if candidate is plan:
            log.debug("  %s: nothing to do", step.name)
            continue
        as_int8 = context.write_model(candidate)
        found = context.score(as_int8, step.name)
        is_kept = not auto or (math.isfinite(found) and found >= closest + step.least_gain)  # -inf >= -inf
        tried.append(StepOutcome(step.name, step.does, closest, found, is_kept))
        fits = context.fits_target(as_int8)
        why = f"less than {step.least_gain:g} dB closer" if fits else f"not fit for {target.name}"
        why_not = "" if is_kept else f", not kept: {why}"
        log.debug("  %s: %s%s (%s)", step.name, decibels(found), why_not, step.does)
        if is_kept:
            plan, model, closest = candidate, as_int8, found
    if kept := ", ".join(step.name for step in tried if step.kept):
        log.info("accuracy recovery: %s, by %s", decibels(closest), kept)
    elif auto and closest < INAUDIBLE:
        log.info("no step brings the int8 model closer to the float model: the plain one is written")
    _warn_of_audible(closest, context.settings, target)
    return RecoveryResult(plan, model, plain, closest, tuple(tried))


def _has_steps(settings: Quantization) -> bool:
    """Whether tensors have 8 bits, weights perhaps 4, unless something else is said of one: the steps are for that."""
    if settings.weight_type in LARGEST and settings.activation_type == "Int8":
        return True
    log.info(
        "%s: no step is for weights in %s and activations in %s", KEY, settings.weight_type, settings.activation_type
    )
    return False


def _steps(settings: Quantization, target: Target) -> list[Step]:
    """Return the listed steps, or all, with the target's method for a finer input.

    Of a target that has kernels for 16 bits anyway, `UNASKED` comes last, unless the user has chosen the bits.
    """
    wanted = settings.accuracy_recovery
    if wanted == ("none",):
        return []
    widening = "int16_activations"
    is_wanted = settings.activation_bits == "auto"
    if wanted != ("auto",):
        return [step for step in STEPS if step.name in wanted or (is_wanted and step.name == widening)]
    has_int16 = settings.activation_bits in (16, "auto")
    finer = "int16_input" if has_int16 else target.input_step  # two tensors of 8 bits are not needed then
    others = {"int16_input", "split_input"} - {finer} | ({"fallback"} if target.all_int8 else set())
    last = [UNASKED] if settings.activation_bits is None and target.input_step == "int16_input" else []
    return [step for step in STEPS if step.name not in others and (is_wanted or step.name != widening)] + last


def check_steps(wanted: tuple[str, ...]) -> None:
    """Check that `auto` and `none` are not combined with other steps.

    Raises
    ------
    UserError : they do not.
    """
    for word in ("auto", "none"):
        if word in wanted and len(wanted) > 1:
            raise UserError(f"{KEY}: found {', '.join(wanted)}; {word} stands alone")


def _against_float(value: float) -> str:
    if math.isfinite(value):
        return f"{decibels(value)} SI-SNR against the float model's output (higher is closer)"
    return decibels(value)


def decibels(value: float) -> str:
    """Return the fidelity as text, in dB."""
    if math.isfinite(value):
        return f"{value:.1f} dB"
    return "identical" if value > 0 else "no usable masks (NaN or infinite values)"

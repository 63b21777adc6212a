"""16 bits for the activations where they pay: the step behind `quantization.activation_bits: auto`."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator, Sequence

from sezoo.base.foreign_text import short_list
from sezoo.base.text import pluralize
from sezoo.models.states import states_of
from sezoo.quantization.fidelity.context import RecoveryContext
from sezoo.quantization.graph.wide_tensors import MOVERS, int8_only, with_sources_of_moves
from sezoo.quantization.overrides import user_tensors
from sezoo.quantization.plan import Plan

__all__ = ["int16_activations", "int16_activations_of_few"]

log = logging.getLogger(__name__)

LEAST_GAIN = 0.5
"""dB by which one tensor has to bring the output closer, those before it having been widened."""

ONE_BY_ONE = 64
"""Activations that are widened one by one without being asked for; of more, neighbours are widened together."""

GROUPS = 32
"""Groups of neighbours: fewer than single activations, as a network with more of them takes longer to run."""

MOST_UNASKED = 256
"""Activations above which none is widened without being asked for."""

SHOWN = 6
"""Names that the log lists."""


def int16_activations(
    plan: Plan, context: RecoveryContext, candidates: Sequence[tuple[str, ...]] | None = None
) -> Plan:
    """16 bits for the activations of which 8 bits hurt most, as many as bring something.

    Each is widened alone, on segments that steps may learn from. Errors of different tensors add up in power, nearly:
    the share of the error that goes with a tensor says what is left when several are widened. The largest come first,
    until one brings less than `LEAST_GAIN`; what the target cannot run is passed over. Of tensors that are made of each
    other none may bring anything alone. So all are widened as well: where that is better by `LEAST_GAIN`, those that
    brought least are narrowed again, one by one, as long as no more than `LEAST_GAIN` is lost together.

    Parameters
    ----------
    candidates : names of activations that are widened together; each by itself where it is None.
    """
    if "Int16" not in context.activation_types or plan.int8_input:
        return plan
    candidates = list(_candidates(plan, context)) if candidates is None else candidates
    error = _error(plan, context)
    gains = {
        names: error - _error(plan.with_int16_activations(names), context)
        for names in context.with_progress("int16_activations", candidates)
    }
    before = plan
    for names, gain in sorted(gains.items(), key=lambda item: -item[1]):
        if gain < error * (1 - 10 ** (-LEAST_GAIN / 10)):
            break
        wider = plan.with_int16_activations(names)
        if context.is_readable(context.write_model(wider)):
            plan, error = wider, max(error - gain, 0.0)
    plan = _narrow(before, plan, sorted(gains, key=lambda names: gains[names]), context)
    widened = sorted(plan.int16 - before.int16)
    if widened:
        log.info("  %s in 16 bits: %s", pluralize(len(widened), "activation"), short_list(widened, SHOWN))
    return plan


def _narrow(before: Plan, chosen: Plan, names: Sequence[tuple[str, ...]], context: RecoveryContext) -> Plan:
    """All in 16 bits but for those that need not be, if that is better than what has been chosen; else the choice.

    Parameters
    ----------
    names : that can be widened, those first that bring least.
    """

    def wide(groups: Iterable[tuple[str, ...]]) -> Plan:
        return before.with_int16_activations([name for group in groups for name in group])

    if not names or not context.is_readable(context.write_model(wide(names))):
        return chosen
    loss, least = 10 ** (LEAST_GAIN / 10), _error(wide(names), context)
    if _error(chosen, context) < loss * least:
        return chosen
    kept = list(names)
    for group in context.with_progress("int16_activations, narrowed", list(names)):
        fewer = [each for each in kept if each != group]
        model = context.write_model(wide(fewer)) if fewer else None
        if model is not None and context.is_readable(model) and _error(wide(fewer), context) < loss * least:
            kept = fewer
    return wide(kept)


def int16_activations_of_few(plan: Plan, context: RecoveryContext) -> Plan:
    """Try 16-bit activations unasked, where that takes a bounded number of runs."""
    candidates = list(_candidates(plan, context))
    if len(candidates) > MOST_UNASKED:
        log.info(
            "  int16_activations: left out, as %d activations would take long; set quantization.activation_bits to 16, "
            "or to auto to have it", len(candidates),
        )  # fmt: skip
        return plan
    if len(candidates) > ONE_BY_ONE:
        size = math.ceil(len(candidates) / GROUPS)
        parts = (candidates[start : start + size] for start in range(0, len(candidates), size))
        candidates = [tuple(sorted(name for names in part for name in names)) for part in parts]
    return int16_activations(plan, context, candidates)


def _error(plan: Plan, context: RecoveryContext) -> float:
    """Power of what differs from the float model's output, as a share of that."""
    return 10 ** (-context.fit_score(context.write_model(plan)) / 10)


def _candidates(plan: Plan, context: RecoveryContext) -> Iterator[tuple[str, ...]]:
    """Activations of 8 bits, together with those that have the same integers."""
    model = plan.model
    kept, seen = user_tensors(context.settings) | int8_only(model), set(plan.int16 | plan.fixed_ranges)
    pairs = {name: pair for pair in states_of(model).items() for name in pair}
    for node in reversed(model.graph.node):
        if plan.is_in_float(node):
            continue
        for name in (*node.output, *node.input):
            if name not in plan.ranges or name in seen:
                continue
            same = with_sources_of_moves(model, pairs.get(name, (name,)), {*MOVERS, "Relu", "Clip"})
            same = {each for one in same for each in pairs.get(one, (one,))} & plan.ranges.keys()
            seen |= same
            if not kept & same:
                yield tuple(sorted(same))

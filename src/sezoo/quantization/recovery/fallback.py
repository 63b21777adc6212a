"""16 bits, or float, for the few layers that hurt most, within the share of the MACs that the user allows."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sezoo.models.macs import macs_by_node
from sezoo.quantization.fidelity.context import RecoveryContext
from sezoo.quantization.graph.linear_layers import LINEAR
from sezoo.quantization.plan import Plan

__all__ = ["fallback"]


def fallback(plan: Plan, context: RecoveryContext) -> Plan:
    """Give more bits to the layers that gain most by them, while their share of the MACs is allowed.

    Each is tried alone, with its input in 16 bits and wholly in float, on segments that steps may learn from; then
    the ways are taken in the order of their gain. Of two that are as good the one with integers is taken.
    """
    allowed = context.settings.max_float_macs
    if not allowed:
        return plan
    by_output = macs_by_node(plan.exact)
    macs = {node.name: by_output[node.output[0]] or 0 for node in plan.exact.graph.node}
    total, spent = sum(macs.values()), 0
    layers = [node for node in plan.model.graph.node if node.op_type in LINEAR and node.op_type in plan.op_types]
    options = [FallbackOption(frozenset({node.name}), macs.get(node.name, 0), in_float=node.name) for node in layers]
    for source in dict.fromkeys(node.input[0] for node in layers):
        reading = frozenset(node.name for node in layers if node.input[0] == source)
        if _may_be_int16(plan, source):
            options.append(FallbackOption(reading, sum(macs.get(name, 0) for name in reading), int16=source))
    closest = context.fit_score(context.write_model(plan))
    affordable = [option for option in options if 0 < option.macs <= allowed * total]
    gains = {
        option: context.fit_score(context.write_model(option.apply_to(plan))) - closest
        for option in context.with_progress("fallback", affordable)
    }
    chosen, done = plan, set()
    for option, gain in sorted(gains.items(), key=lambda item: (-round(item[1], 1), item[0].int16 is None)):
        if gain > 0 and not option.layers & done and spent + option.macs <= allowed * total:
            chosen, spent = option.apply_to(chosen), spent + option.macs
            done |= option.layers
    return chosen


@dataclass(frozen=True)
class FallbackOption:
    """Option to give layers more bits at a cost in MACs: one layer in float, or the layers' inputs in 16 bits."""

    layers: frozenset[str]
    macs: int
    in_float: str | None = None
    int16: str | None = None

    def apply_to(self, plan: Plan) -> Plan:
        """The plan with it."""
        if self.in_float is not None:
            return replace(plan, in_float=plan.in_float | {self.in_float})
        return replace(plan, int16=plan.int16 | {self.int16})


def _may_be_int16(plan: Plan, source: str) -> bool:
    """Whether the target knows 16 bits, and the tensor is no part of a transform."""
    return not plan.int8_input and source in plan.ranges and source not in plan.fixed_ranges | plan.int16

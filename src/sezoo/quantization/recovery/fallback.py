"""16 bits, or float, for the few layers that hurt most, within the share of the MACs that the user allows."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sezoo.models.macs import macs_by_node
from sezoo.quantization.fidelity.bench import Bench
from sezoo.quantization.graph.linear_layers import LINEAR
from sezoo.quantization.plan import Plan

__all__ = ["fallback"]


def fallback(plan: Plan, bench: Bench) -> Plan:
    """Give the layers more bits that gain most by it, while their share of the MACs is allowed.

    Each is tried alone, with its input in 16 bits and wholly in float, on excerpts that steps may learn from; then
    the ways are taken in the order of their gain. Of two that are as good the one with integers is taken.
    """
    allowed = bench.settings.max_float_macs
    if not allowed:
        return plan
    by_output = macs_by_node(plan.exact)
    macs = {node.name: by_output[node.output[0]] or 0 for node in plan.exact.graph.node}
    total, spent = sum(macs.values()), 0
    layers = [node for node in plan.model.graph.node if node.op_type in LINEAR and node.op_type in plan.op_types]
    ways = [Way(frozenset({node.name}), macs.get(node.name, 0), in_float=node.name) for node in layers]
    for source in dict.fromkeys(node.input[0] for node in layers):
        reading = frozenset(node.name for node in layers if node.input[0] == source)
        if _may_be_int16(plan, source):
            ways.append(Way(reading, sum(macs.get(name, 0) for name in reading), int16=source))
    closest = bench.judged_while_fitting(bench.written(plan))
    affordable = [way for way in ways if 0 < way.macs <= allowed * total]
    gains = {
        way: bench.judged_while_fitting(bench.written(way.taken(plan))) - closest
        for way in bench.told("fallback", affordable)
    }
    chosen, done = plan, set()
    for way, gain in sorted(gains.items(), key=lambda item: (-round(item[1], 1), item[0].int16 is None)):
        if gain > 0 and not way.layers & done and spent + way.macs <= allowed * total:
            chosen, spent = way.taken(chosen), spent + way.macs
            done |= way.layers
    return chosen


@dataclass(frozen=True)
class Way:
    """More bits for layers that cost so many MACs: one of them in float, or what they read in 16 bits."""

    layers: frozenset[str]
    macs: int
    in_float: str | None = None
    int16: str | None = None

    def taken(self, plan: Plan) -> Plan:
        """The plan with it."""
        if self.in_float is not None:
            return replace(plan, in_float=plan.in_float | {self.in_float})
        return replace(plan, int16=plan.int16 | {self.int16})


def _may_be_int16(plan: Plan, source: str) -> bool:
    """Whether the target knows 16 bits, and the tensor is no part of a transform."""
    return not plan.int8_input and source in plan.ranges and source not in plan.fixed_ranges | plan.int16

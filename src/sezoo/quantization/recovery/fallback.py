"""16 bits, or float, for the few tensors that hurt most, within what the user allows."""

from __future__ import annotations

from dataclasses import replace

from sezoo.model_summary import macs_by_node
from sezoo.quantization.plan import Plan
from sezoo.quantization.recovery.bench import Bench
from sezoo.quantization.recovery.linear_layers import LINEAR

__all__ = ["fallback"]


def fallback(plan: Plan, bench: Bench) -> Plan:
    """Leave the layers in float that gain most by it, while their share of the MACs is allowed.

    Each is tried alone on excerpts that steps may learn from; then they are taken in the order of their gain.
    """
    allowed = bench.settings.max_float_macs
    if not allowed:
        return plan
    by_output = macs_by_node(plan.exact)
    macs = {node.name: by_output[node.output[0]] or 0 for node in plan.exact.graph.node}
    total, spent = sum(macs.values()), 0
    layers = [
        node.name
        for node in plan.model.graph.node
        if node.op_type in LINEAR and node.op_type in plan.op_types and 0 < macs.get(node.name, 0) <= allowed * total
    ]
    closest = bench.judged_while_fitting(bench.written(plan))
    gains = {name: bench.judged_while_fitting(bench.written(_in_float(plan, name))) - closest for name in layers}
    chosen = plan
    for name in sorted(layers, key=lambda name: -gains[name]):
        if gains[name] > 0 and spent + macs[name] <= allowed * total:
            chosen, spent = _in_float(chosen, name), spent + macs[name]
    return chosen


def _in_float(plan: Plan, name: str) -> Plan:
    return replace(plan, in_float=plan.in_float | {name})

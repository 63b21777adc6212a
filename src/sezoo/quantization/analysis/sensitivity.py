"""The fidelity that each layer costs: int8 models in which only that layer is quantized, scored by SI-SNR."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import onnx

from sezoo.base.errors import UserError
from sezoo.models.onnx_graph import float_weights
from sezoo.quantization.analysis.layers import operator_of
from sezoo.quantization.fidelity.context import Progress, RecoveryContext
from sezoo.quantization.graph.linear_layers import LINEAR
from sezoo.quantization.plan import Plan
from sezoo.results.quantization import LayerLoss

__all__ = ["log_sensitivity", "sensitivity"]

log = logging.getLogger(__name__)

WORST = 5

KEPT_IN_FLOAT = "OpTypesToExcludeOutputQuantization"


def sensitivity(plan: Plan, context: RecoveryContext, progress: Progress) -> list[LayerLoss]:
    """Quantize one layer at a time, its inputs and weights; the costliest first.

    Outputs are rounded only where they leave the model: all others are the inputs of a layer behind. Operators that
    only hand values on round nothing, and are left out. Weights are the float model's, rounded to nearest: those that
    a step of accuracy recovery has refitted make up for the rounding of layers that are in float here.
    """
    plan = replace(plan, model=plan.exact, weight_scales={})
    groups, found = _groups(plan), []
    outputs = {value.name for value in plan.model.graph.output}
    for (name, op_type), nodes in progress(groups.items(), len(groups), "quantizing layer by layer"):
        others = {node.name for node in plan.model.graph.node} - {node.name for node in nodes}
        ends = {node.op_type for node in nodes if outputs & set(node.output)}
        alone = replace(plan, in_float=plan.in_float | others, int8_input=not nodes)
        try:
            model = _context_for(context, {op_type} - ends - {"Scan"}).write_model(alone)
        except UserError:
            if name != op_type or not nodes:
                raise
            continue  # nothing was quantized: these only hand integers on
        shown = operator_of(nodes[0]) if nodes else op_type
        found.append(LayerLoss(name, shown, len(nodes), context.fit_score(model)))
    return sorted(found, key=lambda loss: loss.closeness)


def _groups(plan: Plan) -> dict[tuple[str, str], list[onnx.NodeProto]]:
    """The quantized nodes by name and type: each layer with weights by itself, the others grouped by type.

    An input that is rounded for whatever reads it stands for itself, without nodes.
    """
    weights, groups = float_weights(plan.model.graph), {}
    if plan.int8_input:
        groups["input", "input"] = []
    for node in plan.model.graph.node:
        if plan.is_in_float(node):
            continue
        is_layer = (node.op_type in LINEAR and node.input[1] in weights) or node.op_type == "Scan"
        name = node.name if is_layer else node.op_type
        groups.setdefault((name, node.op_type), []).append(node)
    return groups


def _context_for(context: RecoveryContext, op_types: set[str]) -> RecoveryContext:
    """The context, with the outputs of operators of these types left in float."""
    options = context.settings.extra_options
    kept = sorted({*(options.get(KEPT_IN_FLOAT) or ()), *op_types})
    settings = context.settings.model_copy(update={"extra_options": {**options, KEPT_IN_FLOAT: kept}})
    return replace(context, settings=settings)


def log_sensitivity(losses: Sequence[LayerLoss]) -> None:
    """Tell the costliest layers."""
    if not losses:
        return
    log.info("SI-SNR to the float output with one layer quantized at a time, the costliest first:")
    for loss in losses[:WORST]:
        if loss.name != loss.op_type:
            what = f"{loss.op_type} {loss.name}"
        else:
            what = f"all {loss.nodes} {loss.op_type}" if loss.nodes else "the model's input"
        log.info("  %5.1f dB  %s", loss.closeness, what)

"""Selection of operators that stay in float, by their readers and by the fidelity of the denoised output."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np
import onnx

from sezoo.base.errors import UserError
from sezoo.base.text import pluralize
from sezoo.models.movements import RESHAPING, SELECTING
from sezoo.models.onnx_graph import float_weights, producers
from sezoo.quantization.fidelity.context import RecoveryContext
from sezoo.quantization.graph.linear_layers import LINEAR
from sezoo.quantization.plan import Plan

__all__ = ["before_small_values", "operators"]

log = logging.getLogger(__name__)

LEAST_GAIN = 0.5
"""dB of fidelity that a type of operators must gain to stay in float."""

MOVERS = RESHAPING | SELECTING | {"ArgMax", "Concat", "GatherElements", "MaxPool", "Pad", "Resize", "TopK", "Where"}
"""They move values, and round nothing that is not rounded already."""

OF_LAYERS = ("Relu", "Clip", "LeakyRelu", "PRelu")
"""Where integers end does their work, or a few instructions more: they stay with their layers."""

SMALL_STAYS_SMALL = {
    *("Add", "Sub", "Mul", "Div", "Pow", "Sqrt", "Abs", "Neg", "Max", "Min", "Clip", "Relu", "LeakyRelu", "PRelu"),
    *("Sum", "ReduceMean", "ReduceSum", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceMax", "GlobalAveragePool"),
    *("AveragePool", "CumSum", "Expand", *MOVERS),
}
"""A small difference at their inputs is one at their outputs: who needs that exactly needs this exactly."""

WITH_WEIGHTS = (*LINEAR, "BatchNormalization", "LSTM", "GRU", "RNN", "Scan")
"""Layers stay as they are, whatever they feed."""


def operators(plan: Plan, context: RecoveryContext) -> Plan:
    """Leave operators in float that round small values away where those count, and types whose rounding costs fidelity.

    The first are found in the graph: on other clips they do more harm than on these. Types are tried unless the user
    has chosen them: the one that brings the waveforms closest on segments that steps may learn from, then the next one,
    as long as it is worth it. Nor are tensors that operators in float hand to each other rounded because one in int8
    reads them too. Layers stay in int8.
    """
    plain = context.write_model(plan)
    rounding = _rounding_nodes(plan, plain)
    found = before_small_values(plan.model) & rounding
    best = replace(plan, in_float=plan.in_float | found, unrounded=True)
    try:
        written = context.write_model(best)
    except UserError:  # nothing else is in int8
        return plan
    _log(plan, found, "8 bits would round the small values away that a logarithm, a root or a division needs")
    if context.settings.op_types_to_quantize is None:
        best = _with_types_in_float(best, rounding - found, context, context.fit_score(written))
    unchanged = best.in_float == plan.in_float and _bytes(written) == _bytes(plain)
    return plan if unchanged else best


def _rounding_nodes(plan: Plan, written: onnx.ModelProto) -> set[str]:
    """Names of the nodes that are quantized; onnxruntime leaves some in float, such as those that work on shapes."""
    made_by = producers(written.graph)
    alone = {
        node.name
        for node in written.graph.node
        if not any(name in made_by and made_by[name].op_type == "DequantizeLinear" for name in node.input)
    }
    nodes = (node for node in plan.model.graph.node if node.op_type in plan.op_types)
    return {node.name for node in nodes} - plan.in_float - alone


# -- what small values go through ----------------------------------------------------------------------


def before_small_values(model: onnx.ModelProto) -> set[str]:
    """Names of the nodes that make what a Log, Sqrt, Reciprocal, Pow below 1 or a denominator takes.

    A step of 8 bits is large next to such values, and makes zeros of the smallest. The search goes upstream as far
    as the layers.
    """
    made_by, weights = producers(model.graph), float_weights(model.graph)
    waiting = [name for node in model.graph.node for name in _delicate_inputs(node, weights)]
    seen: set[str] = set()
    while waiting:
        node = made_by.get(waiting.pop())
        if node is None or node.name in seen or _is_of_layer(node, made_by, weights):
            continue
        seen.add(node.name)
        if node.op_type in SMALL_STAYS_SMALL:
            waiting += node.input
    return seen


def _delicate_inputs(node: onnx.NodeProto, weights: Mapping[str, np.ndarray]) -> list[str]:
    """Inputs of which a small error close to zero is a large one in the output."""
    if node.op_type in ("Log", "Sqrt", "Reciprocal"):
        return [node.input[0]]
    if node.op_type == "Div":
        return [node.input[1]]
    if node.op_type == "Pow" and node.input[1] in weights and np.any(weights[node.input[1]] < 1):
        return [node.input[0]]
    return []


def _is_of_layer(
    node: onnx.NodeProto, made_by: Mapping[str, onnx.NodeProto], weights: Mapping[str, np.ndarray]
) -> bool:
    """Whether a node is a layer or the activation behind one; a Clip that keeps values off zero is not."""
    if node.op_type in WITH_WEIGHTS:
        return True
    before = made_by.get(node.input[0]) if node.input else None
    if node.op_type not in OF_LAYERS or before is None or before.op_type not in WITH_WEIGHTS:
        return False
    lowest = weights.get(node.input[1]) if node.op_type == "Clip" and len(node.input) > 1 else None
    return lowest is None or bool(np.all(lowest <= 0))


# -- what the waveforms say --------------------------------------------------------------------------------


def _with_types_in_float(plan: Plan, rounding: set[str], context: RecoveryContext, closest: float) -> Plan:
    """The plan with types of operators in float, the most audible first.

    Parameters
    ----------
    rounding : names of the nodes that are quantized.
    closest : dB that the plan has on segments that steps may learn from.
    """
    of_type: dict[str, set[str]] = defaultdict(set)
    for node in plan.model.graph.node:
        if node.name in rounding and node.op_type not in (*LINEAR, "Scan", *OF_LAYERS, *MOVERS):
            of_type[node.op_type].add(node.name)
    while of_type:
        candidates = {each: replace(plan, in_float=plan.in_float | names) for each, names in of_type.items()}
        score = {
            each: _score(candidate, context)
            for each, candidate in context.with_progress("operators", candidates.items())
        }
        best = max(score, key=score.__getitem__)
        if score[best] == -np.inf or score[best] < closest + LEAST_GAIN:
            break
        _log(plan, of_type.pop(best), f"the output comes {score[best] - closest:.1f} dB closer to float")
        plan, closest = candidates[best], score[best]
    return plan


def _score(candidate: Plan, context: RecoveryContext) -> float:
    try:
        return context.fit_score(context.write_model(candidate))
    except UserError:  # nothing else is in int8
        return -np.inf


def _log(plan: Plan, names: Collection[str], why: str) -> None:
    if names:
        types = dict.fromkeys(node.op_type for node in plan.model.graph.node if node.name in names)
        log.debug("  %s (%s) in float: %s", ", ".join(types), pluralize(len(names), "node"), why)


def _bytes(model: onnx.ModelProto) -> bytes:
    return model.SerializeToString(deterministic=True)

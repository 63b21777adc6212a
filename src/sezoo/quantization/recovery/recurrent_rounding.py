"""Weights by which LSTM and GRU layers multiply their states, rounded with compensation.

They are inside the layers' bodies, where `rounding` does not see them. The second moments of what they are multiplied
with are those of the float model's hidden states, about zero: a clip begins with states of zero, far from their mean,
and an error that only the mean makes up for would stay in them. For the same reason no bias is corrected here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import onnx

from sezoo.models.onnx_graph import copy_model, float_weights, set_weights
from sezoo.quantization.fidelity.context import RecoveryContext
from sezoo.quantization.fidelity.probe import tensors_of
from sezoo.quantization.graph.preparation import with_known_shapes
from sezoo.quantization.overrides import user_tensors
from sezoo.quantization.plan import Plan
from sezoo.quantization.recovery.rounding import round_weights
from sezoo.quantization.recurrent.cells import CANDIDATE_WEIGHTS, GATE_WEIGHTS, RESET
from sezoo.quantization.recurrent.expansion import Recurrence, recurrences
from sezoo.quantization.recurrent.writing import LARGEST, outer_ends

__all__ = ["recurrent_rounding"]


def recurrent_rounding(plan: Plan, context: RecoveryContext) -> Plan:
    """Weights of recurrent layers rounded so that errors make up for each other, as GPTQ has it."""
    own = user_tensors(context.settings)
    layers = [each for each in recurrences(plan.exact) if each.node.name not in plan.in_float]
    layers = [each for each in layers if not own & set(outer_ends(each).values())]
    if not layers or "Scan" not in plan.op_types:
        return plan
    exact, model, scales = float_weights(plan.exact.graph), copy_model(plan.model), dict(plan.weight_scales)
    moments = _moments_of_states(plan.exact, layers, context)
    for layer in layers:
        ends = outer_ends(layer)
        for key, state in ((GATE_WEIGHTS, layer.hidden), (CANDIDATE_WEIGHTS, layer.inner.get(RESET, layer.hidden))):
            matrix = exact[ends[key]].T[np.newaxis]  # (1, rows, hidden)
            found = round_weights(matrix, moments[state][np.newaxis], largest=LARGEST, per_channel=True)
            set_weights(model.graph, {ends[key]: (found.integers * found.scales[..., np.newaxis])[0].T})
            scales[ends[key]] = (found.scales[0], 1)
    return replace(plan, model=with_known_shapes(model), weight_scales=scales)


def _moments_of_states(
    model: onnx.ModelProto, layers: Sequence[Recurrence], context: RecoveryContext
) -> dict[str, np.ndarray]:
    """Mean products of hidden states, and of those behind a reset gate, by their names: (hidden, hidden) float64."""
    names = [name for each in layers for name in (each.hidden, each.inner.get(RESET)) if name]
    run, sums, count = tensors_of(model, names), dict.fromkeys(names, np.zeros(1)), dict.fromkeys(names, 0)
    for segment in context.with_progress("recurrent_rounding", context.fit):
        for _, values in run(segment.magnitude):
            for name, value in zip(names, values, strict=True):
                states = value.reshape(-1, value.shape[-1])
                sums[name] = sums[name] + (states.T @ states).astype(np.float64)
                count[name] += len(states)
    return {name: sums[name] / count[name] for name in names}

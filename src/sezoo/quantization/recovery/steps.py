"""Steps of accuracy recovery: functions of a plan and its context that return a new plan."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import onnx

from sezoo.base.text import pluralize
from sezoo.models.onnx_graph import copy_model, float_weights, set_weights, unused_name
from sezoo.models.states import magnitude_input, states_of
from sezoo.quantization.calibration.ranges import ranges_of_activations, tensors_to_calibrate
from sezoo.quantization.calibration.segments import Segment
from sezoo.quantization.fidelity.context import RecoveryContext
from sezoo.quantization.fidelity.probe import tensors_of
from sezoo.quantization.graph.linear_layers import LINEAR, LinearLayer, linear_layers
from sezoo.quantization.graph.preparation import with_known_shapes
from sezoo.quantization.graph.scales import LARGEST
from sezoo.quantization.graph.static_shape import static_length
from sezoo.quantization.overrides import user_tensors
from sezoo.quantization.plan import Plan
from sezoo.quantization.recovery.channel_ties import channel_ties
from sezoo.quantization.recovery.equalization import channel_peaks, class_factors, equalize
from sezoo.quantization.recovery.input_precision import first_activations, with_int16_input, with_split_input
from sezoo.quantization.recovery.rounding import refit_weights, round_weights
from sezoo.quantization.recovery.second_moments import Moments, second_moments
from sezoo.quantization.recurrent.expansion import hidden_states

__all__ = ["bias_correction", "equalization", "int16_input", "int16_states", "rounding", "split_input"]


log = logging.getLogger(__name__)


def int16_input(plan: Plan, context: RecoveryContext) -> Plan:
    """Put the inputs of the first layers into 16 bits."""
    return plan if _user_overrides_input(plan, context) else context.complete_ranges(with_int16_input(plan))


def split_input(plan: Plan, context: RecoveryContext) -> Plan:
    """Split the inputs of the first layers into two 8-bit tensors."""
    return plan if _user_overrides_input(plan, context) else context.complete_ranges(with_split_input(plan))


def int16_states(plan: Plan, context: RecoveryContext) -> Plan:
    """Put hidden states into 16 bits, as their update in a frame may be less than an 8-bit step."""
    names = hidden_states(plan.model) - plan.int16 - user_tensors(context.settings)
    if not names or "Int16" not in context.activation_types:
        return plan
    ranges = plan.ranges | dict.fromkeys(names, (np.float32(-1), np.float32(1)))
    return replace(plan, ranges=ranges, int16=plan.int16 | names)


def _user_overrides_input(plan: Plan, context: RecoveryContext) -> bool:
    """Whether the user has overridden the input, what the first layers read, or their weights."""
    firsts = first_activations(plan)
    layers = [node for node in plan.model.graph.node if node.op_type in LINEAR and node.input[0] in firsts]
    tensors = {magnitude_input(plan.model).name, *firsts, *(node.input[1] for node in layers)}
    return bool(tensors & user_tensors(context.settings))


EXCERPTS_FOR_MEANS = 8
"""Means are known from few."""

MOST_FOR_MEANS = 5_000_000
"""Operators that are run one after the other to correct biases, five minutes."""

# -- cross-layer equalization ---------------------------------------------------------------------------


def equalization(plan: Plan, context: RecoveryContext) -> Plan:
    """Quiet channels louder, by factors that the layers behind take out again."""
    op_types = set(plan.op_types)
    covered = ranges_of_activations(plan.exact, op_types)  # what a Relu cuts off needs no integers
    rounded_ones = [name for name in tensors_to_calibrate(plan.exact, op_types) if name not in covered]
    ties = channel_ties(plan.exact)
    peaks = channel_peaks(plan.exact, ties, rounded_ones, context.with_progress("equalization", context.fit))
    factors = class_factors(ties, peaks)
    if np.all(factors == 1):
        return plan
    changed = {name for name, classes in ties.classes.items() if np.any(factors[classes] != 1)}
    model = equalize(plan.exact, ties, factors)
    kept = {name: ends for name, ends in plan.ranges.items() if name not in changed}
    return context.complete_ranges(replace(plan, model=model, exact=model, ranges=kept))


# -- weights and biases ---------------------------------------------------------------------------------


def rounding(plan: Plan, context: RecoveryContext) -> Plan:
    """Weights refitted to their rounded inputs, and rounded so that errors make up for each other."""
    layers = _layers(plan, context)
    if not layers or context.settings.extra_options.get("WeightSymmetric") is False:
        return plan
    with_progress = partial(context.with_progress, "rounding")
    moments = second_moments(plan.exact, context.write_model(plan, with_relus=True), layers, context.fit, with_progress)
    weights, model, scales = float_weights(plan.exact.graph), copy_model(plan.model), dict(plan.weight_scales)
    largest = 64 if context.settings.reduce_range else int(LARGEST[context.settings.weight_type])
    per_channel = context.settings.per_channel
    by_weight: dict[str, list[LinearLayer]] = defaultdict(list)
    for layer in layers:
        by_weight[layer.weight].append(layer)
    for name, sharing in with_progress(by_weight.items()):
        layer, together = sharing[0], _pool_moments([moments[layer.node] for layer in sharing])
        exact = layer.matrix(weights[name])
        fitted = refit_weights(exact, together.covariance, together.cross_covariance)
        integers = round_weights(fitted, together.covariance, largest=largest, per_channel=per_channel)
        matrix = integers.integers * integers.scales[..., np.newaxis]
        if not np.isfinite(matrix).all():  # weights so large that their squares are not numbers any more
            continue
        of_channels = integers.scales.reshape(-1)
        scales[name] = (of_channels if per_channel else of_channels[0], layer.channel_axis)
        set_weights(model.graph, {name: layer.stored(matrix)})
        for layer in sharing:
            means = moments[layer.node]
            missing = exact @ means.exact_means[..., np.newaxis] - matrix @ means.rounded_means[..., np.newaxis]
            add_to_bias(model, layer, missing.reshape(-1))
    return replace(plan, model=with_known_shapes(model), weight_scales=scales)


def _layers(plan: Plan, context: RecoveryContext) -> list[LinearLayer]:
    """The layers that are quantized and whose weights the user has left to us."""
    own = user_tensors(context.settings)
    return [
        layer
        for layer in linear_layers(plan.exact, plan.in_float)
        if layer.op_type in plan.op_types and layer.input in plan.ranges and layer.weight not in own
    ]


def _pool_moments(moments: Sequence[Moments]) -> Moments:
    """The moments of layers with the same weights, each about its own means."""
    nothing = np.zeros_like(moments[0].exact)
    squares = sum(each.covariance for each in moments)
    return Moments(1.0, nothing, nothing, squares, sum(each.cross_covariance for each in moments))


def add_to_bias(model: onnx.ModelProto, layer: LinearLayer, values: np.ndarray) -> None:
    """Add to the bias of a layer, giving it one of its own; a MatMul has it in the Add behind it, or has none."""
    if layer.op_type == "MatMul" and layer.bias is None:
        return
    if layer.bias is not None:
        values = float_weights(model.graph)[layer.bias] + values
    name = unused_name(model.graph, f"{layer.node}/bias")
    set_weights(model.graph, {name: values.astype(np.float32)})
    for node in model.graph.node:
        if layer.op_type == "MatMul" and layer.output in node.input:
            node.input[:] = [name if read == layer.bias else read for read in node.input]
        elif node.name == layer.node and layer.op_type != "MatMul":
            node.input[:] = [*node.input[:2], name]
    if layer.bias is not None and not any(layer.bias in node.input for node in model.graph.node):
        model.graph.initializer.remove(next(each for each in model.graph.initializer if each.name == layer.bias))


def bias_correction(plan: Plan, context: RecoveryContext) -> Plan:
    """Biases that bring the layers' mean outputs to those of the float model, layer by layer.

    Each sees what the ones before it give when they are corrected: all at once, every layer would make up for the
    same error again.
    """
    layers, segments = _layers(plan, context), context.fit[:: max(1, len(context.fit) // EXCERPTS_FOR_MEANS)]
    if context.settings.accuracy_recovery == ("auto",) and _runs_of_operators(plan, layers, segments) > MOST_FOR_MEANS:
        log.info(
            "  bias_correction: left out, as %s one after the other would take too long; name it in "
            "quantization.accuracy_recovery to have it", pluralize(len(layers), "layer"),
        )  # fmt: skip
        return plan
    aims = _output_means(plan.exact, layers, segments)
    for layer, aim in context.with_progress("bias_correction", list(zip(layers, aims, strict=True))):
        current = next(each for each in linear_layers(plan.model) if each.node == layer.node)
        (mean,) = _output_means(context.write_model(plan), [layer], segments)
        model = copy_model(plan.model)
        add_to_bias(model, current, aim - mean)
        plan = replace(plan, model=with_known_shapes(model))
    return plan


def _runs_of_operators(plan: Plan, layers: Sequence[LinearLayer], segments: Sequence[Segment]) -> int:
    """Return the number of operator runs for means of all layers, frame by frame; 0 for whole clips, which are fast."""
    if not states_of(plan.model):
        return 0
    calls = sum(segment.magnitude.shape[2] for segment in segments) // static_length(plan.model, 1)
    return calls * len(layers) * len(plan.model.graph.node)


def _output_means(
    model: onnx.ModelProto, layers: Sequence[LinearLayer], segments: Sequence[Segment]
) -> list[np.ndarray]:
    """The mean output of each layer by channel, (channels,) float64."""
    output = {node.name: node.output[0] for node in model.graph.node}
    run, sums, calls = tensors_of(model, [output[layer.node] for layer in layers]), [np.zeros(1) for _ in layers], 0
    for segment in segments:
        for _, tensors in run(segment.magnitude):
            calls += 1
            for index, (layer, values) in enumerate(zip(layers, tensors, strict=True)):
                channel_axis = 1 if layer.op_type == "Conv" else values.ndim - 1
                others = tuple(axis for axis in range(values.ndim) if axis != channel_axis)
                sums[index] = sums[index] + values.mean(axis=others, dtype=np.float64)
    return [total / calls for total in sums]

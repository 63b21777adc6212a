"""Cross-layer equalization: quiet channels scaled up to their tensor's peak, so that 8 bits serve them all.

The channels that share a factor come from `channel_ties`. The factor of each class is the largest at which none of
its channels becomes louder than its tensor was: ranges do not grow, and no channel is left far below them. In float
the model computes the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np
import onnx

from sezoo.models.onnx_graph import attribute, copy_model, float_weights, set_weights
from sezoo.quantization.calibration.segments import Segment
from sezoo.quantization.fidelity.probe import tensors_of
from sezoo.quantization.recovery.channel_ties import ChannelTies

__all__ = ["channel_peaks", "class_factors", "equalize"]

LARGEST_FACTOR = 50.0
"""A channel that was nearly silent in calibration may be louder elsewhere."""


def channel_peaks(
    model: onnx.ModelProto, ties: ChannelTies, tensors: Collection[str], segments: Iterable[Segment]
) -> dict[str, np.ndarray]:
    """The largest magnitude of each channel: (channels,) float32 by tensor, of those whose channels are known."""
    names = [name for name in tensors if ties.classes.get(name, np.zeros(1)).any()]
    run, peaks = tensors_of(model, names), {}
    for segment in segments:
        for _, of_call in run(segment.magnitude):
            for name, values in zip(names, of_call, strict=True):
                others = tuple(axis for axis in range(values.ndim) if axis != values.ndim + ties.axis[name])
                peaks[name] = np.maximum(peaks.get(name, 0), np.abs(values).max(axis=others))
    return peaks


def class_factors(ties: ChannelTies, peaks: Mapping[str, np.ndarray]) -> np.ndarray:
    """The factor of each class of channels: (classes,) float64, from 1 to `LARGEST_FACTOR`.

    Channels that are added to others keep theirs: along a residual stream every sum would want another factor.
    """
    count = 1 + max((int(classes.max()) for classes in ties.classes.values()), default=0)
    factors = np.full(count, np.inf)
    for name, peak in peaks.items():
        room = np.divide(peak.max(), peak, out=np.full(len(peak), np.inf), where=peak > 0)
        np.minimum.at(factors, ties.classes[name], room)
    factors[0] = 1
    factors[np.isinf(factors)] = 1  # of silent channels nothing is known
    factors[list(ties.summed)] = 1
    return np.clip(factors, 1, LARGEST_FACTOR)


def equalize(model: onnx.ModelProto, ties: ChannelTies, factors: np.ndarray) -> onnx.ModelProto:
    """The model with each channel multiplied by the factor of its class, computing the same masks."""
    scaled = copy_model(model)
    weights = float_weights(scaled.graph)
    new: dict[str, np.ndarray] = {}
    for node in scaled.graph.node:
        before, behind = (_factors_of(name, ties, factors) for name in (node.input[0], node.output[0]))
        if node.op_type in ("Conv", "ConvTranspose", "Gemm", "MatMul") and node.input[1] in weights:
            # What several layers share is scaled once: they have the same factors.
            if node.input[1] not in new:
                new[node.input[1]] = _scale_weights(node, weights[node.input[1]], before, behind)
            if len(node.input) > 2 and node.input[2] in weights and node.input[2] not in new:
                new[node.input[2]] = weights[node.input[2]] * behind
        elif node.op_type in ("Add", "Sum") and np.any(behind != 1):
            for name in node.input:
                if name in weights and name not in new:
                    shape = [1] * weights[name].ndim
                    shape[ties.axis[node.output[0]]] = -1
                    new[name] = weights[name] * behind.reshape(shape)
    set_weights(scaled.graph, {name: array.astype(np.float32) for name, array in new.items()})
    return scaled


def _factors_of(name: str, ties: ChannelTies, factors: np.ndarray) -> np.ndarray:
    """Return the factor of each channel of a tensor along any axis: (channels,), or (1,) if they cannot be scaled."""
    classes = ties.classes.get(name, np.zeros(1, int))
    return factors[classes] if classes.any() else np.ones(1)


def _scale_weights(node: onnx.NodeProto, weight: np.ndarray, before: np.ndarray, behind: np.ndarray) -> np.ndarray:
    """Weights that take factors out of a layer's inputs and put others into its outputs."""
    if node.op_type in ("Gemm", "MatMul"):  # stored as (inputs, outputs), unless transposed
        scale = behind / before[:, np.newaxis]
        return weight * (scale.T if attribute(node, "transB", 0) else scale)
    groups, spatial = attribute(node, "group", 1), (1,) * (weight.ndim - 2)
    counts = (
        (weight.shape[1] * groups, weight.shape[0])
        if node.op_type == "Conv"
        else (weight.shape[0], weight.shape[1] * groups)
    )
    before, behind = (np.broadcast_to(end, count) for end, count in zip((before, behind), counts, strict=True))
    inputs_of_group = (1 / before).reshape(groups, -1)
    if node.op_type == "Conv":  # (outputs, inputs of a group, ...)
        of_inputs = np.repeat(inputs_of_group, weight.shape[0] // groups, axis=0)
        return weight * (behind[:, np.newaxis] * of_inputs).reshape(*weight.shape[:2], *spatial)
    # ConvTranspose: (inputs, outputs of a group, ...)
    of_outputs = np.repeat(behind.reshape(groups, -1), weight.shape[0] // groups, axis=0)
    return weight * (of_outputs / before[:, np.newaxis]).reshape(*weight.shape[:2], *spatial)

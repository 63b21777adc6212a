"""Second moments of the inputs of an int8 model's layers, rounded and not rounded.

For each layer, over recordings: the means and the second moments of its rounded inputs, and their products with the
same inputs before rounding. They determine the weights that best compensate for the rounding, and the error of any
other weights. Rounding earlier in the network is not compensated again, as the layers there have done so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx

from sezoo.models.onnx_graph import producers
from sezoo.quantization.calibration.segments import Segment
from sezoo.quantization.fidelity.probe import tensors_of
from sezoo.quantization.graph.linear_layers import LinearLayer, without_layers_before

__all__ = ["Moments", "second_moments"]

MAC_A_LAYER = 2e9
"""Multiplications spent on a layer's second moments; where it has more positions than that allows, some are drawn."""

FEW_FEATURES = 9
"""Up to here products of many groups are summed pair by pair."""

QUIET = 0.1
"""Frames count by the inverse of their level, but below this share of the median level they count alike."""


@dataclass
class Moments:
    """Weighted sums over the positions of a layer, float64.

    Attributes
    ----------
    weight : the sum of the positions' weights.
    exact, rounded : inputs before and after rounding, (groups, features)
    squares : rounded with rounded, (groups, features, features)
    products : exact with rounded, the same shape.
    """

    weight: float = 0.0
    exact: np.ndarray = field(default_factory=lambda: np.zeros(1))
    rounded: np.ndarray = field(default_factory=lambda: np.zeros(1))
    squares: np.ndarray = field(default_factory=lambda: np.zeros(1))
    products: np.ndarray = field(default_factory=lambda: np.zeros(1))

    def add(self, exact: np.ndarray, rounded: np.ndarray, weights: np.ndarray) -> None:
        """Take in positions: twice (groups, features, n), and how much each counts (n,)."""
        weighted = rounded * weights
        self.weight = self.weight + float(weights.sum())
        self.exact = self.exact + (exact @ weights).astype(np.float64)
        self.rounded = self.rounded + weighted.sum(axis=2, dtype=np.float64)
        self.squares = self.squares + _products(rounded, weighted)
        self.products = self.products + _products(exact, weighted)

    @property
    def exact_means(self) -> np.ndarray:
        """(groups, features)"""
        return self.exact / self.weight

    @property
    def rounded_means(self) -> np.ndarray:
        """(groups, features)"""
        return self.rounded / self.weight

    @property
    def covariance(self) -> np.ndarray:
        """Covariance of the rounded inputs: (groups, features, features)."""
        return self._about_means(self.squares, self.rounded_means)

    @property
    def cross_covariance(self) -> np.ndarray:
        """Cross-covariance of exact and rounded inputs: (groups, features, features)."""
        return self._about_means(self.products, self.exact_means)

    def _about_means(self, sums: np.ndarray, means: np.ndarray) -> np.ndarray:
        return sums / self.weight - means[:, :, np.newaxis] * self.rounded_means[:, np.newaxis]


def _products(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Sums over the positions of each feature of the one times each of the other: (groups, features, features)."""
    groups, features, _ = first.shape
    if groups == 1 or features > FEW_FEATURES:  # one by one: numpy has no fast path for stacks of matrices
        return np.stack([one @ other.T for one, other in zip(first, second, strict=True)])
    # Hundreds of tiny matrix products are slow; a few long sums over all groups at once are not.
    sums = [(first[:, one] * second[:, other]).sum(axis=1) for one, other in np.ndindex(features, features)]
    return np.stack(sums, axis=1).reshape(groups, features, features)


def second_moments(
    float_model: onnx.ModelProto,
    int8_model: onnx.ModelProto,
    layers: Sequence[LinearLayer],
    segments: Sequence[Segment],
    with_progress: Callable[[Sequence[Segment]], Iterable[Segment]] = iter,
) -> dict[str, Moments]:
    """The moments of each layer, by the name of its node.

    Parameters
    ----------
    float_model : gives the exact inputs of the layers that have none before them, and so makes up for whatever was
        rounded on the way from the model's input.
    int8_model : QDQ, with nodes of the layers' names, and with its Relus (an int8 model needs none where the integers
        end at zero, but then nothing has the values from before the rounding).
    with_progress : passes the segments on, telling how far it is.
    """
    nodes, made_by = {node.name: node for node in int8_model.graph.node}, producers(int8_model.graph)
    rounded = [nodes[layer.node].input[0] for layer in layers]
    exact = [made_by[made_by[name].input[0]].input[0] for name in rounded]  # before QuantizeLinear, DequantizeLinear
    first = {layer.node for layer in without_layers_before(float_model, layers)}
    run = tensors_of(int8_model, [*exact, *rounded, *(nodes[layer.node].output[0] for layer in layers)])
    run_float = tensors_of(float_model, [layer.input for layer in layers if layer.node in first])
    rng, typical = np.random.default_rng(0), np.median(np.concatenate([_levels(each.magnitude) for each in segments]))
    moments = {layer.node: Moments() for layer in layers}
    for segment in with_progress(segments):
        for (magnitude, values), (_, exact_ones) in zip(
            run(segment.magnitude), run_float(segment.magnitude), strict=True
        ):
            exact_of_first = iter(exact_ones)
            share = magnitude.shape[2] / (len(segments) * segment.magnitude.shape[2])
            frame_weights = _weights_of_frames(magnitude, typical)
            of_layers = (values[start : start + len(layers)] for start in range(0, len(values), len(layers)))
            for layer, before, behind, output in zip(layers, *of_layers, strict=True):
                before = next(exact_of_first) if layer.node in first else before
                positions = _positions(layer, output.shape, share, rng)
                columns = [layer.columns(value, output.shape, positions) for value in (before, behind)]
                moments[layer.node].add(*columns, _weights_at(positions, layer, output.shape, frame_weights))
    return moments


def _levels(magnitude: np.ndarray) -> np.ndarray:
    """Root mean square over the bins of (1, bins, frames): (frames,) float32."""
    return np.sqrt(np.square(np.abs(magnitude[0])).mean(axis=0))


def _weights_of_frames(magnitude: np.ndarray, typical: np.float32) -> np.ndarray:
    """Return the weight of each frame: (frames,) float32, about 1 at a typical level."""
    tiny = np.finfo(np.float32).tiny
    return (typical + tiny) / (_levels(magnitude) + np.float32(QUIET) * typical + tiny)


def _positions(layer: LinearLayer, shape: Sequence[int], share: float, rng: np.random.Generator) -> np.ndarray:
    """All positions of an output, or as many of them, drawn at random, as the share of the budget allows."""
    total, macs = layer.positions(shape), 2 * layer.matrix_shape[0] * layer.matrix_shape[2] ** 2
    most = max(1, int(MAC_A_LAYER * share / macs))
    return np.arange(total) if total <= most else np.sort(rng.choice(total, most, replace=False))


def _weights_at(
    positions: np.ndarray, layer: LinearLayer, shape: Sequence[int], frame_weights: np.ndarray
) -> np.ndarray:
    """The weight of each position's frame, where the layer's output has an axis of frames; else all the same."""
    axes = shape[2:] if layer.op_type == "Conv" else shape[:-1]
    if list(axes).count(len(frame_weights)) != 1:
        return np.ones(len(positions), np.float32)
    frame = np.unravel_index(positions, tuple(axes))[list(axes).index(len(frame_weights))]
    return frame_weights[frame]

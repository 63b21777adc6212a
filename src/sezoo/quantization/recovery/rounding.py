"""Integer weights that make up for what rounding does to the layer's inputs and to the weights themselves.

Two steps, both from the second moments of what the layer gets in the int8 model. *Refitting*: the real-valued weights
and bias that make of the rounded inputs what the given ones make of the same inputs unrounded, by least squares drawn
towards the weights as they are. *Error-compensating rounding*: weight after weight is rounded, and the error is made
up for by those that are not rounded yet (Frantar et al., "GPTQ: Accurate Post-Training Quantization for Generative
Pre-trained Transformers", ICLR 2023, after Hassibi and Stork's optimal brain surgeon); kernels of up to three taps,
whose inputs are their own, take the best of all neighbouring integers instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

__all__ = ["RoundedWeights", "refit_weights", "round_weights"]

RIDGE = 1e-4
"""Pull towards the weights as they are, as a share of the inputs' mean variance."""

DAMPING = 1e-2
"""Added to the variances while rounding, as a share of their mean: GPTQ's own value."""

SHRINKS = (1.0, 0.9, 0.8, 0.7)
"""Scales that are tried for each channel, as a share of what its largest weight needs."""

MORE_SHRINKS = (0.95, 0.85, 0.75, 0.65, 0.6, 0.55, 0.5)
"""Tried as well where there are few integers, and a finer step is worth the large weights that it cuts off."""

FEW_INTEGERS = 7
"""The largest integer up to which there are few."""

BLOCK = 32
"""Features that are rounded before the error is passed on to those behind the block: faster, with the same result."""

FEW_TAPS = 3
"""Up to here all neighbouring integers are tried together: 3**3 for each channel."""


@dataclass(frozen=True)
class RoundedWeights:
    """Integer weights (groups, outputs of a group, features) float32, and their scales (groups, outputs of a group)."""

    integers: np.ndarray
    scales: np.ndarray


def refit_weights(weights: np.ndarray, covariance: np.ndarray, cross_covariance: np.ndarray) -> np.ndarray:
    """The weights that make of rounded inputs what the given ones make of exact inputs, as nearly as can be.

    Parameters
    ----------
    weights : (groups, outputs of a group, features) float32
    covariance, cross_covariance : as `Moments` has them.

    Returns
    -------
    refitted : the same shape, float64
    """
    features = covariance.shape[1]
    pull = RIDGE * np.maximum(np.trace(covariance, axis1=1, axis2=2) / features, np.finfo(np.float32).tiny)
    pull = pull[:, np.newaxis, np.newaxis]
    aim = weights @ (cross_covariance + pull * np.eye(features))
    return np.linalg.solve(covariance + pull * np.eye(features), aim.swapaxes(1, 2)).swapaxes(1, 2)


def round_weights(weights: np.ndarray, covariance: np.ndarray, *, largest: int, per_channel: bool) -> RoundedWeights:
    """Integers for the weights, with the least error at the layer's outputs that is found.

    Parameters
    ----------
    weights : (groups, outputs of a group, features)
    largest : integers reach from minus this number to this number.
    per_channel : a scale for each output, or one for all.
    """
    weights = np.asarray(weights, np.float64)
    features = covariance.shape[1]
    mean_variance = np.maximum(np.trace(covariance, axis1=1, axis2=2) / features, np.finfo(np.float32).tiny)
    damped = covariance + DAMPING * mean_variance[:, np.newaxis, np.newaxis] * np.eye(features)
    scales = _scales(weights, damped, largest=largest, per_channel=per_channel)
    if features <= FEW_TAPS:
        integers = _best_neighbours(weights, damped, scales, largest)
    else:
        try:
            integers = _gptq(weights, damped, scales, largest)
        except np.linalg.LinAlgError:
            damped = _without_negative_directions(damped)
            scales = _scales(weights, damped, largest=largest, per_channel=per_channel)
            integers = _gptq(weights, damped, scales, largest)
        plain = np.clip(np.rint(weights / scales[..., np.newaxis]), -largest, largest)  # a greedy search may lose to it
        losses = [_losses(weights - each * scales[..., np.newaxis], damped) for each in (integers, plain)]
        integers = np.where((losses[0] <= losses[1])[..., np.newaxis], integers, plain)
    return RoundedWeights(integers.astype(np.float32), scales)


def _without_negative_directions(covariance: np.ndarray) -> np.ndarray:
    """The covariance with a least variance in every direction.

    Where a feature hardly changes, next to its mean, sums in float32 leave less than nothing of its variance.
    """
    values, vectors = np.linalg.eigh((covariance + covariance.swapaxes(1, 2)) / 2)
    least = DAMPING * np.maximum(values, 0).mean(axis=1, keepdims=True)
    least[least < np.finfo(np.float32).tiny] = 1  # nothing changes: all features count alike
    return (vectors * np.maximum(values, least)[:, np.newaxis]) @ vectors.swapaxes(1, 2)


def _scales(weights: np.ndarray, covariance: np.ndarray, *, largest: int, per_channel: bool) -> np.ndarray:
    """Return the scale of each output with the least error of plain rounding: (groups, outputs) float32."""
    needed = np.abs(weights).max(axis=2) / largest
    if not per_channel:
        needed = np.full_like(needed, needed.max())
    needed[needed < np.finfo(np.float32).tiny] = 1  # zeros
    best, least = needed, None
    for shrink in SHRINKS + (MORE_SHRINKS if largest <= FEW_INTEGERS else ()):
        scales = shrink * needed
        error = (
            weights - np.clip(np.rint(weights / scales[..., np.newaxis]), -largest, largest) * scales[..., np.newaxis]
        )
        loss = _losses(error, covariance)
        if not per_channel:
            loss = np.full_like(loss, loss.sum())
        better = np.ones_like(loss, bool) if least is None else loss < least
        best = np.where(better, scales, best)
        least = np.where(better, loss, loss if least is None else least)
    return best.astype(np.float32)


def _losses(errors: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Return the error of each output that results from errors of the weights: (groups, outputs)."""
    return np.einsum("gof,gof->go", errors @ covariance, errors)


def _gptq(weights: np.ndarray, covariance: np.ndarray, scales: np.ndarray, largest: int) -> np.ndarray:
    """GPTQ: features in the order of falling variance, each rounding error passed on to the features after it."""
    order = np.argsort(-np.diagonal(covariance, axis1=1, axis2=2), axis=1)
    left = np.take_along_axis(weights, order[:, np.newaxis], axis=2)
    sorted_ = np.take_along_axis(np.take_along_axis(covariance, order[:, :, np.newaxis], 1), order[:, np.newaxis], 2)
    # Row i of the upper Cholesky factor of the inverse says how feature i's error is made up for by those after it.
    upper = np.linalg.cholesky(np.linalg.inv(sorted_)).swapaxes(1, 2)
    integers, features = np.empty_like(left), left.shape[2]
    for start in range(0, features, BLOCK):
        block = slice(start, min(start + BLOCK, features))
        errors = np.zeros_like(left[:, :, block])
        for feature in range(start, block.stop):
            steps = np.clip(np.rint(left[:, :, feature] / scales), -largest, largest)
            integers[:, :, feature] = steps
            error = (left[:, :, feature] - steps * scales) / upper[:, feature, feature, np.newaxis]
            errors[:, :, feature - start] = error
            behind = slice(feature, block.stop)
            left[:, :, behind] -= error[:, :, np.newaxis] * upper[:, np.newaxis, feature, behind]
        left[:, :, block.stop :] -= errors @ upper[:, block, block.stop :]
    back = np.argsort(order, axis=1)
    return np.take_along_axis(integers, back[:, np.newaxis], axis=2)


def _best_neighbours(weights: np.ndarray, covariance: np.ndarray, scales: np.ndarray, largest: int) -> np.ndarray:
    """Return the integers with the least error among those at most one step from plain rounding."""
    steps = np.array(list(product((0, -1, 1), repeat=weights.shape[2])))  # plain rounding comes first and wins ties
    nearest = np.rint(weights / scales[..., np.newaxis])
    candidates = np.clip(nearest[:, :, np.newaxis] + steps, -largest, largest)
    error = weights[:, :, np.newaxis] - candidates * scales[:, :, np.newaxis, np.newaxis]
    loss = np.einsum("gocf,gfh,goch->goc", error, covariance, error)
    best = loss.argmin(axis=2)
    return np.take_along_axis(candidates, best[:, :, np.newaxis, np.newaxis], axis=2)[:, :, 0]

"""Frequency of the pairs of integers that a graph's additions add up.

Pairs that LiteRT and onnxruntime round differently matter less if they are rare. The frequencies are estimated on the
recordings that come with sezoo, which belong to no test set and are the same on every computer.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sezoo.audio.clip import read_clip
from sezoo.audio.stft import Stft
from sezoo.config.sections import Dataset
from sezoo.data.dataset import training_noisy_clips
from sezoo.deployment.engine.integer_graph import IntegerGraph
from sezoo.deployment.engine.interpreter import run_tensors
from sezoo.deployment.engine.operators import Elementwise
from sezoo.deployment.engine.prologue import rows_of, run_prologue

__all__ = ["additions_of", "common_pairs", "commonness_by_distance"]

RATE = 16000
"""Sample rate at which recordings are read, whatever the model's: only the shape of spectra matters."""

MOST_FRAMES = 3000
"""Most frames of all recordings together."""

SMOOTHED = 3
"""Distance in steps that halves the spread of a count to other pairs, which may occur elsewhere."""

HALVED = 16
"""Steps from zero that halve the assumed frequency of an integer, if there are no counts."""

UNSEEN = 2.0**-14
"""Share of all pairs with that assumed frequency."""


def additions_of(graph: IntegerGraph) -> list[Elementwise]:
    """Return the additions of int8 to int8."""
    sums = [each for each in graph.operators if isinstance(each, Elementwise) and each.kind == "add"]
    return [each for each in sums if all(tensor.bits == 8 for tensor in (*each.inputs, each.output))]


def common_pairs(graph: IntegerGraph) -> dict[str, np.ndarray]:
    """Return how often each pair is added up in a frame on average: (256, 256) float64 by the addition's name.

    Parameters
    ----------
    graph : without loops, that takes magnitudes.
    """
    additions = additions_of(graph)
    if not additions:
        return {}
    counts = {each.name: np.zeros((256, 256)) for each in additions}
    for magnitude in _patches(graph.bins, graph.frames):
        values = run_tensors(graph, run_prologue(graph.prologue, rows_of(magnitude)))
        for each in additions:
            a, b = (values[tensor.name].ravel().astype(np.int64) + 128 for tensor in each.inputs)
            counts[each.name] += np.bincount(256 * a + b, minlength=256 * 256).reshape(256, 256)
    return {each.name: each.output.items * _smooth(counts[each.name], each) for each in additions}


def commonness_by_distance(addition: Elementwise) -> np.ndarray:
    """Return an assumed frequency of pairs by their distance from zero: (256, 256) float64, with the sum 1."""
    x, y = (np.abs(np.arange(-128, 128) - tensor.zero_point) for tensor in addition.inputs)
    found = 2.0 ** (-(x[:, np.newaxis] + y) / HALVED)
    return found / found.sum()


def _smooth(counts: np.ndarray, addition: Elementwise) -> np.ndarray:
    steps = np.arange(256)
    spread = 2.0 ** -(np.abs(steps[:, np.newaxis] - steps) / SMOOTHED)
    spread /= spread.sum(axis=0)
    found = spread @ counts @ spread.T
    return (1 - UNSEEN) * found / found.sum() + UNSEEN * commonness_by_distance(addition)


def _patches(bins: int, frames: int) -> Iterator[np.ndarray]:
    """Yield magnitudes of recordings: (bins, frames) float32 each."""
    n_fft = max(2, 2 * (bins - 1))
    stft, left = Stft(n_fft=n_fft, hop_length=max(1, 5 * n_fft // 16), win_length=max(1, 25 * n_fft // 32)), MOST_FRAMES
    for path in training_noisy_clips(Dataset(name="demo")):
        magnitude = stft.magnitude(stft.analyse(read_clip(path, RATE)))[:bins]
        if frames > magnitude.shape[1]:
            magnitude = np.take(magnitude, np.arange(frames), axis=1, mode="wrap")
        for first in range(0, magnitude.shape[1] - frames + 1, frames):
            yield np.ascontiguousarray(magnitude[:, first : first + frames])
            left -= frames
            if left <= 0:
                return

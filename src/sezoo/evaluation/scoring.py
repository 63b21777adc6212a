"""Scoring test pairs: the noisy input and any number of denoisers side by side, clip by clip."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sezoo.audio import BadClipError, read_clip
from sezoo.dataset import Pair
from sezoo.errors import UserError
from sezoo.metrics import METRICS, MetricError

__all__ = ["ClipScores", "mean_scores", "score_pairs"]

log = logging.getLogger(__name__)

NOISY = "noisy"
"""The name of the input itself among the versions of a clip."""


@dataclass(frozen=True)
class ClipScores:
    """One clip's waves and scores.

    Attributes
    ----------
    waves : by version ("noisy", the denoisers' names), and "clean": (samples,) float32
    scores : by version, then by metric. A metric that could not score a version is not there.
    """

    name: str
    waves: Mapping[str, np.ndarray]
    scores: Mapping[str, Mapping[str, float]]


def score_pairs(
    pairs: Iterable[Pair],
    denoisers: Mapping[str, Callable[[np.ndarray], np.ndarray]],
    sample_rate: int,
    metrics: Sequence[str],
) -> Iterator[ClipScores]:
    """Score every version of each pair against its clean clip.

    Parameters
    ----------
    denoisers : by name, each wave (samples,) float32 -> denoised wave of the same length.
    metrics : names out of `sezoo.metrics.METRICS`.

    Raises
    ------
    UserError : a clip that cannot be read, or a pair of different lengths.
    """
    for pair in pairs:
        try:
            noisy, clean = (read_clip(path, sample_rate) for path in (pair.noisy, pair.clean))
        except BadClipError as bad:
            raise UserError(f"{bad.path}: {bad.reason}") from bad
        if len(noisy) != len(clean):
            raise UserError(f"{pair.noisy} has {len(noisy)} samples, {pair.clean} has {len(clean)}")
        waves = {NOISY: noisy, **{name: denoise(noisy) for name, denoise in denoisers.items()}}
        scores = {
            version: _scores(pair.name, version, clean, wave, sample_rate, metrics) for version, wave in waves.items()
        }
        yield ClipScores(pair.name, {**waves, "clean": clean}, scores)


def _scores(
    clip: str, version: str, clean: np.ndarray, wave: np.ndarray, sample_rate: int, metrics: Sequence[str]
) -> dict[str, float]:
    scores = {}
    for metric in metrics:
        try:
            scores[metric] = METRICS[metric](clean, wave, sample_rate)
        except MetricError as error:
            log.warning("%s, %s: no %s: %s; it is left out of the mean", clip, version, metric, error)
    return scores


def mean_scores(clips: Sequence[ClipScores]) -> dict[str, dict[str, float]]:
    """Means over the clips that a metric could score in every version: by version, then by metric."""
    versions = list(clips[0].scores)
    metrics = dict.fromkeys(metric for clip in clips for scores in clip.scores.values() for metric in scores)
    means: dict[str, dict[str, float]] = {version: {} for version in versions}
    for metric in metrics:
        scored = [clip for clip in clips if all(metric in clip.scores[version] for version in versions)]
        for version in versions:
            if scored:
                means[version][metric] = float(np.mean([clip.scores[version][metric] for clip in scored]))
    return means

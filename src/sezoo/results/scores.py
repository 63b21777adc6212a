"""Scores of a set of clips: values of each clip, their means, and confidence intervals of the means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from pydantic import AliasChoices, BeforeValidator, Field, PlainSerializer

__all__ = [
    "NOISY",
    "ClipScores",
    "Mean",
    "MetricName",
    "bootstrap_interval",
    "change",
    "mean_scores",
    "name_in_files",
    "name_of",
    "versions_in",
]

NOISY = "noisy"
"""The name of the input itself among the versions of a clip."""

NAMES_IN_FILES = {"si_snr": "sisnr"}
"""Where the model zoo's files, which users' scripts read, call a metric otherwise."""

NAMES = {in_file: name for name, in_file in NAMES_IN_FILES.items()}


def name_in_files(metric: str) -> str:
    """Return the name of a metric in the files."""
    return NAMES_IN_FILES.get(metric, metric)


def name_of(metric: Any) -> Any:
    """Return the name in `sezoo.metrics` of a metric in the files."""
    return NAMES.get(metric, metric) if isinstance(metric, str) else metric


MetricName = Annotated[str, BeforeValidator(name_of), PlainSerializer(name_in_files, return_type=str)]
"""A metric, by its name in `sezoo.metrics` here and by the model zoo's name in files."""

RESAMPLES = 2000
CONFIDENCE = 0.95
MOST_RESAMPLED = 10_000
NORMAL_QUANTILE = 1.959964
"""Of `CONFIDENCE`, two-sided."""

VALUES_AT_ONCE = 1 << 16
"""So many are drawn in one go, which bounds the memory for large test sets."""


@dataclass(frozen=True)
class ClipScores:
    """One clip's scores.

    Attributes
    ----------
    name : of the noisy file.
    seconds : its length.
    scores : by version ("noisy", and what it was denoised with), then by metric. A metric that could not score
        a version is not there.
    not_scored : for those, by version and metric, the reason in one line.
    """

    name: str
    seconds: float
    scores: Mapping[str, Mapping[str, float]]
    not_scored: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Mean:
    """A mean over clips, its 95 % interval, and the number of clips in it."""

    value: Annotated[float, Field(validation_alias=AliasChoices("mean", "value"), serialization_alias="mean")]
    low: float
    high: float
    clips: int

    @property
    def may_be_zero(self) -> bool:
        """Whether zero is in the interval: a change that may be chance."""
        return self.low <= 0 <= self.high


def versions_in(clips: Sequence[ClipScores]) -> list[str]:
    """The versions that were scored, in order."""
    return list(clips[0].scores) if clips else []


def mean_scores(clips: Sequence[ClipScores]) -> dict[str, dict[str, Mean]]:
    """Means by version, then by metric.

    A clip counts in a metric's means if every version of it could be scored, so that the versions' means are of
    the same clips. A version of which a metric scored no clip at all has no mean, and does not count there.
    """
    versions = versions_in(clips)
    means: dict[str, dict[str, Mean]] = {version: {} for version in versions}
    for metric in dict.fromkeys(metric for clip in clips for scores in clip.scores.values() for metric in scores):
        able = [version for version in versions if any(metric in clip.scores[version] for clip in clips)]
        scored = [clip for clip in clips if all(metric in clip.scores[version] for version in able)]
        for version in able if scored else ():
            means[version][metric] = _mean([clip.scores[version][metric] for clip in scored])
    return means


def change(clips: Iterable[ClipScores], version: str, against: str, metric: str) -> Mean | None:
    """Mean of the clips' differences `version` minus `against`; None where no clip has both."""
    pairs = [
        (clip.scores[version][metric], clip.scores[against][metric])
        for clip in clips
        if metric in clip.scores[version] and metric in clip.scores[against]
    ]
    return _mean([one - other for one, other in pairs]) if pairs else None


def bootstrap_interval(values: Sequence[float], *, seed: int = 0) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of the mean (Efron, Annals of Statistics 7(1), 1979).

    The same values give the same interval. Of more than `MOST_RESAMPLED` values it is that of the normal distribution,
    from which the bootstrap differs by less than its own chance then.
    """
    sample = np.asarray(values, np.float64)
    if len(sample) > MOST_RESAMPLED:
        mean, margin = float(sample.mean()), NORMAL_QUANTILE * float(sample.std()) / len(sample) ** 0.5
        return mean - margin, mean + margin
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(_resampled_means(sample, seed), [tail, 100 - tail])
    # Rounding can leave the values: a mean of equal ones may differ from them in its last digit.
    return max(float(low), float(sample.min())), min(float(high), float(sample.max()))


def _resampled_means(values: np.ndarray, seed: int) -> np.ndarray:
    """The means of RESAMPLES draws of as many values, with replacement."""
    rng, count = np.random.default_rng(seed), len(values)
    at_once = max(1, VALUES_AT_ONCE // count)
    means = [
        values[rng.integers(0, count, (min(at_once, RESAMPLES - start), count))].mean(axis=1)
        for start in range(0, RESAMPLES, at_once)
    ]
    return np.concatenate(means)


def _mean(values: Sequence[float]) -> Mean:
    return Mean(float(np.mean(values)), *bootstrap_interval(values), len(values))

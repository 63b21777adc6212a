"""The order of several runs by a metric, over the clips that all of them have scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sezoo.config.metric_facts import facts_of_metric
from sezoo.report.compared_runs import ComparedRun
from sezoo.results.scores import NOISY

__all__ = ["Ranking", "are_alike", "ranking"]

SAME_SCORE = 1e-3
"""By how much the noisy clip's score may differ in two runs that scored the same clip."""


@dataclass(frozen=True)
class Ranking:
    """Runs with their means, the best first.

    Attributes
    ----------
    clips : that all runs have scored, and the means are over; 0 where there are none: each is over the run's own.
    are_all : whether these are all clips of every run.
    """

    runs: list[tuple[ComparedRun, float]]
    clips: int
    are_all: bool


def ranking(runs: Sequence[ComparedRun], metric: str) -> Ranking:
    """The runs that have scored a metric, by the version that they deploy."""
    scored = [(run, mean.value) for run in runs if run.version and (mean := run.version.means.get(metric)) is not None]
    tables = [_scores(run, metric) for run, _ in scored]
    common = [
        name
        for name, (_, noisy) in (tables[0] if tables else {}).items()
        if all(name in table and are_alike(noisy, table[name][1]) for table in tables)
    ]
    are_all = all(len(table) == len(common) for table in tables)
    if common and not are_all:  # else the means are those of the runs
        means = [float(np.mean([table[name][0] for name in common])) for table in tables]
        scored = [(run, mean) for (run, _), mean in zip(scored, means, strict=True)]
    sign = 1 if facts_of_metric(metric).higher_is_better else -1
    return Ranking(sorted(scored, key=lambda each: -sign * each[1]), len(common), are_all)


def are_alike(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    """Whether the scores of two noisy clips are those of one clip."""
    return all(abs(one[metric] - other[metric]) <= SAME_SCORE for metric in one.keys() & other.keys())


def _scores(run: ComparedRun, metric: str) -> dict[str, tuple[float, Mapping[str, float]]]:
    """The score of each clip, and those of the noisy one, by the clip's name."""
    version = run.version.name
    return {
        clip.name: (clip.scores[version][metric], clip.scores.get(NOISY, {}))
        for clip in run.facts.evaluation.scores
        if metric in clip.scores.get(version, {})
    }

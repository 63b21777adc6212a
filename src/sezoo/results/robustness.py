"""Results of a robustness test, `robustness.json`: the scores of each version in each condition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field, computed_field

from sezoo.config.metric_facts import facts_of_metric
from sezoo.results.result_file import ResultFile

__all__ = ["TOLERANCE", "ConditionScores", "Robustness"]

TOLERANCE = {"pesq": 0.02, "stoi": 0.005}
"""What a mean may lose against the noisy clips before a version counts as worse than they are."""


@dataclass(frozen=True)
class ConditionScores:
    """Means over the clips in a condition.

    Attributes
    ----------
    is_clean : the clips have no noise, so that no denoiser can be better than they are.
    noisy : by metric.
    versions : by version and metric; `speech_cut` and the levels of `sezoo.metrics.speech_guard` among them.
    stoi_below : by version, the share of the clips whose STOI is below the noisy clip's.
    """

    name: str
    label: str
    clips: int
    is_clean: bool
    noisy: Mapping[str, float]
    versions: Mapping[str, Mapping[str, float]]
    stoi_below: Annotated[Mapping[str, float], Field(alias="stoi_below_noisy")]

    @computed_field
    @property
    def worse_than_noisy(self) -> dict[str, list[str]]:
        """Metrics, by version, whose mean is clearly below that of the noisy clips."""
        return {version: self.worse(version) for version in self.versions}

    def worse(self, version: str) -> list[str]:
        """The metrics of TOLERANCE in which a version is worse than the noisy clips."""
        scores = self.versions.get(version, {})
        return [
            metric
            for metric, tolerance in TOLERANCE.items()
            if not self.is_clean
            and metric in scores
            and metric in self.noisy
            and scores[metric] < self.noisy[metric] - tolerance
        ]


@dataclass(frozen=True)
class Robustness(ResultFile):
    """All conditions.

    Attributes
    ----------
    labels : of the versions, for people, by their names.
    clips : of how many clips in each condition, at most.
    of_clips : how many the test set has.
    conditions : in the order in which they are shown.
    """

    file_name: ClassVar[str] = "robustness.json"

    labels: Mapping[str, str]
    clips: int
    of_clips: int
    conditions: Sequence[ConditionScores]

    @property
    def description(self) -> str:
        """Description of the clips."""
        drawn = "" if self.clips == self.of_clips else f", drawn from {self.of_clips}"
        return f"{self.clips} test clip{'' if self.clips == 1 else 's'}{drawn}"

    @computed_field
    @property
    def warnings(self) -> list[str]:
        """A line for each version that makes something of a condition worse than the noisy clips are."""
        lines = []
        for version, label in self.labels.items():
            found = [
                f"{condition.label} ({', '.join(_instead(condition, version, metric) for metric in worse)})"
                for condition in self.conditions
                if (worse := condition.worse(version))
            ]
            if found:
                lines.append(f"{label} makes clips worse than they were: {'; '.join(found)}")
        return lines


def _instead(condition: ConditionScores, version: str, metric: str) -> str:
    facts = facts_of_metric(metric)
    made, noisy = condition.versions[version][metric], condition.noisy[metric]
    return f"{facts.label} {facts.form.format(made)} instead of {facts.form.format(noisy)}"

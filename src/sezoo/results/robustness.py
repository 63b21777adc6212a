"""What a robustness bench found: the scores of every version in every condition, as a file and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sezoo.base.errors import UserError
from sezoo.base.files import read_json, write_json
from sezoo.metrics import METRIC_FACTS

__all__ = ["FILE", "TOLERANCE", "ConditionScores", "Robustness", "read_robustness", "write_robustness"]

FILE = "robustness.json"

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
    stoi_below: Mapping[str, float]

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
class Robustness:
    """All conditions.

    Attributes
    ----------
    labels : of the versions, for people, by their names.
    clips : of how many clips in each condition, at most.
    of_clips : how many the test set has.
    """

    labels: Mapping[str, str]
    clips: int
    of_clips: int
    conditions: Sequence[ConditionScores]

    @property
    def told(self) -> str:
        """Of which clips, in words."""
        drawn = "" if self.clips == self.of_clips else f", drawn from {self.of_clips}"
        return f"{self.clips} test clip{'' if self.clips == 1 else 's'}{drawn}"

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
    facts = METRIC_FACTS[metric]
    made, noisy = condition.versions[version][metric], condition.noisy[metric]
    return f"{facts.label} {facts.form.format(made)} instead of {facts.form.format(noisy)}"


def write_robustness(found: Robustness, folder: Path) -> None:
    """Write `robustness.json` into a run's folder."""
    write_json(
        folder / FILE,
        {
            "clips": found.clips,
            "of_clips": found.of_clips,
            "labels": dict(found.labels),
            "conditions": [
                {
                    "name": each.name,
                    "label": each.label,
                    "clips": each.clips,
                    "is_clean": each.is_clean,
                    "noisy": dict(each.noisy),
                    "versions": {version: dict(scores) for version, scores in each.versions.items()},
                    "stoi_below_noisy": dict(each.stoi_below),
                    "worse_than_noisy": {version: each.worse(version) for version in each.versions},
                }
                for each in found.conditions
            ],
            "warnings": found.warnings(),
        },
    )


def read_robustness(folder: Path) -> Robustness | None:
    """What a bench left in a run's folder; None where there was none.

    Raises
    ------
    UserError : the file is torn or another's.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    content = read_json(path)
    try:
        return Robustness(
            labels={str(name): str(label) for name, label in content["labels"].items()},
            clips=int(content["clips"]),
            of_clips=int(content["of_clips"]),
            conditions=[_condition(each) for each in content["conditions"]],
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: it is not what a robustness bench writes ({error!r}); evaluate again") from error


def _condition(content: Mapping[str, Any]) -> ConditionScores:
    return ConditionScores(
        name=str(content["name"]),
        label=str(content["label"]),
        clips=int(content["clips"]),
        is_clean=bool(content["is_clean"]),
        noisy=_numbers(content["noisy"]),
        versions={str(version): _numbers(scores) for version, scores in content["versions"].items()},
        stoi_below=_numbers(content["stoi_below_noisy"]),
    )


def _numbers(content: Mapping[str, Any]) -> dict[str, float]:
    return {str(name): float(value) for name, value in content.items()}

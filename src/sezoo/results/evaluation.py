"""What an evaluation found, read from `evaluation.json` and from the table of clips of each version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sezoo.base.csv_file import read_csv
from sezoo.base.inner_path import inner_path
from sezoo.metrics import METRIC_FACTS
from sezoo.metrics.facts import MetricFacts
from sezoo.results.names import EVALUATION
from sezoo.results.reading import read_json, taken
from sezoo.results.scores import NOISY, ClipScores, Mean, change

__all__ = ["EvaluationFacts", "LookAhead", "SettingCost", "VersionFacts", "facts_of_metric", "read_evaluation"]

NAME_OF = {"sisnr": "si_snr"}
"""Metrics that the files call otherwise than `sezoo.metrics`."""


@dataclass(frozen=True)
class VersionFacts:
    """A model, played in one way.

    Attributes
    ----------
    play : "like" (whole, patches, board, stream) and how it is played.
    means, improvement : by metric, of the scores and of what they gain over the noisy clips.
    """

    name: str
    label: str
    model: str
    folder: str
    play: Mapping[str, Any]
    means: Mapping[str, Mean]
    improvement: Mapping[str, Mean]

    @property
    def like(self) -> str:
        """How it is played: whole, patches, board or stream."""
        return str(self.play.get("like", ""))


@dataclass(frozen=True)
class LookAhead:
    """A look-ahead that is shorter than the receptive field asks for, in frames."""

    model: str = ""
    frames: int = 0
    lookahead: int = 0
    needed: int = 0
    told: str = ""


@dataclass(frozen=True)
class SettingCost:
    """What a setting of the board costs, by metric."""

    model: str
    setting: str
    costs: Mapping[str, Mean]


@dataclass(frozen=True)
class EvaluationFacts:
    """All of it.

    Attributes
    ----------
    metrics : in the order in which they are shown, by the names in the files.
    scores : of every clip, by version.
    not_scored : clip, version, metric, reason.
    gates : what silence gates mute, in words.
    left_out : reasons by clip.
    """

    clips: int
    seconds: float
    metrics: Sequence[str]
    noisy: Mapping[str, Mean]
    versions: Sequence[VersionFacts]
    scores: Sequence[ClipScores]
    look_ahead: Sequence[LookAhead] = ()
    settings: Sequence[SettingCost] = ()
    gates: Sequence[str] = ()
    not_scored: Sequence[Mapping[str, str]] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def reference(self) -> VersionFacts:
        """The version that the others are compared with: the first."""
        return self.versions[0]

    @property
    def metric(self) -> str | None:
        """The one that is told where there is room for one: PESQ, or the first that was scored."""
        scored = [name for name in self.metrics if name in self.reference.means]
        return min(scored, key=lambda name: name != "pesq", default=None)

    def first_of_model(self) -> list[VersionFacts]:
        """For each model the version of its main scores."""
        found: dict[str, VersionFacts] = {}
        for version in self.versions:
            found.setdefault(version.name.split("_")[0], version)
        return list(found.values())

    def as_deployed(self) -> VersionFacts | None:
        """The version that is nearest to what a device does: streaming, on the board, or else in patches."""
        return self._nearest("patches", "board", "stream")

    def on_devices(self) -> list[VersionFacts]:
        """The versions that are nearest to what devices do: streaming, and on the board or else in patches."""
        return [version for version in (self._nearest("stream"), self.in_patches()) if version is not None]

    def in_patches(self) -> VersionFacts | None:
        """The version that is nearest to what ST's board does: on the board, or else in patches."""
        return self._nearest("patches", "board")

    def _nearest(self, *ways: str) -> VersionFacts | None:
        """The int8 version, or else another, in the last of the ways in which there is one."""
        played = [version for version in self.versions if version.like in ways]
        nearness = {way: number for number, way in enumerate(ways)}
        return max(played, key=lambda version: (nearness[version.like], version.name.startswith("int8")), default=None)

    def change(self, version: str, against: str, metric: str) -> Mean | None:
        """Mean of the clips' differences; None where no clip has both."""
        return change(self.scores, version, against, metric)


def facts_of_metric(name: str) -> MetricFacts:
    """How a metric is shown, by its name in the files."""
    return METRIC_FACTS.get(NAME_OF.get(name, name), MetricFacts(name, "", "{:.3g}", True))


def read_evaluation(folder: Path) -> EvaluationFacts | None:
    """What the evaluation in a run's folder found; None where there is none."""
    content = read_json(folder / EVALUATION)
    if content is None or not content.get("versions"):
        return None
    versions = [
        VersionFacts(
            name,
            each["label"],
            each["model"],
            each["folder"],
            each["play"],
            _means(each["means"]),
            _means(each["improvement"]),
        )
        for name, each in content["versions"].items()
    ]
    folders = {version.name: inner_path(folder, version.folder, EVALUATION) for version in versions}
    tables = {name: _table(path / "detailed_metrics.csv") for name, path in folders.items()}
    found = [*content["noisy"], *(metric for version in versions for metric in version.means)]
    return EvaluationFacts(
        clips=content["clips"],
        seconds=content["seconds"],
        metrics=list(dict.fromkeys(found)),
        noisy=_means(content["noisy"]),
        versions=versions,
        scores=_clip_scores(tables),
        look_ahead=[taken(LookAhead, each) for each in content.get("look_ahead", ())],
        gates=[each["told"] for each in content.get("silence_gate", ())],
        settings=[_setting(each) for each in content.get("cost_of_board_settings", ())],
        not_scored=content.get("not_scored", ()),
        left_out=content.get("left_out", {}),
    )


def _means(content: Mapping[str, Mapping[str, Any]]) -> dict[str, Mean]:
    return {metric: Mean(each["mean"], each["low"], each["high"], each["clips"]) for metric, each in content.items()}


def _setting(content: Mapping[str, Any]) -> SettingCost:
    costs = {key: value for key, value in content.items() if isinstance(value, dict)}
    return SettingCost(content["model"], content["setting"], _means(costs))


def _table(path: Path) -> dict[str, dict[str, str]]:
    """Rows by clip; none where the file is gone."""
    if not path.is_file():
        return {}
    return {row["file_name"]: row for row in read_csv(path)}


def _clip_scores(tables: Mapping[str, Mapping[str, Mapping[str, str]]]) -> list[ClipScores]:
    """The clips' scores, those of the noisy clips out of the first table."""
    first = next(iter(tables.values()))
    found = []
    for name, row in first.items():
        scores = {NOISY: {key.removeprefix("noisy_"): value for key, value in row.items() if key.startswith("noisy_")}}
        for version, table in tables.items():
            own = table.get(name, {})
            scores[version] = {key: own[key] for key in scores[NOISY] if own.get(key)}
        numbers = {
            version: {metric: float(value) for metric, value in each.items() if value}
            for version, each in scores.items()
        }
        found.append(ClipScores(name, 0.0, numbers))
    return found

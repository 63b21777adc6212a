"""Results of an evaluation: `evaluation.json`, and a folder for each version with the scores of its clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import Field

from sezoo.base.csv_file import read_csv, write_csv
from sezoo.base.files import atomic_folder, write_json
from sezoo.base.foreign_text import to_encodable
from sezoo.base.inner_path import inner_path
from sezoo.config.metric_facts import register_facts
from sezoo.results.evaluation_parts import (
    Facts,
    FlatCost,
    LookAhead,
    Means,
    NotScored,
    SilenceGate,
    Versions,
    VersionScores,
)
from sezoo.results.names import EVALUATION
from sezoo.results.result_file import ResultFile
from sezoo.results.robustness import Robustness
from sezoo.results.scores import NOISY, ClipScores, Mean, MetricName, change, name_in_files, name_of

__all__ = ["Evaluation"]

MEANS, CLIPS = "metrics_dict.json", "detailed_metrics.csv"
"""In the folder of a version, under the names that the model zoo gives them."""


@dataclass(frozen=True, kw_only=True)
class Evaluation(ResultFile):
    """Scores of models on a test set, and of the noisy clips themselves.

    Attributes
    ----------
    clips : how many were scored.
    seconds : of audio.
    metrics : that were asked for, in the order in which they are shown.
    metric_facts : how each is shown: its label, its unit, the format of its values, and which way is better.
    noisy : means by metric of the noisy clips.
    versions : each model in each way in which it was run, the one that the others are compared with first.
    look_ahead : what would avoid a loss in patches.
    silence_gate : what silence gates mute.
    cost_of_board_settings : with evaluation.explain_deployment.
    not_scored : the scores that are missing.
    left_out : clips that could not be used, with the reasons.
    scores : of every clip, by version.
    robustness : of the evaluation that has just been done; it has a file of its own.
    """

    file_name: ClassVar[str] = EVALUATION

    clips: int
    seconds: float
    metrics: Sequence[MetricName] = ()
    metric_facts: Facts = field(default_factory=dict)
    noisy: Means
    versions: Annotated[Versions, Field(min_length=1)]
    look_ahead: Sequence[LookAhead] = ()
    silence_gate: Sequence[SilenceGate] = ()
    cost_of_board_settings: Sequence[FlatCost] = ()
    not_scored: Sequence[NotScored] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    scores: Annotated[Sequence[ClipScores], Field(exclude=True)] = ()
    robustness: Annotated[Robustness | None, Field(exclude=True)] = None

    # -- the files -----------------------------------------------------------------------------------------

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """The evaluation in a run's folder, with the scores of every clip; None where there is none.

        Raises
        ------
        UserError : a file is torn, of a newer version, or not what sezoo writes.
        """
        found = super().read(folder)
        if found is None:
            return None
        register_facts(found.metric_facts)
        paths = {each.name: inner_path(folder, each.folder, EVALUATION) / CLIPS for each in found.versions}
        tables = {name: read_csv(path) if path.is_file() else [] for name, path in paths.items()}
        scored = [*found.noisy, *(metric for version in found.versions for metric in version.means)]
        metrics = found.metrics or list(dict.fromkeys(scored))
        return replace(found, metrics=metrics, scores=_clip_scores(tables), robustness=None)

    def write(self, folder: Path, *, again: bool = False) -> Path:
        """Write the files into the run's folder, each version's together."""
        for version in self.versions:
            with atomic_folder(folder / version.folder) as temporary:
                means = (version.means.get(metric) for metric in self.metrics)
                names = [name_in_files(metric) for metric in self.metrics]
                write_json(
                    temporary / MEANS,
                    {name: mean and mean.value for name, mean in zip(names, means, strict=True)},
                )
                write_csv(temporary / CLIPS, *self._table(version.name))
        return super().write(folder, again=again)

    def _table(self, version: str) -> tuple[list[str], list[list[object]]]:
        """The columns and a row a clip: its name, the version's scores, the noisy clip's, and why some are missing."""
        names = [name_in_files(metric) for metric in self.metrics]
        rows: list[list[object]] = []
        for clip in self.scores:
            scores = [clip.scores[name].get(metric) for name in (version, NOISY) for metric in self.metrics]
            reasons = clip.not_scored.get(version, {}).items()
            why = "; ".join(f"{name_in_files(metric)}: {reason}" for metric, reason in reasons)
            rows.append([to_encodable(clip.name), *scores, why])
        return ["file_name", *names, *(f"noisy_{name}" for name in names), "not_scored"], rows

    # -- what they say -------------------------------------------------------------------------------------

    @property
    def means(self) -> dict[str, Means]:
        """Mean scores by version, noisy clips first, then by metric."""
        return {NOISY: self.noisy, **{version.name: version.means for version in self.versions}}

    @property
    def reference(self) -> VersionScores:
        """The version that the others are compared with: the first."""
        return self.versions[0]

    @property
    def metric(self) -> str | None:
        """The metric to show where there is room for one: PESQ, or the first that was scored."""
        scored = [name for name in self.metrics if name in self.reference.means]
        return min(scored, key=lambda name: name != "pesq", default=None)

    def first_of_model(self) -> list[VersionScores]:
        """Return the version of the main scores of each model."""
        found: dict[str, VersionScores] = {}
        for version in self.versions:
            found.setdefault(version.name.split("_")[0], version)
        return list(found.values())

    def as_deployed(self) -> VersionScores | None:
        """The version that is nearest to what a device does: streaming, on the board, or else in patches."""
        return self._nearest("patches", "board", "stream")

    def on_devices(self) -> list[VersionScores]:
        """The versions that are nearest to what devices do: streaming, and on the board or else in patches."""
        return [version for version in (self._nearest("stream"), self.in_patches()) if version is not None]

    def in_patches(self) -> VersionScores | None:
        """The version that is nearest to what ST's board does: on the board, or else in patches."""
        return self._nearest("patches", "board")

    def _nearest(self, *ways: str) -> VersionScores | None:
        """The int8 version, or else another, in the last of the ways in which there is one."""
        played = [version for version in self.versions if version.like in ways]
        nearness = {way: number for number, way in enumerate(ways)}
        return max(played, key=lambda version: (nearness[version.like], version.name.startswith("int8")), default=None)

    def change(self, version: str, against: str, metric: str) -> Mean | None:
        """Mean of the clips' differences; None where no clip has both."""
        return change(self.scores, version, against, metric)


def _clip_scores(tables: Mapping[str, Sequence[Mapping[str, str]]]) -> list[ClipScores]:
    """The clips' scores, those of the noisy clips out of the first table."""
    by_clip = {version: {row["file_name"]: row for row in rows} for version, rows in tables.items()}
    first = next(iter(by_clip.values()))
    return [
        ClipScores(
            name,
            0.0,
            {
                NOISY: _numbers({key.removeprefix("noisy_"): row[key] for key in row if key.startswith("noisy_")}),
                **{version: _numbers(_own(rows.get(name, {}))) for version, rows in by_clip.items()},
            },
        )
        for name, row in first.items()
    ]


def _own(row: Mapping[str, str]) -> dict[str, str]:
    """The cells of a version's own scores."""
    others = ("file_name", "not_scored")
    return {key: cell for key, cell in row.items() if key not in others and not key.startswith("noisy_")}


def _numbers(cells: Mapping[str, str]) -> dict[str, float]:
    return {name_of(metric): float(cell) for metric, cell in cells.items() if cell}

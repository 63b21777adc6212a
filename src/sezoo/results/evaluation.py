"""What an evaluation found: `evaluation.json`, and beside it a folder for each version with the scores of its clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, Field, PlainSerializer, TypeAdapter, ValidationError

from sezoo.base.csv_file import read_csv, write_csv
from sezoo.base.files import atomic_folder, write_json
from sezoo.base.foreign_text import to_encodable
from sezoo.base.inner_path import inner_path
from sezoo.config.metric_facts import MetricFacts, register_facts
from sezoo.results.names import EVALUATION
from sezoo.results.result_file import ResultFile
from sezoo.results.robustness import Robustness
from sezoo.results.scores import NOISY, ClipScores, Mean, MetricName, change, name_in_files, name_of

__all__ = [
    "Evaluation",
    "LookAhead",
    "NotScored",
    "SettingCost",
    "SilenceGate",
    "VersionScores",
]

MEANS, CLIPS = "metrics_dict.json", "detailed_metrics.csv"
"""In the folder of a version, under the names that the model zoo gives them."""

Means = Mapping[MetricName, Mean]


def _that_can_be_shown(facts: Any) -> Any:
    """Those of a file, which may be another's: where one cannot be shown so, the metric's name is all that is."""
    return {name: each for name, each in facts.items() if _is_valid(each)} if isinstance(facts, dict) else {}


def _is_valid(facts: Any) -> bool:
    try:
        TypeAdapter(MetricFacts).validate_python(facts)
    except ValidationError:
        return False
    return True


Facts = Annotated[Mapping[MetricName, MetricFacts], BeforeValidator(_that_can_be_shown)]


@dataclass(frozen=True)
class VersionScores:
    """A model, played in one way.

    Attributes
    ----------
    name : in files: "float", "int8_board".
    label : for people: "int8 on the board".
    model : path of the model.
    play : "like" (whole, patches, board, stream) and how it is played.
    folder : of its clips' scores, in the run's folder.
    latency_ms : from the arrival of a sample at a device that plays it so to its output; None of whole clips.
    means, improvement : by metric, of the scores and of what they gain over the noisy clips.
    model_bytes : of the model's ONNX file; None of other models.
    macs_a_second : multiply-accumulates of the model for a second of audio; None where a shape is unknown.
    """

    name: Annotated[str, Field(exclude=True)]
    label: str
    model: str
    play: Mapping[str, Any]
    folder: str
    means: Means
    improvement: Means
    latency_ms: float | None = None
    model_bytes: int | None = None
    macs_a_second: float | None = None

    @property
    def like(self) -> str:
        """How it is played: whole, patches, board or stream."""
        return str(self.play.get("like", ""))


def _named(versions: Any) -> Any:
    if not isinstance(versions, dict):
        return versions
    return [{"name": name, **each} if isinstance(each, dict) else each for name, each in versions.items()]


def _by_name(versions: Sequence[VersionScores]) -> dict[str, VersionScores]:
    return {version.name: version for version in versions}


Versions = Annotated[
    Sequence[VersionScores], BeforeValidator(_named), PlainSerializer(_by_name, return_type=dict[str, VersionScores])
]


def _value(mean: Mean | None) -> dict[str, float] | None:
    return None if mean is None else {"value": mean.value, "low": mean.low, "high": mean.high, "clips": mean.clips}


@dataclass(frozen=True, kw_only=True)
class LookAhead:
    """A look-ahead that is shorter than the receptive field of a model.

    Attributes
    ----------
    model : its name.
    frames, lookahead : new frames, and context on either side of them, of a call.
    needed : frames of look-ahead that avoid the loss.
    metric, cost : the metric of whole clips minus that in patches; null where both were not scored.
    static_length : frames of a static model with the needed look-ahead.
    told : all of it in words.
    """

    model: str = ""
    frames: int = 0
    lookahead: int = 0
    needed: int = 0
    metric: str | None = None
    cost: Annotated[Mean | None, PlainSerializer(_value, return_type=dict[str, float] | None)] = None
    static_length: int = 0
    told: str


@dataclass(frozen=True, kw_only=True)
class SilenceGate:
    """What the silence gate mutes of a version.

    Attributes
    ----------
    version : its name.
    threshold_dbfs : level below which a call's output is muted.
    muted_share : of the frames with speech, or of all where `of_speech` is false.
    of_speech : whether the clean clips said where there is speech.
    told : all of it in words.
    """

    version: str = ""
    threshold_dbfs: float | None = None
    muted_share: float | None = None
    of_speech: bool = True
    told: str


@dataclass(frozen=True)
class SettingCost:
    """What one setting of the board costs a model: by metric, the scores without it minus those with it."""

    model: str
    setting: str
    costs: Means


def _with_costs(content: Any) -> Any:
    """The metrics are keys beside `model` and `setting` in the file."""
    if not isinstance(content, dict):
        return content
    own = {key: content[key] for key in ("model", "setting") if key in content}
    return {**own, "costs": {key: value for key, value in content.items() if key not in own}}


def _flat(cost: SettingCost) -> dict[str, Any]:
    return {"model": cost.model, "setting": cost.setting, **{name_in_files(m): c for m, c in cost.costs.items()}}


FlatCost = Annotated[
    SettingCost, BeforeValidator(_with_costs), PlainSerializer(_flat, return_type=dict[str, str | Mean])
]


@dataclass(frozen=True)
class NotScored:
    """A score that a clip does not have, and why."""

    clip: str
    version: str
    metric: MetricName
    reason: str


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
            with atomic_folder(folder / version.folder) as aside:
                means = (version.means.get(metric) for metric in self.metrics)
                names = [name_in_files(metric) for metric in self.metrics]
                write_json(
                    aside / MEANS,
                    {name: mean and mean.value for name, mean in zip(names, means, strict=True)},
                )
                write_csv(aside / CLIPS, *self._table(version.name))
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
        """By version, the noisy clips first, then by metric."""
        return {NOISY: self.noisy, **{version.name: version.means for version in self.versions}}

    @property
    def reference(self) -> VersionScores:
        """The version that the others are compared with: the first."""
        return self.versions[0]

    @property
    def metric(self) -> str | None:
        """The one that is told where there is room for one: PESQ, or the first that was scored."""
        scored = [name for name in self.metrics if name in self.reference.means]
        return min(scored, key=lambda name: name != "pesq", default=None)

    def first_of_model(self) -> list[VersionScores]:
        """For each model the version of its main scores."""
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

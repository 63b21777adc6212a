"""Parts of `evaluation.json`: versions with their scores, look-aheads, gates, costs of settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, TypeAdapter, ValidationError

from sezoo.config.metric_facts import MetricFacts
from sezoo.results.scores import Mean, MetricName, name_in_files

__all__ = [
    "Facts",
    "FlatCost",
    "LookAhead",
    "Means",
    "NotScored",
    "SettingCost",
    "SilenceGate",
    "VersionScores",
    "Versions",
]

Means = Mapping[MetricName, Mean]


def _displayable(facts: Any) -> Any:
    """Return the valid display properties in a file, which may come from elsewhere; other metrics show their name."""
    return {name: each for name, each in facts.items() if _is_valid(each)} if isinstance(facts, dict) else {}


def _is_valid(facts: Any) -> bool:
    try:
        TypeAdapter(MetricFacts).validate_python(facts)
    except ValidationError:
        return False
    return True


Facts = Annotated[Mapping[MetricName, MetricFacts], BeforeValidator(_displayable)]


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
        """Inference mode: whole, patches, board or stream."""
        return str(self.play.get("like", ""))


def _with_names(versions: Any) -> Any:
    if not isinstance(versions, dict):
        return versions
    return [{"name": name, **each} if isinstance(each, dict) else each for name, each in versions.items()]


def _by_name(versions: Sequence[VersionScores]) -> dict[str, VersionScores]:
    return {version.name: version for version in versions}


Versions = Annotated[
    Sequence[VersionScores],
    BeforeValidator(_with_names),
    PlainSerializer(_by_name, return_type=dict[str, VersionScores]),
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
    """Effect of the silence gate on a version.

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
    """Cost of a board's setting for a model: by metric, the scores without it minus those with it."""

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

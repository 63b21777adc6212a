"""The versions that an evaluation compares: each model in each of its inference modes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sezoo.config.sections import Config
from sezoo.denoising import Board, InferenceMode, Patches, Stream, WholeClip
from sezoo.denoising.backend import PATCH, STM32N6, engine_of, wanted_backend
from sezoo.denoising.function import FunctionSource
from sezoo.denoising.run_models import BOARD, PATCHES, STREAM, TFLM, WHOLE, RunModel
from sezoo.deployment.tflite.source import TfliteSource, open_tflite
from sezoo.evaluation.recordings import RecordingsSource
from sezoo.models.source import ModelSource
from sezoo.results.version_order import version_order

__all__ = ["Version", "explaining_versions", "function_version", "recordings_version", "versions_of"]

log = logging.getLogger(__name__)

WITHOUT = {WHOLE: "on whole clips", PATCHES: "in patches", BOARD: "as on the board", STREAM: "as a stream"}


@dataclass(frozen=True)
class Version:
    """One model, played in one way.

    Attributes
    ----------
    name : in files: "float", "int8_board".
    label : for people: "int8 (C package)".
    model : name of the model.
    kind : how it is played, by its name in the configuration.
    folder : of its scores, in the run's folder.
    """

    name: str
    label: str
    model: str
    kind: str
    source: ModelSource | FunctionSource | RecordingsSource
    play: InferenceMode
    folder: str


def function_version(source: FunctionSource, config: Config) -> Version:
    """A function, which gets whole clips."""
    folder = config.evaluation.logs_path.as_posix()
    return Version("function", source.name, "function", WHOLE, source, WholeClip(), folder)


def recordings_version(source: RecordingsSource, config: Config) -> Version:
    """Return the version of existing denoised recordings."""
    folder = config.evaluation.logs_path.as_posix()
    return Version("recordings", source.name, "recordings", WHOLE, source, WholeClip(), folder)


def versions_of(models: Sequence[RunModel], config: Config) -> list[Version]:
    """Every model in every way that the configuration asks for, in the order of `version_order`.

    The folders of their scores follow another order, that of what is asked for: its first has the plain name.

    Raises
    ------
    UserError : a way that was asked for and that a model or the board cannot go.
    """
    logs_path = config.evaluation.logs_path.as_posix()
    versions = []
    for model, suffix in zip(models, ("", "_quantized"), strict=False):
        for index, (kind, play) in enumerate(_inference_modes(model, bool(suffix), len(models) > 1, config).items()):
            name = model.name if kind == WHOLE else f"{model.name}_{kind}"
            folder = f"{logs_path}{suffix}" + (f"_{kind}" if index else "")
            label = model.name + _remark(play)
            versions.append(Version(name, label, model.name, kind, _source(model, kind), play, folder))
    return sorted(versions, key=lambda version: version_order(version.name))


def _source(model: RunModel, kind: str) -> ModelSource:
    """The model's file for a way of playing it; as TFLite Micro computes it only if that has its operators."""
    source = model.source_for(kind)
    if kind != TFLM:
        return source
    found = TfliteSource(source.path, source.display_name)
    open_tflite(found)
    return found


def _remark(play: InferenceMode) -> str:
    """Return the remark after the model's name: what runs it, unless a PC on whole clips."""
    if isinstance(play, Board):
        return f" ({play.program})" if play.is_sts else f" ({play.program}, patches)"
    if isinstance(play, Stream):
        return f" ({play.program})"
    return " in patches" if isinstance(play, Patches) else ""


def _inference_modes(model: RunModel, made_here: bool, has_others: bool, config: Config) -> dict[str, InferenceMode]:
    """Return the inference modes of a model, that of its main scores first.

    Parameters
    ----------
    made_here : it is the int8 model of a quantization before this.
    has_others : it is not the only model of the run.
    """
    settings = config.evaluation
    asked = settings.play_like
    if asked is not None:
        kinds = dict.fromkeys(model.deployed_kind(kind, config) for kind in asked)
        if has_others and model.static is None:  # of a float model beside its int8 one there are no integers
            kinds.pop(TFLM, None)
        return {kind: model.play(kind, config, settings.attenuation_limit_db) for kind in kinds}
    if model.static is not None and _is_of_a_device(model, config):
        deployed = _deployed_kinds(model, config)
        kinds = (WHOLE, *deployed) if made_here else (*deployed, WHOLE)
    elif settings.fixed_sequence_length is not None or model.dynamic is None:
        kinds = (PATCHES,)
    else:
        kinds = (WHOLE, BOARD) if settings.explain_deployment and not has_others else (WHOLE,)
    plays: dict[str, InferenceMode] = {}
    for kind in kinds:
        if (problem := model.mode_problem(kind, config)) is None:
            plays[kind] = model.play(kind, config, settings.attenuation_limit_db)
        else:
            log.info("not scored %s: %s", WITHOUT[kind], problem)
    return plays


def _is_of_a_device(model: RunModel, config: Config) -> bool:
    """Whether a static model is what a device runs, and not a float one that was exported for one length of clips."""
    return model.name == "int8" or wanted_backend(config, model.target) is not None


def _deployed_kinds(model: RunModel, config: Config) -> tuple[str, ...]:
    """Return the inference modes of a static model as deployed; those of both backends if none is configured."""
    on_patches, streaming = (PATCHES, BOARD), (STREAM,)
    backend = wanted_backend(config, model.target)
    if backend is None:
        return (*on_patches, *streaming)
    if backend == STM32N6 or engine_of(config, model.target) == PATCH:
        return on_patches
    return streaming if model.mode_problem(STREAM, config) is None else on_patches


def explaining_versions(versions: Sequence[Version], models: Sequence[RunModel]) -> list[Version]:
    """Return, for each version as on a device, the same version without each of the device's settings.

    The name of the setting stands behind the point in the version's name.
    """
    by_name = {model.name: model for model in models}
    found = []
    for version in versions:
        if isinstance(version.play, Stream) and version.play.silence_threshold is not None:
            found.append(_without(version, "silence gate", replace(version.play, silence_threshold=None)))
        if not isinstance(version.play, Board) or version.kind == TFLM:
            continue
        model, board = by_name[version.model], version.play
        without: dict[str, Board] = {
            "short look-ahead": replace(board, lookahead=model.needed_lookahead),
            "silence gate": replace(board, silence_threshold=None),
            "input gain": replace(board, input_gain=False),
            "rounding": replace(board, half_away=False),
        }
        for setting, play in without.items():
            if play == board:
                continue
            source = version.source
            if setting == "short look-ahead":
                if model.needed_lookahead <= board.lookahead or model.dynamic is None:
                    continue
                source = model.dynamic
            found.append(replace(_without(version, setting, play), source=source))
    return found


def _without(version: Version, setting: str, play: InferenceMode) -> Version:
    label = f"{version.label}, without {setting}"
    return replace(version, name=f"{version.name}.{setting}", label=label, play=play)

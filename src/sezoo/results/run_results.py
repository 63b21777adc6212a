"""All that the report of a run is made of, read from the files of its folder."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sezoo.base.errors import UserError
from sezoo.base.files import read_text
from sezoo.base.inner_path import inner_path
from sezoo.base.yaml_text import load_yaml
from sezoo.config.values import expand_known
from sezoo.results.environment import read_environment
from sezoo.results.evaluation import EvaluationFacts, read_evaluation
from sezoo.results.listening import FOLDER, ListenedClip, read_index
from sezoo.results.quantization import QuantizationFacts, read_quantization
from sezoo.results.reading import refused_results
from sezoo.results.robustness import Robustness, read_robustness
from sezoo.results.targets import (
    BenchmarkFacts,
    DeploymentFacts,
    Sizes,
    read_benchmark,
    read_deployment,
)
from sezoo.results.training import TrainingFacts, read_training
from sezoo.run.folder import LOG_NAME, RESOLVED_NAME

__all__ = ["LogFacts", "RunFacts", "read_run"]

LINE = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),\d+ (\w+) (\S+): (.*)$")
START = re.compile(r"sezoo (\S+), (\S+), results in ")
CALIBRATED = re.compile(r"calibrated on (\d+ clips?), (.*) of audio")
TRAINED_ON = re.compile(r"training on (\d+) examples in .*, validating on (\d+)")


@dataclass(frozen=True)
class LogFacts:
    """What the log of the last run in the folder says.

    Attributes
    ----------
    version : of sezoo.
    started, seconds : None where the log has no line.
    warnings : in order, each once.
    calibrated, trained : the counts of data in words; empty where nothing was.
    """

    version: str = ""
    started: datetime | None = None
    seconds: float | None = None
    warnings: Sequence[str] = ()
    calibrated: str = ""
    trained: str = ""


@dataclass(frozen=True)
class RunFacts:
    """A run; what it did not do is None or empty.

    Attributes
    ----------
    config : the resolved YAML, and `yaml_text` as it stands in the file.
    models : bytes of the run's models by file name.
    float_bytes : of the model that it started from, or that it trained; None where the file is not there.
    """

    folder: Path
    config: Mapping[str, Any]
    yaml_text: str
    log: LogFacts
    environment: Mapping[str, str]
    models: Mapping[str, int]
    float_bytes: int | None
    training: TrainingFacts | None
    quantization: QuantizationFacts | None
    evaluation: EvaluationFacts | None
    benchmark: BenchmarkFacts | None
    deployment: DeploymentFacts | None
    listened: Sequence[ListenedClip]
    robustness: Robustness | None = None

    @property
    def name(self) -> str:
        """Of the folder."""
        return self.folder.resolve().name

    @property
    def mode(self) -> str:
        """The operation mode."""
        return str(self.config.get("operation_mode", ""))

    def setting(self, *keys: str) -> Any:
        """A value of the configuration; None where it has no such section."""
        value: Any = self.config
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    @property
    def frames_a_second(self) -> float | None:
        """Of the spectrum."""
        rate, hop = self.setting("preprocessing", "sample_rate"), self.setting("preprocessing", "hop_length")
        return rate / hop if rate and hop else None

    @property
    def macs_a_second(self) -> float | None:
        """Multiply-accumulates of the network for a second of audio, frames that are computed twice not counted."""
        if self.quantization and self.quantization.macs and self.frames_a_second:
            return self.quantization.macs * self.frames_a_second
        for one in self.benchmark.measurements if self.benchmark else ():
            if one.macs and one.what == "whole clip" and one.audio_seconds:
                return one.macs / one.audio_seconds
        return None

    @property
    def sizes(self) -> list[Sizes]:
        """Of the program with the model in it, by core, the deployed one before benchmarks."""
        found: dict[str, Sizes] = {}
        made = self.deployment
        if made and made.core and made.flash_bytes and made.ram_bytes:
            frames, rate = made.frames_per_call, self.frames_a_second
            seconds = frames / rate if frames and rate else None
            load = made.instructions_per_call / seconds if seconds and made.instructions_per_call else None
            found[made.core] = Sizes(made.core, made.flash_bytes, made.ram_bytes, load)
        for one in self.benchmark.measurements if self.benchmark else ():
            if one.flash and one.ram and one.target not in found:
                load = one.instructions / one.audio_seconds if one.instructions and one.audio_seconds else None
                found[one.target] = Sizes(one.target, one.flash, one.ram, load)
        return list(found.values())


def read_run(folder: Path) -> RunFacts:
    """Read what a run has written.

    Raises
    ------
    UserError : the folder is none of a run; a file in it that is torn.
    """
    path = folder / RESOLVED_NAME
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder; the folder of a run is expected")
    if not path.is_file():
        found = sorted(each.name for each in folder.iterdir())
        told = ", ".join(found[:6]) + (f" and {len(found) - 6} more" if len(found) > 6 else "") or "nothing"
        raise UserError(f"{folder}: found {told}; the folder of a run is expected, with {RESOLVED_NAME} in it")
    text = read_text(path)
    config = load_yaml(text, str(path))
    if not isinstance(config, dict):
        raise UserError(f"{path}: found {type(config).__name__} where sections are expected")
    with refused_results(folder):
        return _facts(folder, config, text)


def _facts(folder: Path, config: Mapping[str, Any], text: str) -> RunFacts:
    models_folder = Path(expand_known(str((config.get("general") or {}).get("saved_models_dir", "saved_models"))))
    if not models_folder.is_absolute():
        models_folder = inner_path(folder, models_folder, "general.saved_models_dir")
    models = {path.name: path.stat().st_size for path in sorted(models_folder.glob("*.onnx"))}
    return RunFacts(
        folder=folder,
        config=config,
        yaml_text=text,
        log=_log(folder / LOG_NAME),
        environment=read_environment(folder),
        models=models,
        float_bytes=_float_bytes(config, models),
        training=read_training(folder, config),
        quantization=read_quantization(folder),
        evaluation=read_evaluation(folder),
        benchmark=read_benchmark(folder),
        deployment=read_deployment(folder),
        listened=read_index(folder / FOLDER),
        robustness=read_robustness(folder),
    )


def _float_bytes(config: Mapping[str, Any], models: Mapping[str, int]) -> int | None:
    """Of what was quantized: the trained model, or the one that was given, whose copy is kept prepared."""
    for name in ("best_trained_model.onnx", "preprocessed_model.onnx"):
        if name in models:
            return models[name]
    return None


def _log(path: Path) -> LogFacts:
    """The lines since the last start: a folder may have seen several runs."""
    if not path.is_file():
        return LogFacts()
    lines = [found for line in path.read_text(encoding="utf-8", errors="replace").splitlines()
             if (found := LINE.match(line))]  # fmt: skip
    starts = [index for index, line in enumerate(lines) if START.match(line[4])]
    lines = lines[starts[-1] :] if starts else lines
    if not lines:
        return LogFacts()
    first, last = (datetime.fromisoformat(line[1]) for line in (lines[0], lines[-1]))
    start, words = START.match(lines[0][4]), [line[4] for line in lines]
    trained = next((found for each in words if (found := TRAINED_ON.match(each))), None)
    return LogFacts(
        version=start[1] if start else "",
        started=first,
        seconds=(last - first).total_seconds(),
        warnings=list(dict.fromkeys(line[4] for line in lines if line[2] == "WARNING")),
        calibrated=next((f"{found[1]}, {found[2]}" for each in words if (found := CALIBRATED.match(each))), ""),
        trained=f"{trained[1]} to train on, {trained[2]} to validate on" if trained else "",
    )

"""All results in a run's folder, which its report shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sezoo.base.errors import UserError
from sezoo.base.files import read_text
from sezoo.base.inner_path import inner_path
from sezoo.base.yaml_text import load_yaml
from sezoo.config.values import expand_known
from sezoo.results.benchmark import WHOLE_CLIP, Benchmark
from sezoo.results.board_test import BoardTest
from sezoo.results.deployment import Deployment
from sezoo.results.environment import read_environment
from sezoo.results.evaluation import Evaluation
from sezoo.results.listening import FOLDER, ListenedClip, ListeningIndex
from sezoo.results.names import BEST_MODEL
from sezoo.results.quantization import LayerReport
from sezoo.results.result_file import ResultFile
from sezoo.results.robustness import Robustness
from sezoo.results.run_record import RunRecord
from sezoo.results.training import TrainingHistory, TrainingSummary
from sezoo.run.folder import RESOLVED_NAME

__all__ = ["FILES", "ProgramSize", "RunFacts", "read_config", "read_run", "report_bad_results"]


FILES: tuple[type[ResultFile], ...] = (
    BoardTest,
    RunRecord,
    Evaluation,
    LayerReport,
    Benchmark,
    Deployment,
    TrainingSummary,
    ListeningIndex,
    Robustness,
)
"""All JSON files of results that have a schema."""

FLOAT_MODELS = (BEST_MODEL, "preprocessed_model.onnx")
"""What was trained, and the copy of the model that was quantized: their sizes, where no report says it."""


@dataclass(frozen=True)
class ProgramSize:
    """Memory of a program with the model on a core in bytes, and instructions per second of audio.

    Attributes
    ----------
    flash : code, constants and weights.
    ram : all that is written to: `arena`, which is free between calls, `state`, which is kept from call to call,
        `stack`, and buffers.
    """

    core: str
    flash: int
    ram: int
    instructions_a_second: float | None
    arena: int | None = None
    state: int | None = None
    stack: int | None = None


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
    record: RunRecord
    environment: Mapping[str, str]
    models: Mapping[str, int]
    float_bytes: int | None
    training: TrainingHistory | None
    quantization: LayerReport | None
    evaluation: Evaluation | None
    benchmark: Benchmark | None
    deployment: Deployment | None
    listened: Sequence[ListenedClip]
    robustness: Robustness | None = None

    @property
    def name(self) -> str:
        """Name of the folder."""
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
        """Frame rate of the spectrum in Hz."""
        rate, hop = self.setting("preprocessing", "sample_rate"), self.setting("preprocessing", "hop_length")
        return rate / hop if rate and hop else None

    @property
    def macs_a_second(self) -> float | None:
        """Multiply-accumulates of the network for a second of audio, frames that are computed twice not counted."""
        if self.quantization and self.quantization.macs and self.frames_a_second:
            return self.quantization.macs * self.frames_a_second
        for one in self.benchmark.measurements if self.benchmark else ():
            if one.macs and one.what == WHOLE_CLIP and one.audio_seconds:
                return one.macs / one.audio_seconds
        return None

    @property
    def latency_ms(self) -> float | None:
        """Latency of the deployment, or else of an evaluation or benchmark as on a device, in ms."""
        known = [self.deployment.latency_ms] if self.deployment else []
        known += [version.latency_ms for version in self.evaluation.on_devices()] if self.evaluation else []
        if self.benchmark:  # of programs before the same on this computer
            measured = sorted(self.benchmark.measurements, key=lambda one: one.flash is None)
            known += [one.latency_ms for one in measured]
        return next((milliseconds for milliseconds in known if milliseconds), None)

    @property
    def sizes(self) -> list[ProgramSize]:
        """Sizes of the program with the model, by core, the deployed one first."""
        found: dict[str, ProgramSize] = {}
        deployment = self.deployment
        made = deployment.emulated if deployment else None
        if deployment and made and made.flash_bytes and made.ram_bytes:
            frames = deployment.frames_per_call
            seconds = frames / self.frames_a_second if frames and self.frames_a_second else None
            load = made.instructions_per_call / seconds if seconds and made.instructions_per_call else None
            found[made.core] = ProgramSize(
                made.core, made.flash_bytes, made.ram_bytes, load,
                deployment.arena_bytes, deployment.state_bytes, made.stack_bytes,
            )  # fmt: skip
        for one in self.benchmark.measurements if self.benchmark else ():
            # What an NPU takes is the network alone, without a program or a stack, and is on none of these boards.
            if one.flash and one.ram and one.cycles is None and one.target not in found:
                load = one.instructions / one.audio_seconds if one.instructions and one.audio_seconds else None
                found[one.target] = ProgramSize(one.target, one.flash, one.ram, load, one.arena, one.state, one.stack)
        return list(found.values())

    def size_for(self, core: str) -> ProgramSize:
        """That of the program for a core, or for the first one where none was built for it; only where there is one."""
        return next((size for size in self.sizes if size.core == core), self.sizes[0])


def read_run(folder: Path) -> RunFacts:
    """Read what a run has written.

    Raises
    ------
    UserError : the folder is none of a run; a file in it that is torn, or of a newer version.
    """
    config, text = read_config(folder)
    with report_bad_results(folder):
        return _facts(folder, config, text)


def read_config(folder: Path) -> tuple[dict[str, Any], str]:
    """The resolved configuration of a run, and its text.

    Raises
    ------
    UserError : the folder is none of a run.
    """
    path = folder / RESOLVED_NAME
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder; the folder of a run is expected")
    if not path.is_file():
        found = sorted(each.name for each in folder.iterdir())
        content = ", ".join(found[:6]) + (f" and {len(found) - 6} more" if len(found) > 6 else "") or "nothing"
        raise UserError(f"{folder}: found {content}; the folder of a run is expected, with {RESOLVED_NAME} in it")
    text = read_text(path)
    config = load_yaml(text, str(path))
    if not isinstance(config, dict):
        raise UserError(f"{path}: found {type(config).__name__} where sections are expected")
    return config, text


@contextmanager
def report_bad_results(folder: Path) -> Iterator[None]:
    """Report values of another size than sezoo writes as those of a folder that is not a run's.

    Raises
    ------
    UserError : in their place.
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise UserError(f"{folder}: a result in it is not what sezoo writes ({error!r}); run it again") from error


def _facts(folder: Path, config: Mapping[str, Any], text: str) -> RunFacts:
    models_folder = Path(expand_known(str((config.get("general") or {}).get("saved_models_dir", "saved_models"))))
    quantization = LayerReport.read(folder)
    listened = ListeningIndex.read(folder / FOLDER)
    if not models_folder.is_absolute():
        models_folder = inner_path(folder, models_folder, "general.saved_models_dir")
    models = {path.name: path.stat().st_size for path in sorted(models_folder.glob("*.onnx"))}
    return RunFacts(
        folder=folder,
        config=config,
        yaml_text=text,
        record=RunRecord.read(folder) or RunRecord(),
        environment=read_environment(folder),
        models=models,
        float_bytes=(quantization and quantization.float_bytes)
        or next((models[name] for name in FLOAT_MODELS if name in models), None),
        training=TrainingHistory.read(folder, config),
        quantization=quantization,
        evaluation=Evaluation.read(folder),
        benchmark=Benchmark.read(folder),
        deployment=Deployment.read(folder),
        listened=listened.clips if listened else (),
        robustness=Robustness.read(folder),
    )

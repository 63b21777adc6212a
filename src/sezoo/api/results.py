"""Results of the API functions: paths and numbers of a run, read from the files that it wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from sezoo.api.evaluation import Evaluation
from sezoo.api.run_files import file_there, report_of
from sezoo.api.shown import deployed_sounds, training_pictures, training_sounds
from sezoo.base.files import display_path
from sezoo.base.text import pluralize
from sezoo.config.values import expand_known
from sezoo.results import evaluation as evaluation_file
from sezoo.results.benchmark import Benchmark
from sezoo.results.deployment import Deployment
from sezoo.results.names import BEST_MODEL, C_PACKAGE, TFLITE_FOLDER, TRAINING
from sezoo.results.quantization import LayerReport
from sezoo.results.run_results import read_config
from sezoo.results.tables import Row, Table
from sezoo.results.training import TrainingHistory

__all__ = ["Benchmark", "DeployedModel", "QuantizedModel", "TrainedModel", "plain"]


@dataclass(frozen=True, repr=False)
class QuantizedModel(Table):
    """Two int8 models of one float model.

    Attributes
    ----------
    folder : of the run.
    dynamic : for clips of any length.
    static : of fixed length, for the board.
    float_bytes, int8_bytes : sizes of the float and the dynamic int8 file.
    closeness : SI-SNR in dB of the output to the float model's, on clips that nothing was fitted to; None where
        they are equal.
    closeness_plain : the same without accuracy recovery.
    evaluation : scores, where there were clean clips.
    report : a page for the browser, where there is one.
    """

    folder: Path
    dynamic: Path
    static: Path
    float_bytes: int
    int8_bytes: int
    closeness: float | None
    closeness_plain: float | None
    evaluation: Evaluation | None
    report: Path | None

    @classmethod
    def read(cls, folder: Path) -> QuantizedModel:
        """Read the results in a run's folder."""
        found = LayerReport.required(folder)
        dynamic = folder / found.dynamic
        return cls(
            folder=folder,
            dynamic=dynamic,
            static=folder / found.static,
            float_bytes=found.float_bytes or 0,
            int8_bytes=dynamic.stat().st_size,
            closeness=found.closeness,
            closeness_plain=found.plain,
            evaluation=Evaluation.read(folder) if (folder / evaluation_file.Evaluation.file_name).is_file() else None,
            report=report_of(folder),
        )

    def lines(self) -> list[str]:
        """The sizes, how close int8 is to float, and where the models are."""
        size = f"{self.int8_bytes / 2**20:.2f} MiB in int8, {self.float_bytes / 2**20:.2f} MiB in float"
        fidelity = "the same output" if self.closeness is None else f"{self.closeness:.1f} dB"
        return [
            f"Quantized model: {size}",
            f"fidelity to the float model: {fidelity}",
            display_path(self.dynamic.parent),
        ]

    def records(self) -> Sequence[Row]:
        """A row a layer: its precision, its weights' rounding, and its work."""
        return [asdict(layer) for layer in LayerReport.required(self.folder).layers]

    def overview(self) -> Sequence[Row]:
        """The scores of float and int8, where there are any; else the sizes, and the fidelity to float in dB."""
        if self.evaluation is not None:
            return self.evaluation.overview()
        plain = self.closeness_plain if self.closeness_plain != self.closeness else None
        return [
            {"": "float", "MiB": self.float_bytes / 2**20, "fidelity, dB": None, "plain int8, dB": None},
            {"": "int8", "MiB": self.int8_bytes / 2**20, "fidelity, dB": self.closeness, "plain int8, dB": plain},
        ]

    def pictures(self) -> Mapping[str, Path]:
        """The scores, where there are any."""
        return {} if self.evaluation is None else self.evaluation.pictures()

    def sounds(self) -> Mapping[str, Path]:
        """The clip that changed most, where clips were scored."""
        return {} if self.evaluation is None else self.evaluation.sounds()


@dataclass(frozen=True, repr=False)
class DeployedModel(Table):
    """A deployed model.

    Attributes
    ----------
    folder : of the run.
    c_package : folder of the C sources; None with the other backends. The project of stm32n6 is in `folder`.
    tflite : folder of the TensorFlow Lite model; None with the other backends.
    facts : what `deployment.json` says: `arena_bytes`, `latency_samples`, `emulated` ...
    report : a page for the browser, where there is one.
    """

    folder: Path
    c_package: Path | None
    tflite: Path | None
    facts: Mapping[str, Any]
    report: Path | None

    @classmethod
    def read(cls, folder: Path) -> DeployedModel:
        """Read the results in a run's folder."""
        package, found = folder / C_PACKAGE, Deployment.read(folder)
        return cls(
            folder=folder,
            c_package=package if package.is_dir() else None,
            tflite=folder / TFLITE_FOLDER if found and found.tflite else None,
            facts=found.to_dict() if found else {},
            report=report_of(folder),
        )

    def lines(self) -> list[str]:
        """Return summary lines: what was written, its memory, and the folder."""
        engine = f"{self.facts['engine']}, {pluralize(self.facts['frames_per_call'], 'new frame')} a call"
        if made := self.facts.get("application"):
            where = f"on {made['board']}" if made["flashed"] else f"for {made['board']}, not written to it"
            return [f"Deployed model: ST's application, {engine}", where, display_path(self.folder / made["folder"])]
        memory = f"{self.facts['arena_bytes'] / 1024:.1f} KiB of working memory"
        if run := self.facts.get("emulated"):
            memory += f", {run['flash_bytes'] / 1024:.0f} KiB of flash on {run['core']}"
        what = "TensorFlow Lite model" if self.tflite else "C package"
        return [f"Deployed model: {what}, {engine}", memory, display_path(self.c_package or self.tflite or self.folder)]

    def records(self) -> Sequence[Row]:
        """Return a row per operator: its difference to onnxruntime, and its cost on the emulated core."""
        found = Deployment.read(self.folder)
        if found is None:
            return []
        costs = [asdict(operator) for operator in found.emulated.operators] if found.emulated else []
        agreed = [asdict(operator) for operator in found.onnxruntime.operators]
        if len(costs) != len(agreed):
            return agreed
        return [{**agreement, **cost} for agreement, cost in zip(agreed, costs, strict=True)]

    def sounds(self) -> Mapping[str, Path]:
        """Return the test recording, noisy and as denoised on the emulated core, if there was one."""
        return deployed_sounds(self.folder)


@dataclass(frozen=True, repr=False)
class TrainedModel(Table):
    """A trained network.

    Attributes
    ----------
    folder : of the run.
    best, last : float ONNX models of the best and of the last epoch; None after `training.dryrun`.
    history : numbers by name for each epoch: `epoch`, `train_loss`, and the scores of the validation clips.
    report : a page for the browser, where there is one.
    """

    folder: Path
    best: Path | None
    last: Path | None
    history: tuple[Mapping[str, float], ...]
    report: Path | None

    @classmethod
    def read(cls, folder: Path) -> TrainedModel:
        """Read the results in a run's folder."""
        config, _ = read_config(folder)
        models, found = (
            folder / expand_known(config)["general"]["saved_models_dir"],
            TrainingHistory.read(folder, config),
        )
        rows = found.rows if found else ()
        return cls(
            folder=folder,
            best=file_there(models / BEST_MODEL),
            last=file_there(models / "trained_model.onnx"),
            history=tuple({name: value for name, value in row.items() if value is not None} for row in rows),
            report=report_of(folder),
        )

    def lines(self) -> list[str]:
        """Return summary lines: duration of the training, metrics of the last epoch, and the models."""
        last = self.history[-1] if self.history else {}
        numbers = ", ".join(f"{name} {value:.4g}" for name, value in last.items() if name != "epoch")
        where = self.folder if self.best is None else self.best.parent
        return [f"Trained model: {pluralize(len(self.history), 'epoch')}", numbers, display_path(where)]

    def records(self) -> Sequence[Row]:
        """A row an epoch."""
        return list(self.history)

    def pictures(self) -> Mapping[str, Path]:
        """The curves of loss and scores."""
        return training_pictures(self.folder / TRAINING)

    def sounds(self) -> Mapping[str, Path]:
        """A validation example after the last epoch with sounds."""
        return training_sounds(self.folder / TRAINING)


def plain(result: object) -> Any:
    """A result as JSON can have it: dictionaries, lists, text, numbers."""
    match result:
        case Path():
            return result.as_posix()
        case Mapping():
            return {str(key): plain(value) for key, value in result.items()}
        case list() | tuple():
            return [plain(entry) for entry in result]
    if is_dataclass(result) and not isinstance(result, type):
        return {field.name: plain(getattr(result, field.name)) for field in fields(result)}
    return result

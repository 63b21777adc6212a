"""What the verbs give: paths and numbers of a run, read back from the files that it wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from sezoo.base.csv_file import read_csv
from sezoo.base.files import read_json, read_text
from sezoo.base.yaml_text import load_yaml
from sezoo.results.benchmark import BENCHMARK, Benchmark, LayerCost, Measurement
from sezoo.results.scores import Mean

__all__ = [
    "Benchmark",
    "DeployedModel",
    "Evaluation",
    "QuantizedModel",
    "ScoredVersion",
    "TrainedModel",
    "plain",
    "read_benchmark",
]

REPORT_PAGE = "report.html"
EVALUATION, CLIPS = "evaluation.json", "detailed_metrics.csv"
QUANTIZATION, DEPLOYMENT = "quantization_report.json", "deployment.json"
C_PACKAGE = "c_package"

API_NAMES = {"sisnr": "si_snr"}
"""Metrics whose names in files are the reference's; here they are those that the parameter `metrics` takes."""

Scores = Mapping[str, float]
Means = Mapping[str, Mean]


@dataclass(frozen=True)
class ScoredVersion:
    """A model played in one way.

    Attributes
    ----------
    label : for people, "int8 on the board".
    play_like : whole, patches, board or stream.
    means : by metric, with 95 % intervals.
    improvement : of the means over those of the noisy clips, likewise.
    clips : scores by metric, by the noisy file's name.
    """

    label: str
    model: Path
    play_like: str
    means: Means
    improvement: Means
    clips: Mapping[str, Scores]


@dataclass(frozen=True)
class Evaluation:
    """Scores of models and of the noisy clips themselves.

    Attributes
    ----------
    folder : of the run, or the one that holds those of several.
    seconds : of audio.
    noisy : means by metric.
    versions : by name: "float", "int8", "int8_board" ...; of several models with the file's stem and a colon before.
    advice : what would avoid a loss on the device, in words.
    left_out : reasons by the names of clips that could not be used.
    report : a page for the browser, where there is one; of several models it compares them.
    """

    folder: Path
    seconds: float
    noisy: Means
    versions: Mapping[str, ScoredVersion]
    advice: tuple[str, ...]
    left_out: Mapping[str, str]
    report: Path | None

    @classmethod
    def read(cls, folder: Path) -> Evaluation:
        """Of a run's folder."""
        told = _json(folder / EVALUATION)
        return cls(
            folder=folder,
            seconds=told["seconds"],
            noisy=_means(told["noisy"]),
            versions={name: _version(folder, version) for name, version in told["versions"].items()},
            advice=tuple(advice["told"] for advice in (*told["look_ahead"], *told.get("silence_gate", ()))),
            left_out=told["left_out"],
            report=_report(folder),
        )

    @classmethod
    def joined(cls, folder: Path, parts: Mapping[str, Evaluation], report: Path | None) -> Evaluation:
        """Several on the same clips, by the names of the models, and the page that compares them."""
        first = next(iter(parts.values()))
        return cls(
            folder=folder,
            seconds=first.seconds,
            noisy=first.noisy,
            versions={
                f"{model}: {name}": version for model, one in parts.items() for name, version in one.versions.items()
            },
            advice=tuple(f"{model}: {told}" for model, one in parts.items() for told in one.advice),
            left_out={clip: reason for one in parts.values() for clip, reason in one.left_out.items()},
            report=report,
        )


@dataclass(frozen=True)
class QuantizedModel:
    """Two int8 models of one float model.

    Attributes
    ----------
    folder : of the run.
    dynamic : for clips of any length.
    static : of fixed length, for the board.
    float_bytes, int8_bytes : sizes of the float and the dynamic int8 file.
    closeness : dB between the denoised waves and the float model's, on clips that nothing was fitted to; None where
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
        """Of a run's folder."""
        from sezoo.models.onnx_file import bytes_of
        from sezoo.quantization.service import DYNAMIC, STATIC

        told = _json(folder / QUANTIZATION)
        models, source = _models(folder), Path(_resolved(folder)["model"]["onnx_path"])
        return cls(
            folder=folder,
            dynamic=models / DYNAMIC,
            static=models / STATIC,
            float_bytes=bytes_of(source),
            int8_bytes=(models / DYNAMIC).stat().st_size,
            closeness=told["closeness"],
            closeness_plain=told["plain"],
            evaluation=Evaluation.read(folder) if (folder / EVALUATION).is_file() else None,
            report=_report(folder),
        )


def read_benchmark(folder: Path) -> Benchmark:
    """The `Benchmark` of a run's folder."""
    told = _json(folder / BENCHMARK)
    names = {field.name for field in fields(Measurement)} - {"layers"}
    measurements = (
        Measurement(
            **{name: value for name, value in one.items() if name in names},
            layers=tuple(LayerCost(**layer) for layer in one["layers"]),
        )
        for one in told["measurements"]
    )
    return Benchmark(told["board"]["name"], tuple(measurements))


@dataclass(frozen=True)
class DeployedModel:
    """What runs on the board.

    Attributes
    ----------
    folder : of the run.
    c_package : folder of the C sources; None with the backend stm32n6, whose project is in `folder`.
    facts : what `deployment.json` says: `arena_bytes`, `latency_samples`, `emulated` ... empty with stm32n6.
    report : a page for the browser, where there is one.
    """

    folder: Path
    c_package: Path | None
    facts: Mapping[str, Any]
    report: Path | None

    @classmethod
    def read(cls, folder: Path) -> DeployedModel:
        """Of a run's folder."""
        package, facts = folder / C_PACKAGE, folder / DEPLOYMENT
        return cls(
            folder=folder,
            c_package=package if package.is_dir() else None,
            facts=_json(facts) if facts.is_file() else {},
            report=_report(folder),
        )


@dataclass(frozen=True)
class TrainedModel:
    """A trained network.

    Attributes
    ----------
    folder : of the run.
    best, last : float ONNX models of the best and of the last epoch.
    history : numbers by name for each epoch: `epoch`, `train_loss`, and the scores of the validation clips.
    report : a page for the browser, where there is one.
    """

    folder: Path
    best: Path
    last: Path
    history: tuple[Mapping[str, float], ...]
    report: Path | None

    @classmethod
    def read(cls, folder: Path) -> TrainedModel:
        """Of a run's folder."""
        config, models = _resolved(folder), _models(folder)
        history = folder / "training_logs" / config["training"]["logs_filename"]
        return cls(
            folder=folder,
            best=models / "best_trained_model.onnx",
            last=models / "trained_model.onnx",
            history=tuple(_rows(history)),
            report=_report(folder),
        )


# -- as JSON ---------------------------------------------------------------------------------------------


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


# -- reading ---------------------------------------------------------------------------------------------


def _json(path: Path) -> Any:
    return read_json(path)


def _resolved(folder: Path) -> Any:
    from sezoo.config.values import expand_known
    from sezoo.run.folder import RESOLVED_NAME

    path = folder / RESOLVED_NAME
    return expand_known(load_yaml(read_text(path), str(path)))


def _models(folder: Path) -> Path:
    return folder / str(_resolved(folder)["general"]["saved_models_dir"])


def _report(folder: Path) -> Path | None:
    page = folder / REPORT_PAGE
    return page if page.is_file() else None


def _means(told: Mapping[str, Mapping[str, float]]) -> dict[str, Mean]:
    return {
        API_NAMES.get(metric, metric): Mean(one["mean"], one["low"], one["high"], int(one["clips"]))
        for metric, one in told.items()
    }


def _version(folder: Path, told: Mapping[str, Any]) -> ScoredVersion:
    return ScoredVersion(
        label=told["label"],
        model=Path(told["model"]),
        play_like=told["play"]["like"],
        means=_means(told["means"]),
        improvement=_means(told["improvement"]),
        clips=_clips(folder / told["folder"] / CLIPS),
    )


def _clips(path: Path) -> dict[str, Scores]:
    others = ("file_name", "not_scored")
    return {
        row["file_name"]: {
            API_NAMES.get(name, name): float(value)
            for name, value in row.items()
            if value and name not in others and not name.startswith("noisy_")
        }
        for row in read_csv(path)
    }


def _rows(path: Path) -> list[dict[str, float]]:
    return [{name: float(value) for name, value in row.items() if value} for row in read_csv(path)]

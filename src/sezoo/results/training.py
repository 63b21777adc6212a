"""How a training went, read from its table of epochs and its sounds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sezoo.base.csv_file import read_csv
from sezoo.base.inner_path import inner_path
from sezoo.config.values import expand_known
from sezoo.results.names import TRAINING
from sezoo.results.reading import read_json

__all__ = ["COLUMNS", "SoundExample", "TrainingFacts", "read_training"]

COLUMNS = {
    "train_loss": "loss",
    "wave_mse": "MSE of the waves",
    "stoi": "STOI",
    "pesq": "PESQ",
    "snr": "SNR, dB",
    "si-snr": "SI-SNR, dB",
    "speech_cut": "share of the speech that is cut",
    "level_4_6_khz": "speech from 4 to 6 kHz, dB",
    "level_6_8_khz": "speech from 6 to 7.8 kHz, dB",
    "score": "score",
    "learning_rate": "learning rate",
}
"""What the columns of the table are called for people."""

LOWER_IS_BETTER = {"train_loss", "wave_mse", "speech_cut"}


@dataclass(frozen=True)
class SoundExample:
    """A validation example: files by version, "noisy", "epoch 3", ..., "clean"."""

    name: str
    files: Mapping[str, Path]


@dataclass(frozen=True)
class TrainingFacts:
    """The history of a training.

    Attributes
    ----------
    epochs : their numbers.
    columns : values by name, one an epoch; None where it could not be measured.
    noisy : what the columns would be without a network, as far as that is known.
    metric, best_epoch : the metric that decided, and the epoch that was best by it; None where nothing could be scored.
    """

    epochs: Sequence[int]
    columns: Mapping[str, Sequence[float | None]]
    metric: str
    best_epoch: int | None
    sounds: Sequence[SoundExample]
    noisy: Mapping[str, float | None] = field(default_factory=dict)

    def at(self, column: str, epoch: int | None) -> float | None:
        """The value of an epoch."""
        return None if epoch is None or column not in self.columns else self.columns[column][self.epochs.index(epoch)]


def read_training(folder: Path, config: Mapping[str, Any]) -> TrainingFacts | None:
    """The training of a run's folder; None where there is none, or no epoch was finished."""
    settings = config.get("training") or {}
    name = expand_known(str(settings.get("logs_filename", "training_logs.csv")))
    path = inner_path(folder / TRAINING, name, "training.logs_filename")
    if not path.is_file():
        return None
    rows = read_csv(path)
    if not rows:
        return None
    names = [name for name in rows[0] if name != "epoch"]
    columns = {name: [float(row[name]) if row[name] else None for row in rows] for name in names}
    epochs = [int(row["epoch"]) for row in rows]
    several = settings.get("select_by") or settings.get("guards")
    metric = "score" if several and "score" in columns else str(settings.get("reference_metric", "pesq"))
    known = [(value, epoch) for value, epoch in zip(columns.get(metric, ()), epochs, strict=False) if value is not None]
    best = (min if metric in LOWER_IS_BETTER else max)(known, key=lambda pair: pair[0], default=None)
    noisy = read_json(folder / TRAINING / "noisy_validation.json") or {}
    return TrainingFacts(epochs, columns, metric, best and best[1], _sounds(folder / TRAINING / "sounds"), noisy)


def _sounds(folder: Path) -> list[SoundExample]:
    """Each example as it was after the first and after the last epoch with sounds."""
    epochs = sorted(path for path in folder.glob("epoch_*") if path.is_dir())
    if not epochs:
        return []
    examples: dict[str, dict[str, Path]] = defaultdict(dict)
    for path in sorted(epochs[-1].glob("*_noisy.wav")):
        index = path.name.removesuffix("_noisy.wav")
        examples[index]["noisy"] = path
        for epoch in dict.fromkeys((epochs[0], epochs[-1])):
            if (denoised := epoch / f"{index}_denoised.wav").is_file():
                examples[index][f"epoch {int(epoch.name.removeprefix('epoch_'))}"] = denoised
        if (clean := epochs[-1] / f"{index}_clean.wav").is_file():
            examples[index]["clean"] = clean
    return [SoundExample(f"validation example {index}", files) for index, files in examples.items()]

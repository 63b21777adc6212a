"""Results of a training: `training.json`, the table of epochs, and sounds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from sezoo.base.csv_file import read_csv, write_csv
from sezoo.base.errors import UserError
from sezoo.base.files import read_json, write_json
from sezoo.base.inner_path import inner_path
from sezoo.base.text import pluralize
from sezoo.config.values import expand_known
from sezoo.results.names import TRAINING
from sezoo.results.result_file import ResultFile

__all__ = ["LABELS", "SoundExample", "TrainingHistory", "TrainingSummary", "write_epochs", "write_noisy"]

NOISY_VALIDATION = "noisy_validation.json"

LABELS = {
    "train_loss": "loss",
    "val_loss": "validation loss",
    "wave_mse": "MSE of the waveforms",
    "stoi": "STOI",
    "pesq": "PESQ",
    "snr": "SNR, dB",
    "si-snr": "SI-SNR, dB",
    "speech_cut": "speech that is cut",
    "level_4_6_khz": "speech from 4 to 6 kHz, dB",
    "level_6_8_khz": "speech from 6 to 7.8 kHz, dB",
    "score": "score",
    "learning_rate": "learning rate",
}
"""What the columns of the table are called for people."""

Row = Mapping[str, float | int | None]


@dataclass(frozen=True, kw_only=True)
class TrainingSummary(ResultFile):
    """Summary of a training so far.

    Attributes
    ----------
    epochs : number of finished epochs.
    metric : column of the table of epochs that decides which one is the best.
    best_epoch, best_value : null as long as no epoch could be scored.
    seconds_an_epoch : median, validation included, of the epochs since the training was last started or resumed.
    """

    file_name: ClassVar[str] = "training.json"

    epochs: int
    metric: str
    best_epoch: int | None = None
    best_value: float | None = None
    seconds_an_epoch: float | None = None


def write_epochs(path: Path, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Write the table of epochs, a row an epoch; what could not be measured is empty. The same rows, the same bytes."""
    write_csv(path, columns, [[row.get(column) for column in columns] for row in rows])


def write_noisy(folder: Path, noisy: Row) -> None:
    """Write what the validation metrics are without a network into the folder of the table of epochs."""
    write_json(folder / NOISY_VALIDATION, noisy)


@dataclass(frozen=True)
class SoundExample:
    """A validation example: files by version, "noisy", "epoch 3", ..., "clean"."""

    name: str
    files: Mapping[str, Path]


@dataclass(frozen=True)
class TrainingHistory:
    """The history of a training.

    Attributes
    ----------
    rows : numbers by column for each epoch, `epoch` among them; what could not be measured is None.
    summary : None of runs before there was one.
    sounds : validation examples to listen to.
    noisy : what the columns would be without a network, as far as that is known.
    asked : epochs that the run's configuration asks for; None where it does not say.
    """

    rows: Sequence[Row]
    summary: TrainingSummary | None = None
    sounds: Sequence[SoundExample] = ()
    noisy: Row = field(default_factory=dict)
    asked: int | None = None

    @classmethod
    def read(cls, folder: Path, config: Mapping[str, Any]) -> TrainingHistory | None:
        """The training of a run's folder; None where there is none, or no epoch was finished.

        Parameters
        ----------
        config : of the run, which names the table of epochs and says how many were asked for.

        Raises
        ------
        UserError : a file is torn, of a newer version, or not what sezoo writes.
        """
        logs, settings = folder / TRAINING, config.get("training") or {}
        name = expand_known(str(settings.get("logs_filename", "training_logs.csv")))
        path = inner_path(logs, name, "training.logs_filename")
        rows = read_csv(path) if path.is_file() else []
        if not rows:
            return None
        if "epoch" not in rows[0]:
            raise UserError(f"{path}: it has no column epoch")
        noisy, asked = logs / NOISY_VALIDATION, settings.get("epochs")
        return cls(
            [{column: _number(column, cell) for column, cell in row.items()} for row in rows],
            TrainingSummary.read(logs),
            _sounds(logs / "sounds"),
            read_json(noisy) if noisy.is_file() else {},
            asked if isinstance(asked, int) else None,
        )

    @property
    def epochs(self) -> list[int]:
        """Their numbers."""
        return [int(row["epoch"] or 0) for row in self.rows]

    @property
    def columns(self) -> dict[str, list[float | None]]:
        """Values by name, one an epoch."""
        return {name: [row[name] for row in self.rows] for name in self.rows[0] if name != "epoch"}

    @property
    def metric(self) -> str:
        """The column that decides; empty where that is not known."""
        return self.summary.metric if self.summary else ""

    @property
    def best_epoch(self) -> int | None:
        """The best by the metric that decides; None where no epoch could be scored."""
        return self.summary.best_epoch if self.summary else None

    @property
    def epochs_text(self) -> str:
        """Return the number of epochs, with the configured number if the training ended early: `2 of 8 epochs`."""
        finished = len(self.rows)
        if self.asked is None or self.asked <= finished:
            return pluralize(finished, "epoch")
        return f"{finished} of {pluralize(self.asked, 'epoch')}"

    def at(self, column: str, epoch: int | None) -> float | None:
        """The value of an epoch."""
        return next((row.get(column) for row in self.rows if row["epoch"] == epoch), None)


def _number(column: str, cell: str) -> float | int | None:
    return (int if column == "epoch" else float)(cell) if cell else None


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

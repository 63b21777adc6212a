"""The history of a training: a row an epoch, as a file, as a picture, and which epoch was the best."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType

from sezoo.base.figure_files import write_png
from sezoo.results.training import LABELS, Row, write_epochs

__all__ = [
    "COLUMNS",
    "LOWER_IS_BETTER",
    "METRIC_OF",
    "SCORE",
    "SPEECH_FIGURES",
    "History",
    "Row",
    "is_better",
    "save_curves",
]

METRIC_OF = {"wave_mse": "mse", "stoi": "stoi", "pesq": "pesq", "snr": "snr", "si-snr": "si_snr"}
"""The validation metrics of the reference's logs, and what `sezoo.metrics` calls them."""

SPEECH_FIGURES = ("speech_cut", "level_4_6_khz", "level_6_8_khz")
"""What becomes of the speech itself; see `sezoo.metrics.speech_guard`."""

SCORE = "score"
"""Of an epoch, where several metrics decide; empty where the epoch was refused."""

COLUMNS = ("epoch", "train_loss", "val_loss", *METRIC_OF, *SPEECH_FIGURES, "learning_rate")
LOWER_IS_BETTER = {"train_loss", "val_loss", "wave_mse", "speech_cut"}

A_LINE = 5
"""Curves beside each other."""


def is_better(value: float, than: float | None, metric: str) -> bool:
    """Whether a value of a reference metric improves on another, or on none."""
    if than is None:
        return True
    return value < than if metric in LOWER_IS_BETTER else value > than


class History:
    """The rows of all finished epochs, those before a resumption among them.

    Parameters
    ----------
    more : columns besides `COLUMNS`.
    """

    def __init__(self, rows: Sequence[Row] = (), more: Sequence[str] = ()):
        self.columns = (*COLUMNS, *(column for column in more if column not in COLUMNS))
        self.rows: list[dict[str, float | int | None]] = [dict(row) for row in rows]

    def add(self, row: Row) -> None:
        """Take in a finished epoch."""
        self.rows.append(dict(row))

    def save(self, path: Path) -> None:
        """Write all rows as CSV; a metric that could not be measured is empty. The same rows give the same bytes."""
        write_epochs(path, self.columns, self.rows)


def save_curves(path: Path, history: History, best_epoch: int | None, noisy: Row = MappingProxyType({})) -> None:
    """Draw every column over the epochs, with the best epoch marked, and save it as PNG.

    Parameters
    ----------
    noisy : what the metrics are without a network, told above the curves.
    """
    from matplotlib.figure import Figure  # not pyplot: no display is needed, and no state is kept

    columns = [column for column in history.columns[1:] if column != "val_loss"]
    lines = -(-len(columns) // A_LINE)
    height = 3 * lines
    figure = Figure(figsize=(12, height), dpi=110)
    # A layout that is computed, such as "constrained", would take as long again as all of the drawing.
    margins = {"left": 0.035, "right": 0.99, "bottom": 0.5 / height, "top": 1 - 0.3 / height}
    figure.subplots_adjust(**margins, wspace=0.24, hspace=0.22)
    epochs = [row["epoch"] for row in history.rows]
    for ax, column in zip(figure.subplots(lines, A_LINE).flat, columns, strict=False):
        values = [float("nan") if row.get(column) is None else row[column] for row in history.rows]
        ax.plot(epochs, values, color="#1f6feb", marker="o" if len(epochs) < 20 else None, markersize=4)
        if column == "train_loss":
            validated = [row.get("val_loss") for row in history.rows]
            if any(value is not None for value in validated):
                shown = [float("nan") if value is None else value for value in validated]
                ax.plot(epochs, shown, color="#d1622b", linestyle="--", label="validation")
                ax.legend(frameon=False, fontsize=8)
        if best_epoch is not None:
            ax.axvline(best_epoch, color="#d1622b", linewidth=1)
        if noisy.get(column) is not None:
            # In words: a line so far below the curve would make it flat.
            ax.set_title(f"noisy {noisy[column]:.4g}", fontsize=9, loc="right", color="#6e7781")
        ax.set_title(LABELS.get(column, column.replace("_", " ")), fontsize=10, loc="left")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.grid(color="#e4e6e9")
        ax.tick_params(labelsize=8)
        ax.spines[["top", "right"]].set_visible(False)
    for ax in figure.axes[len(columns) :]:
        ax.set_visible(False)
    line = "" if best_epoch is None else "; the upright line is the best one, of which the model is made"
    figure.supxlabel(f"epoch{line}", y=0.08 / height, fontsize=9)
    write_png(figure, path)

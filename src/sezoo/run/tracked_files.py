"""The figures and sounds of a run for the experiment tracking; models and reports are tracked where they are made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sezoo.run.run import Run

__all__ = ["track_figures_and_sounds"]

FIGURES = ("*.png", "training_logs/*.png")
LISTENED, TRAINED = "listen", "training_logs/sounds"
MOST_SOUND_BYTES = 32 * 2**20
"""Of a run's sounds: what is beyond stays in the run's folder alone."""


def track_figures_and_sounds(run: Run) -> None:
    """Track copies of a finished run's figures and of the clips that were kept to listen to."""
    for pattern in FIGURES:
        for path in sorted(run.folder.glob(pattern)):
            run.tracker.artifact(path, "figures")
    room = MOST_SOUND_BYTES
    for path in _sounds(run.folder):
        room -= path.stat().st_size
        if room < 0:
            return
        run.tracker.artifact(path, f"sounds/{path.parent.name}")


def _sounds(folder: Path) -> Iterator[Path]:
    """The clips kept by an evaluation, and the validation examples after the last epoch that has some."""
    yield from sorted((folder / LISTENED).glob("*/*.flac"))
    epochs = sorted(path for path in (folder / TRAINED).glob("epoch_*") if path.is_dir())
    yield from sorted(epochs[-1].glob("*.wav")) if epochs else ()

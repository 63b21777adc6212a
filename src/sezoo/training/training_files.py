"""Paths of a training's files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["TrainingFiles"]


@dataclass(frozen=True)
class TrainingFiles:
    """Paths of a training's files."""

    logs: Path
    checkpoints: Path
    history: Path

    @property
    def snapshot(self) -> Path:
        """File from which the training can resume."""
        return self.logs / "training_snapshot.pth"

    @property
    def curves(self) -> Path:
        """The picture of the history."""
        return self.logs / "training_metrics.png"

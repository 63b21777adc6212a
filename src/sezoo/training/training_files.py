"""Where a training writes to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["TrainingFiles"]


@dataclass(frozen=True)
class TrainingFiles:
    """Where a training writes to."""

    logs: Path
    checkpoints: Path
    history: Path

    @property
    def snapshot(self) -> Path:
        """What the training can be resumed from."""
        return self.logs / "training_snapshot.pth"

    @property
    def curves(self) -> Path:
        """The picture of the history."""
        return self.logs / "training_metrics.png"

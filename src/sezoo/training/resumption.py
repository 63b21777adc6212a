"""Which snapshot a training goes on from."""

from __future__ import annotations

import logging
from pathlib import Path

from sezoo.config.sections import Config
from sezoo.files import shown

__all__ = ["snapshot_to_resume"]

log = logging.getLogger(__name__)

SNAPSHOT = Path("training_logs") / "training_snapshot.pth"


def snapshot_to_resume(config: Config, folder: Path) -> Path | None:
    """The snapshot that the configuration names; with `resume: auto` the newest of the runs beside this one.

    Parameters
    ----------
    folder : of the run.
    """
    if config.training.snapshot_path is not None:
        return config.training.snapshot_path
    if config.training.resume != "auto":
        return None
    found = [folder / SNAPSHOT, *folder.parent.glob(f"*/{SNAPSHOT.as_posix()}")]
    newest = max((path for path in found if path.is_file()), key=lambda path: path.stat().st_mtime_ns, default=None)
    if newest is None:
        log.info("training.resume: no snapshot in %s: a new training", shown(folder.parent))
    else:
        log.info("goes on from %s", shown(newest))
    return newest

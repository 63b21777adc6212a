"""Which snapshot a training goes on from."""

from __future__ import annotations

import logging
from pathlib import Path

from sezoo.config.sections import Config
from sezoo.files import shown
from sezoo.run_folder import is_of_a_sweep

__all__ = ["snapshot_to_resume"]

log = logging.getLogger(__name__)

SNAPSHOT = Path("training_logs") / "training_snapshot.pth"


def snapshot_to_resume(config: Config, folder: Path) -> Path | None:
    """The snapshot that the configuration names; with `resume: auto` the newest of the runs beside this one.

    The jobs of a sweep are not each other's: there it is that of the run's own folder.

    Parameters
    ----------
    folder : of the run.
    """
    if config.training.snapshot_path is not None:
        return config.training.snapshot_path
    if config.training.resume != "auto":
        return None
    alone = is_of_a_sweep(folder)
    beside = [] if alone else folder.parent.glob(f"*/{SNAPSHOT.as_posix()}")
    found = [folder / SNAPSHOT, *beside]
    newest = max((path for path in found if path.is_file()), key=lambda path: path.stat().st_mtime_ns, default=None)
    if newest is None:
        log.info("training.resume: no snapshot in %s: a new training", shown(folder if alone else folder.parent))
    else:
        log.info("goes on from %s", shown(newest))
    return newest

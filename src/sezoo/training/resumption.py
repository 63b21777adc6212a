"""Which snapshot a training goes on from."""

from __future__ import annotations

import logging
from pathlib import Path

from sezoo.config.sections import Config
from sezoo.errors import UserError
from sezoo.files import shown
from sezoo.run_folder import is_of_a_sweep

__all__ = ["snapshot_to_resume"]

log = logging.getLogger(__name__)

SNAPSHOT = Path("training_logs") / "training_snapshot.pth"


def snapshot_to_resume(config: Config, folder: Path) -> Path | None:
    """The snapshot that the configuration names; with `resume: auto` the run's own, or the newest of those beside it.

    The jobs of a sweep are not each other's: there it is the run's own.

    Parameters
    ----------
    folder : of the run.

    Raises
    ------
    UserError : the folder has a training in it that this one does not go on with: hours of work, perhaps.
    """
    own = folder / SNAPSHOT
    path = config.training.snapshot_path
    if path is None and config.training.resume == "auto":
        path = own if own.is_file() else _newest_beside(folder)
    if own.is_file() and (path is None or path.resolve() != own.resolve()):
        raise UserError(
            f"{shown(folder)} holds a training already; go on with it (training.snapshot_path={shown(own)}), or name "
            "another folder (hydra.run.dir)"
        )
    return path


def _newest_beside(folder: Path) -> Path | None:
    alone = is_of_a_sweep(folder)
    found = [] if alone else folder.parent.glob(f"*/{SNAPSHOT.as_posix()}")
    newest = max(found, key=lambda path: path.stat().st_mtime_ns, default=None)
    if newest is None:
        log.info("training.resume: no snapshot in %s: a new training", shown(folder if alone else folder.parent))
    else:
        log.info("goes on from %s", shown(newest))
    return newest

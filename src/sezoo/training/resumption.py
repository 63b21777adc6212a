"""Selection of the snapshot from which a training resumes."""

from __future__ import annotations

import logging
from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.base.files import display_path
from sezoo.config.sections import Config
from sezoo.results.names import SNAPSHOT, TRAINING
from sezoo.run.folder import is_being_repeated, is_of_a_sweep

__all__ = ["check_no_other_training", "snapshot_to_resume"]

log = logging.getLogger(__name__)


def check_no_other_training(config: Config, folder: Path) -> None:
    """Check that the run's folder has no training in it that this one does not go on with: hours of work, perhaps.

    Raises
    ------
    UserError : it has.
    """
    own, history = folder / SNAPSHOT, folder / TRAINING / config.training.logs_filename
    resumed = _snapshot_path(config, folder)
    if own.is_file() and (resumed is None or resumed.resolve() != own.resolve()):
        raise UserError(
            f"{display_path(folder)} holds a training already; go on with it "
            f"(training.snapshot_path={display_path(own)}), or name another folder (hydra.run.dir)"
        )
    if history.is_file() and not own.is_file() and config.training.resume != "auto" and not is_being_repeated(folder):
        raise UserError(
            f"{display_path(folder)} holds a training already, without a snapshot; name another folder (hydra.run.dir)"
        )


def snapshot_to_resume(config: Config, folder: Path) -> Path | None:
    """The snapshot that the configuration names; with `resume: auto` the run's own, or the newest of those beside it.

    A run that was killed goes on from its own, also without `resume: auto`.

    The jobs of a sweep are not each other's: there it is the run's own.

    Parameters
    ----------
    folder : of the run.
    """
    path = _snapshot_path(config, folder)
    if config.training.snapshot_path is None and (path is not None or config.training.resume == "auto"):
        if path is None:
            beside = folder if is_of_a_sweep(folder) else folder.parent
            log.info("training.resume: no snapshot in %s: a new training", display_path(beside))
        else:
            log.info("resuming from %s", display_path(path))
    return path


def _snapshot_path(config: Config, folder: Path) -> Path | None:
    own = folder / SNAPSHOT
    if config.training.snapshot_path is not None:
        return config.training.snapshot_path
    if own.is_file() and (config.training.resume in ("auto", "own") or is_being_repeated(folder)):
        return own
    if config.training.resume != "auto":
        return None
    beside = [] if is_of_a_sweep(folder) else folder.parent.glob(f"*/{SNAPSHOT}")
    return max(beside, key=lambda path: path.stat().st_mtime_ns, default=None)

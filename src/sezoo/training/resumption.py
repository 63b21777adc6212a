"""Which snapshot a training goes on from."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sezoo.base.errors import UserError
from sezoo.base.files import display_path, read_text
from sezoo.base.yaml_text import load_yaml
from sezoo.config.sections import Config
from sezoo.run.folder import CONFIG_NAME, HYDRA_FOLDER, is_begun_again, is_marked_as_running, is_of_a_sweep, was_killed

__all__ = [
    "check_no_other_training",
    "is_unfinished",
    "newest_unfinished",
    "settings_of_run",
    "settings_to_resume",
    "snapshot_to_resume",
]

log = logging.getLogger(__name__)

LOGS = Path("training_logs")
SNAPSHOT = LOGS / "training_snapshot.pth"
RESULT = "best_trained_model.onnx"
"""What a training writes at its end, in the folder of its models."""


def is_unfinished(folder: Path) -> bool:
    """Whether a folder holds a training of a command that has a snapshot, but not yet its models."""
    if not (folder / SNAPSHOT).is_file() or not (folder / HYDRA_FOLDER / CONFIG_NAME).is_file():
        return False
    return not any(folder.glob(f"*/{RESULT}"))


def newest_unfinished(parent: Path) -> Path | None:
    """The folder of the unfinished training below `parent` that wrote a snapshot last; None without one."""
    found = [path.parents[1] for path in parent.glob(f"*/{SNAPSHOT.as_posix()}") if is_unfinished(path.parents[1])]
    return max(found, key=lambda folder: (folder / SNAPSHOT).stat().st_mtime_ns, default=None)


def settings_of_run(folder: Path) -> dict[str, Any]:
    """The settings that a run in a folder was begun with.

    Raises
    ------
    UserError : its file is no YAML of sections.
    """
    path = folder / HYDRA_FOLDER / CONFIG_NAME
    found = load_yaml(read_text(path), str(path))
    if not isinstance(found, dict) or not all(isinstance(section, dict | str) for section in found.values()):
        raise UserError(f"{path}: it is not the configuration of a run; name another folder")
    return found


def settings_to_resume(folder: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a command that goes on with the unfinished training in a folder.

    Only the data are compared here, by their settings; the trainer compares the recordings themselves, and all that the
    snapshot's state has to fit.

    Raises
    ------
    UserError : a run is at work there; the command names other data.
    """
    if is_marked_as_running(folder) and not was_killed(folder):
        raise UserError(f"{display_path(folder)}: a training is running there; wait for its end, or stop it first")
    was, now = settings_of_run(folder).get("dataset") or {}, settings.get("dataset", {})
    for key in [*now, *(key for key in was if key not in now)]:
        if not _is_same(was.get(key), now.get(key)):
            raise UserError(
                f"{display_path(folder)} holds an unfinished training with other data: dataset.{key} was "
                f"{was.get(key)}, is {now.get(key)}; name another folder (-o), or go on with the same data"
            )
    return {**settings, "training": {**settings.get("training", {}), "resume": "own"}}


def _is_same(one: Any, other: Any) -> bool:
    """Whether two values of a setting are the same, or two paths of the same place."""
    if isinstance(one, str | Path) and isinstance(other, str | Path):
        return str(one) == str(other) or Path(one).resolve() == Path(other).resolve()
    return one == other


def check_no_other_training(config: Config, folder: Path) -> None:
    """Check that the run's folder has no training in it that this one does not go on with: hours of work, perhaps.

    Raises
    ------
    UserError : it has.
    """
    own, history = folder / SNAPSHOT, folder / LOGS / config.training.logs_filename
    resumed = _resumed(config, folder)
    if own.is_file() and (resumed is None or resumed.resolve() != own.resolve()):
        raise UserError(
            f"{display_path(folder)} holds a training already; go on with it "
            f"(training.snapshot_path={display_path(own)}), or name another folder (hydra.run.dir)"
        )
    if history.is_file() and not own.is_file() and config.training.resume != "auto" and not is_begun_again(folder):
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
    path = _resumed(config, folder)
    if config.training.snapshot_path is None and (path is not None or config.training.resume == "auto"):
        if path is None:
            beside = folder if is_of_a_sweep(folder) else folder.parent
            log.info("training.resume: no snapshot in %s: a new training", display_path(beside))
        else:
            log.info("goes on from %s", display_path(path))
    return path


def _resumed(config: Config, folder: Path) -> Path | None:
    own = folder / SNAPSHOT
    if config.training.snapshot_path is not None:
        return config.training.snapshot_path
    if own.is_file() and (config.training.resume in ("auto", "own") or is_begun_again(folder)):
        return own
    if config.training.resume != "auto":
        return None
    beside = [] if is_of_a_sweep(folder) else folder.parent.glob(f"*/{SNAPSHOT.as_posix()}")
    return max(beside, key=lambda path: path.stat().st_mtime_ns, default=None)

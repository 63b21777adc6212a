"""Runs that were ended before they had all results, and the settings with which they are resumed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sezoo.base.errors import UserError
from sezoo.base.files import display_path, json_lines, read_text
from sezoo.base.yaml_text import load_yaml
from sezoo.results.names import BEST_MODEL, SCORED_CLIPS, SCORED_CONDITIONS, SNAPSHOT
from sezoo.run.folder import CONFIG_NAME, HYDRA_FOLDER, is_marked_as_running, was_killed

__all__ = [
    "is_unfinished_evaluation",
    "is_unfinished_training",
    "newest_unfinished_training",
    "settings_of_run",
    "settings_to_resume",
]


def is_unfinished_evaluation(folder: Path) -> bool:
    """Whether an evaluation has scored clips in this folder, and was ended before it had scored all of them."""
    found = [list(json_lines(folder / name)) for name in (SCORED_CLIPS, SCORED_CONDITIONS)]
    return any(len(lines) > 1 and not lines[-1].get("finished") for lines in found)


def is_unfinished_training(folder: Path) -> bool:
    """Whether a folder holds a training of a command that has a snapshot, but not yet its models."""
    if not (folder / SNAPSHOT).is_file() or not (folder / HYDRA_FOLDER / CONFIG_NAME).is_file():
        return False
    return not any(folder.glob(f"*/{BEST_MODEL}"))


def newest_unfinished_training(parent: Path) -> Path | None:
    """The folder of the unfinished training below `parent` that wrote a snapshot last; None without one."""
    snapshots = [path for path in parent.glob(f"*/{SNAPSHOT}") if is_unfinished_training(path.parents[1])]
    newest = max(snapshots, key=lambda path: path.stat().st_mtime_ns, default=None)
    return newest and newest.parents[1]


def settings_of_run(folder: Path) -> dict[str, Any]:
    """Return the settings with which a run in a folder was started.

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


def _is_same(one: object, other: object) -> bool:
    """Whether two values of a setting are the same, or two paths of the same place."""
    if isinstance(one, str | Path) and isinstance(other, str | Path):
        return str(one) == str(other) or Path(one).resolve() == Path(other).resolve()
    return one == other

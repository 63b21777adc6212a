"""The folder of a run: the names in it, and when it may be removed again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.base.files import reason_of, write_text
from sezoo.base.part_files import is_gone, owner

__all__ = [
    "CONFIG_NAME",
    "HYDRA_FOLDER",
    "LOG_NAME",
    "RECORD_NAME",
    "RESOLVED_NAME",
    "claim_run_folder",
    "is_at_work_in",
    "is_being_repeated",
    "is_marked_as_running",
    "is_of_a_sweep",
    "mark_as_running",
    "remove_without_results",
    "was_killed",
]

LOG_NAME = "stm32ai_main.log"
RESOLVED_NAME = "resolved_config.yaml"
RECORD_NAME = "run.json"
SWEEP_NAME = "multirun.yaml"
HYDRA_FOLDER = ".hydra"
CONFIG_NAME = "config.yaml"
RUNNING_NAME = "running"
"""In `HYDRA_FOLDER` while the run lasts, with its process; a terminated run leaves it."""

NO_RESULTS = {LOG_NAME, RESOLVED_NAME, RECORD_NAME, SWEEP_NAME, HYDRA_FOLDER}
"""What every run's folder holds before the first service has done anything."""


def claim_run_folder(folder: Path, *, named_by_time: bool) -> Path:
    """The folder of this run: `folder`, or one with a number behind its name.

    Two runs that start in the same second get the same name where it is made from the time. A folder that
    was named otherwise is the one that was meant, whatever is in it.

    Raises
    ------
    UserError : the folder is the working directory, or cannot be made.
    """
    if folder.resolve() == Path.cwd():
        raise UserError("hydra.run.dir: it is the working directory itself; name a folder for the run")
    for number in count():
        candidate = folder if number == 0 else folder.with_name(f"{folder.name}_{number}")
        try:
            (candidate / HYDRA_FOLDER).mkdir(parents=True, exist_ok=not named_by_time)
            return candidate
        except FileExistsError:
            continue
        except OSError as error:
            raise UserError(f"cannot write {candidate}: {reason_of(error)}") from error


@contextmanager
def mark_as_running(folder: Path) -> Iterator[None]:
    """Mark the folder as that of a run in progress; the mark stays if the run is terminated."""
    marker = folder / HYDRA_FOLDER / RUNNING_NAME
    write_text(marker, owner() + ("\nagain\n" if is_being_repeated(folder) else "\n"))
    try:
        yield
    finally:
        with suppress(OSError):  # a disk that is gone
            marker.unlink(missing_ok=True)


def was_killed(folder: Path) -> bool:
    """Whether the last run in this folder was terminated before its end."""
    lines = _marker(folder)
    return bool(lines) and is_gone(lines[0], folder)


def is_marked_as_running(folder: Path) -> bool:
    """Whether a run is at work in this folder, or was killed there."""
    return bool(_marker(folder))


def is_being_repeated(folder: Path) -> bool:
    """Whether the run in this folder was terminated; also while it is repeated, until it has ended."""
    return was_killed(folder) or "again" in _marker(folder)[1:]


def _marker(folder: Path) -> list[str]:
    try:
        return (folder / HYDRA_FOLDER / RUNNING_NAME).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []


def is_at_work_in(folder: Path) -> bool:
    """Whether a run has its log in this folder."""
    return (folder / LOG_NAME).exists()


def is_of_a_sweep(folder: Path) -> bool:
    """Whether the run of this folder is one of the jobs of a multirun."""
    return (folder.parent / SWEEP_NAME).exists()


def remove_without_results(folder: Path) -> None:
    """Remove a run's folder, and the folders above it that are empty then, unless it holds results."""
    here = Path.cwd()
    if not folder.is_dir() or any(_is_result(path) for path in folder.iterdir()):
        return
    with suppress(OSError):  # a file that is open elsewhere, a folder where a disk is mounted: then that stays
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        for emptied in (folder, *folder.parents):
            if emptied in (here, *here.parents) or any(path.name != SWEEP_NAME for path in emptied.iterdir()):
                return
            (emptied / SWEEP_NAME).unlink(missing_ok=True)
            emptied.rmdir()


def _is_result(path: Path) -> bool:
    if path.name in NO_RESULTS:
        return False
    return not path.is_dir() or any(path.iterdir())

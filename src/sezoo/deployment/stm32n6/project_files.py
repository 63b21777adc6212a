"""Changing the user's C project so that all changes are there, or the project is as it was."""

from __future__ import annotations

import logging
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.base.files import reason_of
from sezoo.base.interrupts import defer_interrupts
from sezoo.base.part_files import part_path

__all__ = ["change_project"]

log = logging.getLogger(__name__)


@contextmanager
def change_project(project: Path, new: Mapping[Path, Path], output: Path, keep_in: Path) -> Iterator[list[Path]]:
    """Change the project for what is done in this context; if that fails, everything is as it was before.

    Parameters
    ----------
    project : the folder that all paths below are in.
    new : files and folders to copy, by the paths that they get. Folders replace what is there as a whole. What is
        there with the same content is left alone.
    output : folder that the work in this context fills: an earlier one is set aside, so that nothing old in it can be
        taken for new, and comes back where the work fails.
    keep_in : folder that gets what was replaced, the earlier `output` among it, under its paths in the project.

    Yields
    ------
    replaced : the files and folders that were there with another content.

    Raises
    ------
    UserError : a file cannot be read or written; the project is as it was.
    """
    change = _Change(project)
    try:
        try:
            change.set_aside(output)
            replaced = [target for target, source in new.items() if change.put(source, target)]
        except shutil.Error as error:  # of a folder: a list of what could not be copied, where to, and why
            source, target, reason = error.args[0][0]
            raise UserError(f"cannot copy {source} to {target}: {reason}") from error
        except OSError as error:
            raise UserError(f"cannot change the C project: {error.filename or project}: {reason_of(error)}") from error
        yield replaced
    except BaseException:
        with defer_interrupts():  # a second Ctrl-C would leave half of it
            change.undo()
        raise
    with defer_interrupts():
        change.keep(keep_in)


class _Change:
    """What has been changed, step by step, and how each step is undone."""

    def __init__(self, project: Path):
        self.project = project
        self.aside = project / f".replaced.{secrets.token_hex(4)}"
        """Folder for what is replaced. Not beside it: a build may take every source file that it finds there."""
        self.earlier: dict[Path, Path] = {}
        """Where the earlier files and folders are, by their own paths."""
        self.undoing: list[tuple[Path, Callable[[Path], None]]] = []

    def put(self, source: Path, target: Path) -> bool:
        """Copy a file or a folder to a path; whether another one was there."""
        if _same(source, target):
            return False
        self.make_folder(target.parent)
        part = part_path(target)
        try:
            if source.is_dir():
                shutil.copytree(source, part, copy_function=shutil.copyfile)
            else:
                shutil.copyfile(source, part)
            was_there = self.set_aside(target)
            part.replace(target)
        finally:
            _remove(part)
        return was_there

    def make_folder(self, folder: Path) -> None:
        """Make a folder and those above it."""
        for path in reversed([folder, *folder.parents]):
            if not path.exists():
                self.undoing.append((path, _remove))
                path.mkdir()

    def set_aside(self, path: Path) -> bool:
        """Move away what is at the path, to make room; whether there was something."""
        was_there = path.exists()
        if was_there:
            self.earlier[path] = self.aside / f"{len(self.earlier)}_{path.name}"
            self.aside.mkdir(exist_ok=True)
        self.undoing.append((path, self.restore))
        if was_there:
            path.rename(self.earlier[path])
        return was_there

    def restore(self, path: Path) -> None:
        """Remove what is at the path, and put there what was there before."""
        aside = self.earlier.get(path)
        if aside is None:
            _remove(path)
        elif aside.exists():
            _remove(path)
            aside.rename(path)

    def undo(self) -> None:
        """Undo all steps, the last one first; what cannot be undone is named in the log."""
        failed = False
        for path, undo in reversed(self.undoing):
            try:
                undo(path)
            except OSError as error:  # the failure that led here is what the user is told of
                failed = True
                earlier = self.earlier.get(path, "nothing")
                log.warning("%s could not be restored (%s); what was there: %s", path, reason_of(error), earlier)
        with suppress(OSError):
            self.aside.rmdir()
        if self.undoing and not failed:
            log.info("the C project is as it was before")

    def keep(self, folder: Path) -> None:
        """Move what was replaced to a folder."""
        for path, aside in self.earlier.items():
            kept = folder / path.relative_to(self.project)
            try:
                if kept.exists():  # in a folder that was replaced: this one is not the project's earlier file
                    _remove(aside)
                else:
                    kept.parent.mkdir(parents=True, exist_ok=True)
                    shutil.move(aside, kept)
            except OSError as error:
                log.warning("the earlier %s stays in %s (%s)", path, aside, reason_of(error))
        with suppress(OSError):
            self.aside.rmdir()


def _remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _same(source: Path, target: Path) -> bool:
    """Whether two files, or all files of two folders, are equal."""
    with suppress(OSError):
        if source.is_dir():
            names = [_names_in(folder) for folder in (source, target)]
            return names[0] == names[1] and all(_same(source / name, target / name) for name in names[0])
        return target.stat().st_size == source.stat().st_size and target.read_bytes() == source.read_bytes()
    return False


def _names_in(folder: Path) -> list[Path]:
    """All files of a folder and of those in it."""
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if not path.is_dir())

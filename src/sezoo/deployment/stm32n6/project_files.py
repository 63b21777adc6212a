"""Transactional changes to the user's C project: all changes are applied, or the project is restored."""

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
    """Change the project for the duration of a context; if the context fails, the project is restored.

    Parameters
    ----------
    project : folder that contains all paths below.
    new : files and folders to copy, by destination. A folder replaces an existing one as a whole. Destinations with the
        same content are not touched.
    output : folder that the context fills: an existing one is moved away, so that no old file in it is taken for a new
        one, and restored if the context fails.
    keep_in : folder to which replaced files are moved, including the earlier `output`, under their paths in the
        project.

    Yields
    ------
    replaced : files and folders whose content was replaced.

    Raises
    ------
    UserError : a file cannot be read or written; the project is restored.
    """
    change = _Change(project)
    try:
        try:
            change.set_aside(output)
            replaced = [target for target, source in new.items() if change.put(source, target)]
        except shutil.Error as error:  # raised for a folder, with a list of (source, destination, reason)
            source, target, reason = error.args[0][0]
            raise UserError(f"cannot copy {source} to {target}: {reason}") from error
        except OSError as error:
            raise UserError(f"cannot change the C project: {error.filename or project}: {reason_of(error)}") from error
        yield replaced
    except BaseException:
        with defer_interrupts():  # a second Ctrl-C would interrupt the restoration
            change.undo()
        raise
    with defer_interrupts():
        change.keep(keep_in)


class _Change:
    """The changes made so far, and how to undo each of them."""

    def __init__(self, project: Path):
        self.project = project
        self.aside = project / f".replaced.{secrets.token_hex(4)}"
        """Folder for replaced files, outside of source folders, as a build may compile all files in these."""
        self.earlier: dict[Path, Path] = {}
        """Paths of the moved files and folders, by their original paths."""
        self.undoing: list[tuple[Path, Callable[[Path], None]]] = []

    def put(self, source: Path, target: Path) -> bool:
        """Copy a file or a folder to a path; return whether it replaced another one."""
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
        """Create a folder and its parents."""
        for path in reversed([folder, *folder.parents]):
            if not path.exists():
                self.undoing.append((path, _remove))
                path.mkdir()

    def set_aside(self, path: Path) -> bool:
        """Move away the file or folder at a path; return whether there was one."""
        was_there = path.exists()
        if was_there:
            self.earlier[path] = self.aside / f"{len(self.earlier)}_{path.name}"
            self.aside.mkdir(exist_ok=True)
        self.undoing.append((path, self.restore))
        if was_there:
            path.rename(self.earlier[path])
        return was_there

    def restore(self, path: Path) -> None:
        """Restore the earlier file or folder at a path, or remove the new one."""
        aside = self.earlier.get(path)
        if aside is None:
            _remove(path)
        elif aside.exists():
            _remove(path)
            aside.rename(path)

    def undo(self) -> None:
        """Undo all changes in reverse order, and log those that cannot be undone."""
        failed = False
        for path, undo in reversed(self.undoing):
            try:
                undo(path)
            except OSError as error:  # only logged, as the original failure is reported to the user
                failed = True
                earlier = self.earlier.get(path, "nothing")
                log.warning("%s could not be restored (%s); what was there: %s", path, reason_of(error), earlier)
        with suppress(OSError):
            self.aside.rmdir()
        if self.undoing and not failed:
            log.info("the C project is as it was before")

    def keep(self, folder: Path) -> None:
        """Move the replaced files to a folder."""
        for path, aside in self.earlier.items():
            kept = folder / path.relative_to(self.project)
            try:
                if kept.exists():  # inside a folder that was replaced as a whole: not the project's original file
                    _remove(aside)
                else:
                    kept.parent.mkdir(parents=True, exist_ok=True)
                    shutil.move(aside, kept)
            except OSError as error:
                log.warning("the earlier %s stays in %s (%s)", path, aside, reason_of(error))
        with suppress(OSError):
            self.aside.rmdir()


def _remove(path: Path) -> None:
    """Remove a file or a folder if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _same(source: Path, target: Path) -> bool:
    """Return whether two files, or all files of two folders, are equal."""
    with suppress(OSError):
        if source.is_dir():
            names = [_names_in(folder) for folder in (source, target)]
            return names[0] == names[1] and all(_same(source / name, target / name) for name in names[0])
        return target.stat().st_size == source.stat().st_size and target.read_bytes() == source.read_bytes()
    return False


def _names_in(folder: Path) -> list[Path]:
    """Return all files in a folder and below it, as relative paths."""
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if not path.is_dir())

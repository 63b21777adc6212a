"""Putting files into the user's C project, so that all of them are there or the project is as it was."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from sezoo.errors import UserError
from sezoo.files import reason_of

__all__ = ["changed_project"]

log = logging.getLogger(__name__)


@contextmanager
def changed_project(
    project: Path, new: Mapping[Path, Path], results: Callable[[], list[Path]], kept_in: Path
) -> Iterator[list[Path]]:
    """Change files of the project for what is done in this context; if that fails, they become what they were.

    Parameters
    ----------
    project : the folder that all files are in.
    new : the files to copy, by the paths that they get. What is there with the same content is left alone.
    results : finds the files that the work in this context makes: earlier ones are taken away before it.
    kept_in : folder for copies of all files that are replaced or taken away, under their paths in the project.

    Yields
    ------
    replaced : the files that were there with another content.

    Raises
    ------
    UserError : a file cannot be read or written; the project is as it was.
    """
    changes = {target: source for target, source in new.items() if not _same(source, target)}
    outdated = results()
    earlier = [path for path in (*changes, *outdated) if path.exists()]
    copies = {path: kept_in / path.relative_to(project) for path in earlier}
    touched: list[Path] = []
    try:
        try:
            for path, copy in copies.items():
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, copy)
            parts = {target: target.with_name(f".{target.name}.{os.getpid()}.part") for target in changes}
            try:
                for target, part in parts.items():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(changes[target], part)
                for target, part in parts.items():
                    touched.append(target)
                    part.replace(target)
                for path in outdated:
                    touched.append(path)
                    path.unlink(missing_ok=True)
            finally:
                for part in parts.values():
                    part.unlink(missing_ok=True)
        except OSError as error:
            raise UserError(f"cannot write {error.filename or project}: {reason_of(error)}") from error
        yield [path for path in changes if path in copies]
    except BaseException:
        if touched:
            _restore([*touched, *results()], copies)
        raise


def _restore(touched: Iterable[Path], copies: Mapping[Path, Path]) -> None:
    for path in dict.fromkeys(touched):
        try:
            if path in copies:
                shutil.copy2(copies[path], path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:  # the failure that led here is what the user is told of
            earlier = copies.get(path, "nowhere: it is new")
            log.warning("%s could not be restored (%s); its earlier content is %s", path, reason_of(error), earlier)
    log.info("the files of the C project are what they were")


def _same(source: Path, target: Path) -> bool:
    with suppress(OSError):
        return target.stat().st_size == source.stat().st_size and target.read_bytes() == source.read_bytes()
    return False

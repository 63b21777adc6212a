"""File and folder names inside a run folder: none may point outside of it."""

from __future__ import annotations

import re
from pathlib import Path, PurePath, PureWindowsPath

from sezoo.base.errors import UserError

__all__ = ["PLAIN_NAME", "inner_path", "is_inner", "safe_name"]

PLAIN_NAME = re.compile(r"[\w.\- ]+")
"""What MLflow lets a name have (`mlflow.utils.validation`), but for the slash, which would make a folder of it."""

LONGEST_NAME = 200
"""Bytes; file systems have room for 255."""


def is_inner(path: PurePath) -> bool:
    """Whether a path stays inside the folder that it is relative to, here and on Windows.

    A backslash, which is a character like any other here, leads out of the folder there: a file of the one system is
    read on the other.
    """
    there = PureWindowsPath(str(path))
    if path.drive or path.root or there.drive or there.root or "\0" in str(path):
        return False
    depth = 0
    for part in there.parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return False
    return True


def inner_path(folder: Path, name: str | PurePath, what: str) -> Path:
    """A file or folder inside `folder`.

    Parameters
    ----------
    what : the key or the file that names it, for the message.

    Raises
    ------
    UserError : it would be outside.
    """
    if not is_inner(path := Path(name)):
        raise UserError(f"{what}: found {str(name)!r}, which is outside of {folder}")
    return folder / path


def safe_name(name: str) -> str:
    """Map a name to a unique one that MLflow and every file system accept.

    A name of letters, digits, `_`, `-`, `.` and spaces stays as it is; of another one those are kept, and a part of
    its hash is put behind.
    """
    import hashlib

    plain = bool(PLAIN_NAME.fullmatch(name)) and name.strip(". ") == name
    if plain and len(name.encode()) <= LONGEST_NAME:
        return name
    kept = re.sub(r"[^\w.\- ]", "_", name.strip(". ")).encode()[: LONGEST_NAME - 9].decode(errors="ignore")
    return f"{kept}_{hashlib.sha256(name.encode(errors='backslashreplace')).hexdigest()[:8]}"

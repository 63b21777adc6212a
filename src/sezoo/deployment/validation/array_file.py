"""Reading the arrays of an .npz or .npy file that somebody else may have written."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from sezoo.errors import UserError
from sezoo.files import reason_of

__all__ = ["check_file", "read_npy", "read_npz"]

DAMAGES = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, SyntaxError)
"""What reading a file raises that is no .npz or .npy file, or half of one."""

PICKLE = b"\x80"
"""The first byte of a pickled object."""


def check_file(path: Path) -> None:
    """Make sure that it is a file.

    Raises
    ------
    UserError : it is not.
    """
    if path.is_dir():
        raise UserError(f"{path} is a folder; a file is needed")
    if not path.is_file():
        raise UserError(f"there is no file {path}")


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an .npz file, by name.

    Raises
    ------
    UserError : there is no such file; it is none or damaged; an array holds Python objects.
    """
    check_file(path)
    if not zipfile.is_zipfile(path):
        raise UserError(f"{path} is not an .npz file{_but(path)}")
    arrays: dict[str, np.ndarray] = {}
    try:
        with np.load(path, allow_pickle=False) as file:
            for name in file.files:
                arrays[name] = _plain(file, name, path)
    except DAMAGES as error:
        raise UserError(f"{path} is not an .npz file, or is damaged: {_reason(error)}") from error
    return arrays


def _plain(file: np.lib.npyio.NpzFile, name: str, path: Path) -> np.ndarray:
    try:
        array = file[name]
    except ValueError as error:
        if "pickle" not in str(error):
            raise
        raise _refused(f"array '{name}' of {path}") from error
    if not isinstance(array, np.ndarray):  # another file in the archive
        raise UserError(f"{path}: '{name}' in it is no array; an .npz file holds arrays alone")
    return array


def read_npy(path: Path) -> np.ndarray:
    """The array of an .npy file.

    Raises
    ------
    UserError : as for `read_npz`.
    """
    check_file(path)
    try:
        with path.open("rb") as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except DAMAGES as error:
        if "Object arrays" in str(error):
            raise _refused(str(path)) from error
        raise UserError(f"{path} is not an .npy file{_but(path) or f', or is damaged: {_reason(error)}'}") from error


def _refused(what: str) -> UserError:
    return UserError(
        f"{what} holds pickled Python objects, which could run programs when they are read: it is refused; save plain "
        "arrays of numbers"
    )


def _but(path: Path) -> str:
    """What the file seems to be instead."""
    with path.open("rb") as file:
        first = file.read(6)
    if first == b"\x93NUMPY":
        return "; it seems to be an .npy file: name it so"
    if first[:1] == PICKLE:
        return "; it seems to be a pickled object, which could run programs when it is read: save arrays with numpy"
    return ""


def _reason(error: Exception) -> str:
    return reason_of(error) if isinstance(error, OSError) else (str(error).splitlines() or [type(error).__name__])[0]

"""Read arrays from .npz and .npy files that may come from an untrusted source."""

from __future__ import annotations

import math
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from sezoo.base.errors import UserError
from sezoo.base.files import reason_of

__all__ = ["check_file", "read_npy", "read_npz"]

DAMAGES = (
    *(zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, SyntaxError),
    tokenize.TokenError,
)
"""What reading a file raises that is no .npz or .npy file, or half of one."""

LARGEST = 4 * 2**30
"""Bytes of the arrays of an .npz file together."""

MAGIC = b"\x93NUMPY"
"""What an array's file begins with."""

PICKLE = b"\x80"
"""The first byte of a pickled object."""


def check_file(path: Path) -> None:
    """Check that the path is a file.

    Raises
    ------
    UserError : it is not.
    """
    if path.is_dir():
        raise UserError(f"{path} is a folder; a file is needed")
    if not path.is_file():
        raise UserError(f"there is no file {path}")


def read_npz(path: Path, *, most: int = LARGEST) -> dict[str, np.ndarray]:
    """All arrays of an .npz file, by name.

    Parameters
    ----------
    most : bytes that they may have together. What the file declares is checked before anything is unpacked.

    Raises
    ------
    UserError : there is no such file; it is none or damaged, or too large; an array holds Python objects.
    """
    check_file(path)
    if not zipfile.is_zipfile(path):
        raise UserError(f"{path} is not an .npz file{_actual_kind(path)}")
    arrays: dict[str, np.ndarray] = {}
    try:
        _check_sizes(path, most)
        with np.load(path, allow_pickle=False) as file:
            for name in file.files:
                arrays[name] = _read_array(file, name, path)
    except DAMAGES as error:
        raise UserError(f"{path} is not an .npz file, or is damaged: {_reason(error)}") from error
    return arrays


def _check_sizes(path: Path, most: int) -> None:
    """Check the declared sizes of an archive against the limit, and those of its arrays against their bytes."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if (total := sum(member.file_size for member in members)) > most:
            raise UserError(f"{path}: its arrays have {total / 2**20:.0f} MiB; {most / 2**20:.0f} are the most")
        for member in members:
            with archive.open(member) as file:
                if file.read(6) == MAGIC:
                    file.seek(0)
                    _check_header(file, member.file_size, f"{path}: {member.filename}")


def _check_header(file: IO[bytes], size: int, what: str) -> None:
    """Check an array's declared shape against the bytes of its file, and go back to the beginning."""
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    version = np.lib.format.read_magic(file)
    if version not in read:  # the third one is for names of fields
        raise UserError(
            f"{what}: version {version[0]}.{version[1]} of the format; an array of plain numbers is expected"
        )
    shape, _, dtype = read[version](file)
    if not dtype.hasobject and math.prod(shape) * dtype.itemsize > size:
        raise UserError(f"{what}: it declares the shape {shape}, for which its {size} bytes are too few")
    file.seek(0)


def _read_array(file: np.lib.npyio.NpzFile, name: str, path: Path) -> np.ndarray:
    try:
        array = file[name]
    except ValueError as error:
        if "pickle" not in str(error):
            raise
        raise _invalid_array_file(f"array '{name}' of {path}") from error
    if not isinstance(array, np.ndarray):  # another file in the archive
        raise UserError(f"{path}: '{name}' in it is not an array; an .npz file holds only arrays")
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
            _check_header(file, path.stat().st_size, str(path))
            return np.lib.format.read_array(file, allow_pickle=False)
    except DAMAGES as error:
        if "Object arrays" in str(error):
            raise _invalid_array_file(str(path)) from error
        raise UserError(
            f"{path} is not an .npy file{_actual_kind(path) or f', or is damaged: {_reason(error)}'}"
        ) from error


def _invalid_array_file(what: str) -> UserError:
    return UserError(
        f"{what} holds pickled Python objects, which could run programs when they are read: it is refused; save plain "
        "arrays of numbers"
    )


def _actual_kind(path: Path) -> str:
    """Describe what the file seems to be instead."""
    with path.open("rb") as file:
        first = file.read(6)
    if first == MAGIC:
        return "; it seems to be an .npy file: name it so"
    if first[:1] == PICKLE:
        return "; it seems to be a pickled object, which could run programs when it is read: save arrays with numpy"
    return ""


def _reason(error: Exception) -> str:
    return reason_of(error) if isinstance(error, OSError) else (str(error).splitlines() or [type(error).__name__])[0]

"""Atomic file writing, and reading with errors for the user."""

from __future__ import annotations

import codecs
import json
import logging
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sezoo.base.errors import UserError
from sezoo.base.foreign_text import to_encodable, to_printable, without_passwords
from sezoo.base.part_files import part_path, remove_leftovers

__all__ = [
    "atomic_folder",
    "atomic_write",
    "check_new",
    "check_new_folder",
    "check_writable",
    "display_path",
    "file_text",
    "json_error_text",
    "json_lines",
    "json_text",
    "log_replaced",
    "read_json",
    "read_text",
    "reason_of",
    "unused_path",
    "write_json",
    "write_text",
]

log = logging.getLogger(__name__)


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a path beside `path` to write to; on success it is renamed to `path`, else removed.

    Raises
    ------
    UserError : the file cannot be written (no space, no permission, a file where the folder should be).
    """
    temporary = part_path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(path.parent)
        with _report_final_path(path, temporary):
            yield temporary
        temporary.replace(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {reason_of(error)}") from error
    finally:
        with suppress(OSError):  # the folder itself may never have been there
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder beside `folder` to fill; on success its files appear in `folder` together, else none.

    Where `folder` holds files already, the new ones are put to them one by one, and those replaced are named
    in the log.

    Raises
    ------
    UserError : as `atomic_write`.
    """
    temporary = part_path(folder)
    try:
        temporary.mkdir(parents=True)
        remove_leftovers(folder.parent)
        with _report_final_path(folder, temporary):
            yield temporary
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
        if not folder.exists():
            temporary.replace(folder)
        else:
            for path in sorted(temporary.iterdir()):
                if (folder / path.name).exists():
                    log.warning("%s already existed and is replaced", display_path(folder / path.name))
                path.replace(folder / path.name)
    except OSError as error:
        raise UserError(f"cannot write {error.filename or folder}: {reason_of(error)}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _report_final_path(path: Path, temporary: Path) -> Iterator[None]:
    """Let errors name the final path: the temporary one no longer exists when the message is read."""
    try:
        yield
    except UserError as error:
        names = (to_printable(each.name) for each in (temporary, path))
        raise error.with_message(error.message.replace(*names)) from error


def unused_path(path: Path) -> Path:
    """Return a path that does not exist yet: this one, or one with a number appended to its name."""
    number, free = 0, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.stem}_{number}{path.suffix}")
    if number:
        log.info("%s is there from earlier and stays", display_path(path))
    return free


def check_new_folder(folder: Path, option: str) -> None:
    """Check that no existing file would be overwritten.

    Parameters
    ----------
    option : that names the folder, for the message.

    Raises
    ------
    UserError : the folder holds something already, or is a file.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{option}: {display_path(folder)} already exists and is not an empty folder; choose another")


def check_writable(folder: Path, key: str) -> None:
    """Check that a folder is writable, or can be created, before the work starts; leaves nothing behind.

    Parameters
    ----------
    key : of the configuration that names the folder, for messages.

    Raises
    ------
    UserError : it cannot (no permission, a file where a folder should be, no space).
    """
    there = folder
    try:
        while not there.exists() and there != there.parent:
            there = there.parent
        with tempfile.TemporaryDirectory(dir=there):
            pass
    except OSError as error:
        raise UserError(f"{key}: cannot write to the folder {display_path(folder)}: {reason_of(error)}") from error


def log_replaced(path: Path) -> None:
    """Log that an existing file will be replaced."""
    if path.exists():
        log.warning("%s already existed and is replaced", display_path(path))


def check_new(path: Path) -> None:
    """Check that a file to be written is not there yet.

    Raises
    ------
    UserError : it is.
    """
    if path.exists():
        raise UserError(f"{path} already exists; name another file with -o")


def write_text(path: Path, text: str) -> None:
    r"""Write a text file in UTF-8 with plain newlines, whole or not at all.

    Half a character (of a path that is no UTF-8) becomes `\udce9`, which JSON and YAML in double quotes read as such.
    Passwords in addresses are left out.
    """
    with atomic_write(path) as temporary:
        temporary.write_text(file_text(text), encoding="utf-8", newline="\n")


def file_text(text: str) -> str:
    """Return a text as `write_text` writes it."""
    return to_encodable(without_passwords(text))


def read_text(path: Path, *, most: int = 50 * 2**20) -> str:
    """The text of a file in UTF-8.

    Parameters
    ----------
    most : bytes that it may have.

    Raises
    ------
    UserError : it cannot be read, has more bytes, or is in another encoding.
    """
    try:
        if (size := path.stat().st_size) > most:
            raise UserError(f"{path}: it has {size / 2**20:.0f} MiB; {most / 2**20:.0f} are the most")
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {reason_of(error)}") from error
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        kind = "UTF-16" if wide else f"not UTF-8 ({error.reason})"
        raise UserError(f"{path}: its encoding is {kind}; save it in UTF-8") from error


def read_json(path: Path) -> Any:
    """The plain data in a JSON file.

    Raises
    ------
    UserError : as `read_text`; invalid JSON, or nested too deeply.
    """
    text = read_text(path)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: {json_error_text(error)}") from error


def json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Read the objects of a JSON Lines file; a last line that a terminated process left incomplete is ignored."""
    try:
        with path.open(encoding="utf-8") as file:
            for text in file:
                line = json.loads(text)
                if not isinstance(line, dict):
                    return
                yield line
    except (OSError, ValueError):
        return


def json_error_text(error: ValueError | RecursionError) -> str:
    """Describe why Python's JSON reader rejects a text."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return f"invalid JSON (not UTF-8: {error.reason})"
    if isinstance(error, json.JSONDecodeError):
        place = f"line {error.lineno}, column {error.colno}"
        return f"invalid JSON ({error.msg[:1].lower()}{error.msg[1:]}: {place})"
    return f"it has a whole number of more than {sys.get_int_max_str_digits():,} digits"


def json_text(content: object, *, indent: int | None = 2, ascii_only: bool = False) -> str:
    """Plain data as the text of a JSON file.

    Raises
    ------
    ValueError : a number that is not finite, which JSON does not have.
    """
    return json.dumps(content, indent=indent, ensure_ascii=ascii_only, allow_nan=False) + "\n"


def write_json(path: Path, content: object, *, indent: int | None = 2) -> None:
    """Write plain data as a JSON file, whole or not at all; errors as of `json_text` and `write_text`."""
    write_text(path, json_text(content, indent=indent))


def reason_of(error: OSError) -> str:
    """The operating system's reason, without the number and the path."""
    return error.strerror or str(error)


def display_path(path: Path) -> str:
    """A path as short as the working directory allows, for messages."""
    path = path.absolute()
    return to_printable(str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path))

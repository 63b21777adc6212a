"""Programs of others that a service calls: finding them, and running them with what they said kept in a file."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.base.files import display_path, reason_of

__all__ = ["Program", "find_program", "last_lines", "run_program", "try_program"]

log = logging.getLogger(__name__)

LAST_LINES = 12
"""Of what a program said before it failed, in the message about that."""


@dataclass(frozen=True)
class Program:
    """A program that a user may have.

    Attributes
    ----------
    name : of the executable, or several that will do, the best first.
    key : of the configuration that can hold its path.
    install : how to get it, for messages.
    variable : of the environment that can hold its path; None where there is none.
    """

    name: str | tuple[str, ...]
    key: str
    install: str
    variable: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names under which it is looked for."""
        return (self.name,) if isinstance(self.name, str) else self.name


def find_program(program: Program, configured: Path | None = None) -> Path:
    """Return the path of the program: configured, else from the environment, else on the PATH.

    Raises
    ------
    UserError : it is nowhere, or the configuration or the environment names a file that is none; how to install it.
    """
    if (found := try_program(program, configured)) is not None:
        return found
    variable = f" or {program.variable}" if program.variable else ""
    raise UserError(
        f"{program.names[0]} was not found: {program.install}, and have it on the PATH or set {program.key}{variable}"
    )


def try_program(program: Program, configured: Path | None = None) -> Path | None:
    """Return the path as `find_program`, but None if it is not found; a configured path must exist."""
    named = [(program.key, configured)]
    if program.variable is not None and (text := os.environ.get(program.variable)):
        named.append((program.variable, Path(text)))
    for where, path in named:
        if path is not None:
            found = shutil.which(path)  # with the endings of programs on Windows
            if found is None:
                what = (
                    "a folder" if path.is_dir() else "not a program that can be run" if path.exists() else "not there"
                )
                raise UserError(f"{where}: {path} is {what}; it should be the program {program.names[0]}")
            return Path(found)
    return next((Path(found) for name in program.names if (found := shutil.which(name)) is not None), None)


def run_program(
    command: Sequence[str | Path],
    log_file: Path,
    *,
    timeout: float,
    folder: Path | None = None,
    environment: dict[str, str] | None = None,
) -> str:
    """Run a program to its end; both of its outputs are written to a file that is kept.

    Parameters
    ----------
    command : the program and its arguments; no shell is involved.
    log_file : begins with the command. A file of that name is replaced.
    timeout : seconds after which the program is terminated.
    folder : its working directory; ours if None.
    environment : variables in addition to ours.

    Returns
    -------
    said : all that the program said.

    Raises
    ------
    UserError : it cannot be started, takes too long, or ends with another code than 0: its last lines, and the file.
    """
    words = [str(word) for word in command]
    log.debug("running %s", " ".join(words))
    name = Path(words[0]).name
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
        file.write(f"$ {subprocess.list2cmdline(words)}\n")
        file.flush()
        beginning = file.tell()
        try:
            code = subprocess.run(
                words,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**os.environ, **environment} if environment else None,
                timeout=timeout,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            code = None
        except OSError as error:
            raise UserError(f"cannot run {words[0]}: {reason_of(error)}") from error
    with log_file.open("rb") as file:
        file.seek(beginning)
        said = file.read().decode("utf-8", errors="replace").replace("\r\n", "\n")
    if code == 0:
        return said
    how = f"did not end within {timeout:g} s" if code is None else f"failed (exit code {code})"
    lines = last_lines(said)
    raise UserError(
        f"{name} {how}; its output is in {display_path(log_file)}{', which ends with:' if lines else ''}", lines
    )


def last_lines(said: str) -> list[str]:
    """The last of what a program said."""
    return [line.rstrip() for line in said.splitlines() if line.strip()][-LAST_LINES:]

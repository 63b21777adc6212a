"""Environment of a run, saved with its results: versions of relevant packages, the command, and the machine."""

from __future__ import annotations

import platform
import shlex
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.base.files import read_json, write_json
from sezoo.base.foreign_text import to_encodable
from sezoo.base.version import __version__
from sezoo.results.names import ENVIRONMENT

__all__ = ["CALL", "invocation", "read_environment", "write_environment"]

PACKAGES = ("numpy", "scipy", "onnx", "onnxruntime", "torch", "pesq", "pystoi", "soundfile", "soxr", "speechmos")

COMMANDS = {"sezoo": "sezoo", "__main__": "python -m sezoo"}
"""By the program's name. A notebook's own command says nothing."""

CALL = ("command", "in")
"""The names that are no programs with their versions: what was called, and the working directory."""


def invocation() -> tuple[str, str]:
    """The command, and the working directory; empty where another program calls sezoo."""
    command = COMMANDS.get(Path(sys.argv[0]).stem)
    return (f"{command} {shlex.join(sys.argv[1:])}".rstrip(), str(Path.cwd())) if command else ("", "")


def write_environment(folder: Path) -> None:
    """Write `environment.json`: names and versions, in the order in which they are shown, and how sezoo was called."""
    found = {"sezoo": __version__, "Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    found["system"] = f"{platform.system()} {platform.machine()}"
    found |= {name: text for name, text in zip(CALL, invocation(), strict=True) if text}
    write_json(folder / ENVIRONMENT, found)


def read_environment(folder: Path) -> dict[str, str]:
    """Read the file of `write_environment`; empty if the run has none."""
    path = folder / ENVIRONMENT
    content = read_json(path) if path.is_file() else {}
    if not isinstance(content, dict):
        raise UserError(f"{path}: found {type(content).__name__} where an object is expected")
    return {to_encodable(name): to_encodable(str(value)) for name, value in content.items()}

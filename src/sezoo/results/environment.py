"""What a run ran on, kept beside its results: versions of what its numbers depend on, the command, where it was."""

from __future__ import annotations

import platform
import shlex
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sezoo.base.files import write_json
from sezoo.base.version import __version__
from sezoo.results.names import ENVIRONMENT
from sezoo.results.reading import read_json

__all__ = ["CALL", "read_environment", "write_environment"]

PACKAGES = ("numpy", "scipy", "onnx", "onnxruntime", "torch", "pesq", "pystoi", "soundfile", "soxr", "speechmos")

COMMANDS = {"sezoo": "sezoo", "__main__": "python -m sezoo"}
"""By the program's name. A notebook's own command says nothing."""

CALL = ("command", "in")
"""The names that are no programs with their versions: what was called, and the working directory."""


def write_environment(folder: Path) -> None:
    """Write `environment.json`: names and versions, in the order in which they are shown, and how sezoo was called."""
    found = {"sezoo": __version__, "Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    found["system"] = f"{platform.system()} {platform.machine()}"
    if command := COMMANDS.get(Path(sys.argv[0]).stem):
        found |= zip(CALL, (f"{command} {shlex.join(sys.argv[1:])}".rstrip(), str(Path.cwd())), strict=True)
    write_json(folder / ENVIRONMENT, found)


def read_environment(folder: Path) -> dict[str, str]:
    """What `write_environment` has written; empty where the run has not kept it."""
    return {str(name): str(value) for name, value in (read_json(folder / ENVIRONMENT) or {}).items()}

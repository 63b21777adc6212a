"""What a run ran on: versions of the programs that its numbers depend on, kept beside its results."""

from __future__ import annotations

import json
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sezoo import __version__
from sezoo.files import write_text
from sezoo.report.names import ENVIRONMENT
from sezoo.report.reading import read_json

__all__ = ["read_environment", "write_environment"]

PACKAGES = ("numpy", "scipy", "onnx", "onnxruntime", "torch", "pesq", "pystoi", "soundfile", "soxr", "speechmos")


def write_environment(folder: Path) -> None:
    """Write `environment.json`: names and versions, in the order in which they are shown."""
    found = {"sezoo": __version__, "Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    found["system"] = f"{platform.system()} {platform.machine()}"
    write_text(folder / ENVIRONMENT, json.dumps(found, indent=2, ensure_ascii=False) + "\n")


def read_environment(folder: Path) -> dict[str, str]:
    """The names and versions; empty where the run has not kept them."""
    return {str(name): str(value) for name, value in (read_json(folder / ENVIRONMENT) or {}).items()}

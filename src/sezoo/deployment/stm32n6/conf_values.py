"""Values of the C project's .conf file: lookup of keys, and expansion of references `${name}`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sezoo.base.errors import UserError

__all__ = ["ConfValues"]

PROJECT_FOLDER = "ProjectFolder"
PROGRAMS = {
    "STM32CubeProgrammer": "STM32_Programmer_CLI",
    "STM32SigningTool": "STM32_SigningTool_CLI",
    "STM32Make": "make",
}
"""References that ST's own deployment expands to the paths of its programs."""

DEEPEST = 20
"""Deepest nesting of references; more are taken for a cycle."""

REFERENCE = re.compile(r"\$\{(\w+)\}")


class ConfValues:
    """Values for one build configuration: its own keys take precedence over outer ones.

    Parameters
    ----------
    path : path of the file.
    name : name of the configuration.
    content : content of the file.
    configuration : the configuration's part of the content.

    Raises
    ------
    UserError : raised by all methods, with the file, the key, the value found, and the values allowed.
    """

    def __init__(self, path: Path, name: str, content: Mapping[str, Any], configuration: Any):
        if not isinstance(configuration, Mapping):
            raise UserError(f"{path}: configurations.{name} is no mapping of keys to values")
        self.conf, self.name = path, name
        own_env, memory_pool, env = configuration.get("env"), content.get("memory_pool"), content.get("env")
        self.levels = (configuration, own_env, content, memory_pool, env)
        self.referred = (own_env, env, *self.levels)
        """Levels for references, `env` first, so that a configuration may have "cwd": "${cwd}"."""

    def get(self, key: str) -> Any:
        """Return the value as written in the file, or None."""
        return _first(key, self.levels)

    def text(self, key: str) -> str | None:
        """Return a string with its references expanded; None if it is missing or empty."""
        value = self.get(key)
        if value is None:
            return None
        if not isinstance(value, str):
            raise UserError(f"{self.conf}: {key}: found {value!r}; a text is expected")
        return self.expand(value, key) or None

    def expand(self, text: str, key: str, depth: int = 0) -> str:
        """Return a string with its references expanded; `key` is for messages."""

        def of(found: re.Match) -> str:
            name = found[1]
            value = _first(name, self.referred)
            if value is None:
                value = str(self.conf.parent) if name == PROJECT_FOLDER else os.environ.get(name, PROGRAMS.get(name))
            if not isinstance(value, str):
                raise UserError(f"{self.conf}: {key}: ${{{name}}} is set nowhere in the file, nor in the environment")
            if depth == DEEPEST:
                raise UserError(f"{self.conf}: {key}: ${{{name}}} refers to itself")
            return self.expand(value, key, depth + 1)

        return REFERENCE.sub(of, text)

    def path(self, text: str) -> Path:
        """Return an absolute path; relative ones start at the file's `cwd`, or at its folder."""
        base = self.conf.parent / (self.text("cwd") or "")
        return Path(os.path.normpath(base / text))

    def name_of(self, key: str, default: str | None = None) -> str | None:
        """Return a string, or the default, that must be a single path component."""
        text = self.text(key) or default
        if text is not None and (text in (".", "..") or re.search(r"[/\\]", text)):
            raise UserError(f"{self.conf}: {key}: found '{text}'; a name is expected, not a path")
        return text

    def path_of(self, key: str) -> Path | None:
        """Return a string as a path, or None."""
        text = self.text(key)
        return self.path(text) if text else None


def _first(key: str, levels: Iterable[Any]) -> Any:
    """Return the value of the first mapping that has the key."""
    return next((level[key] for level in levels if isinstance(level, Mapping) and level.get(key) is not None), None)

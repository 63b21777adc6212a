"""Values of the C project's .conf: where each is looked for, and its references `${name}` filled in."""

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
"""References that ST's own deployment replaces by the paths of its programs."""

DEEPEST = 20
"""So many references one inside the other are followed; more can only be a circle."""

REFERENCE = re.compile(r"\$\{(\w+)\}")


class ConfValues:
    """What the file has for one build configuration: its own keys first, then those further out.

    Parameters
    ----------
    path : of the file.
    name : of the configuration.
    content : of the file.
    configuration : the configuration's own part of it.

    Raises
    ------
    UserError : of every method: the file and the key, what was found, and what is expected.
    """

    def __init__(self, path: Path, name: str, content: Mapping[str, Any], configuration: Any):
        if not isinstance(configuration, Mapping):
            raise UserError(f"{path}: configurations.{name} is no mapping of keys to values")
        self.conf, self.name = path, name
        own_env, memory_pool, env = configuration.get("env"), content.get("memory_pool"), content.get("env")
        self.levels = (configuration, own_env, content, memory_pool, env)
        self.referred = (own_env, env, *self.levels)
        """`${name}` is a key of `env` first: a configuration may say "cwd": "${cwd}"."""

    def get(self, key: str) -> Any:
        """The value as it stands in the file; None where there is none."""
        return _first(key, self.levels)

    def text(self, key: str) -> str | None:
        """A text with its references filled in; None where there is none, or an empty one."""
        value = self.get(key)
        if value is None:
            return None
        if not isinstance(value, str):
            raise UserError(f"{self.conf}: {key}: found {value!r}; a text is expected")
        return self.filled(value, key) or None

    def filled(self, text: str, key: str, depth: int = 0) -> str:
        """A text with its references filled in; `key` is for messages."""

        def of(found: re.Match) -> str:
            name = found[1]
            value = _first(name, self.referred)
            if value is None:
                value = str(self.conf.parent) if name == PROJECT_FOLDER else os.environ.get(name, PROGRAMS.get(name))
            if not isinstance(value, str):
                raise UserError(f"{self.conf}: {key}: ${{{name}}} is set nowhere in the file, nor in the environment")
            if depth == DEEPEST:
                raise UserError(f"{self.conf}: {key}: ${{{name}}} refers to itself")
            return self.filled(value, key, depth + 1)

        return REFERENCE.sub(of, text)

    def path(self, text: str) -> Path:
        """A path; relative ones are in the `cwd` of the file, or beside it."""
        base = self.conf.parent / (self.text("cwd") or "")
        return Path(os.path.normpath(base / text))

    def name_of(self, key: str, default: str | None = None) -> str | None:
        """A text, or the default, that is one part of a path."""
        text = self.text(key) or default
        if text is not None and (text in (".", "..") or re.search(r"[/\\]", text)):
            raise UserError(f"{self.conf}: {key}: found '{text}'; a name is expected, not a path")
        return text

    def path_of(self, key: str) -> Path | None:
        """A text as a path; None where there is none."""
        text = self.text(key)
        return self.path(text) if text else None


def _first(key: str, levels: Iterable[Any]) -> Any:
    """The value of the first mapping that has one."""
    return next((level[key] for level in levels if isinstance(level, Mapping) and level.get(key) is not None), None)

"""Configuration as plain data and as YAML, without secrets."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from sezoo.base.foreign_text import without_passwords
from sezoo.base.yaml_text import dump_yaml
from sezoo.config.sections import Config, CustomModelSpecific, Keys
from sezoo.config.values import ENVIRONMENT_VARIABLE

__all__ = ["keep_unexpanded", "to_dict", "to_yaml", "value_at", "without_environment"]

SHORTEST_SECRET = 3
"""Characters; what is no longer is part of other words as well."""


def keep_unexpanded(config: Config, texts: Mapping[Keys, str]) -> None:
    """Keep texts with environment variables unexpanded; numbers are not secret."""
    plain = _sections(config) if texts else {}
    config._written.update({keys: text for keys, text in texts.items() if _holds_text(value_at(plain, keys))})


def to_dict(config: Config, *, filled_in: bool = False) -> dict[str, Any]:
    """The whole configuration, defaults included, as plain data; `build_config` makes an equal Config of it.

    Sections that are not set are left out, since an empty section would be one with defaults. What came from the
    environment stays `${NAME}`, unless it became a number or is to be filled in; a password in an address is left out.
    """
    plain = _sections(config)
    for (*above, last), text in () if filled_in else config._written.items():
        value_at(plain, above)[last] = text
    return {name: _without_passwords(section) for name, section in plain.items()}


def without_environment(config: Config, text: str) -> str:
    """Replace values of environment variables in a message by the variables' names."""
    names = {name for written in config._written.values() for name in ENVIRONMENT_VARIABLE.findall(written)}
    for name in sorted(names):
        if len(value := os.environ.get(name, "")) > SHORTEST_SECRET:
            text = text.replace(value, f"${{{name}}}")
    return text


def _sections(config: Config) -> dict[str, Any]:
    return {name: _plain(value) for name, value in config if value is not None}


def value_at(tree: Any, keys: Sequence[str | int]) -> Any:
    """Return the value at a path of keys; None if there is none."""
    for key in keys:
        if isinstance(tree, dict):
            tree = tree.get(key)
        else:
            tree = tree[key] if isinstance(tree, list) and isinstance(key, int) and key < len(tree) else None
    return tree


def _holds_text(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_text, (*value, *value.values())))
    return any(map(_holds_text, value)) if isinstance(value, list) else isinstance(value, str)


def _without_passwords(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_passwords(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_without_passwords(entry) for entry in value]
    return without_passwords(value) if isinstance(value, str) else value


def to_yaml(config: Config, *, filled_in: bool = False) -> str:
    """`to_dict` as the text of a YAML file."""
    return dump_yaml(to_dict(config, filled_in=filled_in), width=80)


def _plain(value: Any, free: bool = False) -> Any:
    """YAML-able data. `free` marks values of no fixed type, where a list would not become a tuple again."""
    match value:
        case BaseModel():
            extras = isinstance(value, CustomModelSpecific)
            return {key: _plain(entry, free=extras) for key, entry in value}
        case Path():
            return value.as_posix()
        case dict():
            return {key: _plain(entry, free=True) for key, entry in value.items()}
        case tuple() if free:
            return repr(value)
        case list() | tuple():
            return [_plain(entry, free) for entry in value]
    return value

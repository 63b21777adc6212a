"""From the JSON that a run has written to dataclasses that have the keys the report needs, and no others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from sezoo.errors import UserError

__all__ = ["read_json", "taken"]

Facts = TypeVar("Facts")


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a file; None where there is no file.

    Raises
    ------
    UserError : it is torn, or no object.
    """
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: it is no JSON ({error}); run the service that writes it again") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: found {type(content).__name__} where an object is expected")
    return content


def taken(kind: type[Facts], content: Mapping[str, Any]) -> Facts:
    """A dataclass with those of its fields that are there, the others as they are by default: newer versions add keys,
    older ones lack some.
    """
    return kind(**{field.name: content[field.name] for field in fields(kind) if field.name in content})

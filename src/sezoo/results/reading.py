"""From the JSON that a run has written to dataclasses that have the keys the report needs, and no others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sezoo.base import files
from sezoo.base.errors import UserError
from sezoo.base.foreign_text import encodable

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["read_json", "refused_results", "taken"]

Facts = TypeVar("Facts", bound="DataclassInstance")


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a file; None where there is no file.

    Raises
    ------
    UserError : it is torn, or no object.
    """
    if not path.is_file():
        return None
    content = files.read_json(path)
    if not isinstance(content, dict):
        raise UserError(f"{path}: found {type(content).__name__} where an object is expected")
    plain: dict[str, Any] = _encodable(content)
    return plain


def _encodable(value: Any) -> Any:
    """Without halves of characters, which neither a page nor a figure can have."""
    if isinstance(value, dict):
        return {encodable(key): _encodable(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_encodable(entry) for entry in value]
    return encodable(value) if isinstance(value, str) else value


@contextmanager
def refused_results(folder: Path) -> Iterator[None]:
    """Report values of another type, shape or size than sezoo writes as those of a folder that is not a run's.

    Raises
    ------
    UserError : in their place.
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise UserError(f"{folder}: a result in it is not what sezoo writes ({error!r}); run it again") from error


def taken(kind: type[Facts], content: Mapping[str, Any]) -> Facts:
    """A dataclass with those of its fields that are there, the others as they are by default: newer versions add keys,
    older ones lack some.
    """
    return kind(**{field.name: content[field.name] for field in fields(kind) if field.name in content})

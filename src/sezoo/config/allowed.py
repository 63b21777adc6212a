"""Descriptions of a key's type for messages: the allowed values, and the reason why a value is rejected."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from sezoo.base.registry import Registry
from sezoo.base.user_code import reference_forms

__all__ = ["Allowed", "FromRegistry", "Hint", "OtherSpellings", "RefusalError"]


class Allowed(NamedTuple):
    """Description of what a key allows, for error messages and the reference page."""

    words: str


class Hint(NamedTuple):
    """Hint that an error message adds after the allowed values."""

    words: str


class OtherSpellings(NamedTuple):
    """Other spellings of a key's values in a file, as a regular expression."""

    pattern: str


@dataclass(frozen=True, eq=False)
class FromRegistry:
    """Marks a key that names a registered object: built in, from a package, or user code.

    Attributes
    ----------
    more : names that stand for something else.
    """

    registry: Registry
    more: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Built-in names."""
        return (*self.registry.own, *self.more)

    @property
    def words(self) -> str:
        """Describe what the key allows."""
        return f"{', '.join(self.names)}, or your own as {reference_forms(self.registry.kind)}"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        known = core_schema.no_info_after_validator_function(self._check_name, handler(source))
        return core_schema.no_info_before_validator_function(strip_text, known)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        names = dict.fromkeys([*self.names, *(entry.name for entry in self.registry.added())])
        return {"anyOf": [{"enum": list(names)}, {"type": "string", "pattern": ":"}]}

    def _check_name(self, name: str) -> str:
        if name not in self.names and not self.registry.knows(name):
            raise ValueError
        return name


class RefusalError(ValueError):
    """Reason for rejecting a value, if the allowed values do not explain it."""


def strip_text(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value

"""What the type of a key says of itself in words: what it may hold, and why a value is refused."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from sezoo.base.registry import Registry
from sezoo.base.user_code import forms

__all__ = ["Allowed", "Also", "Because", "Hint", "Registered"]


class Allowed(NamedTuple):
    """Says in words what a key may hold; the error messages and the reference page share it."""

    words: str


class Hint(NamedTuple):
    """Says after what a key may hold what becomes of the rest; error messages alone have it."""

    words: str


class Also(NamedTuple):
    """What else a value may look like in a file, as a regular expression: other spellings of the values of a key."""

    pattern: str


@dataclass(frozen=True, eq=False)
class Registered:
    """Says that a key names what users extend: one of ours, of a package, or of a user's file.

    Attributes
    ----------
    more : names that stand for something else.
    """

    registry: Registry
    more: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Those that come with sezoo."""
        return (*self.registry.own, *self.more)

    @property
    def words(self) -> str:
        """What the key may hold."""
        return f"{', '.join(self.names)}, or your own as {forms(self.registry.kind)}"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        known = core_schema.no_info_after_validator_function(self._known, handler(source))
        return core_schema.no_info_before_validator_function(stripped, known)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        names = dict.fromkeys([*self.names, *(entry.name for entry in self.registry.added())])
        return {"anyOf": [{"enum": list(names)}, {"type": "string", "pattern": ":"}]}

    def _known(self, name: str) -> str:
        if name not in self.names and not self.registry.knows(name):
            raise ValueError
        return name


class Because(ValueError):  # noqa: N818 - says why a value is refused, behind what is allowed
    """Why a value is refused, where what is allowed does not say it."""


def stripped(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value

"""Base of a run's result files: each is the JSON of a dataclass, with the version of its format."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import TypeAdapter, ValidationError

from sezoo.base.errors import UserError
from sezoo.base.files import log_replaced, read_json, write_json
from sezoo.base.foreign_text import to_encodable
from sezoo.base.version import __version__

__all__ = ["FORMAT_VERSION", "ResultFile"]

FORMAT_VERSION = "format_version"
"""The key that every file begins with; files of runs before there was one lack it."""


class ResultFile:
    """A dataclass that is a JSON file in a run's folder: written and read here, whatever its fields are.

    Fields that a file lacks have their defaults, and those that it has besides are ignored: files of earlier versions
    are read, and so are later ones as long as `format_version` is the same.

    Attributes
    ----------
    file_name : in the folder.
    format_version : raised when a field changes its meaning or goes; files with a higher one are refused.
    """

    file_name: ClassVar[str]
    format_version: ClassVar[int] = 1
    indent: ClassVar[int] = 2

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """The file in a folder; None where there is none.

        Raises
        ------
        UserError : it is torn, of a newer version, or not what sezoo writes.
        """
        path = folder / cls.file_name
        if not path.is_file():
            return None
        content = read_json(path)
        if not isinstance(content, dict):
            raise UserError(f"{path}: found {type(content).__name__} where an object is expected")
        version = content.get(FORMAT_VERSION, 1)
        if not isinstance(version, int) or version > cls.format_version:
            raise UserError(
                f"{path}: its {FORMAT_VERSION} is {version!r}, and sezoo {__version__} reads up to "
                f"{cls.format_version}: a newer sezoo has written it"
            )
        try:
            result: Self = _adapter(cls).validate_python(_encodable(content))
            return result
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"]))
            found = f", found {first['input']!r:.60}" if first["type"] != "missing" else ""
            raise UserError(
                f"{path}: {place}: {first['msg']}{found}; it is not what sezoo writes, run it again"
            ) from error

    @classmethod
    def required(cls, folder: Path) -> Self:
        """The file in a folder that has to have one.

        Raises
        ------
        UserError : there is none; as for `read`.
        """
        found = cls.read(folder)
        if found is None:
            raise UserError(f"{folder}: there is no {cls.file_name} in it")
        return found

    def write(self, folder: Path, *, again: bool = False) -> Path:
        """Write the file into a folder, whole or not at all. Numbers that are not finite become null.

        Parameters
        ----------
        again : the run has written it before; else the log says that a file is replaced.

        Returns
        -------
        path : of the file.
        """
        path = folder / self.file_name
        if not again:
            log_replaced(path)
        write_json(path, self.to_dict(), indent=self.indent)
        return path

    def to_dict(self) -> dict[str, Any]:
        """The content of the file as plain data."""
        content = _adapter(type(self)).dump_python(self, by_alias=True)
        return {FORMAT_VERSION: self.format_version, **_finite(content)}

    @classmethod
    def schema_name(cls) -> str:
        """Return the file name of its schema."""
        return cls.file_name.removesuffix(".json") + ".schema.json"

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """The JSON Schema (draft 2020-12) of the file."""
        made = _adapter(cls).json_schema(mode="serialization", by_alias=True)
        for part in (made, *made.get("$defs", {}).values()):
            _describe(part)
        version = {"const": cls.format_version, "description": "Version of the format of this file."}
        made["properties"] = {FORMAT_VERSION: version, **made["properties"]}
        made["required"] = [FORMAT_VERSION, *made.get("required", ())]
        return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": cls.file_name}


_ADAPTERS: dict[type[ResultFile], TypeAdapter[Any]] = {}
"""They take a moment to make."""


def _adapter(kind: type[ResultFile]) -> TypeAdapter[Any]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def _describe(schema: dict[str, Any]) -> None:
    """Give each property of an object the words that the docstring of its class has for it."""
    summary, _, attributes = schema.get("description", "").partition("\n\nAttributes\n----------\n")
    schema["description"] = " ".join(summary.split("\n\n")[0].split())
    for entry in re.split(r"\n(?=\S)", attributes):
        names, _, words = entry.partition(" : ")
        words = words[:1].upper() + words[1:]
        for name in names.split(", "):
            if name in schema["properties"]:
                schema["properties"][name].setdefault("description", " ".join(words.split()))
    for one in schema["properties"].values():
        one.pop("title", None)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _encodable(value: Any) -> Any:
    """Without halves of characters, which neither a page nor a figure can have."""
    if isinstance(value, dict):
        return {to_encodable(key): _encodable(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_encodable(entry) for entry in value]
    return to_encodable(value) if isinstance(value, str) else value

"""Generate the JSON Schema of the YAML configuration, for editors, from the typed sections.

It is as wide as what the sections read: empty values, `${NAME}` of the environment, numbers that are computed
(`1./255`), one name in place of a list of one, tuples as text, and the names of version 4. What depends on other keys,
and on the operation mode, `sezoo config --check` says.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import TypeAdapter
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import PlainValidatorFunctionSchema

from sezoo.config.allowed import OtherSpellings
from sezoo.config.modes import LETTERS, OPERATION_MODES
from sezoo.config.section import Section, allowed_text, parts_of, section_of
from sezoo.config.sections import NETWORKS, SECTIONS
from sezoo.config.value_types import lower_case
from sezoo.config.version_4 import RENAMED

__all__ = ["configuration_schema"]

Schema = dict[str, Any]

DEFINITIONS: Schema = {
    "empty": {
        "description": "Nothing, or a variable.",
        "anyOf": [{"type": "null"}, {"type": "string", "pattern": r"^\s*(None)?\s*$|\$\{[^}]+\}"}],
    },
    "computed": {"type": "string", "pattern": r"^\s*[-+(.\d][-+*/%(). \deE]*$"},
    "tuple": {"type": "string", "pattern": r"^\s*\("},
}
EMPTY, COMPUTED, TUPLE = ({"$ref": f"#/$defs/{name}"} for name in DEFINITIONS)


OBJECT: Schema = {"type": ["object", "null"]}


def configuration_schema() -> Schema:
    """The schema (draft 2020-12) of a YAML file."""
    chain = {"type": "string", "pattern": f"^chain_[{''.join(LETTERS)}]{{2,}}$"}
    properties: Schema = {
        "operation_mode": {"description": "What the run does.", "anyOf": [{"enum": [*OPERATION_MODES]}, chain]}
    }
    properties |= {name: _section(cls) for name, cls in SECTIONS.items()}
    properties["model_specific"] = _networks()
    for renamed in RENAMED:
        _add_renamed(properties, renamed.new, renamed.here, renamed.values)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "sezoo configuration",
        "type": "object",
        "properties": properties | {"hydra": {}, "defaults": {}},
        "additionalProperties": False,
        "required": ["operation_mode"],
        "$defs": DEFINITIONS,
    }


def _section(cls: type[Section], description: str | None = None) -> Schema:
    return {
        "description": description or (cls.__doc__ or "").partition("\n")[0],
        **OBJECT,
        "properties": {key: _key(field) for key, field in cls.model_fields.items()},
        "additionalProperties": cls.model_config.get("extra") == "allow",
    }


def _networks() -> Schema:
    """Keys of any network: those of other networks are ignored, and a custom network defines its own."""
    networks = [_section(cls) for cls in NETWORKS.values()]
    properties = {key: value for network in reversed(networks) for key, value in network["properties"].items()}
    return {**networks[0], "properties": properties, "additionalProperties": True}


def _key(field: FieldInfo) -> Schema:
    if (cls := section_of(field)) is not None:
        return _section(cls, field.description)
    annotation: Any = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    found = TypeAdapter(annotation).json_schema(schema_generator=_OfTypes)
    parts = parts_of(field)
    spellings: list[Schema] = [
        {"type": "string", "pattern": part.pattern} for part in parts if isinstance(part, OtherSpellings)
    ]
    values = [] if "$defs" in found else _widen(found, spellings, any_case=lower_case in parts)
    made: Schema = {"description": field.description}
    if (default := _plain(field.default)) is not None:
        made["default"] = default
    if values and {} not in values:
        return {**made, "anyOf": [*values, EMPTY]}
    return {**made, "description": f"{field.description} Allowed: {allowed_text(field)}."}


class _OfTypes(GenerateJsonSchema):
    """Accept any value for keys with a validator function; its error messages explain the rest."""

    def function_plain_schema(self, schema: PlainValidatorFunctionSchema) -> JsonSchemaValue:
        return {}


def _widen(schema: Schema, spellings: Sequence[Schema] = (), *, any_case: bool = False) -> list[Schema]:
    """Extend a type's schema by the other spellings that a file may use."""
    if "anyOf" in schema:
        types = (each for each in schema["anyOf"] if each != {"type": "null"})
        found = [way for each in types for way in _widen(each, spellings, any_case=any_case)]
        return [way for place, way in enumerate(found) if way not in found[:place]]
    names = schema.get("enum") or ([schema["const"]] if "const" in schema else [])
    if names and any_case:
        spelled = "|".join("".join(f"[{letter.lower()}{letter.upper()}]" for letter in str(name)) for name in names)
        spellings = [*spellings, {"type": "string", "pattern": f"^({spelled})$"}]
    if names:
        return [{"enum": names}, *spellings]
    match schema.get("type"):
        case "integer" | "number":
            return [schema, COMPUTED]
        case "string" if "pattern" in schema:
            return [schema]
        case "string":
            return [{"type": ["string", "number"]}]
        case "array":
            items = _widen(schema.get("items") or {}, spellings)
            return [{"type": "array", **({} if {} in items else {"items": {"anyOf": items}})}, *items, TUPLE]
        case "object" | "boolean" as kind:
            return [{"type": kind}]
    return [{}]


def _add_renamed(properties: Schema, new: str, here: str, values: Any) -> None:
    """Put a key's name of version 4 beside its other one; sections of version 4 are made as they come."""
    *outer, name = new.split(".")
    place = properties
    for section in outer:
        inner = {"description": "Keys of version 4.", **OBJECT, "properties": {}, "additionalProperties": False}
        place = place.setdefault(section, inner)["properties"]
    section, key = here.split(".")
    meant: Schema = properties[section]["properties"][key]
    if values is not None:
        meant = {"description": meant["description"], "anyOf": [*_widen({"enum": [*values]}, any_case=True), EMPTY]}
    if name in place:  # a section of version 4 whose first keys are there already
        meant = {**meant, "properties": {**meant["properties"], **place[name]["properties"]}}
    place[name] = meant


def _plain(value: Any) -> Any:
    """Default as a JSON value; None without a default or if it is not plain data."""
    match value:
        case bool() | int() | float() | str():
            return value
        case Path():
            return value.as_posix()
        case tuple():
            return [_plain(entry) for entry in value]
    return None

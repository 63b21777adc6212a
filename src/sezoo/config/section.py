"""Base class of YAML sections, and descriptions of what their keys allow."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator
from pydantic.fields import FieldInfo

from sezoo.config.allowed import Allowed, FromRegistry, Hint
from sezoo.config.name_types import IntegerType
from sezoo.config.number_types import Positive, Whole
from sezoo.config.value_types import text
from sezoo.config.values import literal

__all__ = [
    "Section",
    "TensorOverride",
    "TensorOverrides",
    "allowed_text",
    "choices_of",
    "hint_of",
    "parts_of",
    "registry_of",
    "section_of",
]


class Section(BaseModel):
    """A YAML section: unknown keys are errors, and instances are immutable.

    An empty value is the default, but for the keys that can be empty themselves and have another default:
    `num_quantization_samples:` means all clips, as it does in the reference, while leaving the key out means 100.
    """

    # The schemas are built when a section is first read, so that importing this module stays quick.
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_not_set(cls, raw: Any) -> Any:
        if not isinstance(raw, Mapping):
            return raw
        fields, kept = cls.model_fields, {}
        for key, value in raw.items():
            field = fields.get(key)
            empty = value is None or (isinstance(value, str) and not value.strip())
            if field is None or not empty:
                kept[str(key)] = value
            elif type(None) in get_args(field.annotation):
                kept[str(key)] = None
        return kept


class TensorOverride(Section):
    """How one tensor is quantized; empty fields use the defaults."""

    quant_type: IntegerType
    scale: Positive | None = None
    zero_point: Whole | None = None
    axis: Whole | None = None


def _named_pairs(value: Any) -> Any:
    """`[[name, {...}], ...]`, in which the names may be numbers."""
    value = literal(value)
    if not isinstance(value, list | tuple):
        return value
    return [
        (text(entry[0]), entry[1]) if isinstance(entry, list | tuple) and len(entry) == 2 else entry for entry in value
    ]


TensorOverrides = Annotated[
    tuple[tuple[str, TensorOverride], ...],
    BeforeValidator(_named_pairs),
    Allowed(
        "a list of [tensor name, {quant_type: Int4, UInt4, Int8, UInt8, Int16 or UInt16, scale, zero_point, axis}], "
        "the last three of them optional"
    ),
]


def _parts(annotation: Any) -> list[Any]:
    """The members of an annotation and their metadata: `Annotated[int, ...] | None` -> [int, ..., NoneType]."""
    if get_origin(annotation) is Literal:
        return [annotation]
    arguments = get_args(annotation)
    return [annotation] if not arguments else [part for argument in arguments for part in _parts(argument)]


def parts_of(field: FieldInfo) -> list[Any]:
    """Return all parts of a key's annotation."""
    return [*field.metadata, *_parts(field.annotation)]


def hint_of(field: FieldInfo) -> str:
    """Return what an error message adds for a key: ` (others need a board)`, or nothing."""
    return next((f" ({part.words})" for part in parts_of(field) if isinstance(part, Hint)), "")


def choices_of(field: FieldInfo) -> tuple[Any, ...]:
    """Return the values of an enumerated key, or nothing; keys with a registry accept user code too."""
    if found := registry_of(field):
        return found.names
    if get_origin(field.annotation) is dict:  # whose names are a set, but not its values
        return ()
    parts = [part for part in _parts(field.annotation) if get_origin(part) is Literal]
    return tuple(value for part in parts for value in get_args(part))


def registry_of(field: FieldInfo) -> FromRegistry | None:
    """Return the registry of a key that accepts user code."""
    return next((part for part in parts_of(field) if isinstance(part, FromRegistry)), None)


def allowed_text(field: FieldInfo) -> str:
    """Describe what a key allows: `MinMax, Entropy`, `a whole number, 1 or more`."""
    if found := registry_of(field):
        return found.words
    if values := choices_of(field):
        return ", ".join(str(value) for value in values)
    return next((part.words for part in parts_of(field) if isinstance(part, Allowed)), "a mapping of keys to values")


def section_of(field: FieldInfo) -> type[Section] | None:
    """Return the class of a key that is a nested section."""
    found = field.annotation
    return found if isinstance(found, type) and issubclass(found, Section) else None

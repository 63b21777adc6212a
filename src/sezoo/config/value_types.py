"""Types of keys that are neither numbers, paths nor names: text, yes or no, pairs, windows, executors."""

import datetime
import math
import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainValidator

from sezoo.config.allowed import Allowed
from sezoo.config.values import literal, number

__all__ = [
    "ExecutorName",
    "Settings",
    "ShardNumber",
    "StatePairs",
    "SymbolPrefix",
    "Text",
    "TrueFalse",
    "WindowChoice",
    "lower_case",
    "text",
]


def text(value: Any) -> Any:
    """Text as the user meant it: YAML reads an unquoted `10.0` as a number and `2024-10-12` as a date."""
    if isinstance(value, int | float | datetime.date) and not isinstance(value, bool):
        return str(value)
    return value


def _text_pairs(value: Any) -> Any:
    """Names by names; exporters like to call tensors 12 and 345, which YAML reads as numbers."""
    return {text(key): text(entry) for key, entry in value.items()} if isinstance(value, Mapping) else value


EXECUTOR = re.compile(r"local|dask:\S+|ray(:\S+)?|[^\s:](\S*[^\s:])?:[A-Za-z_]\w*")


def _executor(value: Any) -> str:
    if not isinstance(value, str) or not EXECUTOR.fullmatch(value.strip()):
        raise ValueError
    return value.strip()


def _shard(value: Any) -> tuple[int, int]:
    match value:
        case str() if found := re.fullmatch(r"\s*(\d{1,6})\s*/\s*(\d{1,6})\s*", value):
            number, of = int(found[1]), int(found[2])
        case (int(number), int(of)):
            pass
        case _:
            raise ValueError
    if not 1 <= number <= of:
        raise ValueError
    return number, of


def _window(value: Any) -> str | tuple[float, ...]:
    value = literal(value)
    if isinstance(value, str) and value.strip():
        return value.strip()
    if not isinstance(value, list | tuple):
        raise ValueError
    values = [number(each) for each in value]
    if not values or not all(isinstance(each, int | float) and math.isfinite(each) for each in values):
        raise ValueError
    return tuple(float(each) for each in values)


def _lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


lower_case = BeforeValidator(_lower)
"""Names that the model zoo's documents write with and without capitals."""


WindowChoice = Annotated[
    str | tuple[float, ...],
    PlainValidator(_window),
    Allowed("a name, a file of numbers (.npy, .txt, .csv), or a list of win_length numbers"),
]


TrueFalse = Annotated[bool, Allowed("True, False")]


SymbolPrefix = Annotated[
    str,
    Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=23),
    BeforeValidator(text),
    Allowed("a name in C: a letter, then letters, digits and _, 23 at most"),
]
"""With `_denoiser` behind it 32 characters, as many as a component of a CMSIS-Pack may have."""


Text = Annotated[str, BeforeValidator(text), Allowed("text")]


ExecutorName = Annotated[
    str,
    PlainValidator(_executor),
    Allowed("local, dask:ADDRESS, ray, ray:ADDRESS, module:function, path/to/file.py:function"),
]


ShardNumber = Annotated[tuple[int, int], PlainValidator(_shard), Allowed("i/n with 1 <= i <= n, or empty")]


Settings = Annotated[dict[str, Any], BeforeValidator(literal), Allowed("a mapping of names to values")]


StatePairs = Annotated[dict[str, str], BeforeValidator(_text_pairs), Allowed("a mapping of names to names")]

"""The types of keys that hold numbers: counts, shares, ranges."""

import math
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainValidator

from sezoo.config.allowed import Allowed
from sezoo.config.values import literal, number

__all__ = [
    "AtLeast0",
    "AtLeast1",
    "DecibelRange",
    "Fraction",
    "Frames",
    "HeldOutCount",
    "HertzRange",
    "Lookahead",
    "NotNegative",
    "Number",
    "OpsetVersion",
    "Positive",
    "SampleCount",
    "SampleRate",
    "SecondsRange",
    "Share",
    "ThreeCounts",
    "UpTo1000",
    "UpTo65536",
    "Whole",
]

LARGEST_DECIBELS = 120
"""What is louder or quieter is a slip of the keyboard, and 32 bits do not hold much more."""


def _range(value: Any) -> tuple[float, float]:
    value = literal(value)
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError
    low, high = (number(end) for end in value)
    if not all(isinstance(end, int | float) and math.isfinite(end) for end in (low, high)) or low > high:
        raise ValueError
    return float(low), float(high)


def _decibel_range(value: Any) -> tuple[float, float]:
    low, high = _range(value)
    if low < -LARGEST_DECIBELS or high > LARGEST_DECIBELS:
        raise ValueError
    return low, high


def _positive_range(value: Any) -> tuple[float, float]:
    low, high = _range(value)
    if low <= 0:
        raise ValueError
    return low, high


def _three_counts(value: Any) -> tuple[int, int, int]:
    value = literal(value)
    if not isinstance(value, list | tuple) or len(value) != 3:
        raise ValueError
    counts = tuple(number(count) for count in value)
    if not all(isinstance(count, int) and not isinstance(count, bool) and count >= 1 for count in counts):
        raise ValueError
    return counts


def _sample_count(value: Any) -> int | float:
    value = number(value)
    if (isinstance(value, int) and value >= 1) or (isinstance(value, float) and 0 < value <= 1):
        return value
    raise ValueError


_number = BeforeValidator(number)


Whole = Annotated[int, _number, Allowed("a whole number")]


AtLeast0 = Annotated[int, Field(ge=0), _number, Allowed("a whole number, 0 or more")]


AtLeast1 = Annotated[int, Field(ge=1), _number, Allowed("a whole number, 1 or more")]


UpTo1000 = Annotated[int, Field(ge=1, le=1000), _number, Allowed("a whole number from 1 to 1000")]


UpTo65536 = Annotated[int, Field(ge=1, le=65_536), _number, Allowed("a whole number from 1 to 65536")]


Frames = Annotated[int, Field(ge=1, le=10_000), _number, Allowed("a whole number from 1 to 10000")]


Lookahead = Annotated[int, Field(ge=0, le=10_000), _number, Allowed("a whole number from 0 to 10000")]


SampleRate = Annotated[int, Field(ge=2000, le=768_000), _number, Allowed("a whole number from 2000 to 768000")]


Number = Annotated[float, Field(allow_inf_nan=False), _number, Allowed("a number")]


NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False), _number, Allowed("a number, 0 or more")]


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False), _number, Allowed("a number above 0")]


DecibelRange = Annotated[
    tuple[float, float],
    PlainValidator(_decibel_range),
    Allowed(f"two numbers in dB from -{LARGEST_DECIBELS} to {LARGEST_DECIBELS}, the lower one first"),
]


HertzRange = Annotated[
    tuple[float, float],
    PlainValidator(_positive_range),
    Allowed("two numbers above 0 in Hz, the lower one first, or empty"),
]


SecondsRange = Annotated[
    tuple[float, float],
    PlainValidator(_positive_range),
    Allowed("two numbers above 0 in seconds, the lower one first"),
]


ThreeCounts = Annotated[
    tuple[int, int, int], PlainValidator(_three_counts), Allowed("a list of three whole numbers, 1 or more")
]


Fraction = Annotated[float, Field(gt=0, lt=1), _number, Allowed("a fraction above 0 and below 1")]


SampleCount = Annotated[
    int | float,
    PlainValidator(_sample_count),
    Allowed("a number of clips (1 or more), a fraction between 0 and 1, or empty for all"),
]


HeldOutCount = Annotated[  # holding out all clips would leave nothing to train on: empty is the default here
    int | float,
    PlainValidator(_sample_count),
    Allowed("a number of clips (1 or more) or a fraction between 0 and 1"),
]


OpsetVersion = Annotated[int, Field(ge=13, le=25), _number, Allowed("a whole number from 13 to 25")]


Share = Annotated[float, Field(ge=0, le=1), _number, Allowed("a share from 0 to 1")]

"""TensorFlow Lite operators used in the files, with their codes in the schema, version 3.

Source: tensorflow/compiler/mlir/lite/schema/schema.fbs.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "ACTIVATIONS",
    "ADD",
    "CAST",
    "CONCATENATION",
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "GATHER",
    "MAXIMUM",
    "MINIMUM",
    "MUL",
    "PAD",
    "QUANTIZE",
    "RESHAPE",
    "SAME",
    "STRIDED_SLICE",
    "SUB",
    "VALID",
    "Kind",
    "Option",
]


@dataclass(frozen=True)
class Option:
    """A field of an operator's options table.

    Attributes
    ----------
    slot : slot in the table.
    type : flatbuffers type: "Int8", "Int32", "Bool" ...
    default : default value, which is not stored.
    """

    slot: int
    type: str = "Int32"
    default: int = 0


@dataclass(frozen=True)
class Kind:
    """A type of operator.

    Attributes
    ----------
    code : code in `BuiltinOperator`.
    version : first version of the operator with int8.
    options_type : type in `BuiltinOptions`; 0 for no options.
    options : fields of the options table, by name.
    """

    name: str
    code: int
    version: int
    options_type: int = 0
    options: tuple[tuple[str, Option], ...] = ()


SAME, VALID = 0, 1
"""Codes of `Padding`."""

ACTIVATIONS = {"NONE": 0, "RELU": 1, "RELU6": 3}

ACTIVATION = ("activation", Option(0, "Int8"))

ADD = Kind("ADD", 0, 2, 11, (ACTIVATION,))
SUB = Kind("SUB", 41, 2, 28, (ACTIVATION,))
MUL = Kind("MUL", 18, 2, 21, (ACTIVATION,))
CONV_2D = Kind(
    "CONV_2D", 3, 3, 1,
    (
        ("padding", Option(0, "Int8")), ("stride_w", Option(1)), ("stride_h", Option(2)),
        ("activation", Option(3, "Int8")), ("dilation_w", Option(4, default=1)), ("dilation_h", Option(5, default=1)),
    ),
)  # fmt: skip
DEPTHWISE_CONV_2D = Kind(
    "DEPTHWISE_CONV_2D", 4, 6, 2,
    (
        ("padding", Option(0, "Int8")), ("stride_w", Option(1)), ("stride_h", Option(2)), ("multiplier", Option(3)),
        ("activation", Option(4, "Int8")), ("dilation_w", Option(5, default=1)), ("dilation_h", Option(6, default=1)),
    ),
)  # fmt: skip
CONCATENATION = Kind("CONCATENATION", 2, 2, 10, (("axis", Option(0)),))
RESHAPE = Kind("RESHAPE", 22, 1, 17)
PAD = Kind("PAD", 34, 2, 22)
GATHER = Kind("GATHER", 36, 2, 23, (("axis", Option(0)),))
STRIDED_SLICE = Kind("STRIDED_SLICE", 45, 2, 32)
CAST = Kind("CAST", 53, 1, 37, (("from_type", Option(0, "Int8")), ("to_type", Option(1, "Int8"))))
MAXIMUM = Kind("MAXIMUM", 55, 2, 39)
MINIMUM = Kind("MINIMUM", 57, 2, 39)
QUANTIZE = Kind("QUANTIZE", 114, 2)

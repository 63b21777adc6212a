"""A node of an ONNX graph with its constants at hand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import onnx
import onnx.helper

from sezoo.deployment.engine.tensor import Tensor
from sezoo.models.onnx_graph import attribute

__all__ = ["Constants", "Node", "QuantizedConstant", "UnsupportedError"]

OFFSETS = {"int8": (8, 0), "uint8": (8, 128), "int16": (16, 0), "uint16": (16, 32768)}
"""Bits of the types that activations can have, and what makes signed integers of them."""


class UnsupportedError(Exception):
    """The graph has something that there is no integer form of; the text says what and where."""


@dataclass(frozen=True)
class QuantizedConstant:
    """A weight or a bias as the graph stores it.

    Attributes
    ----------
    values, zero_point : integers; the zero point is broadcast over the channels if there is one for all.
    scale : one, or one for each index of axis `axis`.
    """

    values: np.ndarray
    scale: np.ndarray
    zero_point: np.ndarray
    axis: int

    @cached_property
    def real(self) -> np.ndarray:
        """What it stands for, in float32."""
        return np.asarray(self.centred * self._spread(self.scale), np.float32)  # of one number numpy makes a scalar

    @cached_property
    def centred(self) -> np.ndarray:
        """The integers less their zero points, int64."""
        return self.values.astype(np.int64) - self._spread(self.zero_point.astype(np.int64))

    def _spread(self, numbers: np.ndarray) -> np.ndarray:
        if numbers.size == 1:
            return numbers.reshape(())
        return numbers.reshape([-1 if axis == self.axis else 1 for axis in range(self.values.ndim)])


@dataclass
class Constants:
    """What of a graph does not depend on its input.

    Attributes
    ----------
    plain : arrays by name: the initializers, and what Constant nodes give.
    quantized : those that a DequantizeLinear makes real numbers of, by its output's name.
    """

    plain: dict[str, np.ndarray]
    quantized: dict[str, QuantizedConstant]

    def real(self, name: str) -> np.ndarray | None:
        """The values behind a name; None where it is no constant."""
        if name in self.quantized:
            return self.quantized[name].real
        return self.plain.get(name)


@dataclass(frozen=True)
class Node:
    """A node; messages name it by its operator and its name."""

    proto: onnx.NodeProto
    constants: Constants

    def __str__(self) -> str:
        return f"{self.op_type} node '{self.proto.name or self.output}'"

    @property
    def op_type(self) -> str:
        """The operator."""
        return self.proto.op_type

    @property
    def inputs(self) -> list[str]:
        """The names of its inputs; "" for one that is left out."""
        return list(self.proto.input)

    @property
    def output(self) -> str:
        """The name of its first output."""
        return self.proto.output[0]

    def attribute(self, name: str, default: Any) -> Any:
        """An attribute's value."""
        return attribute(self.proto, name, default)

    def constant(self, position: int) -> np.ndarray | None:
        """The constant at an input; None where that is none, or left out."""
        names = self.inputs
        return self.constants.real(names[position]) if position < len(names) and names[position] else None

    @property
    def limits(self) -> tuple[np.ndarray | float | None, np.ndarray | float | None]:
        """The lowest and the highest value of a Clip; None without one. Until opset 10 they were attributes."""
        low, high = (self.constant(position) for position in (1, 2))
        return (
            self.attribute("min", None) if low is None else low,
            self.attribute("max", None) if high is None else high,
        )

    @property
    def integer_type(self) -> str:
        """What a QuantizeLinear rounds to, by numpy's name."""
        zero, wanted = self.constant(2), self.attribute("output_dtype", 0)
        if zero is not None:
            return zero.dtype.name
        return onnx.helper.tensor_dtype_to_np_dtype(wanted).name if wanted else "uint8"

    @property
    def offset(self) -> int:
        """By how much the integers of a QuantizeLinear are larger than signed ones."""
        return OFFSETS[self.integer_type][1]

    def quantizer(self, name: str, items: int) -> Tensor:
        """What a QuantizeLinear makes, in signed integers whatever the graph has.

        Raises
        ------
        UnsupportedError : scales for each channel, or a type that activations cannot have.
        """
        scale, zero = self.constant(1), self.constant(2)
        if scale is None or scale.size != 1 or (zero is not None and zero.size != 1):
            raise UnsupportedError(f"{self} has not one constant scale for the whole tensor")
        kind = self.integer_type
        if kind not in OFFSETS:
            raise UnsupportedError(f"{self} rounds to {kind}; int8 and int16 can be run")
        bits, offset = OFFSETS[kind]
        point = 0 if zero is None else int(zero.item())
        return Tensor(name, items, np.float32(scale.item()), point - offset, bits)

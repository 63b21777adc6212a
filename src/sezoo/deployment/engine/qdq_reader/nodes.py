"""A node of an ONNX graph, with access to its constants."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import onnx
import onnx.helper

from sezoo.deployment.engine.tensor import Tensor
from sezoo.models.onnx_graph import attribute

__all__ = [
    "Constants",
    "Node",
    "QuantizedConstant",
    "UnsupportedError",
    "quantized_constant",
    "remedy_for",
    "unrounded",
]

OFFSETS = {"int8": (8, 0), "uint8": (8, 128), "int16": (16, 0), "uint16": (16, 32768)}
"""Bits of each activation type, and the offset to subtract for signed integers."""


REMEDIES = {
    **dict.fromkeys(("If", "Loop"), "export the network with plain layers, without branches and loops"),
    **dict.fromkeys(("RNN", "LSTM", "GRU"), "a forward LSTM or GRU has one where sezoo quantizes the float model"),
    **dict.fromkeys(("STFT", "DFT"), "leave the transform to the denoiser, and give the network spectra"),
    **dict.fromkeys(("ArgMax", "ArgMin", "TopK", "NonZero", "Unique"), "choose by Max, Min or a comparison with Where"),
    **dict.fromkeys(("DynamicQuantizeLinear", "MatMulInteger", "ConvInteger"), "quantize the float model"),
    "CumSum": "over frames it is a state: export one frame a call, with states in and out (quantization.states)",
    "Einsum": "write it as MatMul and Transpose",
    "Attention": "within a frame it can be run without is_causal, softcap, masks and past keys; over frames take a "
    "GRU, an LSTM or convolutions",
}
"""Advice by operator."""


def remedy_for(node: Node) -> str:
    """Return advice on an operator without an integer form."""
    domain = node.proto.domain
    if domain not in ("", "ai.onnx"):
        return f"it is an operator of '{domain}'; write it in operators of ONNX's own"
    return REMEDIES.get(node.op_type, "write it in other operators, or take quantization.target: generic")


class UnsupportedError(Exception):
    """A part of the graph has no integer form; the message says which."""


def unrounded(who: object) -> UnsupportedError:
    """Return the error about what reads values that should have been rounded to integers first."""
    return UnsupportedError(
        f"{who} reads a tensor that no QuantizeLinear has rounded; leave the operator that makes it in "
        "quantization.op_types_to_quantize"
    )


@dataclass(frozen=True)
class QuantizedConstant:
    """A weight or a bias as the graph stores it.

    Attributes
    ----------
    values, zero_point : integers; a single zero point is broadcast over the channels.
    scale : a single scale, or one for each index of axis `axis`.
    """

    values: np.ndarray
    scale: np.ndarray
    zero_point: np.ndarray
    axis: int

    @cached_property
    def real(self) -> np.ndarray:
        """Dequantized values, float32."""
        # The product is a scalar if there is a single number.
        return np.asarray(self.centred * self._broadcast(self.scale), np.float32)

    @cached_property
    def centred(self) -> np.ndarray:
        """Integers minus zero point, int64."""
        return self.values.astype(np.int64) - self._broadcast(self.zero_point.astype(np.int64))

    def _broadcast(self, numbers: np.ndarray) -> np.ndarray:
        if numbers.size == 1:
            return numbers.reshape(())
        return numbers.reshape([-1 if axis == self.axis else 1 for axis in range(self.values.ndim)])


@dataclass
class Constants:
    """Values of a graph that do not depend on its input.

    Attributes
    ----------
    plain : arrays by name: initializers and the values of Constant nodes.
    quantized : inputs of DequantizeLinear nodes, by the name of the node's output.
    """

    plain: dict[str, np.ndarray]
    quantized: dict[str, QuantizedConstant]

    def real(self, name: str) -> np.ndarray | None:
        """Return the real values of a constant, or None if the name is not a constant."""
        if name in self.quantized:
            return self.quantized[name].real
        return self.plain.get(name)


@dataclass(frozen=True)
class Node:
    """A node; `str` gives its operator and name, for messages."""

    proto: onnx.NodeProto
    constants: Constants

    def __str__(self) -> str:
        return f"{self.op_type} node '{self.proto.name or self.output}'"

    @property
    def op_type(self) -> str:
        """Type of the operator."""
        return self.proto.op_type

    @property
    def inputs(self) -> list[str]:
        """Names of the inputs; "" for an omitted one."""
        return list(self.proto.input)

    @property
    def output(self) -> str:
        """Name of the first output."""
        return self.proto.output[0]

    def attribute(self, name: str, default: Any) -> Any:
        """Return an attribute's value."""
        return attribute(self.proto, name, default)

    def constant(self, position: int) -> np.ndarray | None:
        """Return the constant at an input, or None if the input is not constant or omitted."""
        names = self.inputs
        return self.constants.real(names[position]) if position < len(names) and names[position] else None

    @property
    def limits(self) -> tuple[np.ndarray | float | None, np.ndarray | float | None]:
        """Limits of a Clip, each None if missing; up to opset 10 they are attributes."""
        low, high = (self.constant(position) for position in (1, 2))
        return (
            self.attribute("min", None) if low is None else low,
            self.attribute("max", None) if high is None else high,
        )

    @property
    def integer_type(self) -> str:
        """Output type of a QuantizeLinear, as numpy's name."""
        zero, wanted = self.constant(2), self.attribute("output_dtype", 0)
        if zero is not None:
            return zero.dtype.name
        return onnx.helper.tensor_dtype_to_np_dtype(wanted).name if wanted else "uint8"

    @property
    def offset(self) -> int:
        """Offset of the integers of a QuantizeLinear from signed ones."""
        return OFFSETS[self.integer_type][1]

    def quantizer(self, name: str, items: int) -> Tensor:
        """Return the output tensor of a QuantizeLinear, in signed integers also for unsigned types.

        Raises
        ------
        UnsupportedError : per-channel scales, or a type that is not supported for activations.
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


def quantized_constant(node: Node) -> QuantizedConstant:
    """Return the constant that a DequantizeLinear reads."""
    values, scale, zero = (node.constant(position) for position in range(3))
    if scale is None:
        raise UnsupportedError(f"{node} has a scale that is no constant")
    if node.attribute("block_size", 0):
        raise UnsupportedError(f"{node} has scales for blocks of weights; one for each output can be run")
    zero = np.zeros(1, np.int32) if zero is None else zero
    return QuantizedConstant(values, scale, zero, node.attribute("axis", 1) % max(values.ndim, 1))

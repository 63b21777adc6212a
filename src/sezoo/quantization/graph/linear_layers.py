"""The layers that hold the weights, seen as matrices: outputs are weights times columns of inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import onnx

from sezoo.models.onnx_graph import attribute, float_weights, readers
from sezoo.models.receptive_field import RECURRENT

__all__ = ["LINEAR", "LinearLayer", "behind_layers", "linear_layers", "without_layers_before"]

LINEAR = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Operators that multiply and add; all else that holds weights is recurrent and stays in float."""


@dataclass(frozen=True)
class LinearLayer:
    """A Conv, or a Gemm or MatMul with constant weights on the right.

    Attributes
    ----------
    node : its name.
    weight, bias : names of initializers; bias is None where it has none. A MatMul's is that of the Add behind it.
    shape : of the weights as they are stored.
    groups : of channels that are convolved apart; 1 but for Conv.
    """

    node: str
    op_type: str
    input: str
    output: str
    weight: str
    bias: str | None
    shape: tuple[int, ...]
    groups: int = 1
    strides: tuple[int, ...] = ()
    pads: tuple[int, ...] = ()
    dilations: tuple[int, ...] = ()
    transposed: bool = False

    @property
    def channel_axis(self) -> int:
        """The axis of the stored weights along which each output channel has its own."""
        return 0 if self.op_type == "Conv" or self.transposed else 1

    @property
    def matrix_shape(self) -> tuple[int, int, int]:
        """Groups, outputs of a group, and features: the inputs that one output is a sum of."""
        if self.op_type == "Conv":
            return self.groups, self.shape[0] // self.groups, int(np.prod(self.shape[1:]))
        return 1, self.shape[self.channel_axis], self.shape[1 - self.channel_axis]

    def matrix(self, weight: np.ndarray) -> np.ndarray:
        """Stored weights as (groups, outputs of a group, features)."""
        if self.op_type != "Conv":
            return (weight if self.transposed else weight.T)[np.newaxis]
        return weight.reshape(self.groups, self.shape[0] // self.groups, -1)

    def stored(self, matrix: np.ndarray) -> np.ndarray:
        """Return the weights in the stored layout, the inverse of `matrix`."""
        if self.op_type != "Conv":
            return matrix[0] if self.transposed else matrix[0].T
        return matrix.reshape(self.shape)

    def columns(self, value: np.ndarray, output_shape: Sequence[int], positions: np.ndarray) -> np.ndarray:
        """The inputs of those positions: (groups, features, positions).

        Parameters
        ----------
        value : of the layer's input, for a batch of 1.
        output_shape : of the layer's output for it.
        positions : indices into the flattened positions of the output.
        """
        if self.op_type != "Conv":
            return value.reshape(-1, value.shape[-1])[positions].T[np.newaxis]
        spatial = len(self.shape) - 2
        padded = np.pad(value[0], [(0, 0), *zip(self.pads[:spatial], self.pads[spatial:], strict=True)])
        where = np.unravel_index(positions, tuple(output_shape[2:]))
        taps = [
            padded[(slice(None), *(at * stride + tap * dilation for at, stride, tap, dilation in zip(
                where, self.strides, offset, self.dilations, strict=True)))]
            for offset in product(*(range(length) for length in self.shape[2:]))
        ]  # fmt: skip
        patches = np.stack(taps, axis=1)  # (channels, taps, positions)
        return patches.reshape(self.groups, -1, len(positions))

    def positions(self, output_shape: Sequence[int]) -> int:
        """Return the number of positions of an output of that shape."""
        return int(np.prod(output_shape[2:])) if self.op_type == "Conv" else int(np.prod(output_shape[:-1]))


def linear_layers(model: onnx.ModelProto, in_float: frozenset[str] = frozenset()) -> list[LinearLayer]:
    """The layers of the graph with weights that can be rounded with care, in graph order.

    Left out are transposed convolutions, automatic padding, and products of two activations.
    """
    weights, found, read_by = float_weights(model.graph), [], readers(model.graph)
    for node in model.graph.node:
        if node.op_type not in ("Conv", "Gemm", "MatMul") or node.name in in_float:
            continue
        if len(node.input) < 2 or node.input[1] not in weights or node.input[0] in weights:
            continue
        shape = weights[node.input[1]].shape
        bias = node.input[2] if len(node.input) > 2 and node.input[2] else None
        if bias is not None and bias not in weights:
            continue
        if node.op_type == "MatMul":
            bias = _bias_behind(node, read_by[node.output[0]], weights)
        common = (node.name, node.op_type, node.input[0], node.output[0], node.input[1], bias, shape)
        if node.op_type == "Conv":
            spatial = len(shape) - 2
            if attribute(node, "auto_pad", b"NOTSET") not in (b"NOTSET", b""):
                continue
            found.append(
                LinearLayer(
                    *common,
                    groups=attribute(node, "group", 1),
                    strides=tuple(attribute(node, "strides", [1] * spatial)),
                    pads=tuple(attribute(node, "pads", [0] * 2 * spatial)),
                    dilations=tuple(attribute(node, "dilations", [1] * spatial)),
                )
            )
        elif len(shape) == 2 and not (node.op_type == "Gemm" and _is_unusual(node)):
            found.append(LinearLayer(*common, transposed=bool(attribute(node, "transB", 0))))
    return found


def _bias_behind(node: onnx.NodeProto, behind: list[onnx.NodeProto], weights: Mapping[str, np.ndarray]) -> str | None:
    """The constant that the one Add behind a MatMul adds to each of its outputs."""
    if len(behind) != 1 or behind[0].op_type != "Add":
        return None
    constants = [name for name in behind[0].input if name in weights]
    fits = constants and weights[constants[0]].shape == weights[node.input[1]].shape[1:]
    return constants[0] if fits else None


def _is_unusual(node: onnx.NodeProto) -> bool:
    """Whether a Gemm does more than multiply and add."""
    return bool(attribute(node, "transA", 0)) or attribute(node, "alpha", 1.0) != 1 or attribute(node, "beta", 1.0) != 1


def behind_layers(graph: onnx.GraphProto) -> set[str]:
    """The tensors that depend on a layer with weights, of whatever kind."""
    behind: set[str] = set()
    for node in graph.node:
        if node.op_type in (*LINEAR, *RECURRENT, "Scan") or any(name in behind for name in node.input):
            behind.update(node.output)
    return behind


def without_layers_before(model: onnx.ModelProto, layers: Sequence[LinearLayer]) -> list[LinearLayer]:
    """The layers whose inputs depend on none of the others."""
    nodes, behind, first = {layer.node: layer for layer in layers}, set(), []
    for node in model.graph.node:
        follows = any(name in behind for name in node.input)
        if node.name in nodes and not follows:
            first.append(nodes[node.name])
        if node.name in nodes or follows:
            behind.update(node.output)
    return first

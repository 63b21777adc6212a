"""Lowering of an integer graph to a TensorFlow Lite graph, operator by operator.

A row of integers is position-major and channel-minor, and rows are contiguous. This is NHWC with H = frames,
W = positions and C = channels, so that nothing is transposed, and dilations are attributes.

The file of a stream has the history of earlier frames as inputs and outputs: each input is concatenated with the new
rows, the operators read the rows that they need, and the last rows are the output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from sezoo.base.errors import UserError
from sezoo.base.text import pluralize
from sezoo.deployment.engine.conv import Conv
from sezoo.deployment.engine.integer_graph import IntegerGraph
from sezoo.deployment.engine.operators import Elementwise, LookupTable, Operator, Permute
from sezoo.deployment.engine.tensor import Tensor
from sezoo.deployment.engine.tflite_arithmetic import requantized_table, weight_scales
from sezoo.deployment.tflite import operators as tf
from sezoo.deployment.tflite.convolutions import kernel_of
from sezoo.deployment.tflite.graph import TfliteGraph
from sezoo.deployment.tflite.lowerable import check_operators
from sezoo.deployment.tflite.rows import Rows, Shape, StateTensor

__all__ = ["LoweredGraph", "lower_graph"]

MOST_SLICES = 8
"""Most runs of items that are concatenated from slices, which NPUs support; beyond, a GATHER is used."""


@dataclass(frozen=True, eq=False)
class LoweredGraph:
    """A TensorFlow Lite graph.

    Attributes
    ----------
    inputs, output : tensors of the integer graph that are the first inputs and the first output.
    states : states that are the other inputs and outputs, in that order.
    names : names in the ONNX model of the file's operators.
    """

    file: TfliteGraph
    inputs: tuple[Tensor, ...]
    output: Tensor
    states: tuple[StateTensor, ...]
    names: tuple[str, ...]


def lower_graph(graph: IntegerGraph, path: Path, frames: int | None = None) -> LoweredGraph:
    """Return the TensorFlow Lite graph, which computes the same integer sums.

    Parameters
    ----------
    graph : graph returned by `preparation.prepare_graph`.
    path : path of the model, for messages.
    frames : number of frames per call of a stream; None for patches of the graph's length.

    Raises
    ------
    UserError : TensorFlow Lite lacks an operator; the message names it.
    """
    check_operators(graph, path)
    return _Lowering(graph, path, frames).run()


class _Lowering:
    def __init__(self, graph: IntegerGraph, path: Path, frames: int | None):
        self.graph, self.path = graph, path
        self.rows = Rows(graph, frames)
        self.file, self.frames = self.rows.file, self.rows.frames
        self.names: list[str] = []

    def run(self) -> LoweredGraph:
        for tensor in self.graph.inputs:
            index = self.rows.new(tensor, self._shape_of_input(tensor))
            self.file.inputs.append(index)
            self.rows.store(tensor, index)
        for operator in self.graph.operators:
            index = self._lower(operator)
            self.rows.store(operator.output, index)
            self.names += [operator.name] * (len(self.file.operators) - len(self.names))
        self.file.outputs.append(self.rows.newest(self.graph.output))
        for source, end in self.rows.state_ends:
            self.file.inputs.append(source)
            self.file.outputs.append(end)
        self.names += [self.graph.output.name] * (len(self.file.operators) - len(self.names))
        return LoweredGraph(self.file, self.graph.inputs, self.graph.output, tuple(self.rows.states), tuple(self.names))

    def _shape_of_input(self, tensor: Tensor) -> Shape:
        reader = next((each for each in self.graph.operators if tensor in each.inputs), None)
        return (reader.positions_in, reader.channels_in) if isinstance(reader, Conv) else (1, tensor.items)

    def _lower(self, operator: Operator) -> int:
        if isinstance(operator, Conv):
            return self._conv(operator)
        if isinstance(operator, Elementwise):
            return self._elementwise(operator)
        return self._lookup(operator) if isinstance(operator, LookupTable) else self._rearrange(operator)

    def _conv(self, conv: Conv) -> int:
        kernel = kernel_of(conv, self.rows.native[conv.input.name], self.frames, is_stream=self.rows.plan is not None)
        source = self.rows.read(conv, 0, (kernel.positions, kernel.channels))
        space, time, name = kernel.space, kernel.time, conv.name
        if space.used != space.size:
            end = (1, time.size, space.used, kernel.channels)
            source, space = self.rows.slice(f"{name}/used", source, (0, 0, 0, 0), end), replace(space, size=space.used)
        padding = tf.SAME if time.is_same and space.is_same else tf.VALID
        if padding == tf.VALID and not (time.is_valid and space.is_valid):
            ends = [(0, 0), (time.before, time.behind), (space.before, space.behind), (0, 0)]
            size = [1, time.size, space.size, kernel.channels]
            padded = self.file.like(
                f"{name}/padded", [n + sum(pads) for n, pads in zip(size, ends, strict=True)], source
            )
            source = self.file.add(tf.PAD, [source, self.file.integers(f"{name}/pads", ends)], padded)
        scales = weight_scales(conv)
        weights = self.file.constant(f"{name}/weights", kernel.weights, scales, axis=3 if kernel.depthwise else 0)
        units = float(conv.input.scale) * scales.astype(np.float64)
        bias = self.file.constant(f"{name}/bias", conv.bias.astype(np.int32), units)
        output, activation, clamped = self._output(conv, (kernel.made, conv.channels_out))
        options = {
            "padding": padding, "stride_w": space.stride, "stride_h": 1, "activation": activation,
            "dilation_w": space.dilation, "dilation_h": time.dilation,
        }  # fmt: skip
        kind = tf.CONV_2D
        if kernel.depthwise:
            kind, options["multiplier"] = tf.DEPTHWISE_CONV_2D, conv.weights.shape[1]
        self.file.add(kind, [source, weights, bias], output, **options)
        return self._clamp(conv, output, clamped)

    def _elementwise(self, operator: Elementwise) -> int:
        shape = max((self.rows.native[each.name] for each in operator.inputs), key=lambda each: each[0])
        a, b = (self.rows.read(operator, operand, shape) for operand in (0, 1))
        if operator.kind == "mul":
            kind = tf.MUL
        elif min(operator.scales) < 0:
            kind = tf.SUB
            if operator.scales[0] < 0:
                a, b = b, a
        else:
            kind = tf.ADD
        output, activation, clamped = self._output(operator, shape)
        self.file.add(kind, [a, b], output, activation=activation)
        return self._clamp(operator, output, clamped)

    def _output(self, operator: Conv | Elementwise, shape: Shape) -> tuple[int, int, bool]:
        """Return the output's tensor, its activation, and whether it needs separate operators for its limits."""
        activation = _activation(operator)
        output = self.rows.new(operator.output, shape)
        return output, activation or tf.ACTIVATIONS["NONE"], activation is None

    def _clamp(self, operator: Conv | Elementwise, source: int, is_wanted: bool) -> int:
        if not is_wanted:
            return source
        quantization = {"scales": operator.output.scale, "zero_point": operator.output.zero_point}
        for kind, limit, end in ((tf.MAXIMUM, operator.low, -128), (tf.MINIMUM, operator.high, 127)):
            if limit != end:
                bound = self.file.constant(f"{operator.name}/{limit}", np.full(1, limit, np.int8), **quantization)
                made = self.file.like(f"{operator.name}/{kind.name.lower()}", self.file.tensors[source].shape, source)
                source = self.file.add(kind, [source, bound], made)
        return source

    def _lookup(self, lookup: LookupTable) -> int:
        """Lower a function to QUANTIZE if it only rescales, else to an exact GATHER of its table (CPU only)."""
        shape, name = self.rows.native[lookup.input.name], lookup.name
        source = self.rows.read(lookup, 0)
        output = self.rows.new(lookup.output, shape)
        if requantized_table(lookup) is not None:
            return self.file.add(tf.QUANTIZE, [source], output)
        size = (1, self.frames, *shape)
        wide, place = (self.file.tensor(f"{name}/{what}", size, np.int32) for what in ("wide", "place"))
        int8, int32 = 9, 2  # of TensorType
        self.file.add(tf.CAST, [source], wide, from_type=int8, to_type=int32)
        self.file.add(tf.ADD, [wide, self.file.integers(f"{name}/128", [128])], place)
        table = self.file.constant(f"{name}/table", lookup.table, lookup.output.scale, lookup.output.zero_point)
        return self.file.add(tf.GATHER, [table, place], output, axis=0)

    def _rearrange(self, order: Permute) -> int:
        self._check_scales(order)
        starts = np.flatnonzero(np.diff(order.index, prepend=order.index[0] - 2) != 1)
        output = self.rows.new(order.output, (1, len(order.index)))
        if len(starts) > MOST_SLICES:
            parts = [self.rows.read(order, operand, (1, each.items)) for operand, each in enumerate(order.inputs)]
            source = self._concatenate(f"{order.name}/all", parts)
            index = self.file.integers(f"{order.name}/order", order.index)
            return self.file.add(tf.GATHER, [source, index], output, axis=3)
        offsets = np.cumsum([0, *(each.items for each in order.inputs)])
        edges, index = np.append(starts, len(order.index)), order.index
        parts = []
        for first, last in pairwise(edges):
            parts += self._parts(order, offsets, int(index[first]), int(index[last - 1]) + 1)
        if len(parts) == 1:
            sizes = self.file.integers(f"{order.name}/shape", [1, self.frames, 1, len(index)])
            return self.file.add(tf.RESHAPE, [parts[0], sizes], output)
        return self.file.add(tf.CONCATENATION, parts, output, axis=3)

    def _parts(self, order: Permute, offsets: np.ndarray, first: int, end: int) -> list[int]:
        """Return the slices of the inputs that make up consecutive items."""
        parts = []
        for operand, tensor in enumerate(order.inputs):
            begin, stop = max(first, int(offsets[operand])), min(end, int(offsets[operand + 1]))
            if begin >= stop:
                continue
            begin, stop = begin - int(offsets[operand]), stop - int(offsets[operand])
            source = self.rows.read(order, operand, (1, tensor.items))
            if (begin, stop) != (0, tensor.items):
                name = f"{order.name}/{tensor.name}_{begin}"
                source = self.rows.slice(name, source, (0, 0, 0, begin), (1, self.frames, 1, stop))
            parts.append(source)
        return parts

    def _concatenate(self, name: str, parts: Sequence[int]) -> int:
        if len(parts) == 1:
            return parts[0]
        items = sum(self.file.tensors[part].shape[3] for part in parts)
        made = self.file.like(name, (1, self.frames, 1, items), parts[0])
        return self.file.add(tf.CONCATENATION, parts, made, axis=3)

    def _check_scales(self, order: Permute) -> None:
        steps = {(float(each.scale), each.zero_point) for each in (*order.inputs, order.output)}
        if len(steps) > 1:
            raise UserError(
                f"{self.path}: operator '{order.name}' joins tensors of {pluralize(len(steps), 'scale')} without "
                "rounding them anew, which TensorFlow Lite does not; deploy the model with deployment.backend: "
                "portable-c"
            )


def _activation(operator: Conv | Elementwise) -> int | None:
    """Return the activation that has the operator's limits, or None if there is none."""
    output = operator.output
    zero, scale = output.zero_point, np.float32(output.scale)
    limits = {
        (output.low, output.high): "NONE",
        (max(output.low, zero), output.high): "RELU",
        (max(output.low, zero), int(min(output.high, zero + np.rint(np.float32(6) / scale)))): "RELU6",
    }
    name = limits.get((operator.low, operator.high))
    return None if name is None else tf.ACTIVATIONS[name]

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
from sezoo.deployment.engine.stream_plan import StreamPlan, stream_plan
from sezoo.deployment.engine.tensor import Tensor
from sezoo.deployment.engine.tflite_arithmetic import requantized_table, weight_scales
from sezoo.deployment.tflite import operators as tf
from sezoo.deployment.tflite.axis import Axis
from sezoo.deployment.tflite.convolutions import kernel_of
from sezoo.deployment.tflite.graph import TfliteGraph
from sezoo.deployment.tflite.lowerable import check_operators

__all__ = ["LoweredGraph", "StateTensor", "lower_graph"]

MOST_SLICES = 8
"""Most runs of items that are concatenated from slices, which NPUs support; beyond, a GATHER is used."""


Shape = tuple[int, int]
"""Number of positions and of channels of a row."""


@dataclass(frozen=True)
class StateTensor:
    """History rows of a tensor of a stream.

    Attributes
    ----------
    lag : number of frames by which the newest of these rows lags behind the newest input frame.
    """

    tensor: Tensor
    rows: int
    lag: int
    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class LoweredGraph:
    """A TensorFlow Lite graph.

    Attributes
    ----------
    entries, result : tensors of the integer graph that are the first inputs and the first output.
    states : states that are the other inputs and outputs, in that order.
    names : names in the ONNX model of the file's operators.
    """

    file: TfliteGraph
    entries: tuple[Tensor, ...]
    result: Tensor
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
        self.graph, self.path, self.file = graph, path, TfliteGraph()
        self.plan: StreamPlan | None = None if frames is None else stream_plan(graph)
        self.frames = graph.frames if frames is None else frames
        self.native: dict[str, Shape] = {}
        self.rows: dict[str, int] = {}
        """Number of rows of each tensor, including the history."""
        self.views: dict[tuple[str, int, int, Shape], int] = {}
        self.states: list[StateTensor] = []
        self.names: list[str] = []
        self.state_ends: list[tuple[int, int]] = []

    def run(self) -> LoweredGraph:
        for tensor in self.graph.entries:
            shape = self._shape_of_entry(tensor)
            index = self._new(tensor, shape)
            self.file.inputs.append(index)
            self._store_rows(tensor, index)
        for operator in self.graph.operators:
            index = self._lower(operator)
            self._store_rows(operator.output, index)
            self.names += [operator.name] * (len(self.file.operators) - len(self.names))
        self.file.outputs.append(self._view(self.graph.result, self._history_rows(self.graph.result), self.frames))
        for source, end in self.state_ends:
            self.file.inputs.append(source)
            self.file.outputs.append(end)
        self.names += [self.graph.result.name] * (len(self.file.operators) - len(self.names))
        return LoweredGraph(
            self.file, self.graph.entries, self.graph.result, tuple(self.states), tuple(self.names)
        )  # fmt: skip

    # -- tensors and their rows

    def _shape_of_entry(self, tensor: Tensor) -> Shape:
        reader = next((each for each in self.graph.operators if tensor in each.inputs), None)
        return (reader.positions_in, reader.channels_in) if isinstance(reader, Conv) else (1, tensor.items)

    def _new(self, tensor: Tensor, shape: Shape) -> int:
        """Add the file's tensor for the new rows: (1, frames, positions, channels)."""
        self.native[tensor.name] = shape
        return self.file.tensor(tensor.name, (1, self.frames, *shape), np.int8, tensor.scale, tensor.zero_point)

    def _history_rows(self, tensor: Tensor) -> int:
        return 0 if self.plan is None else self.plan.history_rows[tensor.name]

    def _store_rows(self, tensor: Tensor, index: int) -> None:
        """Concatenate the history and the new rows of a tensor."""
        kept, shape = self._history_rows(tensor), self.native[tensor.name]
        if kept:
            name, size = tensor.name, (1, kept, *shape)
            before = self.file.like(f"{name}/before", size, index)
            joined = self.file.like(f"{name}/rows", (1, kept + self.frames, *shape), index)
            index = self.file.add(tf.CONCATENATION, [before, index], joined, axis=1)
            self.states.append(StateTensor(tensor, kept, self.plan.lag[name], size))
        self.rows[tensor.name] = kept + self.frames
        self.views[tensor.name, 0, kept + self.frames, shape] = index
        if kept:
            self.state_ends.append((before, self._view(tensor, self.frames, kept, name=f"{tensor.name}/after")))

    def _view(self, tensor: Tensor, first: int, count: int, shape: Shape | None = None, name: str | None = None) -> int:
        """Return rows of a tensor in a given shape, with the slices and reshapes that this takes."""
        native = self.native[tensor.name]
        shape = shape or native
        key = (tensor.name, first, count, shape)
        if key not in self.views:
            if shape != native:
                source = self._view(tensor, first, count)
                made = self.file.like(f"{tensor.name}/as_{shape[0]}x{shape[1]}", (1, count, *shape), source)
                sizes = self.file.integers(f"{tensor.name}/shape_{made}", [1, count, *shape])
                self.views[key] = self.file.add(tf.RESHAPE, [source, sizes], made)
            else:
                whole = self.views[tensor.name, 0, self.rows[tensor.name], native]
                self.views[key] = self._slice(
                    name or f"{tensor.name}/from_{first}", whole, (0, first, 0, 0), (1, first + count, *native)
                )
        return self.views[key]

    def _read(self, operator: Operator, operand: int, shape: Shape | None = None) -> int:
        """Return the rows that an operator reads from an input."""
        tensor = operator.inputs[operand]
        if self.plan is None:
            return self._view(tensor, 0, self.frames, shape)
        span = operator.span if isinstance(operator, Conv) else 0
        return self._view(tensor, self.plan.first_row(operator, operand), self.frames + span, shape)

    def _slice(self, name: str, source: int, begin: Sequence[int], end: Sequence[int]) -> int:
        made = self.file.like(name, np.subtract(end, begin), source)
        ends = [
            self.file.integers(f"{name}/{what}", values)
            for what, values in (("begin", begin), ("end", end), ("strides", [1, 1, 1, 1]))
        ]
        return self.file.add(tf.STRIDED_SLICE, [source, *ends], made)

    # -- operators

    def _lower(self, operator: Operator) -> int:
        if isinstance(operator, Conv):
            return self._conv(operator)
        if isinstance(operator, Elementwise):
            return self._elementwise(operator)
        return self._lookup(operator) if isinstance(operator, LookupTable) else self._rearrange(operator)

    def _conv(self, conv: Conv) -> int:
        kernel = kernel_of(conv, self.native[conv.input.name], self.frames, is_stream=self.plan is not None)
        source = self._read(conv, 0, (kernel.positions, kernel.channels))
        space, time, name = kernel.space, kernel.time, conv.name
        if space.used != space.size:
            end = (1, time.size, space.used, kernel.channels)
            source, space = self._slice(f"{name}/used", source, (0, 0, 0, 0), end), _crop(space)
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
        shape = max((self.native[each.name] for each in operator.inputs), key=lambda each: each[0])
        a, b = (self._read(operator, operand, shape) for operand in (0, 1))
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
        output = self._new(operator.output, shape)
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
        shape, name = self.native[lookup.input.name], lookup.name
        source = self._read(lookup, 0)
        output = self._new(lookup.output, shape)
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
        output = self._new(order.output, (1, len(order.index)))
        if len(starts) > MOST_SLICES:
            parts = [self._read(order, operand, (1, each.items)) for operand, each in enumerate(order.inputs)]
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
            source = self._read(order, operand, (1, tensor.items))
            if (begin, stop) != (0, tensor.items):
                name = f"{order.name}/{tensor.name}_{begin}"
                source = self._slice(name, source, (0, 0, 0, begin), (1, self.frames, 1, stop))
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


def _crop(space: Axis) -> Axis:
    return replace(space, size=space.used)


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

"""The rows of tensors in a TensorFlow Lite graph: new ones, the history of a stream, and what operators read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sezoo.deployment.engine.conv import Conv
from sezoo.deployment.engine.integer_graph import IntegerGraph
from sezoo.deployment.engine.operators import Operator
from sezoo.deployment.engine.stream_plan import StreamPlan, stream_plan
from sezoo.deployment.engine.tensor import Tensor
from sezoo.deployment.tflite import operators as tf
from sezoo.deployment.tflite.graph import TfliteGraph

__all__ = ["Rows", "Shape", "StateTensor"]

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


class Rows:
    """The file, and the tensors in it that hold rows of the integer graph's tensors.

    Parameters
    ----------
    frames : number of frames per call of a stream; None for patches of the graph's length.

    Attributes
    ----------
    native : shape in which each tensor was written, by its name.
    count : number of rows of each tensor, including the history.
    states : states of a stream, in the order of the file's further inputs and outputs.
    state_ends : the file's tensors that each state is read from and written to.
    """

    def __init__(self, graph: IntegerGraph, frames: int | None):
        self.file = TfliteGraph()
        self.plan: StreamPlan | None = None if frames is None else stream_plan(graph)
        self.frames = graph.frames if frames is None else frames
        self.native: dict[str, Shape] = {}
        self.count: dict[str, int] = {}
        self.views: dict[tuple[str, int, int, Shape], int] = {}
        self.states: list[StateTensor] = []
        self.state_ends: list[tuple[int, int]] = []

    def new(self, tensor: Tensor, shape: Shape) -> int:
        """Add the file's tensor for the new rows: (1, frames, positions, channels)."""
        self.native[tensor.name] = shape
        return self.file.tensor(tensor.name, (1, self.frames, *shape), np.int8, tensor.scale, tensor.zero_point)

    def newest(self, tensor: Tensor) -> int:
        """Return the rows of this call's frames."""
        return self._view(tensor, self._history_rows(tensor), self.frames)

    def _history_rows(self, tensor: Tensor) -> int:
        return 0 if self.plan is None else self.plan.history_rows[tensor.name]

    def store(self, tensor: Tensor, index: int) -> None:
        """Concatenate the history and the new rows of a tensor, given as the file's tensor."""
        kept, shape = self._history_rows(tensor), self.native[tensor.name]
        if kept:
            name, size = tensor.name, (1, kept, *shape)
            before = self.file.like(f"{name}/before", size, index)
            joined = self.file.like(f"{name}/rows", (1, kept + self.frames, *shape), index)
            index = self.file.add(tf.CONCATENATION, [before, index], joined, axis=1)
            self.states.append(StateTensor(tensor, kept, self.plan.lag[name], size))
        self.count[tensor.name] = kept + self.frames
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
                whole = self.views[tensor.name, 0, self.count[tensor.name], native]
                self.views[key] = self.slice(
                    name or f"{tensor.name}/from_{first}", whole, (0, first, 0, 0), (1, first + count, *native)
                )
        return self.views[key]

    def read(self, operator: Operator, operand: int, shape: Shape | None = None) -> int:
        """Return the rows that an operator reads from an input."""
        tensor = operator.inputs[operand]
        if self.plan is None:
            return self._view(tensor, 0, self.frames, shape)
        span = operator.span if isinstance(operator, Conv) else 0
        return self._view(tensor, self.plan.first_row(operator, operand), self.frames + span, shape)

    def slice(self, name: str, source: int, begin: Sequence[int], end: Sequence[int]) -> int:
        """Return a part of a tensor: from `begin` up to `end` along each axis."""
        made = self.file.like(name, np.subtract(end, begin), source)
        ends = [
            self.file.integers(f"{name}/{what}", values)
            for what, values in (("begin", begin), ("end", end), ("strides", [1, 1, 1, 1]))
        ]
        return self.file.add(tf.STRIDED_SLICE, [source, *ends], made)

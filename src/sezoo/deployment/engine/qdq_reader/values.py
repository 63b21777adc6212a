"""What the reader knows of a tensor of the graph: where each of its numbers comes from.

`items` has the tensor's shape in ONNX. An entry says which item of which frame stands there: ``frame * total + item``,
with the items of several sources numbered one behind the other, `total` in all; -1 is a zero of a Pad.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from sezoo.deployment.engine.conv import Conv
from sezoo.deployment.engine.expression import Expression, Tree
from sezoo.deployment.engine.operators import Elementwise, Normalize, Softmax
from sezoo.deployment.engine.product import Product
from sezoo.deployment.engine.qdq_reader.nodes import Node, UnsupportedError
from sezoo.deployment.engine.qdq_reader.reciprocal import reciprocal_for
from sezoo.deployment.engine.tensor import Tensor

__all__ = [
    "FloatView",
    "Layout",
    "MixedView",
    "QuantizedView",
    "Source",
    "UnroundedOutput",
    "UnroundedSum",
    "Value",
    "laid_out",
    "of_sources_in",
]


@dataclass(frozen=True, eq=False)
class Source:
    """Integers, and the functions of one value that are applied to what they stand for."""

    tensor: Tensor
    functions: tuple[Node, ...] = ()

    @property
    def size(self) -> int:
        """Items in a row."""
        return self.tensor.items


@dataclass(frozen=True, eq=False)
class QuantizedView:
    """Real numbers that come from integers."""

    sources: tuple[Source, ...]
    items: np.ndarray

    @property
    def total(self) -> int:
        """Items in the rows of all sources."""
        return sum(source.size for source in self.sources)

    @property
    def is_rounded(self) -> bool:
        """Whether these are the integers' own values, with no function applied."""
        return not any(source.functions for source in self.sources)

    def with_function(self, node: Node) -> QuantizedView:
        """With one function more."""
        return replace(self, sources=tuple(replace(each, functions=(*each.functions, node)) for each in self.sources))


@dataclass(frozen=True, eq=False)
class FloatRow:
    """A row of floats before the first integer, by the name of the step that makes it."""

    name: str
    size: int


@dataclass(frozen=True, eq=False)
class FloatView:
    """Real numbers that come from magnitudes, before the first integer."""

    sources: tuple[FloatRow, ...]
    items: np.ndarray

    @property
    def total(self) -> int:
        """Items in the rows of all sources."""
        return sum(source.size for source in self.sources)


@dataclass(frozen=True, eq=False)
class MixedView:
    """Real numbers of one frame, some of which come from integers and some from states that nothing has rounded yet."""

    sources: tuple[Source | FloatRow, ...]
    items: np.ndarray

    @property
    def total(self) -> int:
        """Items in the rows of all sources."""
        return sum(source.size for source in self.sources)


def of_sources_in(value: QuantizedView | FloatView | MixedView) -> QuantizedView | FloatView | MixedView:
    """A value of one frame without the sources that none of its items comes from, of the kind that the others make."""
    kept, items, offset, start = [], value.items.copy(), 0, 0
    for source in value.sources:
        inside = (value.items >= offset) & (value.items < offset + source.size)
        if inside.any():
            items[inside] = value.items[inside] - offset + start
            kept.append(source)
            start += source.size
        offset += source.size
    if not kept:
        return value
    kinds = {isinstance(source, Source) for source in kept}
    return (MixedView if len(kinds) > 1 else QuantizedView if True in kinds else FloatView)(tuple(kept), items)


@dataclass(frozen=True, eq=False)
class UnroundedSum:
    """An expression whose result no quantizer has rounded yet.

    Attributes
    ----------
    items : of its row.
    """

    name: str
    tree: Tree
    items: int

    def finish(self, output: Tensor, low: int, high: int) -> Elementwise | Expression:
        """The operator, rounding to `output`: a sum or a product of two int8 tensors has kernels of its own."""
        if (simple := self._of_two(output, low, high)) is not None:
            return replace(simple, inverse=reciprocal_for(simple, output))
        return Expression(self.name, self.tree, output, np.float32(1) / output.scale, low, high)

    def _of_two(self, output: Tensor, low: int, high: int) -> Elementwise | None:
        kind, *operands = self.tree if isinstance(self.tree, tuple) else ("",)
        if kind not in ("add", "sub", "mul") or not all(isinstance(each, Tensor) for each in operands):
            return None
        a, b = operands
        signs = (np.float32(1), np.float32(-1) if kind == "sub" else np.float32(1))
        if b.bits > a.bits:  # the wider one first
            a, b, signs = b, a, signs[::-1]
        if output.bits > 8 or b.bits > 8 or (a.bits > 8 and kind == "mul"):
            return None
        scales = (signs[0] * a.scale, signs[1] * b.scale)
        return Elementwise("mul" if kind == "mul" else "add", self.name, a, b, output, scales, np.float32(1), low, high)


@dataclass(frozen=True, eq=False)
class UnroundedOutput:
    """What an operator makes, not rounded yet.

    Attributes
    ----------
    operator : its output and its rounding are still open.
    lowest, highest : to which a ReLU or a Clip has limited it.
    """

    operator: Conv | Product | Normalize | Softmax | UnroundedSum
    items: np.ndarray
    lowest: float = -np.inf
    highest: float = np.inf

    @property
    def total(self) -> int:
        """Items in its row."""
        return self.operator.items if isinstance(self.operator, UnroundedSum) else self.operator.output.items

    @property
    def tree(self) -> Tree:
        """An unrounded expression with its limits."""
        tree = self.operator.tree
        for kind, limit in (("max", self.lowest), ("min", self.highest)):
            if np.isfinite(limit):
                tree = (kind, tree, np.array([limit], np.float32))
        return tree

    def clamped(self, node: Node) -> UnroundedOutput:
        """Behind a ReLU or a Clip.

        Raises
        ------
        UnsupportedError : any other function.
        """
        if node.op_type == "Relu":
            low, high = 0.0, np.inf
        elif node.op_type == "Clip":
            low, high = (
                default if limit is None else float(np.squeeze(limit))
                for limit, default in zip(node.limits, (-np.inf, np.inf), strict=True)
            )
        else:
            raise UnsupportedError(f"{node} reads a tensor that no QuantizeLinear has rounded")
        if (self.items < 0).any() and not low <= 0 <= high:
            raise UnsupportedError(f"{node} makes something else of the zeros that a Pad put there")
        # As ONNX has it: first the lower limit, then the upper one.
        return replace(
            self,
            lowest=min(max(self.lowest, low), high),
            highest=min(max(self.highest, low), high),
        )

    def finish(self, output: Tensor) -> Conv | Product | Elementwise | Expression | Normalize | Softmax:
        """The operator, rounding to `output`."""
        output = replace(output, items=self.total)
        low, high = (self._limit(value, output) for value in (self.lowest, self.highest))
        if isinstance(self.operator, UnroundedSum):
            return self.operator.finish(output, low, high)
        if isinstance(self.operator, Normalize | Softmax):
            inverse = np.float32(1) / output.scale
            return replace(self.operator, output=output, inverse=inverse, low=low, high=high)
        # `multiplier` holds the scales of what is multiplied so far.
        return replace(
            self.operator, output=output, multiplier=self.operator.multiplier / output.scale, low=low, high=high
        )

    @staticmethod
    def _limit(value: float, output: Tensor) -> int:
        """A limit in steps: rounding is monotone, so that limiting after it is the same."""
        if not np.isfinite(value):
            return output.low if value < 0 else output.high
        steps = np.rint(np.float32(value) / output.scale) + output.zero_point
        return int(np.clip(steps, output.low, output.high))


Value = QuantizedView | FloatView | MixedView | UnroundedOutput


@dataclass(frozen=True, eq=False)
class Layout:
    """How a tensor is made of rows.

    Attributes
    ----------
    axis : of time; None where one frame has none.
    before : frames of zeros before the first one, from a Pad.
    row : the items of a frame, in ONNX's shape without the axis of time; -1 is a zero.
    frames, after : frames of the clip, and of zeros behind them.
    """

    axis: int | None
    before: int
    after: int
    row: np.ndarray
    frames: int
    total: int

    @cached_property
    def natural(self) -> np.ndarray:
        """The row in the order in which operators keep it: all channels of a position, then the next position."""
        if self.row.ndim != 3:
            return self.row.ravel()
        if self.row.shape[0] == 1:  # (1, channels, positions)
            return self.row[0].T.ravel()
        return np.moveaxis(self.row, 0, -1).ravel()  # (channels, earlier frames, positions), of a cache say

    def by_frame(self, values: np.ndarray) -> np.ndarray:
        """Numbers in the tensor's shape with the frames first."""
        return values[np.newaxis] if self.axis is None else np.moveaxis(values, self.axis, 0)

    def place(self, axis: int) -> int:
        """Where an axis of the tensor is in the row."""
        return axis - (self.axis is not None and axis > self.axis)

    def items_at(self, positions: np.ndarray) -> np.ndarray:
        """ONNX's shape again, of a new row that has the entry `natural[i]` at item `positions[i]`."""
        total = len(positions)
        if self.row.ndim != 3:
            row = positions.reshape(self.row.shape)
        elif self.row.shape[0] == 1:
            row = positions.reshape(self.row.shape[2], self.row.shape[1]).T[np.newaxis]
        else:
            row = np.moveaxis(positions.reshape(*self.row.shape[1:], self.row.shape[0]), -1, 0)
        return in_time(row, total, self.frames, self.axis)


def in_time(row: np.ndarray, total: int, frames: int, axis: int | None) -> np.ndarray:
    """The items of all frames from those of a row, with time at an axis."""
    if axis is None:
        return row
    frame = np.arange(frames).reshape(-1, *[1] * row.ndim) * total
    return np.moveaxis(np.where(row < 0, -1, frame + row), 0, axis)


def laid_out(value: Value, frames: int, who: object) -> Layout:
    """The rows that a tensor is made of.

    Raises
    ------
    UnsupportedError : it mixes frames, leaves some out, or has another number of them.
    """
    items, total = value.items, value.total
    for axis in reversed(range(items.ndim)):  # time comes last where there is a choice
        rows = np.moveaxis(items, axis, 0)
        real = (rows >= 0).reshape(len(rows), -1).any(axis=1)
        before = int(np.argmax(real))
        kept = rows[before : before + frames]
        if real.sum() != frames or len(kept) < frames or not real[before : before + frames].all():
            continue
        if kept[0].max() < total and np.array_equal(kept, in_time(kept[0], total, frames, 0)):
            return Layout(axis, before, len(rows) - before - frames, kept[0], frames, total)
    if frames == 1 and items.max(initial=0) < total:
        return Layout(None, 0, 0, items, 1, total)
    raise UnsupportedError(f"{who} mixes frames or changes their number: shape {items.shape} of {frames} frames")

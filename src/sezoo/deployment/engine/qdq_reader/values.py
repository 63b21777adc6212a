"""The reader's representation of an ONNX tensor: the source of each of its elements.

`items` has the shape of the ONNX tensor. Each entry is ``frame * total + item``, where the items of several sources are
numbered consecutively, `total` in all; -1 is a zero of a Pad.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sezoo.deployment.engine.conv import Conv
from sezoo.deployment.engine.expression import Expression, Tree
from sezoo.deployment.engine.group_operators import Normalize, Softmax
from sezoo.deployment.engine.operators import Elementwise
from sezoo.deployment.engine.product import Product
from sezoo.deployment.engine.qdq_reader.nodes import Node, UnsupportedError, unrounded
from sezoo.deployment.engine.qdq_reader.reciprocal import reciprocal_for
from sezoo.deployment.engine.tensor import Tensor

__all__ = [
    "FloatView",
    "MixedView",
    "QuantizedView",
    "Source",
    "UnroundedOutput",
    "UnroundedSum",
    "Value",
    "of_sources_in",
]


@dataclass(frozen=True, eq=False)
class Source:
    """An integer tensor, and the elementwise functions that are applied to its dequantized values."""

    tensor: Tensor
    functions: tuple[Node, ...] = ()

    @property
    def size(self) -> int:
        """Number of items of a row."""
        return self.tensor.items


@dataclass(frozen=True, eq=False)
class QuantizedView:
    """Real values computed from integers."""

    sources: tuple[Source, ...]
    items: np.ndarray

    @property
    def total(self) -> int:
        """Number of items in the rows of all sources."""
        return sum(source.size for source in self.sources)

    @property
    def is_rounded(self) -> bool:
        """Whether these are dequantized integers, with no function applied."""
        return not any(source.functions for source in self.sources)

    def with_function(self, node: Node) -> QuantizedView:
        """Return this value with another function applied."""
        return replace(self, sources=tuple(replace(each, functions=(*each.functions, node)) for each in self.sources))


@dataclass(frozen=True, eq=False)
class FloatRow:
    """A row of floats of the front end, by the name of the step that computes it."""

    name: str
    size: int


@dataclass(frozen=True, eq=False)
class FloatView:
    """Real values computed from magnitudes, before the first quantizer."""

    sources: tuple[FloatRow, ...]
    items: np.ndarray

    @property
    def total(self) -> int:
        """Number of items in the rows of all sources."""
        return sum(source.size for source in self.sources)


@dataclass(frozen=True, eq=False)
class MixedView:
    """Real values of one frame, some from integers and some from states that are not yet quantized."""

    sources: tuple[Source | FloatRow, ...]
    items: np.ndarray

    @property
    def total(self) -> int:
        """Number of items in the rows of all sources."""
        return sum(source.size for source in self.sources)


def of_sources_in(value: QuantizedView | FloatView | MixedView) -> QuantizedView | FloatView | MixedView:
    """Return a value of one frame without its unused sources, with the type that fits the remaining ones."""
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
    """An expression whose result is not yet rounded.

    Attributes
    ----------
    items : number of items of its row.
    """

    name: str
    tree: Tree
    items: int

    def finish(self, output: Tensor, low: int, high: int) -> Elementwise | Expression:
        """Return the operator that rounds to `output`; sums and products of two int8 tensors have their own kernels."""
        if (simple := self._of_two(output, low, high)) is not None:
            return replace(simple, inverse=reciprocal_for(simple, output))
        return Expression(self.name, self.tree, output, np.float32(1) / output.scale, low, high)

    def _of_two(self, output: Tensor, low: int, high: int) -> Elementwise | None:
        kind, *operands = self.tree if isinstance(self.tree, tuple) else ("",)
        if kind not in ("add", "sub", "mul") or not all(isinstance(each, Tensor) for each in operands):
            return None
        a, b = operands
        signs = (np.float32(1), np.float32(-1) if kind == "sub" else np.float32(1))
        if b.bits > a.bits:  # the wider operand comes first
            a, b, signs = b, a, signs[::-1]
        if output.bits > 8 or b.bits > 8 or (a.bits > 8 and kind == "mul"):
            return None
        scales = (signs[0] * a.scale, signs[1] * b.scale)
        return Elementwise("mul" if kind == "mul" else "add", self.name, a, b, output, scales, np.float32(1), low, high)


@dataclass(frozen=True, eq=False)
class UnroundedOutput:
    """The output of an operator, not yet rounded.

    Attributes
    ----------
    operator : the operator; its output and rounding are not yet determined.
    lowest, highest : limits set by a ReLU or a Clip.
    functions : the same output as functions of one tensor, if possible, as tables support more functions.
    """

    operator: Conv | Product | Normalize | Softmax | UnroundedSum
    items: np.ndarray
    lowest: float = -np.inf
    highest: float = np.inf
    functions: QuantizedView | None = None

    @property
    def total(self) -> int:
        """Number of items of its row."""
        return self.operator.items if isinstance(self.operator, UnroundedSum) else self.operator.output.items

    @property
    def tree(self) -> Tree:
        """Tree of an unrounded expression, including its limits."""
        tree = self.operator.tree
        for kind, limit in (("max", self.lowest), ("min", self.highest)):
            if np.isfinite(limit):
                tree = (kind, tree, np.array([limit], np.float32))
        return tree

    def clamp(self, node: Node) -> UnroundedOutput:
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
            raise unrounded(node)
        if (self.items < 0).any() and not low <= 0 <= high:
            raise UnsupportedError(f"{node} makes something else of the zeros that a Pad put there")
        # As in ONNX, the lower limit is applied first.
        return replace(
            self,
            lowest=min(max(self.lowest, low), high),
            highest=min(max(self.highest, low), high),
            functions=self.functions and self.functions.with_function(node),
        )

    def finish(self, output: Tensor) -> Conv | Product | Elementwise | Expression | Normalize | Softmax:
        """Return the operator that rounds to `output`."""
        output = replace(output, items=self.total)
        low, high = (self._limit(value, output) for value in (self.lowest, self.highest))
        if isinstance(self.operator, UnroundedSum):
            return self.operator.finish(output, low, high)
        if isinstance(self.operator, Normalize | Softmax):
            inverse = np.float32(1) / output.scale
            return replace(self.operator, output=output, inverse=inverse, low=low, high=high)
        # So far `multiplier` is the product of the inputs' scales.
        return replace(
            self.operator, output=output, multiplier=self.operator.multiplier / output.scale, low=low, high=high
        )

    @staticmethod
    def _limit(value: float, output: Tensor) -> int:
        """Return a limit in steps; as rounding is monotone, limiting after it gives the same result."""
        if not np.isfinite(value):
            return output.low if value < 0 else output.high
        steps = np.rint(np.float32(value) / output.scale) + output.zero_point
        return int(np.clip(steps, output.low, output.high))


Value = QuantizedView | FloatView | MixedView | UnroundedOutput

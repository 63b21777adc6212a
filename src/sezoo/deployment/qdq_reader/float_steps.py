"""What comes before the first integer, as steps in float of one frame's magnitudes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from sezoo.deployment.integer_graph import FloatStep, Tensor
from sezoo.deployment.qdq_reader.nodes import Node, UnsupportedError
from sezoo.deployment.qdq_reader.values import FloatRow, Floats, Layout, Real, Source, laid_out

__all__ = ["FLOAT_OPERATORS", "FloatSteps"]

F = np.float32

UNARY = {"Sqrt": "sqrt", "Log": "log", "Exp": "exp", "Abs": "abs", "Neg": "neg", "Round": "round", "Relu": "relu"}
BINARY = {"Add": "add", "Sub": "sub", "Mul": "mul", "Div": "div", "Max": "max", "Min": "min"}
FLOAT_OPERATORS = {*UNARY, *BINARY, "Pow", "Clip", "Reciprocal"}


@dataclass
class FloatSteps:
    """The steps so far, and the tensors of integers that they make."""

    frames: int
    steps: list[FloatStep] = field(default_factory=list)
    tensors: list[Tensor] = field(default_factory=list)

    def quantized(self, value: Floats, tensor: Tensor, node: Node) -> Real:
        """Rounded to a tensor, which the operators begin with."""
        layout = self._layout(value, node)
        row = self._row(value, layout.natural, f"{tensor.name}/row")
        tensor = replace(tensor, items=row.size)
        self.tensors.append(tensor)
        self.steps.append(FloatStep("quantize", (row.name,), tensor.name, row.size, tensor=tensor))
        return Real((Source(tensor),), layout.items_at(np.arange(row.size)))

    def as_floats(self, value: Real | Floats, node: Node) -> Floats:
        """Integers of the beginning as real numbers again.

        Raises
        ------
        UnsupportedError : they are the network's own, which there are no steps in float behind.
        """
        if isinstance(value, Floats):
            return value
        rows = []
        for source in value.sources:
            tensor = source.tensor
            if source.functions or tensor.name not in {each.name for each in self.tensors}:
                raise UnsupportedError(f"{node} works in float on what comes from int8 operators")
            name = f"{tensor.name}/real"
            if all(step.output != name for step in self.steps):
                self.steps.append(FloatStep("dequantize", (tensor.name,), name, tensor.items, tensor=tensor))
            rows.append(FloatRow(name, tensor.items))
        return Floats(tuple(rows), value.items)

    def function(self, node: Node, operands: Sequence[Floats | np.ndarray]) -> Floats:
        """An operator item by item; constants are arrays.

        Raises
        ------
        UnsupportedError : an operator that is not there; operands of different shapes; a constant that changes with
            time.
        """
        values = [operand for operand in operands if isinstance(operand, Floats)]
        if node.op_type not in FLOAT_OPERATORS:
            raise UnsupportedError(f"{node} works in float on the magnitudes")
        if any(value.items.shape != values[0].items.shape for value in values):
            raise UnsupportedError(f"{node} repeats one of its operands")
        layouts = [self._layout(value, node) for value in values]
        rows = [
            self._row(value, layout.natural, f"{node.output}/{number}")
            for number, (value, layout) in enumerate(zip(values, layouts, strict=True))
        ]
        made = self._steps_of(node, rows, operands, layouts[0])
        return Floats((made,), layouts[0].items_at(np.arange(made.size)))

    def _steps_of(
        self, node: Node, rows: list[FloatRow], operands: Sequence[Floats | np.ndarray], layout: Layout
    ) -> FloatRow:
        kind, first = node.op_type, rows[0]
        if kind in UNARY:
            return self._add(UNARY[kind], rows, node.output)
        if kind == "Reciprocal":
            return self._add("div", rows, node.output, np.ones(1, F), first=True)
        if kind == "Clip":
            made = first
            for operator, limit in zip(("max", "min"), (node.constant(1), node.constant(2)), strict=True):
                if limit is not None:
                    name = f"{node.output}/{operator}"
                    made = self._add(operator, [made], name, np.asarray(limit, F).reshape(1))
            return made
        if len(operands) != 2:
            raise UnsupportedError(f"{node} has {len(operands)} operands; 2 can be run")
        if len(rows) == 2:
            if kind == "Pow":
                raise UnsupportedError(f"{node} has an exponent that is no constant")
            return self._add(BINARY[kind], rows, node.output)
        is_first = isinstance(operands[0], np.ndarray)
        constant = self._constant(node, operands[0] if is_first else operands[1], layout)
        if kind != "Pow":
            return self._add(BINARY[kind], rows, node.output, constant, first=is_first)
        if is_first or constant.size > 1 or constant[0] <= 0:
            raise UnsupportedError(f"{node} is no power of the magnitudes with one positive exponent")
        if constant[0] == 0.5:
            return self._add("sqrt", rows, node.output)
        if constant[0] == 2:
            return self._add("mul", [first, first], node.output)
        return first if constant[0] == 1 else self._add("pow", rows, node.output, constant)

    def _add(
        self, kind: str, rows: list[FloatRow], name: str, constant: np.ndarray | None = None, *, first: bool = False
    ) -> FloatRow:
        names = tuple(row.name for row in rows)
        self.steps.append(FloatStep(kind, names, name, rows[0].size, constant, first))
        return FloatRow(name, rows[0].size)

    def _layout(self, value: Floats, node: Node) -> Layout:
        layout = laid_out(value, self.frames, node)
        if layout.before or layout.after or (layout.row < 0).any():
            raise UnsupportedError(f"{node} reads zeros that a Pad put before the first int8 tensor")
        return layout

    def _row(self, value: Floats, order: np.ndarray, name: str) -> FloatRow:
        """The items in that order as a row of their own, or the row that has them so already."""
        if len(value.sources) == 1 and np.array_equal(order, np.arange(value.total)):
            return value.sources[0]
        names = tuple(source.name for source in value.sources)
        self.steps.append(FloatStep("gather", names, name, len(order), index=order))
        return FloatRow(name, len(order))

    def _constant(self, node: Node, constant: np.ndarray, layout: Layout) -> np.ndarray:
        """One number, or one for each item of a row."""
        values = np.asarray(constant, F)
        if values.size == 1:
            return values.reshape(1)
        shape = list(layout.row.shape)
        shape.insert(layout.axis, self.frames)
        try:
            spread = np.moveaxis(np.broadcast_to(values, shape), layout.axis, 0)
        except ValueError as error:
            raise UnsupportedError(
                f"{node} has a constant of shape {values.shape} for values of {tuple(shape)}"
            ) from error
        if not (spread == spread[:1]).all():
            raise UnsupportedError(f"{node} has a constant that changes from frame to frame")
        return replace(layout, row=spread[0]).natural.astype(F)

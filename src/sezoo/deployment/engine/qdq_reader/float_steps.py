"""Conversion of the nodes before the first quantizer to float steps on the magnitudes of a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from sezoo.deployment.engine.integer_graph import FloatStep
from sezoo.deployment.engine.qdq_reader.layouts import Layout, laid_out, laid_out_in_time
from sezoo.deployment.engine.qdq_reader.nodes import Node, UnsupportedError, remedy_for
from sezoo.deployment.engine.qdq_reader.values import FloatRow, FloatView, QuantizedView, Source
from sezoo.deployment.engine.tensor import Tensor

__all__ = ["FLOAT_OPERATORS", "OVER_ITEMS_OR_FRAMES", "FloatSteps"]

F = np.float32

UNARY = {"Sqrt": "sqrt", "Log": "log", "Exp": "exp", "Abs": "abs", "Neg": "neg", "Round": "round", "Relu": "relu"}
BINARY = {"Add": "add", "Sub": "sub", "Mul": "mul", "Div": "div", "Max": "max", "Min": "min"}
FLOAT_OPERATORS = {*UNARY, *BINARY, "Pow", "Clip", "Reciprocal"}
OVER_ITEMS_OR_FRAMES = {"ReduceMean", "MaxPool"}
"""Reductions, for which `FloatSteps` has separate methods."""


@dataclass
class FloatSteps:
    """The float steps read so far, and the integer tensors that they compute."""

    frames: int
    steps: list[FloatStep] = field(default_factory=list)
    tensors: list[Tensor] = field(default_factory=list)
    real_rows: dict[str, FloatRow] = field(default_factory=dict)

    def quantize(self, value: FloatView, tensor: Tensor, node: Node) -> QuantizedView:
        """Add a step that quantizes a value to an input tensor of the network; zeros of a Pad become its zero point."""
        layout = laid_out(value, self.frames, node)
        order = layout.natural
        has_zeros = bool(layout.before or layout.after or (order < 0).any())
        if has_zeros:
            order = np.unique(order[order >= 0])
        row = self._row(value, order, f"{tensor.name}/row")
        tensor = replace(tensor, items=row.size)
        self.tensors.append(tensor)
        self.steps.append(FloatStep("quantize", (row.name,), tensor.name, row.size, tensor=tensor))
        if not has_zeros:
            return QuantizedView((Source(tensor),), layout.items_at(np.arange(row.size)))
        place = np.full(value.total, -1)
        place[order] = np.arange(row.size)
        frame, item = np.divmod(value.items, value.total)
        return QuantizedView((Source(tensor),), np.where(value.items < 0, -1, frame * row.size + place[item]))

    def can_compute(self, value: QuantizedView) -> bool:
        """Return whether a value consists of integers from these steps, or of functions of them that steps compute."""
        return all(
            source.tensor in self.tensors and all(each.op_type in FLOAT_OPERATORS for each in source.functions)
            for source in value.sources
        )

    def dequantize(self, value: QuantizedView | FloatView, node: Node) -> FloatView:
        """Return integers from these steps dequantized to floats.

        Raises
        ------
        UnsupportedError : the integers come from the network, behind which there are no float steps.
        """
        if isinstance(value, FloatView):
            return value
        if not self.can_compute(value):
            raise UnsupportedError(f"{node} works in float on what comes from int8 operators")
        return FloatView(tuple(self._real_row(source) for source in value.sources), value.items)

    def _real_row(self, source: Source) -> FloatRow:
        """Return the row of a source's dequantized values with its functions applied; the steps are added once."""
        tensor, functions = source.tensor, source.functions
        name = "/".join((tensor.name, *(function.output for function in functions), "real"))
        if name in self.real_rows:
            return self.real_rows[name]
        if functions:
            last = functions[-1]
            row = self._real_row(replace(source, functions=functions[:-1]))
            given = (last.constant(position) for position, read in enumerate(last.inputs) if read)
            operands = [FloatView((row,), np.empty(0)) if constant is None else constant for constant in given]
            row = self._steps_of(last, [row], operands, None, name)
        else:
            row = FloatRow(name, tensor.items)
            self.steps.append(FloatStep("dequantize", (tensor.name,), name, row.size, tensor=tensor))
        self.real_rows[name] = row
        return row

    def function(self, node: Node, operands: Sequence[FloatView | np.ndarray]) -> FloatView:
        """Add the steps of an elementwise operator; constants are arrays.

        Raises
        ------
        UnsupportedError : an operator that has no step; operands of different shapes; a constant that changes with
            time.
        """
        values = [operand for operand in operands if isinstance(operand, FloatView)]
        if node.op_type not in FLOAT_OPERATORS:
            raise UnsupportedError(f"{node} works in float on the magnitudes: {remedy_for(node)}")
        shapes = np.broadcast_arrays(*(value.items for value in values))
        values = [replace(value, items=items) for value, items in zip(values, shapes, strict=True)]
        layouts = [laid_out_in_time(value, self.frames, node) for value in values]
        rows = [
            self._row(value, layout.natural, f"{node.output}/{number}")
            for number, (value, layout) in enumerate(zip(values, layouts, strict=True))
        ]
        if len({layout.axis for layout in layouts}) > 1:
            raise UnsupportedError(f"{node} mixes frames: they are on another axis of each operand; Transpose one")
        # The output's own name belongs to the tensor of a QuantizeLinear.
        made = self._steps_of(node, rows, operands, layouts[0], f"{node.output}/float")
        return FloatView((made,), layouts[0].items_at(np.arange(made.size)))

    def mean(self, value: FloatView, node: Node) -> FloatView:
        """Add the step of a ReduceMean over all items of a frame.

        Raises
        ------
        UnsupportedError : the mean is over frames, or over some of the items only.
        """
        layout = laid_out_in_time(value, self.frames, node)
        axes = node.constant(1) if len(node.inputs) > 1 else node.attribute("axes", None)
        dimensions = value.items.ndim
        over = set(range(dimensions)) if axes is None else {int(axis) % dimensions for axis in np.ravel(axes)}
        others = [size for axis, size in enumerate(value.items.shape) if axis not in over | {layout.axis}]
        if layout.axis in over or max(others, default=1) > 1:
            raise UnsupportedError(f"{node} is no mean over all of a frame's values")
        row = self._row(value, layout.natural, f"{node.output}/row")
        name = f"{node.output}/float"
        self.steps.append(FloatStep("mean", (row.name,), name, 1))
        shape = [size for axis, size in enumerate(value.items.shape) if axis not in over]
        if node.attribute("keepdims", 1):
            shape = [1 if axis in over else size for axis, size in enumerate(value.items.shape)]
        return FloatView((FloatRow(name, 1),), np.arange(self.frames).reshape(shape))

    def peak(self, value: FloatView, node: Node) -> FloatView:
        """Add the step of a causal MaxPool over time, which preserves the number of frames.

        Raises
        ------
        UnsupportedError : the pooling looks ahead, has a stride, or is not over frames.
        """
        layout = laid_out(value, self.frames, node)
        dimensions = value.items.ndim - 2
        at = -1 if layout.axis is None else layout.axis - 2
        kernel = node.attribute("kernel_shape", [])
        pads = node.attribute("pads", [0] * 2 * dimensions)
        ones = [1] * dimensions
        alone = all(size == 1 for axis, size in enumerate(kernel) if axis != at)
        plain = node.attribute("strides", ones) == ones and node.attribute("dilations", ones) == ones
        exact = not node.attribute("ceil_mode", 0) and node.attribute("auto_pad", b"NOTSET") == b"NOTSET"
        others = any(pad for axis, pad in enumerate(pads) if axis % dimensions != at)
        if at < 0 or not (alone and plain and exact) or others or (layout.row < 0).any():
            raise UnsupportedError(f"{node} is no largest value of the frames up to each one")
        if layout.before + pads[at] != kernel[at] - 1 or layout.after + pads[dimensions + at]:
            raise UnsupportedError(f"{node} looks ahead or changes the number of frames")
        if not self._is_never_negative(value):
            raise UnsupportedError(f"{node} is of values that may be below 0, beside the zeros before a clip")
        if kernel[at] == 1:
            return value
        inside = replace(value, items=np.take(value.items, layout.before + np.arange(self.frames), layout.axis))
        return self._peak_of(inside, replace(layout, before=0, after=0), kernel[at], node)

    def peak_of_a_frame(self, value: FloatView, window: int, node: Node) -> FloatView:
        """Add the step of a MaxPool over time in a one-frame model; earlier frames are a state, initially zero."""
        return self._peak_of(value, laid_out_in_time(value, self.frames, node), window, node)

    def _peak_of(self, value: FloatView, layout: Layout, window: int, node: Node) -> FloatView:
        row = self._row(value, layout.natural, f"{node.output}/row")
        name = f"{node.output}/float"
        self.steps.append(FloatStep("peak", (row.name,), name, row.size, window=window))
        return FloatView((FloatRow(name, row.size),), layout.items_at(np.arange(row.size)))

    def _is_never_negative(self, value: FloatView) -> bool:
        """Return whether the steps guarantee values >= 0, so that zeros before a clip do not change the maximum."""
        made = {step.output: step for step in self.steps}
        positive = {"pow", "sqrt", "abs", "exp", "relu"}
        kept = {"mean", "peak", "gather"}

        def known(name: str) -> bool:
            if name == "magnitude" or made[name].kind in positive:
                return True
            step = made[name]
            both = step.kind in ("add", "mul", "max", "div") and (step.constant is None or (step.constant >= 0).all())
            return (step.kind in kept or both) and all(map(known, step.inputs))

        return all(known(source.name) for source in value.sources)

    def _steps_of(
        self,
        node: Node,
        rows: list[FloatRow],
        operands: Sequence[FloatView | np.ndarray],
        layout: Layout | None,
        name: str,
    ) -> FloatRow:
        kind, first = node.op_type, rows[0]
        if kind in UNARY:
            return self._add(UNARY[kind], rows, name)
        if kind == "Reciprocal":
            return self._add("div", rows, name, np.ones(1, F), first=True)
        if kind == "Clip":
            made = first
            for operator, limit in zip(("max", "min"), node.limits, strict=True):
                if limit is not None:
                    made = self._add(operator, [made], f"{name}/{operator}", np.asarray(limit, F).reshape(1))
            return made
        if len(operands) != 2:
            raise UnsupportedError(f"{node} has {len(operands)} operands; 2 can be run")
        if len(rows) == 2:
            if kind == "Pow":
                raise UnsupportedError(f"{node} has an exponent that is no constant")
            return self._add(BINARY[kind], rows, name)
        is_first = isinstance(operands[0], np.ndarray)
        constant = self._constant(node, operands[0] if is_first else operands[1], layout)
        if kind != "Pow":
            return self._add(BINARY[kind], rows, name, constant, first=is_first)
        if is_first or not ((constant > 0).all() or (constant < 0).all()):
            raise UnsupportedError(
                f"{node} is no power of the magnitudes with exponents that are all above 0, or all below; write it as "
                "Exp of a product with Log, or as two powers"
            )
        if constant[0] > 0:
            return self._power(first, constant, name)
        power = self._power(first, -constant, f"{name}/power")
        return self._add("div", [power], name, np.ones(1, F), first=True)

    def _power(self, row: FloatRow, exponent: np.ndarray, name: str) -> FloatRow:
        if (exponent == 1).all():
            return row
        if (exponent == 2).all():
            return self._add("mul", [row, row], name)
        if (exponent == 0.5).all():
            return self._add("sqrt", [row], name)
        return self._add("pow", [row], name, exponent)

    def _add(
        self, kind: str, rows: list[FloatRow], name: str, constant: np.ndarray | None = None, *, first: bool = False
    ) -> FloatRow:
        names = tuple(row.name for row in rows)
        self.steps.append(FloatStep(kind, names, name, rows[0].size, constant, first))
        return FloatRow(name, rows[0].size)

    def _row(self, value: FloatView, order: np.ndarray, name: str) -> FloatRow:
        """Return a row with the items in that order: an existing row, or a new one from a `gather` step."""
        if len(value.sources) == 1 and np.array_equal(order, np.arange(value.total)):
            return value.sources[0]
        names = tuple(source.name for source in value.sources)
        if (order < 0).any():
            zero = self._add("mul", [value.sources[0]], f"{name}/zero", np.zeros(1, F))
            names, order = (*names, zero.name), np.where(order < 0, value.total, order)
        self.steps.append(FloatStep("gather", names, name, len(order), index=order))
        return FloatRow(name, len(order))

    def _constant(self, node: Node, constant: np.ndarray, layout: Layout | None) -> np.ndarray:
        """Return a constant as (1,) or (items,) float32."""
        values = np.asarray(constant, F)
        if values.size == 1 or layout is None:
            return values.reshape(1)
        shape = list(layout.row.shape)
        if layout.axis is not None:
            shape.insert(layout.axis, self.frames)
        try:
            spread = layout.by_frame(np.broadcast_to(values, shape))
        except ValueError as error:
            raise UnsupportedError(
                f"{node} has a constant of shape {values.shape} for values of {tuple(shape)}"
            ) from error
        if not (spread == spread[:1]).all():
            raise UnsupportedError(f"{node} has a constant that changes from frame to frame; one for all can be run")
        return replace(layout, row=spread[0]).natural.astype(F)

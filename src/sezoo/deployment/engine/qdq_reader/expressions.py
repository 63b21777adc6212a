"""Conversion of sums, products and limits of integer tensors and constants to expressions with a single rounding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce

import numpy as np

from sezoo.deployment.engine.expression import Tree
from sezoo.deployment.engine.qdq_reader.layouts import Layout, laid_out_in_time
from sezoo.deployment.engine.qdq_reader.nodes import Node, UnsupportedError, remedy_for, unrounded
from sezoo.deployment.engine.qdq_reader.values import QuantizedView, UnroundedOutput, UnroundedSum
from sezoo.deployment.engine.tensor import Tensor

__all__ = ["is_expression", "read_expression"]

F = np.float32

OPERATORS = {"Add": "add", "Sub": "sub", "Mul": "mul", "Max": "max", "Min": "min", "Sum": "add", "MaxPool": "max"}
"""Operators on two or more operands, with the name of each in an `Expression`."""

OF_ONE = {"Relu", "Clip", "LeakyRelu", "PRelu", "Neg", "Abs", "Sign"}
"""Operators on one operand, which are composed of the others."""


def is_expression(node: Node) -> bool:
    """Return whether an operator on one tensor becomes an expression; a square does, other powers are functions."""
    exponent = node.constant(1) if node.op_type == "Pow" else None
    return node.op_type in {*OPERATORS, *OF_ONE} or bool(exponent is not None and exponent.size == 1 and exponent == 2)


def read_expression(
    node: Node,
    operands: Sequence[QuantizedView | UnroundedOutput | np.ndarray],
    frames: int,
    row_of: Callable[[QuantizedView, np.ndarray, str], Tensor],
) -> UnroundedOutput:
    """Return an operator's output, not yet rounded; its operands may be unrounded, too.

    Parameters
    ----------
    operands : operands in the operator's order; constants are arrays.
    row_of : returns a tensor of the given name whose row holds the given items of a value, in that order.

    Raises
    ------
    UnsupportedError : operands with time on different axes or with different orders of their rows; an operator that has
        no expression; a constant that changes from frame to frame.
    """
    values = [each for each in operands if isinstance(each, QuantizedView | UnroundedOutput)]
    constants = [each for each in operands if isinstance(each, np.ndarray)]
    full = np.broadcast_shapes(*(value.items.shape for value in values), *(each.shape for each in constants))
    spread = [replace(value, items=np.broadcast_to(value.items, full)) for value in values]
    layouts = [laid_out_in_time(value, frames, node) for value in spread]
    if len({layout.axis for layout in layouts}) > 1:
        raise UnsupportedError(f"{node} mixes frames: they are on another axis of each operand; Transpose one")
    layout = layouts[0]
    trees: list[Tree] = []
    rows = iter(zip(spread, layouts, strict=True))
    for place, operand in enumerate(operands):
        if isinstance(operand, np.ndarray):
            trees.append(_constant(operand, full, layout, node))
            continue
        value, of_value = next(rows)
        trees.append(_tree(value, of_value, node, row_of, f"{node.output}/{'ab'[place] if place < 2 else place}"))
    return UnroundedOutput(
        UnroundedSum(node.output, _combine(node, trees), len(layout.natural)),
        layout.items_at(np.arange(len(layout.natural))),
    )


def _tree(
    value: QuantizedView | UnroundedOutput,
    layout: Layout,
    node: Node,
    row_of: Callable[[QuantizedView, np.ndarray, str], Tensor],
    name: str,
) -> Tree:
    if isinstance(value, QuantizedView):
        if not value.is_rounded:
            raise unrounded(node)
        return row_of(value, layout.natural, name)
    if not isinstance(value.operator, UnroundedSum) or not np.array_equal(layout.natural, np.arange(value.total)):
        raise unrounded(node)
    return value.tree


def _constant(constant: np.ndarray, full: tuple[int, ...], layout: Layout, node: Node) -> np.ndarray:
    """Return a constant as (1,) or (items,) float32."""
    values = np.asarray(constant, F)
    if values.size == 1:
        return values.reshape(1)
    by_frame = layout.by_frame(np.broadcast_to(values, full))
    if not (by_frame == by_frame[:1]).all():
        raise UnsupportedError(f"{node} has a constant that changes from frame to frame; one for all can be run")
    return replace(layout, row=by_frame[0]).natural.astype(F)


def _combine(node: Node, trees: Sequence[Tree]) -> Tree:
    """Return the tree of an operator on its operands."""
    kind, zero = node.op_type, np.zeros(1, F)
    if kind in OPERATORS:
        return reduce(lambda left, right: (OPERATORS[kind], left, right), trees)
    first = trees[0]
    if kind == "Relu":
        return ("max", first, zero)
    if kind == "Neg":
        return ("mul", first, -np.ones(1, F))
    if kind == "Pow":
        return ("mul", first, first)
    if kind == "Abs":
        return ("max", first, ("mul", first, -np.ones(1, F)))
    if kind == "Sign" and isinstance(first, Tensor):  # 2 per step, limited to -1..1
        return ("min", ("max", ("mul", first, 2 / first.scale * np.ones(1, F)), -np.ones(1, F)), np.ones(1, F))
    if kind == "LeakyRelu":
        slope = np.array([node.attribute("alpha", 0.01)], F)
        return ("add", ("max", first, zero), ("mul", ("min", first, zero), slope))
    if kind == "PRelu":
        return ("add", ("max", first, zero), ("mul", ("min", first, zero), trees[1]))
    if kind == "Clip":
        for name, limit in zip(("max", "min"), node.limits, strict=True):
            if limit is not None:
                first = (name, first, np.asarray(limit, F).reshape(1))
        return first
    raise UnsupportedError(f"{node} has no integer form: {remedy_for(node)}")

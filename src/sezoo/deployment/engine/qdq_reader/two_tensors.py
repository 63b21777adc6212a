"""Conversion of the matrix product of two tensors within a frame, neither of them constant."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from sezoo.deployment.engine.expression import Expression
from sezoo.deployment.engine.product import Product
from sezoo.deployment.engine.qdq_reader.layouts import in_time, laid_out_in_time
from sezoo.deployment.engine.qdq_reader.nodes import Node, UnsupportedError
from sezoo.deployment.engine.qdq_reader.values import QuantizedView, UnroundedOutput
from sezoo.deployment.engine.tensor import Tensor

if TYPE_CHECKING:
    from sezoo.deployment.engine.qdq_reader.reader import Reader

__all__ = ["read_product_of_two"]

F = np.float32

DEEPEST = 1 << 14
"""Longest sum, so that int8 products corrected by zero points fit 32 bits."""


def read_product_of_two(reader: Reader, node: Node) -> UnroundedOutput:
    """Return a MatMul of two tensors, (..., rows, depth) times (..., depth, columns), with its output not yet rounded.

    Raises
    ------
    UnsupportedError : the product mixes frames, an operand is not quantized, or the sums are too long.
    """
    values = [reader.value(node, name) for name in node.inputs]
    if node.op_type != "MatMul" or any(value.items.ndim < 2 for value in values):
        raise UnsupportedError(f"{node} multiplies two tensors; a MatMul of two matrices within a frame can be run")
    for value in values:
        if not isinstance(value, QuantizedView) or not value.is_rounded:
            raise UnsupportedError(f"{node} works in float: its input is not quantized")
    batch = np.broadcast_shapes(*(value.items.shape[:-2] for value in values))
    spread = [replace(value, items=np.broadcast_to(value.items, (*batch, *value.items.shape[-2:]))) for value in values]
    at, parts = _in_a_frame(reader, node, spread)
    left, right = parts[0], parts[1].swapaxes(-1, -2)  # both contiguous along the sum
    outer, (rows, depth), columns = left.shape[:-2], left.shape[-2:], right.shape[-2]
    if depth > DEEPEST:
        raise UnsupportedError(f"{node} adds up {depth} products; {DEEPEST} can be run")
    tensors = [
        reader.row(value, np.ascontiguousarray(part).ravel(), f"{node.output}/{letter}")
        for value, part, letter in zip(spread, (left, right), "ab", strict=True)
    ]
    widest = max(tensor.bits for tensor in tensors)
    a, b = (_widen(reader, tensor, widest) for tensor in tensors)
    groups = int(np.prod(outer, dtype=np.int64))
    output = Tensor(node.output, groups * rows * columns, F(1), 0)
    operator = Product(node.output, a, b, output, groups, rows, columns, depth, a.scale * b.scale, 0, 0)
    made = np.arange(output.items).reshape(*outer, rows, columns)
    return UnroundedOutput(operator, in_time(made, output.items, reader.frames, at))


def _in_a_frame(reader: Reader, node: Node, values: list[QuantizedView]) -> tuple[int | None, list[np.ndarray]]:
    """Return the time axis, and the items of one frame of each operand."""
    if reader.frames == 1:  # there is no time axis
        parts = [value.items for value in values]
        if any(part.max(initial=0) >= value.total for part, value in zip(parts, values, strict=True)):
            raise UnsupportedError(f"{node} mixes frames")
        return None, parts
    layouts = [laid_out_in_time(value, reader.frames, node) for value in values]
    if len({layout.axis for layout in layouts}) > 1 or layouts[0].axis >= values[0].items.ndim - 2:
        raise UnsupportedError(
            f"{node} multiplies frames with frames, as attention over time does, of which a stream does not know the "
            "last; attention within a frame, over bins or channels, can be run: its frames are a batch"
        )
    return layouts[0].axis, [layout.row for layout in layouts]


def _widen(reader: Reader, tensor: Tensor, bits: int) -> Tensor:
    """Return a tensor with the same scale in `bits` bits, which is exact."""
    if tensor.bits == bits:
        return tensor
    output = replace(tensor, name=f"{tensor.name}/{bits}", bits=bits)
    for operator in reader.operators:  # one may exist for another product
        if operator.output.name == output.name:
            return operator.output
    reader.operators.append(Expression(output.name, tensor, output, F(1) / tensor.scale, output.low, output.high))
    return output

"""Integers with the scale and zero point of another quantizer, the functions between both, and zeros as integers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from sezoo.deployment.engine.expression import Expression
from sezoo.deployment.engine.operators import Curve, LookupTable
from sezoo.deployment.engine.qdq_reader.layouts import laid_out_in_time
from sezoo.deployment.engine.qdq_reader.nodes import Node, UnsupportedError
from sezoo.deployment.engine.qdq_reader.tables import curve_table, integer_table
from sezoo.deployment.engine.qdq_reader.values import QuantizedView, Source
from sezoo.deployment.engine.tensor import Tensor

if TYPE_CHECKING:
    from sezoo.deployment.engine.qdq_reader.reader import Reader

__all__ = ["is_in_steps_of", "requantize", "with_integer_zeros"]

F = np.float32


def is_in_steps_of(source: Source, wanted: Tensor) -> bool:
    """Return whether a quantizer would leave a source's integers unchanged."""
    old = source.tensor
    same = (old.scale, old.zero_point, old.bits) == (wanted.scale, wanted.zero_point, wanted.bits)
    return same and not source.functions


def requantize(reader: Reader, source: Source, wanted: Tensor, number: int) -> Source:
    """Return a source with its functions applied and with the scale and zero point of another quantizer.

    Parameters
    ----------
    number : of the source in its value, for the name of its tensor.
    """
    if is_in_steps_of(source, wanted):
        return source
    old = source.tensor
    name = wanted.name if number == 0 else f"{wanted.name}/{number}"
    output = replace(wanted, name=name, items=old.items)
    if old.bits == 8 and wanted.bits == 16 and source.functions:  # puts each integer at a point of the curve
        wide = replace(old, name=f"{name}/fine", scale=old.scale / F(256), zero_point=256 * old.zero_point, bits=16)
        reader.operators.append(Expression(wide.name, old, wide, F(1) / wide.scale, wide.low, wide.high))
        old = wide
    if old.bits == 16 and source.functions:
        made = Curve(name, old, output, curve_table(source.functions, old, output, reader.opset))
    elif old.bits != 8 or wanted.bits != 8:
        made = Expression(name, old, output, F(1) / output.scale, output.low, output.high)
    else:
        made = LookupTable(name, old, output, integer_table(source.functions, old, output, reader.opset))
    reader.operators.append(made)
    return Source(output)


def with_integer_zeros(reader: Reader, value: QuantizedView, node: Node) -> QuantizedView:
    """Return a value as one of a single row in which the zeros of a Pad are integers.

    Raises
    ------
    UnsupportedError : the zeros are whole frames, or the row would be of several functions.
    """
    layout = laid_out_in_time(value, reader.frames, node)
    functions = value.sources[0].functions
    if any(source.functions != functions for source in value.sources):
        raise UnsupportedError(f"{node} makes something else of the zeros that a Pad put there; put the Pad behind it")
    row = reader.row(value, layout.natural, f"{node.output}/padded")
    return QuantizedView((Source(row, functions),), layout.items_at(np.arange(row.items)))

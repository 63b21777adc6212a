"""States of a Scan or of a whole one-frame model, and their integers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from sezoo.deployment.engine.operators import State
from sezoo.deployment.engine.qdq_reader.layouts import in_time, laid_out
from sezoo.deployment.engine.qdq_reader.nodes import UnsupportedError
from sezoo.deployment.engine.qdq_reader.requantization import requantize
from sezoo.deployment.engine.qdq_reader.values import (
    FloatRow,
    FloatView,
    MixedView,
    QuantizedView,
    Source,
    UnroundedOutput,
    of_sources_in,
)
from sezoo.deployment.engine.tensor import Tensor

if TYPE_CHECKING:
    from sezoo.deployment.engine.qdq_reader.reader import Reader

__all__ = ["RoundedState", "begin_state", "loop_states", "quantize_states"]


@dataclass(frozen=True, eq=False)
class RoundedState:
    """The quantized items of a state, or of a row of floats that is concatenated with states.

    Attributes
    ----------
    state : name of the state before a frame, or of the row of floats.
    tensor : tensor of the integers.
    items : items of the state, in the order of the tensor.
    """

    state: str
    tensor: Tensor
    items: np.ndarray


def begin_state(reader: Reader, name: str, shape: tuple[int, ...]) -> None:
    """Declare a state before a frame or a step to a reader; it is not yet quantized.

    Parameters
    ----------
    shape : shape in the graph; if the reader has several frames, they are the first axis.
    """
    of_one = shape if reader.frames == 1 else shape[1:]
    row = FloatRow(f"state {name}", int(np.prod(of_one)))
    reader.states[row.name] = name
    items = np.arange(row.size).reshape(of_one)
    reader.values[name] = FloatView((row,), items if reader.frames == 1 else in_time(items, row.size, reader.frames, 0))


def quantize_states(reader: Reader, value: FloatView | MixedView, tensor: Tensor, node: object) -> QuantizedView:
    """Quantize states, parts of them, or states concatenated with other values, as in a convolution's cache.

    Items that are already quantized with the same scale and zero point are reused.
    """
    alone = len(value.sources) == 1 and isinstance(value, FloatView)
    if alone and not _find_rounded(reader, value.sources[0], value.items.ravel(), tensor):
        layout = laid_out(value, reader.frames, node)
        tensor = replace(tensor, items=len(layout.natural))
        reader.quantized_states.append(RoundedState(reader.states[value.sources[0].name], tensor, layout.natural))
        return QuantizedView((Source(tensor),), layout.items_at(np.arange(tensor.items)))
    if reader.frames != 1:
        raise UnsupportedError(f"{node} puts states of several frames together")
    items, sources, start, offset = np.empty_like(value.items), [], 0, 0
    for number, row in enumerate(value.sources):
        inside = (value.items >= offset) & (value.items < offset + row.size)
        wanted = value.items[inside] - offset
        offset += row.size
        if not inside.any():
            continue
        if isinstance(row, Source):
            sources.append(requantize(reader, row, tensor, number))
            items[inside] = wanted + start
        else:
            held = _find_rounded(reader, row, wanted, tensor) or _rounded_row(
                reader, row, np.unique(wanted), tensor, node
            )
            place = np.full(row.size, -1)
            place[held.items] = np.arange(len(held.items))
            items[inside] = place[wanted] + start
            sources.append(Source(held.tensor))
        start += sources[-1].size
    items[value.items < 0] = -1
    return QuantizedView(tuple(sources), items)


def _find_rounded(reader: Reader, row: FloatRow, wanted: np.ndarray, tensor: Tensor) -> RoundedState | None:
    """Return the rounded state that contains the items of a row with a tensor's scale and zero point, if any."""
    name = reader.states.get(row.name, row.name)
    for held in (*reader.quantized_states, *reader.beside_states):
        steps = [(each.scale, each.zero_point, each.bits) for each in (held.tensor, tensor)]
        if held.state == name and steps[0] == steps[1] and np.isin(wanted, held.items).all():
            return held
    return None


def _rounded_row(reader: Reader, row: FloatRow, wanted: np.ndarray, tensor: Tensor, node: object) -> RoundedState:
    tensor = replace(tensor, name=f"{tensor.name}/{row.name}", items=len(wanted))
    if row.name in reader.states:
        held = RoundedState(reader.states[row.name], tensor, wanted)
        reader.quantized_states.append(held)
        return held
    rounded = reader.steps.quantize(FloatView((row,), wanted[np.newaxis]), tensor, node)
    held = RoundedState(row.name, rounded.sources[0].tensor, wanted)
    reader.beside_states.append(held)
    return held


def loop_states(reader: Reader, after: Mapping[str, str], first: Mapping[str, np.ndarray]) -> list[State]:
    """Return the states of a frame after its nodes have been read.

    Parameters
    ----------
    after : names of the tensors that replace the states in the next frame, by the states' names.
    first : initial values of the states, real numbers.

    Raises
    ------
    UnsupportedError : the new value of a state cannot be quantized with the state's scale and zero point.
    """
    states = []
    for number, held in enumerate(reader.quantized_states):
        name = after[held.state]
        value = reader.values.get(name)
        if value is None:
            raise UnsupportedError(
                f"the state '{held.state}' becomes '{name}', which does not come from int8 operators"
            )
        tensor = held.tensor
        new = _row_of(reader, value, held, f"{tensor.name}/after/{number}")
        real = np.ravel(first[held.state])[held.items].astype(np.float32)
        integers = np.clip(np.rint(real / tensor.scale) + np.float32(tensor.zero_point), tensor.low, tensor.high)
        states.append(State(tensor, new, integers.astype(tensor.dtype)))
    return states


def _row_of(
    reader: Reader, value: QuantizedView | FloatView | MixedView | UnroundedOutput, held: RoundedState, name: str
) -> Tensor:
    """Return the tensor that replaces a state in the next frame, with the state's scale, zero point and order."""
    wanted = replace(held.tensor, name=name)
    flat = value.items.ravel()[held.items][np.newaxis]
    if not isinstance(value, UnroundedOutput):
        value = of_sources_in(replace(value, items=flat))
        if isinstance(value, QuantizedView):
            rounded = reader.quantize_to(wanted, value, f"the state '{held.state}'")
        else:
            rounded = quantize_states(reader, value, wanted, name)
    else:
        if len(flat[0]) != value.total:
            raise UnsupportedError(f"the state '{held.state}' is a part of a tensor that no QuantizeLinear has rounded")
        rounded = reader.quantize_to(wanted, value, f"the state '{held.state}'")
        rounded = QuantizedView(rounded.sources, flat)
    return reader.row(rounded, rounded.items[0], f"{name}/row")

"""The states of what is run again and again: a Scan, or a whole model of one frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from sezoo.deployment.engine.operators import State
from sezoo.deployment.engine.qdq_reader.nodes import UnsupportedError
from sezoo.deployment.engine.qdq_reader.values import (
    FloatRow,
    FloatView,
    MixedView,
    QuantizedView,
    Source,
    UnroundedOutput,
    in_time,
    laid_out,
    of_sources_in,
)
from sezoo.deployment.engine.tensor import Tensor

if TYPE_CHECKING:
    from sezoo.deployment.engine.qdq_reader.reader import Reader

__all__ = ["RoundedState", "begin_state", "held_states", "rounded_states"]


@dataclass(frozen=True, eq=False)
class RoundedState:
    """Integers that a quantizer makes of a state, or of some of its items; or of floats that stand beside states.

    Attributes
    ----------
    state : name of the state before a frame; of the row, where it is another one.
    tensor : that they are.
    items : of the state, in the order of the tensor.
    """

    state: str
    tensor: Tensor
    items: np.ndarray


def begin_state(reader: Reader, name: str, shape: tuple[int, ...]) -> None:
    """Let a reader know of a state before a frame or a step, of which no quantizer has made integers yet.

    Parameters
    ----------
    shape : in the graph; where the reader has several frames, those are its first axis.
    """
    of_one = shape if reader.frames == 1 else shape[1:]
    row = FloatRow(f"state {name}", int(np.prod(of_one)))
    reader.states[row.name] = name
    items = np.arange(row.size).reshape(of_one)
    reader.values[name] = FloatView((row,), items if reader.frames == 1 else in_time(items, row.size, reader.frames, 0))


def rounded_states(reader: Reader, value: FloatView | MixedView, tensor: Tensor, node: object) -> QuantizedView:
    """Integers of states, of parts of one, or of states and what stands beside them, as in a convolution's cache.

    What has been rounded to the same steps before is not rounded again.
    """
    alone = len(value.sources) == 1 and isinstance(value, FloatView)
    if alone and not _covering(reader, value.sources[0], value.items.ravel(), tensor):
        layout = laid_out(value, reader.frames, node)
        tensor = replace(tensor, items=len(layout.natural))
        reader.held.append(RoundedState(reader.states[value.sources[0].name], tensor, layout.natural))
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
            sources.append(reader.requantized(node, row, tensor, number))
            items[inside] = wanted + start
        else:
            held = _covering(reader, row, wanted, tensor) or _rounded_row(reader, row, np.unique(wanted), tensor, node)
            place = np.full(row.size, -1)
            place[held.items] = np.arange(len(held.items))
            items[inside] = place[wanted] + start
            sources.append(Source(held.tensor))
        start += sources[-1].size
    items[value.items < 0] = -1
    return QuantizedView(tuple(sources), items)


def _covering(reader: Reader, row: FloatRow, wanted: np.ndarray, tensor: Tensor) -> RoundedState | None:
    """What has some items of a row already, in the steps of a tensor."""
    name = reader.states.get(row.name, row.name)
    for held in (*reader.held, *reader.beside_states):
        steps = [(each.scale, each.zero_point, each.bits) for each in (held.tensor, tensor)]
        if held.state == name and steps[0] == steps[1] and np.isin(wanted, held.items).all():
            return held
    return None


def _rounded_row(reader: Reader, row: FloatRow, wanted: np.ndarray, tensor: Tensor, node: object) -> RoundedState:
    tensor = replace(tensor, name=f"{tensor.name}/{row.name}", items=len(wanted))
    if row.name in reader.states:
        held = RoundedState(reader.states[row.name], tensor, wanted)
        reader.held.append(held)
        return held
    rounded = reader.steps.quantized(FloatView((row,), wanted[np.newaxis]), tensor, node)
    held = RoundedState(row.name, rounded.sources[0].tensor, wanted)
    reader.beside_states.append(held)
    return held


def held_states(reader: Reader, after: Mapping[str, str], first: Mapping[str, np.ndarray]) -> list[State]:
    """The states of a frame that has been read.

    Parameters
    ----------
    after : names of the tensors that take the states' places, by the states' names.
    first : what the states are before the first frame, real numbers.

    Raises
    ------
    UnsupportedError : a state that something else comes of than can be rounded in its steps.
    """
    states = []
    for number, held in enumerate(reader.held):
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
    """What takes a state's place, in its steps and its order."""
    wanted = replace(held.tensor, name=name)
    flat = value.items.ravel()[held.items][np.newaxis]
    if not isinstance(value, UnroundedOutput):
        value = of_sources_in(replace(value, items=flat))
        if isinstance(value, QuantizedView):
            rounded = reader.rounded_to(wanted, value, f"the state '{held.state}'")
        else:
            rounded = rounded_states(reader, value, wanted, name)
    else:
        if len(flat[0]) != value.total:
            raise UnsupportedError(f"the state '{held.state}' is a part of a tensor that no QuantizeLinear has rounded")
        rounded = reader.rounded_to(wanted, value, f"the state '{held.state}'")
        rounded = QuantizedView(rounded.sources, flat)
    return reader.row(rounded, rounded.items[0], f"{name}/row")

"""Tensors some frames late or early, as a Pad over time and a Slice make them.

A shift of integers is a depthwise convolution over time with one weight of 1 for each item, which is exact, and whose
past frames a stream keeps as those of any other.
"""

from __future__ import annotations

from collections.abc import Iterable, MutableSequence, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sezoo.deployment.engine.conv import Conv
from sezoo.deployment.engine.operators import Operator
from sezoo.deployment.engine.qdq_reader.values import FloatView, QuantizedView
from sezoo.deployment.engine.tensor import Tensor

__all__ = ["Shift", "shifted", "shifts_of"]


@dataclass(frozen=True)
class Shift:
    """The part of a value that is some frames late.

    Attributes
    ----------
    late : number of frames, 0 for the part that is in time; negative for one that is early.
    items : the items of that part if it were in time; -1 for all others.
    """

    late: int
    items: np.ndarray


def shifts_of(value: QuantizedView | FloatView, frames: int) -> list[Shift]:
    """Return the parts of a value by how late they are, with zeros for the frames that are missing at an end.

    There are none where all of it is in time, or where it is no sequence of the clip's frames.

    Parameters
    ----------
    frames : of the clip; more zeros may come before and after them, from a Pad.
    """
    if frames == 1 or (value.items >= 0).all():
        return []
    for axis in reversed(range(value.items.ndim)):
        rows = np.moveaxis(value.items, axis, 0)
        cells = rows.reshape(len(rows), -1)
        real = cells >= 0
        used, first = real.any(axis=0), real.argmax(axis=0)
        frame, item = np.divmod(cells[first, np.arange(cells.shape[1])], value.total)
        late = np.where(frame == 0, frames - real.sum(axis=0), -frame)
        begins = np.unique((first - np.maximum(late, 0))[used])
        if len(begins) != 1 or not 0 <= begins[0] <= len(rows) - frames or not late[used].any():
            continue
        time = np.arange(len(rows))[:, np.newaxis] - begins[0]
        items = np.where(used & (time >= 0) & (time < frames), time * value.total + item, -1)
        known = (items >= 0) & (time >= late) & (time < frames + late)
        if np.array_equal(np.where(known, items - late * value.total, -1), cells):
            parts = ((int(each), np.where(late == each, items, -1)) for each in np.unique(late[used]))
            return [Shift(each, np.moveaxis(part.reshape(rows.shape), 0, axis)) for each, part in parts]
    return []


def shifted(
    parts: Iterable[QuantizedView], shifts: Sequence[Shift], operators: MutableSequence[Operator]
) -> QuantizedView:
    """Return a value from its parts, each of which is in time; the operators that make them late are added."""
    late = [_with_shifted_sources(part, shift.late, operators) for part, shift in zip(parts, shifts, strict=True)]
    return _joined(late)


def _with_shifted_sources(value: QuantizedView, late: int, operators: MutableSequence[Operator]) -> QuantizedView:
    """Return a value late or early; the convolutions that make its tensors so are added to the operators."""
    made = {operator.name: operator.output for operator in operators}
    item, sources, start = value.items[value.items >= 0] % value.total, [], 0
    for source in value.sources:
        is_read = ((item >= start) & (item < start + source.size)).any()
        start += source.size
        if late and is_read:
            shift = _conv(source.tensor, late)
            if shift.name not in made:  # another reader may have it already
                operators.append(shift)
            source = replace(source, tensor=made.get(shift.name, shift.output))
        sources.append(source)
    return QuantizedView(tuple(sources), value.items)


def _joined(parts: Sequence[QuantizedView]) -> QuantizedView:
    """Return the value that is each of the parts where that has items."""
    total = sum(part.total for part in parts)
    items, start = np.full_like(parts[0].items, -1), 0
    for part in parts:
        frame, item = np.divmod(part.items, part.total)
        items = np.where(part.items < 0, items, frame * total + start + item)
        start += part.total
    return QuantizedView(tuple(source for part in parts for source in part.sources), items)


def _conv(tensor: Tensor, late: int) -> Conv:
    items, distance = tensor.items, abs(late)
    name = f"{tensor.name}/{'late' if late > 0 else 'early'} by {distance}"
    weights = np.zeros((items, 1, 2, 1, 1), np.int8)
    weights[:, :, 0 if late > 0 else 1] = 1
    return Conv(
        name=name,
        input=tensor,
        output=replace(tensor, name=name),
        weights=weights,
        bias=np.zeros(items, np.int64),
        multiplier=np.ones(items, np.float32),
        positions_in=1,
        positions=1,
        low=tensor.low,
        high=tensor.high,
        dilation_time=distance,
        before=distance if late > 0 else 0,
    )

"""The layout of an ONNX tensor as rows, one per frame."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sezoo.deployment.engine.qdq_reader.nodes import UnsupportedError
from sezoo.deployment.engine.qdq_reader.values import Value

__all__ = ["Layout", "in_time", "laid_out", "laid_out_in_time"]


@dataclass(frozen=True, eq=False)
class Layout:
    """The layout of a tensor as rows, one per frame.

    Attributes
    ----------
    axis : time axis; None if a one-frame tensor has none.
    before, after : number of zero frames before and after the clip, from a Pad.
    row : items of a frame, in ONNX's shape without the time axis; -1 is a zero.
    frames : number of frames of the clip.
    total : number of items of all sources.
    """

    axis: int | None
    before: int
    after: int
    row: np.ndarray
    frames: int
    total: int

    @cached_property
    def natural(self) -> np.ndarray:
        """The row in the order of the operators: all channels of a position, then those of the next position."""
        if self.row.ndim != 3:
            return self.row.ravel()
        if self.row.shape[0] == 1:  # (1, channels, positions)
            return self.row[0].T.ravel()
        return np.moveaxis(self.row, 0, -1).ravel()  # (channels, earlier frames, positions), e.g. a cache

    def by_frame(self, values: np.ndarray) -> np.ndarray:
        """Return an array in the tensor's shape with the time axis moved to the front."""
        return values[np.newaxis] if self.axis is None else np.moveaxis(values, self.axis, 0)

    def place(self, axis: int) -> int:
        """Return the axis of `row` that corresponds to an axis of the tensor."""
        return axis - (self.axis is not None and axis > self.axis)

    def items_at(self, positions: np.ndarray) -> np.ndarray:
        """Return the items in ONNX's shape for a new row that holds `natural[i]` at item `positions[i]`."""
        total = len(positions)
        if self.row.ndim != 3:
            row = positions.reshape(self.row.shape)
        elif self.row.shape[0] == 1:
            row = positions.reshape(self.row.shape[2], self.row.shape[1]).T[np.newaxis]
        else:
            row = np.moveaxis(positions.reshape(*self.row.shape[1:], self.row.shape[0]), -1, 0)
        return in_time(row, total, self.frames, self.axis)


def in_time(row: np.ndarray, total: int, frames: int, axis: int | None) -> np.ndarray:
    """Return the items of all frames for the items of one row, with time as an axis."""
    if axis is None:
        return row
    frame = np.arange(frames).reshape(-1, *[1] * row.ndim) * total
    return np.moveaxis(np.where(row < 0, -1, frame + row), 0, axis)


def laid_out(value: Value, frames: int, who: object) -> Layout:
    """Return the layout of a tensor as rows.

    Raises
    ------
    UnsupportedError : the tensor mixes or omits frames, or has another number of them.
    """
    items, total = value.items, value.total
    for axis in reversed(range(items.ndim)):  # if ambiguous, time is the last axis
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
    raise UnsupportedError(
        f"{who} mixes frames or changes their number: shape {items.shape} of {frames} frames; keep all frames on one "
        "axis, in their order, and of a loop over frames export one frame a call, with states in and out"
    )


def laid_out_in_time(value: Value, frames: int, who: object) -> Layout:
    """Return the layout of a tensor without frames before and after the clip; zeros within a frame are -1.

    Raises
    ------
    UnsupportedError : there are such frames, or as for `laid_out`.
    """
    layout = laid_out(value, frames, who)
    if layout.before or layout.after:
        raise UnsupportedError(
            f"{who} reads frames of zeros that a Pad put before or after the clip, which only a convolution over time "
            "can; put the Pad directly before one, or Slice the frames off again"
        )
    return layout

"""Where a board's dump leaves the PC's: each tensor that both have, in graph order, and the first frame in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sezoo.deployment.validation.dump import Reading
from sezoo.deployment.validation.layers import Layer, Vectors
from sezoo.deployment.validation.patterns import hints_of

__all__ = ["Comparison", "LayerResult", "compare", "frame_axis"]

EQUAL = 1e-3
"""LSB up to which values are the same: what float32 leaves of a value that was quantized."""


@dataclass(frozen=True)
class LayerResult:
    """A tensor that both have.

    Attributes
    ----------
    read_as, order : how the dump was read, as a `Reading` has it.
    swapped : its values lie in another order than its shape says.
    samples : patches that were compared.
    values, differing, beyond : how many values there are, differ, and differ by more than the tolerance.
    largest : difference, in LSB; `largest_real` in real values, which of the mask are a share of 1.
    snr : of the PC's values to the differences, in dB; None where nothing differs or all is 0.
    first : (patch, frame) of the first value beyond the tolerance; the frame is None for a tensor without frames;
        None where there is no such value.
    frames_beyond, frames : how many frames hold such values, of all patches.
    hints : what the differences look like, in sentences.
    """

    name: str
    made_by: str
    read_as: str
    order: str
    swapped: bool
    samples: int
    values: int
    differing: int
    beyond: int
    largest: float
    largest_real: float
    snr: float | None
    first: tuple[int, int | None] | None
    frames_beyond: int
    frames: int
    hints: tuple[str, ...]

    @property
    def within(self) -> bool:
        """Whether all values are within the tolerance, and where they should be."""
        return self.beyond == 0 and not self.swapped


@dataclass(frozen=True)
class Comparison:
    """All tensors that both have.

    Attributes
    ----------
    results : in graph order.
    not_compared : names in the dump that are none of the vectors'.
    not_dumped : layers between the last one that agrees and the first one that does not, which the dump lacks.
    tolerance : in LSB.
    """

    results: tuple[LayerResult, ...]
    not_compared: tuple[str, ...]
    not_dumped: tuple[str, ...]
    tolerance: float

    @property
    def within(self) -> bool:
        """Whether all tensors are within the tolerance."""
        return self.first is None

    @property
    def first(self) -> LayerResult | None:
        """The first tensor in graph order that is beyond the tolerance."""
        return next((result for result in self.results if not result.within), None)


def compare(vectors: Vectors, readings: Mapping[str, Reading], not_compared: list[str], tolerance: float) -> Comparison:
    """Hold the readings of a dump against the vectors.

    Parameters
    ----------
    readings : by the layer's name.
    tolerance : in LSB, of each value.
    """
    results = [
        _result(layer, readings[layer.name], vectors.frames, tolerance)
        for layer in vectors.layers
        if layer.name in readings
    ]
    names, skipped = [layer.name for layer in vectors.layers], []
    bad = next((index for index, result in enumerate(results) if not result.within), None)
    if bad is not None and len(results) > 1:
        start = names.index(results[bad - 1].name) + 1 if bad else 0
        skipped = names[start : names.index(results[bad].name)]
    return Comparison(tuple(results), tuple(not_compared), tuple(skipped), tolerance)


def frame_axis(layer: Layer, frames: int) -> int | None:
    """The axis of a layer's values along which the frames lie: the last of that length; None where there is none."""
    axes = [axis for axis, length in enumerate(layer.values.shape) if axis and length == frames and frames > 1]
    return axes[-1] if axes else None


def _result(layer: Layer, reading: Reading, frames: int, tolerance: float) -> LayerResult:
    reference = layer.steps[: len(reading.steps)]
    difference = reading.steps - reference
    size = np.nan_to_num(np.abs(difference), nan=np.inf)
    beyond = size > tolerance + EQUAL
    axis = frame_axis(layer, frames)
    where = beyond.any(axis=tuple(other for other in range(1, beyond.ndim) if other != axis))
    by_frame = where if axis is not None else where[:, np.newaxis]  # (samples, frames)
    first = None
    if by_frame.any():
        patch, frame = np.argwhere(by_frame)[0].tolist()
        first = (patch, frame if axis is not None else None)
    noise, signal = float(np.square(difference).sum()), float(np.square(reference).sum())
    return LayerResult(
        layer.name,
        layer.made_by,
        reading.kind,
        reading.order,
        reading.against_shape,
        samples=len(reading.steps),
        values=size.size,
        differing=int((size > EQUAL).sum()),
        beyond=int(beyond.sum()),
        largest=float(size.max(initial=0)) if (size > EQUAL).any() else 0.0,
        largest_real=float(size.max(initial=0)) * layer.step if (size > EQUAL).any() else 0.0,
        snr=10 * float(np.log10(signal / noise)) if signal and noise > 0 and np.isfinite(noise) else None,
        first=first,
        frames_beyond=int(by_frame.sum()),
        frames=by_frame.size,
        hints=tuple(hints_of(layer, reading, difference, axis))
        if (size > EQUAL).any() or reading.against_shape
        else (),
    )

"""Comparison of a board's dump with the PC's vectors, tensor by tensor in graph order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sezoo.deployment.validation.dump import Reading
from sezoo.deployment.validation.layers import Layer, Vectors
from sezoo.deployment.validation.patterns import hints_of

__all__ = ["Comparison", "LayerResult", "compare", "frame_axis"]

EQUAL = 1e-3
"""Difference in LSB up to which values count as equal: the float32 error of a quantized value."""


@dataclass(frozen=True)
class LayerResult:
    """Comparison of a tensor that is in the dump and in the vectors.

    Attributes
    ----------
    read_as, order : `kind` and `order` of the dump's `Reading`.
    swapped : whether the values are in another order than the dump's shape declares.
    samples : number of patches compared.
    values, differing, beyond : number of values, of different values, and of values beyond the tolerance.
    largest : largest difference in LSB; `largest_real` in real values, 1 being the full range of a mask.
    snr : SNR of the PC's values to the differences in dB; None if nothing differs or all values are 0.
    first : (patch, frame) of the first value beyond the tolerance, with frame None for a tensor without frames;
        None if there is no such value.
    frames_beyond, frames : number of frames with such values, and of all frames, in all patches.
    hints : descriptions of the differences, in sentences.
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
        """Whether all values are within the tolerance and in the declared order."""
        return self.beyond == 0 and not self.swapped


@dataclass(frozen=True)
class Comparison:
    """Comparison of all tensors that are in the dump and in the vectors.

    Attributes
    ----------
    results : results in graph order.
    not_compared : names in the dump that the vectors lack.
    not_dumped : layers missing in the dump between the last tensor that agrees and the first that differs.
    tolerance : tolerance in LSB.
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
    """Compare the readings of a dump with the vectors.

    Parameters
    ----------
    readings : readings by the layer's name.
    tolerance : tolerance of each value in LSB.
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
    """Return the time axis of a layer's values, which is the last axis of that length, or None if there is none."""
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

"""Statistics of a model's activations on one clip, in any process, and their merging over clips.

The clips may be run in any order and by any number of workers. What each gives is put together in the order of the
clips, so that the ranges are the same, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx

from sezoo.quantization.calibration.extremes import Extremes, extremes_watcher
from sezoo.quantization.calibration.histogram import SignedHistogram
from sezoo.quantization.calibration.options import CalibrationOptions, Ranges
from sezoo.quantization.calibration.runs import check_finite, runner, with_tensors_as_outputs

__all__ = ["Histograms", "Statistics", "Watched"]

Statistics = tuple[np.ndarray, np.ndarray] | list[SignedHistogram]
"""Of one clip, for each tensor: lowest and highest values (tensors,) float32 each, or histograms."""


@dataclass(frozen=True)
class Watched:
    """The observed activations and their statistics; picklable.

    Attributes
    ----------
    model : float, with known shapes.
    tensors : by their names.
    call_frames : of a call, where a model with states takes any number.
    """

    model: onnx.ModelProto
    tensors: tuple[str, ...]
    options: CalibrationOptions
    call_frames: int | None = None

    @property
    def by_histogram(self) -> bool:
        """Whether the method needs more than the extremes."""
        return self.options.method in ("Entropy", "Percentile")

    def watcher(self) -> Callable[[Iterable[np.ndarray]], Statistics]:
        """Return a function that runs the model on the pieces of a clip; it is thread-safe.

        It raises `NotFiniteError` where an activation becomes NaN or infinite.
        """
        if self.by_histogram:
            return _histograms_watcher(self)
        return extremes_watcher(self.model, self.tensors, self.call_frames)

    def merged(self) -> Extremes | Histograms:
        """Return an accumulator for the statistics of all clips."""
        return (Histograms if self.by_histogram else Extremes)(self.tensors, self.options)


@dataclass
class Histograms:
    """A histogram of each tensor over all clips."""

    tensors: Sequence[str]
    options: CalibrationOptions
    of_tensors: list[SignedHistogram] = field(init=False)

    def __post_init__(self) -> None:
        self.of_tensors = [SignedHistogram() for _ in self.tensors]

    def add(self, of_clip: list[SignedHistogram]) -> None:
        """Take in one clip's."""
        for histogram, other in zip(self.of_tensors, of_clip, strict=True):
            histogram.merge(other)

    def ranges(self) -> Ranges:
        """Return the ranges by the configured method."""
        found = [_range_of(histogram, self.options) for histogram in self.of_tensors]
        return dict(zip(self.tensors, found, strict=True))


def _histograms_watcher(watched: Watched) -> Callable[[Iterable[np.ndarray]], Statistics]:
    run = runner(*with_tensors_as_outputs(watched.model, watched.tensors), watched.call_frames)

    def watch(pieces: Iterable[np.ndarray]) -> list[SignedHistogram]:
        histograms = [SignedHistogram() for _ in watched.tensors]
        for outputs in run(pieces):
            for name, histogram, values in zip(watched.tensors, histograms, outputs, strict=True):
                histogram.add(values)
                check_finite([name], np.array([histogram.low]), np.array([histogram.high]))
            del outputs  # they are large, and the next call makes as many
        return histograms

    return watch


def _range_of(histogram: SignedHistogram, options: CalibrationOptions) -> tuple[np.float32, np.float32]:
    if options.method == "Entropy":
        return histogram.entropy_range()
    symmetric = options.symmetric is not False  # onnxruntime's default for this method
    return histogram.percentile_range(options.percentile, symmetric=symmetric)

"""Segments of the calibration clips, kept in memory and split into a fitting and a hold-out set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

__all__ = ["Segment", "SegmentPool", "limit_frames"]

SEGMENT_FRAMES = 500
"""Of a longer piece the first N frames are kept."""

MOST_FRAMES = 30_000
"""In all: 300 s at a hop of 10 ms, 100 MB of spectra for the usual 257 bins."""

SHORTEST = 100
"""Frames that a segment is not cut below, for states to leave their zeros behind."""

ONE_IN = 5
"""Every Nth segment is held out."""


@dataclass(frozen=True)
class Segment:
    """A part of a clip.

    Attributes
    ----------
    spectrum : (bins, frames) complex64
    magnitude : what the model sees of it: (1, bins, frames) float32; of complex spectra the spectrum, complex64
    """

    spectrum: np.ndarray
    magnitude: np.ndarray

    def part(self, frames: slice) -> Segment:
        """These frames of it."""
        return Segment(self.spectrum[:, frames], np.ascontiguousarray(self.magnitude[:, :, frames]))


def limit_frames(segments: Sequence[Segment], most: int) -> list[Segment]:
    """Select segments of about `most` frames in total, shortened, or fewer if they would become too short.

    They are the first frames of segments spread evenly over those given; at least one is left.
    """
    frames = [segment.spectrum.shape[1] for segment in segments]
    if sum(frames) <= most:
        return list(segments)
    count = min(len(segments), max(1, most // SHORTEST))
    kept = [segments[place * len(segments) // count] for place in range(count)]
    each = max(SHORTEST, most // count)
    return [segment.part(slice(each)) for segment in kept]


@dataclass
class SegmentPool:
    """Takes in pieces of clips, and keeps as many as there is room for, spread evenly over all that came.

    Attributes
    ----------
    multiple : of which the frames of each piece are one, and those of each segment have to be.
    most : frames in all.
    """

    kept: list[Segment] = field(default_factory=list)
    every: int = 1
    seen: int = 0
    multiple: int = 1
    most: int = MOST_FRAMES

    def add(self, spectrum: np.ndarray, magnitude: np.ndarray) -> None:
        """Take in a piece: (bins, frames) complex64 and what the model sees of it, (1, bins, frames)."""
        if self.seen % self.every == 0:
            part = slice(None, SEGMENT_FRAMES // self.multiple * self.multiple)
            self.kept.append(Segment(spectrum[:, part].copy(), np.ascontiguousarray(magnitude[:, :, part])))
        self._count_one()

    def add_segment(self, segment: Segment) -> None:
        """Take in what has been cut out already."""
        if self.seen % self.every == 0:
            self.kept.append(segment)
        self._count_one()

    def _count_one(self) -> None:
        self.seen += 1
        if sum(segment.spectrum.shape[1] for segment in self.kept) > self.most:
            self.kept, self.every = self.kept[::2], 2 * self.every

    def patch(self, frames: int) -> np.ndarray:
        """Return N frames of the longest segment, repeated if it is shorter: (1, bins, frames)."""
        longest = max((segment.magnitude for segment in self.kept), key=lambda magnitude: magnitude.shape[2])
        return np.ascontiguousarray(np.tile(longest, (1, 1, -(-frames // longest.shape[2])))[:, :, :frames])

    def split_fit_holdout(self) -> tuple[list[Segment], list[Segment]]:
        """Split into fitting and hold-out segments: every fifth, or the last fifth of each if there are few."""
        if len(self.kept) >= ONE_IN:
            fit = [segment for index, segment in enumerate(self.kept) if index % ONE_IN != ONE_IN - 1]
            return fit, self.kept[ONE_IN - 1 :: ONE_IN]
        fit, held_out = [], []
        for segment in self.kept:
            calls = segment.spectrum.shape[1] // self.multiple
            cut = max(1, calls * (ONE_IN - 1) // ONE_IN) * self.multiple
            for parts, part in ((fit, slice(None, cut)), (held_out, slice(cut, None))):
                if segment.spectrum[:, part].shape[1]:
                    parts.append(segment.part(part))
        return fit, held_out or fit

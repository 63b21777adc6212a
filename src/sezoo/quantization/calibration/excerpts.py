"""Excerpts of the calibration clips that are kept in memory: some to fit on, others to judge by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

__all__ = ["Excerpt", "Excerpts", "within"]

EXCERPT_FRAMES = 500
"""Of a longer piece the first so many frames are kept."""

MOST_FRAMES = 30_000
"""In all: 300 s at a hop of 10 ms, 100 MB of spectra for the usual 257 bins."""

SHORTEST = 100
"""Frames that an excerpt is not cut below, for states to leave their zeros behind."""

ONE_IN = 5
"""So many excerpts make one that is held out."""


@dataclass(frozen=True)
class Excerpt:
    """A part of a clip.

    Attributes
    ----------
    spectrum : (bins, frames) complex64
    magnitude : what the model sees of it: (1, bins, frames) float32; of complex spectra the spectrum, complex64
    """

    spectrum: np.ndarray
    magnitude: np.ndarray


def within(excerpts: Sequence[Excerpt], most: int) -> list[Excerpt]:
    """Excerpts of so many frames in all, or a little more: shorter ones, and fewer where they would be too short.

    They are the first frames of excerpts spread evenly over those given; at least one is left.
    """
    frames = [excerpt.spectrum.shape[1] for excerpt in excerpts]
    if sum(frames) <= most:
        return list(excerpts)
    count = min(len(excerpts), max(1, most // SHORTEST))
    kept = [excerpts[place * len(excerpts) // count] for place in range(count)]
    each = max(SHORTEST, most // count)
    return [
        Excerpt(excerpt.spectrum[:, :each], np.ascontiguousarray(excerpt.magnitude[:, :, :each])) for excerpt in kept
    ]


@dataclass
class Excerpts:
    """Takes in pieces of clips, and keeps as many as there is room for, spread evenly over all that came.

    Attributes
    ----------
    multiple : of which the frames of each piece are one, and those of each excerpt have to be.
    most : frames in all.
    """

    kept: list[Excerpt] = field(default_factory=list)
    every: int = 1
    seen: int = 0
    multiple: int = 1
    most: int = MOST_FRAMES

    def add(self, spectrum: np.ndarray, magnitude: np.ndarray) -> None:
        """Take in a piece: (bins, frames) complex64 and what the model sees of it, (1, bins, frames)."""
        if self.seen % self.every == 0:
            part = slice(None, EXCERPT_FRAMES // self.multiple * self.multiple)
            self.kept.append(Excerpt(spectrum[:, part].copy(), np.ascontiguousarray(magnitude[:, :, part])))
        self._count_one()

    def add_excerpt(self, excerpt: Excerpt) -> None:
        """Take in what has been cut out already."""
        if self.seen % self.every == 0:
            self.kept.append(excerpt)
        self._count_one()

    def _count_one(self) -> None:
        self.seen += 1
        if sum(excerpt.spectrum.shape[1] for excerpt in self.kept) > self.most:
            self.kept, self.every = self.kept[::2], 2 * self.every

    def patch(self, frames: int) -> np.ndarray:
        """So many frames of the longest excerpt, repeated if it is shorter: (1, bins, frames)."""
        longest = max((excerpt.magnitude for excerpt in self.kept), key=lambda magnitude: magnitude.shape[2])
        return np.ascontiguousarray(np.tile(longest, (1, 1, -(-frames // longest.shape[2])))[:, :, :frames])

    def parted(self) -> tuple[list[Excerpt], list[Excerpt]]:
        """Excerpts to fit on, and others to judge by: one in five, or the last fifth of each where they are few."""
        if len(self.kept) >= ONE_IN:
            fit = [excerpt for index, excerpt in enumerate(self.kept) if index % ONE_IN != ONE_IN - 1]
            return fit, self.kept[ONE_IN - 1 :: ONE_IN]
        fit, held_out = [], []
        for excerpt in self.kept:
            calls = excerpt.spectrum.shape[1] // self.multiple
            cut = max(1, calls * (ONE_IN - 1) // ONE_IN) * self.multiple
            for parts, part in ((fit, slice(None, cut)), (held_out, slice(cut, None))):
                if excerpt.spectrum[:, part].shape[1]:
                    parts.append(
                        Excerpt(excerpt.spectrum[:, part], np.ascontiguousarray(excerpt.magnitude[:, :, part]))
                    )
        return fit, held_out or fit

"""The magnitudes of the calibration clips, as the network is to see them, and excerpts of them that stay."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np

from sezoo.audio.stft import Stft
from sezoo.base.text import pluralize
from sezoo.denoising.board import gains_of_frames
from sezoo.denoising.modes import Board
from sezoo.models.spectra import MAGNITUDE_MASK
from sezoo.quantization.calibration.clips import CalibrationClips
from sezoo.quantization.calibration.excerpts import Excerpts
from sezoo.quantization.calibration.ranges import MAX_FRAMES
from sezoo.run.run import Run

__all__ = ["CalibrationMagnitudes"]

log = logging.getLogger(__name__)

FULL = 0.999
"""Samples of this magnitude and above stand at the end of the scale."""

CLIPPED = 0.001
"""Share of such samples that makes a clip a clipped one."""


class CalibrationMagnitudes:
    """The magnitudes of the calibration clips, clip by clip and piece by piece, made as they are asked for.

    Iterating gives one iterator of pieces (1, bins, frames) float32 a clip.

    Parameters
    ----------
    board : multiply each frame's magnitudes by the input gain that this board would give it; None leaves them.
    multiple : of which the number of frames has to be one; pieces are filled up with zeros.
    kind : of the model; one of complex spectra sees these, complex64, in the place of magnitudes.

    Attributes
    ----------
    excerpts : parts of the clips, to fit on and to judge by.
    current : the name of the clip that is being read.
    """

    def __init__(
        self,
        run: Run,
        clips: CalibrationClips,
        stft: Stft,
        board: Board | None = None,
        multiple: int = 1,
        kind: str = MAGNITUDE_MASK,
    ):
        self.run, self.clips, self.stft, self.board = run, clips, stft, board
        self.of_magnitudes = kind == MAGNITUDE_MASK
        self.multiple, self.excerpts = multiple, Excerpts(multiple=multiple)
        self.clips_read = self.clips_clipped = 0
        self.seconds_read = 0.0
        self.current = ""
        self._longest = np.zeros((1, stft.bins, 0), np.float32)

    def __iter__(self) -> Iterator[Iterator[np.ndarray]]:
        rate = self.run.config.preprocessing.sample_rate
        for name, wave in self.run.progress(self.clips, len(self.clips), "calibrating"):
            self.current = name
            self.clips_read += 1
            self.clips_clipped += np.mean(np.abs(wave) >= FULL) > CLIPPED
            self.seconds_read += len(wave) / rate
            yield self._pieces(wave)

    def _pieces(self, wave: np.ndarray) -> Iterator[np.ndarray]:
        gains = None if self.board is None else gains_of_frames(wave, self.stft, self.board)
        first = 0
        for spectrum in self.stft.analyse_blocks(wave, MAX_FRAMES):
            seen = self.stft.magnitude(spectrum) if self.of_magnitudes else np.ascontiguousarray(spectrum)
            magnitude = seen[np.newaxis]
            if gains is not None:
                magnitude *= gains[first : first + magnitude.shape[2]]
            first += magnitude.shape[2]
            if rest := -magnitude.shape[2] % self.multiple:
                magnitude = np.pad(magnitude, [(0, 0), (0, 0), (0, rest)])
                spectrum = np.pad(spectrum, [(0, 0), (0, rest)])
            if magnitude.shape[2] > self._longest.shape[2]:
                self._longest = magnitude
            self.excerpts.add(spectrum, magnitude)
            yield magnitude

    def read(self) -> None:
        """Read all clips once, for the excerpts."""
        for pieces in self:
            for _ in pieces:
                pass
        self.tell()

    def patch(self, frames: int) -> np.ndarray:
        """A patch of so many frames from what was read, repeated if no clip was as long: (1, bins, frames)."""
        repeats = -(-frames // self._longest.shape[2])
        return np.ascontiguousarray(np.tile(self._longest, (1, 1, repeats))[:, :, :frames])

    def tell(self) -> None:
        """Say what was read, and what is odd about it."""
        log.info("calibrated on %s, %.0f s of audio", pluralize(self.clips_read, "clip"), self.seconds_read)
        if self.clips_clipped == self.clips_read:
            log.warning(
                "all calibration clips are clipped: more than %.1f %% of their samples are at full scale; ranges "
                "found on them are too wide for unclipped recordings",
                100 * CLIPPED,
            )

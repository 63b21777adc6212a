"""The magnitudes of the calibration clips, as the network is to see them, and segments of them that stay.

Each clip is read, and run through the model, by whichever worker has time for it (`sezoo.run.executors`). What the
clips give is put together in their order: neither the number of workers nor what they are changes anything.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from sezoo.audio.clip import BadClipError
from sezoo.audio.stft import Stft
from sezoo.base.errors import UserError
from sezoo.base.text import pluralize
from sezoo.data.dataset import usable_ones
from sezoo.denoising.board import gains_of_frames
from sezoo.denoising.modes import Board
from sezoo.models.mask_model import NOT_FINITE_REMEDY
from sezoo.models.spectra import MAGNITUDE_MASK
from sezoo.quantization.calibration.clips import CalibrationClips
from sezoo.quantization.calibration.options import Ranges
from sezoo.quantization.calibration.ranges import MAX_FRAMES, Calibration
from sezoo.quantization.calibration.runs import NotFiniteError
from sezoo.quantization.calibration.segments import MOST_FRAMES, SEGMENT_FRAMES, Segment, SegmentPool
from sezoo.quantization.calibration.statistics import Statistics, Watched
from sezoo.run.executors import Work, results_of
from sezoo.run.run import Run

__all__ = ["CalibrationMagnitudes"]

log = logging.getLogger(__name__)

FULL = 0.999
"""Samples of this magnitude and above stand at the end of the scale."""

CLIPPED = 0.001
"""Share of such samples that makes a clip a clipped one."""


class CalibrationMagnitudes:
    """The magnitudes of the calibration clips, made clip by clip and piece by piece.

    Parameters
    ----------
    board : multiply each frame's magnitudes by the input gain that this board would give it; None leaves them.
    multiple : of which the number of frames has to be one; pieces are filled up with zeros.
    kind : of the model; one of complex spectra sees these, complex64, in the place of magnitudes.

    Attributes
    ----------
    segments : parts of the clips, to fit on and to score on.
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
        self.run, self.clips, self.stft = run, clips, stft
        self.pieces = _Pieces(stft, board, multiple, kind == MAGNITUDE_MASK)
        self.segments = SegmentPool(multiple=multiple)
        self.clips_read = self.clips_clipped = 0
        self.seconds_read = 0.0

    def ranges(self, calibration: Calibration) -> Ranges:
        """Read all clips once, for the segments and for the ranges of activations.

        Raises
        ------
        UserError : a clip that cannot be used, unless such are left out; an activation became NaN or infinite; workers
            were lost.
        """
        merged = calibration.watched.merged()
        for statistics in self._read(calibration.watched):
            merged.add(statistics)
        return calibration.ranges(merged)

    def read(self) -> None:
        """Read all clips once, for the segments."""
        for _ in self._read(None):
            pass

    def _read(self, watched: Watched | None) -> Iterator[Statistics | None]:
        config = self.run.config
        found = results_of(
            Work(_clip_reader, _Look(self.clips, self.pieces, watched)),
            range(len(self.clips)),
            executor=config.general.executor,
            workers=config.quantization.num_workers,
            workers_key="quantization.num_workers",
            in_threads=True,
            in_order=True,
        )
        outcomes = self.run.progress((outcome for _, outcome in found), len(self.clips), "calibrating")
        skip_bad = config.dataset is not None and config.dataset.skip_bad_files
        try:
            for seen in usable_ones(outcomes, len(self.clips), skip_bad=skip_bad):
                self.clips_read += 1
                self.clips_clipped += seen.is_clipped
                self.seconds_read += seen.samples / config.preprocessing.sample_rate
                for segment in seen.segments:
                    self.segments.add_segment(segment)
                yield seen.statistics
        finally:
            found.close()
        self._log_clips()

    def _log_clips(self) -> None:
        """Say what was read, and what is odd about it."""
        log.info("calibrated on %s, %.0f s of audio", pluralize(self.clips_read, "clip"), self.seconds_read)
        if self.clips_clipped == self.clips_read:
            log.warning(
                "all calibration clips are clipped: more than %.1f %% of their samples are at full scale; ranges "
                "found on them are too wide for unclipped recordings",
                100 * CLIPPED,
            )


# -- in the worker ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Pieces:
    """Conversion of a clip to the model's input, piece by piece; see `CalibrationMagnitudes`."""

    stft: Stft
    board: Board | None
    multiple: int
    of_magnitudes: bool

    def of(self, waveform: np.ndarray, segments: SegmentPool) -> Iterator[np.ndarray]:
        """Pieces (1, bins, frames) of a clip, float32, or complex64; segments are taken of them."""
        gains = None if self.board is None else gains_of_frames(waveform, self.stft, self.board)
        first = 0
        for spectrum in self.stft.analyse_blocks(waveform, MAX_FRAMES):
            seen = self.stft.magnitude(spectrum) if self.of_magnitudes else np.ascontiguousarray(spectrum)
            magnitude = seen[np.newaxis]
            if gains is not None:
                magnitude *= gains[first : first + magnitude.shape[2]]
            first += magnitude.shape[2]
            if rest := -magnitude.shape[2] % self.multiple:
                magnitude = np.pad(magnitude, [(0, 0), (0, 0), (0, rest)])
                spectrum = np.pad(spectrum, [(0, 0), (0, rest)])
            segments.add(spectrum, magnitude)
            yield magnitude


@dataclass(frozen=True)
class _Look:
    """All that a worker needs; nothing is watched where `watched` is None."""

    clips: CalibrationClips
    pieces: _Pieces
    watched: Watched | None


class _Seen(NamedTuple):
    """Result of one clip."""

    samples: int
    is_clipped: bool
    segments: list[Segment]
    statistics: Statistics | None


def _clip_reader(look: _Look) -> Callable[[int], _Seen | BadClipError]:
    return partial(_look_at_clip, look, look.watched and look.watched.watcher())


def _look_at_clip(look: _Look, watch: Callable[..., Statistics] | None, index: int) -> _Seen | BadClipError:
    try:
        name, waveform = look.clips.read(index)
    except BadClipError as bad:
        return bad
    share = max(SEGMENT_FRAMES, 2 * MOST_FRAMES // len(look.clips))  # of a long one among many, more would be dropped
    segments = SegmentPool(multiple=look.pieces.multiple, most=min(MOST_FRAMES, share))
    pieces, statistics = look.pieces.of(waveform, segments), None
    try:
        if watch is not None:
            statistics = watch(pieces)
        for _ in pieces:  # where nothing is watched
            pass
    except NotFiniteError as error:
        raise UserError(f"{error}, on {name}; {NOT_FINITE_REMEDY}") from error
    is_clipped = bool(np.mean(np.abs(waveform) >= FULL) > CLIPPED)
    return _Seen(len(waveform), is_clipped, segments.kept, statistics)

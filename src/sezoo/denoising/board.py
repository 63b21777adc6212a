"""Emulation, sample by sample, of the processing around the network in ST's STM32N6 audio application, in numpy.

Patch by patch of `frames` hops: new samples into a buffer of int16 that also holds the context; frames without
centre padding; magnitudes, scaled to the patch's peak for the model alone; the int8 input rounded half away from
zero; mask times spectrum; overlap-add in a ring of one window, in which the end of each frame's window has no room;
and a gate that silences quiet patches.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np

from sezoo.audio.board_input import from_int16, input_gain, to_int16
from sezoo.audio.stft import Stft, overlap_add
from sezoo.audio.stft_window import overlap_weight
from sezoo.base.errors import UserError
from sezoo.denoising.masking import with_fresh_state
from sezoo.denoising.modes import Board
from sezoo.models.mask_model import MaskFunction

__all__ = [
    "MOST_FRAMES",
    "BoardStream",
    "RingOverlapAdd",
    "bins_problem",
    "board_problem",
    "delay_of",
    "frames_problem",
    "gains_of_frames",
    "is_silent",
    "silence_before",
    "transform_problem",
]

FULL_SCALE_DB = 90.309
"""20 log10(32768), as the board's C has it."""

MOST_BINS, MOST_FRAMES = 300, 100
"""That ST's application takes of a network (AiDPUCheckModel): of a larger one it only logs that the check failed."""


def is_silent(patch: np.ndarray, threshold: float) -> bool:
    """Whether the level of a call's int16 output is below the threshold, in dBFS."""
    power = float(np.mean(np.square(patch.astype(np.float64))))
    return power == 0 or 10 * np.log10(power) - FULL_SCALE_DB < threshold


def delay_of(stft: Stft, board: Board) -> int:
    """Samples by which the output lags behind the newest input sample."""
    padding = (stft.n_fft - stft.win_length) // 2
    return board.lookahead * stft.hop_length + (stft.win_length - stft.hop_length) + padding


def transform_problem(stft: Stft) -> str | None:
    """Why no device can compute this transform, in one line; None if one can."""
    if stft.power != 1:
        return f"preprocessing.power: found {stft.power:g}; the board's model sees magnitudes to the power 1"
    if stft.synthesis_window is not None:
        return "preprocessing.synthesis_window: a board has one window for both directions; allowed: nothing"
    if 3 * stft.win_length <= stft.n_fft:
        return (
            f"preprocessing.win_length: found {stft.win_length}; the board's overlap-add needs more than a third of "
            f"n_fft ({stft.n_fft})"
        )
    return None


def bins_problem(n_fft: int) -> str | None:
    """Why ST's application does not take networks of this transform; None if it does."""
    bins = n_fft // 2 + 1
    if bins <= MOST_BINS:
        return None
    return (
        f"preprocessing.n_fft: found {n_fft}, which makes {bins} bins; allowed: 512 or less, as the board's program "
        f"takes {MOST_BINS} bins at most: the model has to be trained with it"
    )


def frames_problem(frames: int) -> str | None:
    """Why ST's application refuses a static model of this number of frames; None if it accepts it."""
    if frames <= MOST_FRAMES:
        return None
    return f"{frames} frames; the board's program takes {MOST_FRAMES} at most"


def board_problem(stft: Stft) -> str | None:
    """Why the board, whose ring has the room of one window, cannot compute this transform; None if it can."""
    if (problem := transform_problem(stft)) is not None:
        return problem
    padding = (stft.n_fft - stft.win_length) // 2
    if overlap_weight(stft.padded_window[padding : stft.win_length], stft.hop_length).min() <= 0:
        return (
            f"preprocessing.hop_length: found {stft.hop_length}; the board leaves out the last {padding} samples of a "
            "window, and frames overlap too little to have them from others"
        )
    return None


def silence_before(stft: Stft) -> np.ndarray:
    """Return the frames of the silence before the first sample that a synthesis begins with: (bins, n) complex64.

    They add nothing to the output, but their windows have weight: divided by the edge of its own window only, the first
    frame would begin with a click.
    """
    return np.zeros((stft.bins, -(-stft.win_length // stft.hop_length)), np.complex64)


class RingOverlapAdd:
    """Overlap-add in a ring as long as one window, normalised by the sum of the squared windows.

    A frame's samples are written `n_fft - win_length` halves late: the last of them would lie beyond the ring
    and are left out, of the waveform and of the windows' sum. The ring is kept from patch to patch.
    """

    def __init__(self, stft: Stft):
        self.stft = stft
        self.padding = (stft.n_fft - stft.win_length) // 2
        overlap = stft.win_length - stft.hop_length
        self.waveform, self.weight = np.zeros(overlap, np.float32), np.zeros(overlap, np.float32)

    @cached_property
    def window(self) -> np.ndarray:
        """The part of the window that has room: (win_length - padding,) float32."""
        return self.stft.padded_window[self.padding : self.stft.win_length]

    def push(self, spectrum: np.ndarray) -> np.ndarray:
        """Take in frames (bins, frames) complex64; return a hop of samples for each: (frames * hop_length,) float32."""
        hop, count = self.stft.hop_length, spectrum.shape[1]
        frames = np.fft.irfft(spectrum.T, self.stft.n_fft).astype(np.float32, copy=False)
        frames = frames[:, self.padding : self.stft.win_length] * self.window
        squares = np.broadcast_to(self.window**2, frames.shape)
        late = [(0, 0), (self.padding, 0)]
        waveform, weight = (overlap_add(np.pad(each, late), hop) for each in (frames, squares))
        waveform[: len(self.waveform)] += self.waveform
        weight[: len(self.weight)] += self.weight
        self.waveform, self.weight = waveform[count * hop :], weight[count * hop :]
        return self.stft.normalised(waveform[: count * hop], weight[: count * hop])


class BoardStream:
    """Denoises a waveform that comes in pieces as the board would; its delay is taken out of the result.

    Raises
    ------
    UserError : the transform is none that the board computes; a model with states and a look-ahead.
    """

    def __init__(self, model: MaskFunction, stft: Stft, board: Board):
        if (problem := board_problem(stft)) is not None:
            raise UserError(problem)
        self.model, self.stft, self.board = with_fresh_state(model, board), stft, board
        self.transform = replace(stft, center=False)
        self.quantizer = model.input_quantizer if board.half_away else None
        self.new = board.frames * stft.hop_length
        samples = stft.win_length - stft.hop_length + board.length * stft.hop_length
        self.buffer = np.zeros(samples, np.int16)
        self.ring = RingOverlapAdd(stft)
        if not board.is_sts:
            self.ring.push(silence_before(stft))
        self.pending = np.zeros(0, np.int16)
        self.early = delay_of(stft, board)  # samples of the delay that are still to be dropped
        self.missing = 0  # samples that have gone in and not come out yet

    def push(self, waveform: np.ndarray) -> np.ndarray:
        """Take in samples (n,) float32, and return those that are ready: (m,) float32."""
        self.missing += len(waveform)
        return self._process(to_int16(waveform))

    def finish(self) -> np.ndarray:
        """Return the remaining output, after feeding silence."""
        patches = -(-(self.missing + self.early) // self.new) if self.missing else 0
        return self._process(np.zeros(patches * self.new - len(self.pending), np.int16))

    def _process(self, samples: np.ndarray) -> np.ndarray:
        self.pending = np.concatenate([self.pending, samples])
        patches = len(self.pending) // self.new
        now, self.pending = np.split(self.pending, [patches * self.new])
        given = [np.zeros(0, np.int16), *(self.patch(new) for new in now.reshape(patches, self.new))]
        waveform = from_int16(np.concatenate(given))
        dropped = min(self.early, len(waveform))
        self.early -= dropped
        waveform = waveform[dropped:][: self.missing]
        self.missing -= len(waveform)
        return waveform

    def patch(self, new: np.ndarray) -> np.ndarray:
        """One call of the board: (frames * hop_length,) int16 in, as many out, later by `delay_of`."""
        self.buffer = np.concatenate([self.buffer[self.new :], new])
        spectrum = self.transform.analyse(self._pad_window(from_int16(self.buffer)))
        magnitude = self.stft.magnitude(spectrum)
        if self.board.input_gain:
            magnitude *= input_gain(self.buffer)
        if self.quantizer is not None:
            magnitude = self.quantizer.rounded_half_away(magnitude)
        mask = self.model(magnitude[np.newaxis])[0]
        kept = slice(self.board.lookahead, self.board.lookahead + self.board.frames)
        out = to_int16(self.ring.push(spectrum[:, kept] * mask[:, kept]))
        threshold = self.board.silence_threshold
        return np.zeros_like(out) if threshold is not None and is_silent(out, threshold) else out

    def _pad_window(self, samples: np.ndarray) -> np.ndarray:
        """Pad a window with zeros before and after, to the n_fft samples of a frame."""
        before = (self.stft.n_fft - self.stft.win_length) // 2
        return np.pad(samples, (before, self.stft.n_fft - self.stft.win_length - before))


def gains_of_frames(waveform: np.ndarray, stft: Stft, board: Board) -> np.ndarray:
    """The input gain that the board gives each frame of a clip, for magnitudes that are not made patch by patch.

    The frames are those of `Stft.analyse`; each has the gain of the patch in which it is new.

    Parameters
    ----------
    waveform : (samples,) float32

    Returns
    -------
    gains : (frames,) float32
    """
    hop, half = stft.hop_length, stft.win_length // 2
    middle = 0 if stft.center else stft.n_fft // 2  # of frame 0, in samples
    samples, frames = to_int16(waveform), stft.frames(len(waveform))
    gains = np.ones(frames, np.float32)
    for first in range(0, frames, board.frames):
        start = (first - board.lookahead) * hop + middle - half
        stop = (first + board.frames + board.lookahead - 1) * hop + middle + half
        gains[first : first + board.frames] = input_gain(samples[max(0, start) : max(0, stop)])
    return gains

"""The C package's stream engine in numpy: every frame computed once, in a stream of int16 samples.

Frame n ends with the last sample of hop n, so that no frame waits for more samples than it has. Before the first sample
there is silence, and the network's layers see zeros before the first frame; after the last sample silence follows until
all of it has come out. Masks therefore are those of the whole clip, as long as the network sees the frames of that
silence as well. Where a gate is set, the output of a call is muted when it is below the threshold.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import numpy as np

from sezoo.audio.board_input import from_int16, to_int16
from sezoo.audio.stft import Stft
from sezoo.audio.stft_stream import AnalysisStream, SynthesisStream
from sezoo.base.errors import UserError
from sezoo.denoising.board import is_silent, silence_before, transform_problem
from sezoo.denoising.modes import Stream

__all__ = ["EngineStream", "Masking"]


class Masking(Protocol):
    """Multiplies a spectrum that comes in pieces with its masks; see `MaskStream`."""

    def push(self, spectrum: np.ndarray, magnitude: np.ndarray) -> np.ndarray:
        """Take in frames (bins, n); and return those that are masked, (bins, m) complex64."""

    def finish(self) -> np.ndarray:
        """Return the frames that are left: (bins, m) complex64."""


class EngineStream:
    """Denoises a waveform that comes in pieces as the stream engine would; its delay is taken out of the result.

    Parameters
    ----------
    masks : of the frames in order. It may keep the last `mode.lookahead` frames to itself.

    Raises
    ------
    UserError : the transform is none that a device computes.
    """

    def __init__(self, masks: Masking, stft: Stft, mode: Stream):
        if (problem := transform_problem(stft)) is not None:
            raise UserError(problem)
        self.masks, self.stft, self.mode = masks, stft, mode
        raw = replace(stft, center=False)
        self.analysis, self.synthesis = AnalysisStream(raw), SynthesisStream(raw)
        self.synthesis.push(silence_before(stft))
        # Silence of a window less a hop, and the zeros that stand before the window in a frame of n_fft samples.
        self.overlap, self.margin = stft.win_length - stft.hop_length, (stft.n_fft - stft.win_length) // 2
        self.analysis.push(np.zeros(self.overlap + self.margin, np.float32))
        self.skipped = self.margin  # samples of the synthesis that no window reaches, still to be dropped
        self.received = 0  # samples of the waveform
        self.masked = 0  # frames that have been synthesised
        # What the engine gives before the first sample: frames of silence for the look-ahead, and the overlap.
        self.early = mode.lookahead * stft.hop_length + self.overlap
        self.pending = np.zeros(mode.lookahead * stft.hop_length, np.int16)  # output of calls that are not complete
        self.missing = 0  # samples that have gone in and not come out yet

    def push(self, waveform: np.ndarray) -> np.ndarray:
        """Take in samples (n,) float32, and return those that are ready: (m,) float32."""
        self.received += len(waveform)
        self.missing += len(waveform)
        masked = self._mask(from_int16(to_int16(waveform)))
        self.masked += masked.shape[1]
        return self._emit(self.synthesis.push(masked))

    def finish(self) -> np.ndarray:
        """Return the remaining output, after feeding silence."""
        if not self.missing:
            return np.zeros(0, np.float32)
        hop, lookahead, frames = self.stft.hop_length, self.mode.lookahead, self.mode.frames
        reached = -(-(self.received + self.overlap) // hop)  # frames with a sample of the waveform in their windows
        count = -(-(reached + lookahead) // frames) * frames  # whole calls
        behind = self.stft.n_fft - self.stft.win_length - self.margin  # zeros behind the window
        masked = [self._mask(np.zeros(count * hop - self.received + behind, np.float32)), self.masks.finish()]
        waveform = self.synthesis.push(np.concatenate(masked, axis=1)[:, : count - lookahead - self.masked])
        return self._emit(np.concatenate([waveform, self.synthesis.finish()[: self.margin]]))

    def _mask(self, samples: np.ndarray) -> np.ndarray:
        spectrum = self.analysis.push(samples)
        return self.masks.push(spectrum, self.stft.magnitude(spectrum))

    def _emit(self, waveform: np.ndarray) -> np.ndarray:
        """Samples of the synthesis to those of the denoised waveform that whole calls have given."""
        skipped = min(self.skipped, len(waveform))
        self.skipped -= skipped
        self.pending = np.concatenate([self.pending, to_int16(waveform[skipped:])])
        return self._align(self._calls())

    def _calls(self) -> np.ndarray:
        """The output of the calls that are complete, gated: (n,) int16."""
        size = self.mode.frames * self.stft.hop_length
        calls = len(self.pending) // size
        ready, self.pending = np.split(self.pending, [calls * size])
        if (threshold := self.mode.silence_threshold) is not None:
            ready = ready.copy()
            for call in ready.reshape(calls, size):
                if is_silent(call, threshold):
                    call[:] = 0
        return ready

    def _align(self, samples: np.ndarray) -> np.ndarray:
        """Without the delay, and no more samples than went in."""
        dropped = min(self.early, len(samples))
        self.early -= dropped
        waveform = from_int16(samples[dropped:])[: self.missing]
        self.missing -= len(waveform)
        return waveform

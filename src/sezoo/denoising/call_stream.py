"""The C package's stream engine, call by call, for live sound.

What `EngineStream` gives with the delay taken out comes here as late as from the C code, and no later: each call gives
as many samples as it takes.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sezoo.audio.board_input import from_int16, to_int16
from sezoo.audio.stft import Stft
from sezoo.base.errors import UserError
from sezoo.denoising.board import is_silent, silence_before, transform_problem
from sezoo.denoising.masking import MaskStream
from sezoo.denoising.modes import Stream, WholeClip
from sezoo.models.mask_model import MaskFunction

__all__ = ["CallStream"]


class CallStream:
    """Emulation of `sezoo_process` of the C package: N int16 samples in, N out, delayed by `SEZOO_LATENCY`.

    The model sees in each call the new frames, its past and what it looks ahead; one with states sees the new frames.

    Parameters
    ----------
    mode : with `frames` new ones of a call; of a model with states whose calls have a length, a multiple of that.

    Raises
    ------
    UserError : the transform is none that a device computes.
    """

    def __init__(self, model: MaskFunction, stft: Stft, mode: Stream):
        if (problem := transform_problem(stft)) is not None:
            raise UserError(problem)
        whole = WholeClip(mode.context, attenuation_limit=mode.attenuation_limit)
        self.stft, self.mode = replace(stft, center=False), mode
        self.masks = MaskStream(model, whole, stft.bins, immediate=True)
        together = self.masks.length or 1
        self.frames = -(-mode.frames // together) * together
        self.samples = self.frames * stft.hop_length
        # Before and behind the window, a frame of n_fft samples is zero.
        before = (stft.n_fft - stft.win_length) // 2
        self.margins = (before, stft.n_fft - stft.win_length - before)
        self.overlap = stft.win_length - stft.hop_length
        self.past = np.zeros(self.overlap, np.float32)
        self.waveform, self.weight = np.zeros((2, self.overlap), np.float32)
        self._overlap_add(silence_before(stft))

    def process(self, samples: np.ndarray) -> np.ndarray:
        """Denoise the samples of a call: (samples,) int16 in and out."""
        known = np.concatenate([self.past, from_int16(samples)])
        self.past = known[len(known) - self.overlap :]
        spectrum = self.stft.analyse(np.pad(known, self.margins))
        masked = self.masks.push(spectrum, self.stft.magnitude(spectrum))
        # Until the network has looked ahead for the first time, frames are silent.
        masked = np.pad(masked, [(0, 0), (self.frames - masked.shape[1], 0)])
        out = to_int16(self._overlap_add(masked))
        threshold = self.mode.silence_threshold
        return np.zeros_like(out) if threshold is not None and is_silent(out, threshold) else out

    def _overlap_add(self, spectrum: np.ndarray) -> np.ndarray:
        """The samples that no later frame reaches, a hop for each frame; what later ones reach is kept."""
        complete = spectrum.shape[1] * self.stft.hop_length
        before, behind = self.margins
        waveform, weight = (each[before : len(each) - behind] for each in self.stft.overlap_added(spectrum))
        waveform[: self.overlap] += self.waveform
        weight[: self.overlap] += self.weight
        self.waveform, self.weight = waveform[complete:], weight[complete:]
        return self.stft.normalised(waveform[:complete], weight[:complete])

"""The transform of `stft` for sound that comes in pieces: frames and samples as soon as they are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sezoo.audio.stft import Stft

__all__ = ["AnalysisStream", "SynthesisStream"]


class AnalysisStream:
    """`Stft.analyse`, piece by piece. What has been pushed is held until every frame that needs it is given."""

    def __init__(self, stft: Stft):
        self.stft = stft
        self._pending = np.zeros(stft.n_fft // 2 if stft.center else 0, np.float32)
        self._raw = replace(stft, center=False)  # the padding is made here

    def push(self, waveform: np.ndarray) -> np.ndarray:
        """Take in samples (n,) float32; give the frames that are complete: (bins, frames) complex64."""
        self._pending = np.concatenate([self._pending, waveform.astype(np.float32, copy=False)])
        if len(self._pending) < self.stft.n_fft:
            return np.zeros((self.stft.bins, 0), np.complex64)
        spectrum = self._raw.analyse(self._pending)
        self._pending = self._pending[spectrum.shape[-1] * self.stft.hop_length :]
        return spectrum

    def finish(self) -> np.ndarray:
        """Give the frames at the end, which reach into the zeros behind the waveform."""
        return self.push(np.zeros(self.stft.n_fft // 2 if self.stft.center else 0, np.float32))


class SynthesisStream:
    """`Stft.synthesise`, piece by piece: a sample is given when no later frame can reach it."""

    def __init__(self, stft: Stft):
        self.stft = stft
        self._skip = stft.n_fft // 2 if stft.center else 0  # samples of the padding, still to be dropped
        overlap = stft.n_fft - stft.hop_length
        self._wave, self._weight = np.zeros(overlap, np.float32), np.zeros(overlap, np.float32)

    def push(self, spectrum: np.ndarray) -> np.ndarray:
        """Take in frames (bins, frames) complex64; give the samples that are complete: (n,) float32."""
        frames = spectrum.shape[-1]
        if frames == 0:
            return np.zeros(0, np.float32)
        waveform, weight = self.stft.overlap_added(spectrum)
        waveform[: len(self._wave)] += self._wave
        weight[: len(self._weight)] += self._weight
        complete = frames * self.stft.hop_length
        self._wave, self._weight = waveform[complete:], weight[complete:]
        return self._given(waveform[:complete], weight[:complete])

    def finish(self) -> np.ndarray:
        """Give the samples that the last frames cover."""
        return self._given(self._wave, self._weight)

    def _given(self, waveform: np.ndarray, weight: np.ndarray) -> np.ndarray:
        skipped = min(self._skip, len(waveform))
        self._skip -= skipped
        return self.stft.normalised(waveform, weight)[skipped:]

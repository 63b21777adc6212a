"""Streaming STFT: frames and samples are returned as soon as they are complete."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sezoo.audio.stft import Stft

__all__ = ["AnalysisStream", "SynthesisStream"]


class AnalysisStream:
    """Streaming `Stft.analyse`. Samples are buffered until all frames that need them are returned."""

    def __init__(self, stft: Stft):
        self.stft = stft
        self._pending = np.zeros(stft.n_fft // 2 if stft.center else 0, np.float32)
        self._raw = replace(stft, center=False)  # the padding is made here

    def push(self, waveform: np.ndarray) -> np.ndarray:
        """Push samples (n,) float32; return the complete frames: (bins, frames) complex64."""
        self._pending = np.concatenate([self._pending, waveform.astype(np.float32, copy=False)])
        if len(self._pending) < self.stft.n_fft:
            return np.zeros((self.stft.bins, 0), np.complex64)
        spectrum = self._raw.analyse(self._pending)
        self._pending = self._pending[spectrum.shape[-1] * self.stft.hop_length :]
        return spectrum

    def finish(self) -> np.ndarray:
        """Return the last frames, which are padded with zeros."""
        return self.push(np.zeros(self.stft.n_fft // 2 if self.stft.center else 0, np.float32))


class SynthesisStream:
    """Streaming `Stft.synthesise`: a sample is returned once no later frame overlaps it."""

    def __init__(self, stft: Stft):
        self.stft = stft
        self._skip = stft.n_fft // 2 if stft.center else 0  # samples of the padding, still to be dropped
        overlap = stft.n_fft - stft.hop_length
        self._wave, self._weight = np.zeros(overlap, np.float32), np.zeros(overlap, np.float32)

    def push(self, spectrum: np.ndarray) -> np.ndarray:
        """Push frames (bins, frames) complex64; return the complete samples: (n,) float32."""
        frames = spectrum.shape[-1]
        if frames == 0:
            return np.zeros(0, np.float32)
        waveform, weight = self.stft.overlap_added(spectrum)
        waveform[: len(self._wave)] += self._wave
        weight[: len(self._weight)] += self._weight
        complete = frames * self.stft.hop_length
        self._wave, self._weight = waveform[complete:], weight[complete:]
        return self._emit(waveform[:complete], weight[:complete])

    def finish(self) -> np.ndarray:
        """Return the samples of the last frames."""
        return self._emit(self._wave, self._weight)

    def _emit(self, waveform: np.ndarray, weight: np.ndarray) -> np.ndarray:
        skipped = min(self._skip, len(waveform))
        self._skip -= skipped
        return self.stft.normalised(waveform, weight)[skipped:]

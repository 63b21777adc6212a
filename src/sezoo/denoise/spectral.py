"""The stream of a PC: transform, masks, transform back; for whole clips and for patches."""

from __future__ import annotations

import numpy as np

from sezoo.denoise.masking import MaskStream
from sezoo.denoise.plays import Patches, WholeClip
from sezoo.mask_model import MaskFunction
from sezoo.spectrum import Stft
from sezoo.spectrum_stream import AnalysisStream, SynthesisStream

__all__ = ["SpectralStream"]


class SpectralStream:
    """Denoises a wave that comes in pieces, with the spectrum that `Stft.analyse` has of the whole wave."""

    def __init__(self, model: MaskFunction, stft: Stft, play: WholeClip | Patches):
        self.stft = stft
        self.analysis, self.synthesis = AnalysisStream(stft), SynthesisStream(stft)
        self.masks = MaskStream(model, play, stft.bins)
        self.missing = 0  # samples that have gone in and not come out yet

    def push(self, wave: np.ndarray) -> np.ndarray:
        """Take in samples (n,) float32, and give those that are ready: (m,) float32."""
        self.missing += len(wave)
        return self._given(self.synthesis.push(self._masked(self.analysis.push(wave))))

    def finish(self) -> np.ndarray:
        """Give the rest; what no frame covers at the end is silent."""
        last = self._masked(self.analysis.finish())
        pieces = [self.synthesis.push(last), self.synthesis.push(self.masks.finish()), self.synthesis.finish()]
        rest = self._given(np.concatenate(pieces))
        return np.pad(rest, (0, self.missing))

    def _masked(self, spectrum: np.ndarray) -> np.ndarray:
        return self.masks.push(spectrum, self.stft.magnitude(spectrum))

    def _given(self, wave: np.ndarray) -> np.ndarray:
        wave = wave[: self.missing]
        self.missing -= len(wave)
        return wave

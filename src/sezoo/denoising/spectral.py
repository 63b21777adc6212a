"""Denoising in the spectrum of a PC: transform, masks, transform back; for whole clips and for patches."""

from __future__ import annotations

import numpy as np

from sezoo.audio.stft import Stft
from sezoo.audio.stft_stream import AnalysisStream, SynthesisStream
from sezoo.denoising.masking import MaskStream
from sezoo.denoising.modes import Patches, WholeClip
from sezoo.models.mask_model import MaskFunction

__all__ = ["MaskedSynthesis", "SpectralStream"]


class MaskedSynthesis:
    """Masking and synthesis: from frames of the spectrum to the samples of the masked frames.

    Parameters
    ----------
    immediate : as for `MaskStream`.
    """

    def __init__(self, model: MaskFunction, stft: Stft, mode: WholeClip | Patches, *, immediate: bool = False):
        self.masks = MaskStream(model, mode, stft.bins, immediate=immediate)
        self.synthesis = SynthesisStream(stft)

    def push(self, spectrum: np.ndarray, magnitude: np.ndarray) -> np.ndarray:
        """Take in frames as `MaskStream.push` does, and return the samples that are ready: (m,) float32."""
        return self.synthesis.push(self.masks.push(spectrum, magnitude))

    def finish(self) -> np.ndarray:
        """Return the rest of the samples that the frames cover."""
        return np.concatenate([self.synthesis.push(self.masks.finish()), self.synthesis.finish()])


class SpectralStream:
    """Denoises a waveform that comes in pieces, with the spectrum that `Stft.analyse` has of the whole waveform."""

    def __init__(self, model: MaskFunction, stft: Stft, mode: WholeClip | Patches, *, immediate: bool = False):
        self.stft = stft
        self.analysis = AnalysisStream(stft)
        self.masked = MaskedSynthesis(model, stft, mode, immediate=immediate)
        self.missing = 0  # samples that have gone in and not come out yet

    def push(self, waveform: np.ndarray) -> np.ndarray:
        """Take in samples (n,) float32, and return those that are ready: (m,) float32."""
        self.missing += len(waveform)
        return self._emit(self._mask(self.analysis.push(waveform)))

    def finish(self) -> np.ndarray:
        """Return the rest; what no frame covers at the end is silent."""
        rest = np.concatenate([self._mask(self.analysis.finish()), self.masked.finish()])
        return np.pad(self._emit(rest), (0, self.missing))

    def _mask(self, spectrum: np.ndarray) -> np.ndarray:
        return self.masked.push(spectrum, self.stft.magnitude(spectrum))

    def _emit(self, waveform: np.ndarray) -> np.ndarray:
        waveform = waveform[: self.missing]
        self.missing -= len(waveform)
        return waveform

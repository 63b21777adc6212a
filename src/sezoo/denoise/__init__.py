"""Wave in, denoised wave out: the whole clip, in patches, or exactly as the board does it; at once or streaming.

`plays` names the ways, `masking` turns spectra into masked ones, `spectral` and `board` are the streams.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from sezoo.denoise.plays import Board, Patches, Play, WholeClip
from sezoo.mask_model import MaskFunction
from sezoo.spectrum import Stft

__all__ = ["Board", "DenoisingStream", "Patches", "Play", "WholeClip", "denoise", "open_stream", "peak_normalized"]

SAMPLES_A_PUSH = 1 << 19
"""A long wave is fed to a stream in pieces of so many samples: its spectrum is never held as a whole."""


class DenoisingStream(Protocol):
    """Takes a wave in pieces and gives the denoised wave in others, aligned with it and as long."""

    def push(self, wave: np.ndarray) -> np.ndarray:
        """Take in samples (n,) float32, and give those that are ready: (m,) float32."""

    def finish(self) -> np.ndarray:
        """Give the rest, so that as many samples have come out as went in."""


def open_stream(model: MaskFunction, stft: Stft, play: Play) -> DenoisingStream:
    """A stream that denoises with `model` in the given way.

    Raises
    ------
    UserError : the board cannot do it so (see `Board`).
    """
    if isinstance(play, Board):
        from sezoo.denoise.board import BoardStream

        return BoardStream(model, stft, play)
    from sezoo.denoise.spectral import SpectralStream

    return SpectralStream(model, stft, play)


def denoise(wave: np.ndarray, model: MaskFunction, stft: Stft, play: Play | None = None) -> np.ndarray:
    """Denoise a clip: mask times complex spectrum, phases as they are.

    Parameters
    ----------
    wave : (samples,) float32
    play : how; the whole clip if None.

    Returns
    -------
    denoised : (samples,) float32
    """
    stream = open_stream(model, stft, play or WholeClip())
    pieces = [stream.push(wave[start : start + SAMPLES_A_PUSH]) for start in range(0, len(wave), SAMPLES_A_PUSH)]
    return np.concatenate([*pieces, stream.finish()])


def peak_normalized(wave: np.ndarray) -> np.ndarray:
    """The wave scaled to a peak of 1; silence stays silence."""
    peak = np.abs(wave).max(initial=0)
    return wave / peak if peak > 0 else wave

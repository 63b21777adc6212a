"""Waveform in, denoised waveform out: the whole clip, in patches, or exactly as a device does it; at once or streaming.

`modes` names the ways, `masking` turns spectra into masked ones; `spectral`, `board` and `stream_engine` are the
streams.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from sezoo.audio.stft import Stft
from sezoo.denoising.board import BoardStream
from sezoo.denoising.masking import MaskStream
from sezoo.denoising.modes import (
    NO_PEAK,
    Board,
    InferenceMode,
    Patches,
    Stream,
    WholeClip,
    is_on_device,
    silence_threshold,
)
from sezoo.denoising.spectral import MaskedSynthesis, SpectralStream
from sezoo.denoising.stream_engine import EngineStream
from sezoo.models.mask_model import MaskFunction

__all__ = [
    "NO_PEAK",
    "Board",
    "DenoisingStream",
    "InferenceMode",
    "Patches",
    "Stream",
    "WholeClip",
    "denoise",
    "denoise_variants",
    "is_on_device",
    "normalization_peak",
    "normalize_peak",
    "open_stream",
    "silence_threshold",
]

SAMPLES_A_PUSH = 1 << 19
"""Samples per piece in which a long waveform is fed to a stream: its spectrum is never held as a whole."""

FRAMES_A_BLOCK = 2048
"""The same in frames, where models share the spectrum."""


class DenoisingStream(Protocol):
    """Takes a waveform in pieces and gives the denoised waveform in others, aligned with it and as long."""

    def push(self, waveform: np.ndarray) -> np.ndarray:
        """Take in samples (n,) float32, and return those that are ready: (m,) float32."""

    def finish(self) -> np.ndarray:
        """Return the rest, so that as many samples have come out as went in."""


def open_stream(model: MaskFunction, stft: Stft, mode: InferenceMode, *, immediate: bool = False) -> DenoisingStream:
    """A stream that denoises with `model` in the given way.

    Parameters
    ----------
    immediate : each push gives all that is known, as live sound needs it; see `MaskStream`.

    Raises
    ------
    UserError : the board cannot do it so (see `Board`).
    """
    if isinstance(mode, Board):
        return BoardStream(model, stft, mode)
    if isinstance(mode, Stream):
        return EngineStream(MaskStream(model, _whole_clip_mode(mode), stft.bins, immediate=immediate), stft, mode)
    return SpectralStream(model, stft, mode, immediate=immediate)


def _whole_clip_mode(mode: Stream) -> WholeClip:
    """A stream's masks are the whole clip's."""
    return WholeClip(mode.context, attenuation_limit=mode.attenuation_limit)


def denoise(waveform: np.ndarray, model: MaskFunction, stft: Stft, mode: InferenceMode | None = None) -> np.ndarray:
    """Denoise a clip: mask times complex spectrum, phases as they are.

    Parameters
    ----------
    waveform : (samples,) float32
    mode : how; the whole clip if None.

    Returns
    -------
    denoised : (samples,) float32
    """
    stream = open_stream(model, stft, mode or WholeClip())
    pieces = [
        stream.push(waveform[start : start + SAMPLES_A_PUSH]) for start in range(0, len(waveform), SAMPLES_A_PUSH)
    ]
    return np.concatenate([*pieces, stream.finish()])


def denoise_variants(
    waveform: np.ndarray, variants: Mapping[str, tuple[MaskFunction, InferenceMode]], stft: Stft
) -> dict[str, np.ndarray]:
    """Denoise a clip with several models and modes; the spectrum is computed once for all that share it.

    Parameters
    ----------
    waveform : (samples,) float32
    variants : a model and its inference mode, by name.

    Returns
    -------
    denoised : (samples,) float32 by name
    """
    shared = {
        name: MaskedSynthesis(model, stft, mode) for name, (model, mode) in variants.items() if not is_on_device(mode)
    }
    pieces: dict[str, list[np.ndarray]] = {name: [] for name in shared}
    for spectrum in stft.analyse_blocks(waveform, FRAMES_A_BLOCK) if shared else ():
        magnitude = stft.magnitude(spectrum)
        for name, masked in shared.items():
            pieces[name].append(masked.push(spectrum, magnitude))
    denoised = {}
    for name, (model, mode) in variants.items():
        if name in shared:
            whole = np.concatenate([*pieces[name], shared[name].finish()])[: len(waveform)]
            denoised[name] = np.pad(whole, (0, len(waveform) - len(whole)))
        else:
            denoised[name] = denoise(waveform, model, stft, mode)
    return denoised


def normalization_peak(waveform: np.ndarray, mode: InferenceMode, *, normalize: bool) -> np.float32:
    """Return the divisor that normalizes a clip's peak; a device has a stream, whose peak is unknown."""
    normalize = normalize and not is_on_device(mode)
    return (np.abs(waveform).max(initial=0) if normalize else 0) or np.float32(1)


def normalize_peak(waveform: np.ndarray) -> np.ndarray:
    """The waveform scaled to a peak of 1; silence stays silence."""
    peak = np.abs(waveform).max(initial=0)
    return waveform / peak if peak > 0 else waveform

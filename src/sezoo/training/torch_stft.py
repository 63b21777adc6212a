"""The short-time Fourier transform of `sezoo.audio.stft` in torch: on a device, for batches, differentiable."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn
from torch.nn import functional

from sezoo.audio.stft import Stft

__all__ = ["TorchStft"]

Count = TypeVar("Count", int, torch.Tensor)

LEAST_COVER = 1e-3
"""A sample counts as covered from this share of the largest sum of squared windows on."""


class TorchStft(nn.Module):
    """`sezoo.audio.stft.Stft`, equal in what it computes, for batches of clips on a device.

    Clips of a batch are of different lengths: zeros follow the shorter ones, and so do frames that are not theirs.
    The inverse leaves those frames out, clip by clip, so that a clip sounds the same whatever follows it.

    Parameters
    ----------
    stft : the transform's lengths, window and exponent. It has no weights; `to` moves the windows.
    """

    window: torch.Tensor
    synthesis_window: torch.Tensor

    def __init__(self, stft: Stft):
        super().__init__()
        self.stft = stft
        # A copy: torch would share the array's memory. It belongs to no snapshot.
        self.register_buffer("window", torch.tensor(stft.padded_window), persistent=False)
        self.register_buffer("synthesis_window", torch.tensor(stft.padded_synthesis_window), persistent=False)

    def frames(self, samples: Count) -> Count:
        """Number of frames of a waveform of N samples, an int or an integer tensor; 0 where it is too short for one."""
        frames = self.stft.frames(samples)
        return frames.clamp_min(0) if isinstance(frames, torch.Tensor) else max(frames, 0)

    def analyse(self, waveform: torch.Tensor) -> torch.Tensor:
        """Waves to complex spectra.

        Parameters
        ----------
        waveform : (batch, samples) float32, at least `n_fft` samples unless centred.

        Returns
        -------
        spectrum : (batch, bins, frames) complex64
        """
        return torch.stft(
            waveform,
            self.stft.n_fft,
            self.stft.hop_length,
            window=self.window,
            center=self.stft.center,
            pad_mode="constant",
            return_complex=True,
        )

    def magnitude(self, spectrum: torch.Tensor) -> torch.Tensor:
        """Return a model's input for a spectrum: complex64 to float32 of the same shape, ``abs(spectrum) ** power``."""
        energy = spectrum.real**2 + spectrum.imag**2
        # A root has an infinite slope at 0, and torch makes NaN of it: silence stays 0 by itself.
        audible = energy > torch.finfo(energy.dtype).tiny
        return torch.where(audible, torch.where(audible, energy, 1.0) ** (self.stft.power / 2), 0.0)

    def synthesise(self, spectrum: torch.Tensor, samples: int, frames: torch.Tensor | None = None) -> torch.Tensor:
        """Complex spectra to waveforms, by overlap-add normalised with the summed squared window.

        Griffin and Lim, "Signal estimation from modified short-time Fourier transform", 1984, eq. 6. `torch.istft`
        refuses windows that do not cover every sample, as those of ``center=False``, and knows one length only.

        Parameters
        ----------
        spectrum : (batch, bins, frames) complex64
        samples : length of the waveforms to give back: longer ones are cut, shorter ones padded with zeros.
        frames : (batch,) of each clip that count; those behind are left out of the sums. None takes all.

        Returns
        -------
        waveform : (batch, samples) float32
        """
        pieces = torch.fft.irfft(spectrum, self.stft.n_fft, dim=1) * self.synthesis_window[:, None]
        valid = self._valid(spectrum.shape[-1], frames)
        if valid is not None:
            pieces = torch.where(valid, pieces, 0.0)
        weight = self._weight(spectrum.shape[-1], valid)
        solid = weight > torch.finfo(weight.dtype).tiny
        waveform = self._overlap_add(pieces) / torch.where(solid, weight, 1.0)
        return self._cut(waveform, samples)

    def covered(self, spectrum_frames: int, samples: int, frames: torch.Tensor | None = None) -> torch.Tensor:
        """The samples that `synthesise` knows well: (batch, samples) bool, or (1, samples) without `frames`.

        The others lie under the rims of the windows alone, at the end of a clip (at both without `center`). There
        the inverse divides next to nothing by next to nothing: with a hop of half a Hann window the last sample of
        an unlucky clip is 26000 times too loud as soon as the mask is not flat, which no loss should learn from.
        """
        weight = self._weight(spectrum_frames, self._valid(spectrum_frames, frames))
        return self._cut(weight, samples) > LEAST_COVER * self._weight(2 * self._reach + 1, None).max()

    @property
    def _reach(self) -> int:
        """Return the number of frames on either side that a frame overlaps."""
        return self.stft.n_fft // self.stft.hop_length

    def _valid(self, total: int, frames: torch.Tensor | None) -> torch.Tensor | None:
        """The frames that count: (batch, 1, total) bool."""
        if frames is None:
            return None
        return torch.arange(total, device=self.window.device) < frames[:, None, None]

    def _weight(self, total: int, valid: torch.Tensor | None) -> torch.Tensor:
        """The squared windows added up: (batch or 1, n_fft + (total - 1) * hop_length)."""
        squares = (self.window * self.synthesis_window)[None, :, None].expand(-1, -1, total)
        return self._overlap_add(squares if valid is None else squares * valid)

    def _overlap_add(self, pieces: torch.Tensor) -> torch.Tensor:
        """(batch, n_fft, frames) to (batch, n_fft + (frames - 1) * hop_length)."""
        length = self.stft.n_fft + (pieces.shape[-1] - 1) * self.stft.hop_length
        added = functional.fold(pieces, (1, length), (1, self.stft.n_fft), stride=(1, self.stft.hop_length))
        return added[:, 0, 0]

    def _cut(self, waveform: torch.Tensor, samples: int) -> torch.Tensor:
        """The part of an overlap-added waveform that is the clip's, padded with zeros if it is too short."""
        offset = self.stft.n_fft // 2 if self.stft.center else 0
        waveform = waveform[:, offset : offset + samples]
        return functional.pad(waveform, (0, samples - waveform.shape[-1]))

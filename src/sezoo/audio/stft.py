"""Waveforms to spectra and back: the short-time Fourier transform, exactly as librosa computes it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from sezoo.audio.stft_window import SYNTHESIS_KEY, Window, overlap_weight, window_values
from sezoo.base.errors import UserError

if TYPE_CHECKING:
    from sezoo.config.sections import Preprocessing

__all__ = ["Stft", "overlap_add", "stft_of", "warn_of_overlap"]

log = logging.getLogger(__name__)

LEAST_WEIGHT = 1e-6
"""Of the squared windows' sum, relative to its largest value: below it what a network does is amplified 1,000 times."""

FRAMES_A_CALL = 64
"""So many frames stay in the processor's cache: the transform is three times as fast as on all at once."""


@dataclass(frozen=True)
class Stft:
    """Short-time Fourier transform with librosa's conventions.

    Parameters
    ----------
    n_fft : length of the transform, in samples.
    hop_length : from frame to frame, in samples.
    win_length : of the window, in samples; it is padded with zeros on both sides to `n_fft`.
    window : name of the (periodic) window, a file of its values, or its values; see `sezoo.audio.stft_window`.
    center : frame t is centred at sample ``t * hop_length``; the waveform is padded with ``n_fft // 2`` zeros.
    synthesis_window : the same for the way back; None is `window`.
    power : the magnitude that a model sees is ``abs(spectrum) ** power``.
    """

    n_fft: int = 512
    hop_length: int = 160
    win_length: int = 400
    window: Window = "hann"
    center: bool = True
    power: float = 1.0
    synthesis_window: Window | None = None

    @property
    def bins(self) -> int:
        """Frequency bins of a spectrum."""
        return self.n_fft // 2 + 1

    @cached_property
    def padded_window(self) -> np.ndarray:
        """The window in the middle of `n_fft` samples: (n_fft,) float32."""
        return self._pad_to_n_fft(window_values(self.window, self.win_length))

    @cached_property
    def padded_synthesis_window(self) -> np.ndarray:
        """Synthesis window, centred in `n_fft` samples: (n_fft,) float32."""
        if self.synthesis_window is None:
            return self.padded_window
        return self._pad_to_n_fft(window_values(self.synthesis_window, self.win_length, SYNTHESIS_KEY))

    def _pad_to_n_fft(self, values: np.ndarray) -> np.ndarray:
        left = (self.n_fft - self.win_length) // 2
        padded = np.zeros(self.n_fft, np.float32)
        padded[left : left + self.win_length] = values
        return padded

    @property
    def min_samples(self) -> int:
        """Shortest waveform that can be analysed: one window."""
        return self.win_length if self.center else self.n_fft

    def frames(self, samples: int) -> int:
        """Number of frames of a waveform of that many samples."""
        padding = 2 * (self.n_fft // 2) if self.center else 0
        return 1 + (samples + padding - self.n_fft) // self.hop_length

    def analyse(self, waveform: np.ndarray) -> np.ndarray:
        """Waveform to complex spectrum.

        Parameters
        ----------
        waveform : (..., samples) float32, at least `n_fft` samples unless centred.

        Returns
        -------
        spectrum : (..., bins, frames) complex64
        """
        return np.swapaxes(self._transform(waveform, 0, self.frames(waveform.shape[-1])), -1, -2)

    def analyse_blocks(self, waveform: np.ndarray, max_frames: int) -> Iterator[np.ndarray]:
        """The spectrum of a long waveform in successive pieces of at most `max_frames` frames."""
        total = self.frames(waveform.shape[-1])
        for first in range(0, total, max_frames):
            yield np.swapaxes(self._transform(waveform, first, min(first + max_frames, total)), -1, -2)

    def magnitude(self, spectrum: np.ndarray) -> np.ndarray:
        """Magnitudes of a spectrum, the model's input: (..., bins, frames) complex64 -> float32, contiguous."""
        # Several times faster than np.abs, which guards against overflows that audio is far from.
        magnitude = np.sqrt(np.square(spectrum.real) + np.square(spectrum.imag))
        if self.power != 1:
            magnitude = magnitude ** np.float32(self.power)
        return np.ascontiguousarray(magnitude)

    def synthesise(self, spectrum: np.ndarray, samples: int) -> np.ndarray:
        """Complex spectrum to waveform, by overlap-add normalised with the summed squared window (or
        product of both windows).

        Griffin and Lim, "Signal estimation from modified short-time Fourier transform", 1984, eq. 6.

        Parameters
        ----------
        spectrum : (..., bins, frames) complex64
        samples : length of the waveform to give back: longer waveforms are cut, shorter ones padded with zeros.

        Returns
        -------
        waveform : (..., samples) float32
        """
        offset = self.n_fft // 2 if self.center else 0
        needed = -(-(samples + 2 * offset) // self.hop_length)  # later frames touch nothing that is kept
        waveform = self.normalised(*self.overlap_added(spectrum[..., :needed]))[..., offset : offset + samples]
        missing = samples - waveform.shape[-1]
        return np.pad(waveform, [(0, 0)] * (waveform.ndim - 1) + [(0, missing)]) if missing > 0 else waveform

    def overlap_added(self, spectrum: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The windowed frames of a spectrum added up, and the products of both their windows.

        Parameters
        ----------
        spectrum : (..., bins, frames) complex64

        Returns
        -------
        waveform : (..., n_fft + (frames - 1) * hop_length) float32
        weight : the same length, one-dimensional
        """
        frames = np.fft.irfft(np.swapaxes(spectrum, -1, -2), self.n_fft).astype(np.float32, copy=False)
        frames *= self.padded_synthesis_window
        products = self.padded_window * self.padded_synthesis_window
        weight = np.broadcast_to(products, frames.shape[-2:])
        return overlap_add(frames, self.hop_length), overlap_add(weight, self.hop_length)

    @staticmethod
    def normalised(waveform: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """The waveform divided, in place, by its weight where there is any."""
        return np.divide(waveform, weight, out=waveform, where=np.abs(weight) > np.finfo(np.float32).tiny)

    def _transform(self, waveform: np.ndarray, first: int, last: int) -> np.ndarray:
        """Frames `first` to `last` (exclusive): (..., frames, bins) complex64."""
        offset = self.n_fft // 2 if self.center else 0
        start, stop = first * self.hop_length - offset, (last - 1) * self.hop_length - offset + self.n_fft
        padding = (max(0, -start), max(0, stop - waveform.shape[-1]))
        piece = waveform[..., max(0, start) : stop].astype(np.float32, copy=False)
        if any(padding):
            piece = np.pad(piece, [(0, 0)] * (waveform.ndim - 1) + [padding])
        windows = np.lib.stride_tricks.sliding_window_view(piece, self.n_fft, axis=-1)
        windows = windows[..., :: self.hop_length, :]
        spectrum = np.empty((*windows.shape[:-1], self.bins), np.complex64)
        for start in range(0, last - first, FRAMES_A_CALL):
            part = (..., slice(start, start + FRAMES_A_CALL), slice(None))
            np.fft.rfft(windows[part] * self.padded_window, out=spectrum[part])
        return spectrum


def overlap_add(frames: np.ndarray, hop_length: int) -> np.ndarray:
    """Add up frames, each a hop after the one before: (..., frames, n) -> (..., n + (frames - 1) * hop_length)."""
    *clips, count, length = frames.shape
    pieces = -(-length // hop_length)  # hops that a frame covers
    hops = np.zeros((*clips, count + pieces - 1, hop_length), np.float32)
    for k in range(pieces):
        piece = frames[..., k * hop_length : (k + 1) * hop_length]
        hops[..., k : k + count, : piece.shape[-1]] += piece
    return hops.reshape(*clips, -1)[..., : length + hop_length * (count - 1)]


def stft_of(preprocessing: Preprocessing) -> Stft:
    """The transform that the `preprocessing` section describes.

    Raises
    ------
    UserError : a window that is none; frames that overlap so little that the transform has no inverse.
    """
    stft = Stft(
        n_fft=preprocessing.n_fft,
        hop_length=preprocessing.hop_length,
        win_length=preprocessing.win_length,
        window=preprocessing.window,
        center=preprocessing.center,
        power=preprocessing.power,
        synthesis_window=preprocessing.synthesis_window,
    )
    weight = overlap_weight(stft.padded_window, stft.hop_length, stft.padded_synthesis_window)
    if weight.min() <= LEAST_WEIGHT * weight.max():
        if stft.synthesis_window is not None:
            raise UserError(
                f"{SYNTHESIS_KEY}: with preprocessing.window and a hop_length of {stft.hop_length} some samples cannot "
                "be reconstructed: the products of the two windows have to add up to more than 0 everywhere"
            )
        raise UserError(
            f"preprocessing.hop_length: found {stft.hop_length}; with this window of {stft.win_length} samples frames "
            f"overlap so little that some samples cannot be reconstructed; {stft.win_length // 2} or less is usual"
        )
    return stft


def warn_of_overlap(stft: Stft) -> None:
    """Warn if frames overlap so little that mask changes between frames become audible."""
    if 4 * stft.hop_length > 3 * stft.win_length:
        log.warning(
            "preprocessing.hop_length: %d with a window of %d samples: frames hardly overlap, so the mask's steps from "
            "frame to frame become audible; half of the window or less is usual",
            stft.hop_length, stft.win_length,
        )  # fmt: skip

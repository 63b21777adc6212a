"""Masks for a spectrum that comes in pieces: the model sees each frame with the context that its play gives it."""

from __future__ import annotations

import numpy as np

from sezoo.denoise.plays import Patches, WholeClip
from sezoo.mask_model import MaskFunction

__all__ = ["MaskStream"]

WHOLE_CLIP_FRAMES = 2048
"""Up to here a clip is run in one piece; longer ones in pieces of this length and their context."""

UNBOUNDED_FRAMES, UNBOUNDED_CONTEXT = 6000, 1000
"""The same where the receptive field has no bound: more of the past than such networks remember."""

PATCHES_A_CALL = 16
"""So many patches are run as one batch where the model takes that: faster, and small enough for the cache."""


class MaskStream:
    """Multiplies a spectrum with its masks, frame after frame.

    Parameters
    ----------
    play : `WholeClip` or `Patches`.
    bins : of the spectrum.
    """

    def __init__(self, model: MaskFunction, play: WholeClip | Patches, bins: int):
        self.model, self.play = model, play
        if isinstance(play, Patches):
            self.step, self.before, self.after = play.frames, play.lookahead, play.lookahead
        elif play.context is None:
            self.step, self.before, self.after = UNBOUNDED_FRAMES, UNBOUNDED_CONTEXT, UNBOUNDED_CONTEXT
        else:
            self.step, (self.before, self.after) = WHOLE_CLIP_FRAMES, play.context
        self.held = self.before if isinstance(play, Patches) else 0  # frames of context before the first pending one
        self.magnitude = np.zeros((bins, self.held), np.float32)
        self.spectrum = np.zeros((bins, 0), np.complex64)

    def push(self, spectrum: np.ndarray, magnitude: np.ndarray) -> np.ndarray:
        """Take in frames, and give those that are masked.

        Parameters
        ----------
        spectrum : (bins, n) complex64
        magnitude : of the same frames, as the model is to see it: (bins, n) float32

        Returns
        -------
        masked : (bins, m) complex64
        """
        self.spectrum = np.concatenate([self.spectrum, spectrum], axis=1)
        self.magnitude = np.concatenate([self.magnitude, magnitude], axis=1)
        ready = max(0, self.spectrum.shape[1] - self.after) // self.step
        return self._masked(ready * self.step, ready)

    def finish(self) -> np.ndarray:
        """Give the frames that are left: (bins, m) complex64."""
        left = self.spectrum.shape[1]
        if not left:
            return self.spectrum
        steps = -(-left // self.step)
        if isinstance(self.play, Patches):
            behind = steps * self.step - left + self.after
            self.magnitude = np.pad(self.magnitude, [(0, 0), (0, behind)])
            return self._masked(left, steps)
        return self._take(left, self.model(self.magnitude[np.newaxis])[0, :, self.held :])

    def _masked(self, frames: int, steps: int) -> np.ndarray:
        """Run so many steps and take the first `frames` frames of what they mask."""
        if not steps:
            return self.spectrum[:, :0]
        if isinstance(self.play, Patches):
            return self._take(frames, self._patch_masks(steps)[:, :frames])
        masked = []
        for _ in range(steps):
            piece = self.magnitude[np.newaxis, :, : self.held + self.step + self.after]
            masked.append(self._take(self.step, self.model(piece)[0, :, self.held : self.held + self.step]))
        return np.concatenate(masked, axis=1)

    def _patch_masks(self, patches: int) -> np.ndarray:
        """The masks of the new frames of so many patches: (bins, patches * step) float32."""
        windows = np.lib.stride_tricks.sliding_window_view(self.magnitude, self.play.length, axis=1)
        windows = np.moveaxis(windows[:, :: self.step][:, :patches], 1, 0)
        at_once = 1 if self.model.batch == 1 else PATCHES_A_CALL
        masks = [
            self.model(np.ascontiguousarray(windows[start : start + at_once]))[:, :, self.before : -self.after or None]
            for start in range(0, patches, at_once)
        ]
        return np.moveaxis(np.concatenate(masks), 0, 1).reshape(self.magnitude.shape[0], -1)

    def _take(self, frames: int, mask: np.ndarray) -> np.ndarray:
        """Mask the first pending frames, and let go of what later ones do not need."""
        masked = self.spectrum[:, :frames] * mask
        self.spectrum = self.spectrum[:, frames:]
        held = min(self.held + frames, self.before)
        self.magnitude = self.magnitude[:, self.held + frames - held :]
        self.held = held
        return masked

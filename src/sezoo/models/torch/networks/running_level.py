"""A front that makes a network independent of how loud a clip is."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

__all__ = ["RunningLevel"]

LEAST = 1e-4
"""A thousandth of what a voice at -65 dBFS has in magnitudes to the 0.3."""


class RunningLevel(nn.Module):
    """Spectra divided by their running level: the highest mean over the bins in the frames up to now.

    A peak, not a mean, because it cannot be much below what comes: after a pause a mean over as many frames would
    make the first syllable ten times as loud, and 8 bits would have to hold that. It is exact however the frames
    come in: a stream keeps the means of the frames before the newest one.

    Parameters
    ----------
    frames : that the level is the highest of, the newest among them.
    least : added to the level, for digital silence.
    """

    def __init__(self, frames: int, least: float = LEAST):
        super().__init__()
        self.frames = frames
        self.least = least

    def forward(self, spectrum: torch.Tensor) -> torch.Tensor:
        """Spectra (batch, bins, frames), none below 0, to the same shape: a frame's mean is at most 1."""
        mean = spectrum.mean(1, keepdim=True)
        level = functional.max_pool1d(functional.pad(mean, (self.frames - 1, 0)), self.frames, 1)
        return spectrum / (level + self.least)

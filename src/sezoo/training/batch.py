"""A batch of training examples as the losses see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from sezoo.training.torch_stft import TorchStft

__all__ = ["SpectralBatch", "spectral_batch"]


def _single_process(count: torch.Tensor) -> torch.Tensor:
    return count


@dataclass(frozen=True)
class SpectralBatch:
    """Pairs of clips with their spectra; zeros, and the frames that hold only zeros, follow the shorter clips.

    Attributes
    ----------
    noisy, clean : (batch, samples) float32
    lengths : (batch,) int64, the samples of each clip; what lies behind is padding.
    noisy_spectrum, clean_spectrum : (batch, bins, frames) complex64
    frames : (batch,) int64, the frames that each clip would have by itself.
    across : the mean of a tensor over all processes that train together, each with a batch of its own. Frames and
        samples are divided by it: the mean of all processes' losses, and so of their gradients, is then that of one
        batch with all clips, however long each is.
    """

    noisy: torch.Tensor
    clean: torch.Tensor
    lengths: torch.Tensor
    noisy_spectrum: torch.Tensor
    clean_spectrum: torch.Tensor
    frames: torch.Tensor
    across: Callable[[torch.Tensor], torch.Tensor] = _single_process

    @property
    def valid_frames(self) -> torch.Tensor:
        """The frames that are the clips' own: (batch, 1, frames) bool."""
        return _below(self.frames, self.noisy_spectrum.shape[-1])[:, None]

    @property
    def valid_samples(self) -> torch.Tensor:
        """The samples that are the clips' own: (batch, samples) bool."""
        return _below(self.lengths, self.noisy.shape[-1])


def spectral_batch(
    noisy: torch.Tensor,
    clean: torch.Tensor,
    lengths: torch.Tensor,
    torch_stft: TorchStft,
    across: Callable[[torch.Tensor], torch.Tensor] = _single_process,
) -> SpectralBatch:
    """Analyse pairs of clips.

    Parameters
    ----------
    noisy, clean : (batch, samples) float32, zeros behind the clip's length, on the transform's device.
    lengths : (batch,) int64, in samples, on the same device.
    across : see `SpectralBatch`.
    """
    return SpectralBatch(
        noisy=noisy,
        clean=clean,
        lengths=lengths,
        noisy_spectrum=torch_stft.analyse(noisy),
        clean_spectrum=torch_stft.analyse(clean),
        frames=torch_stft.frames(lengths),
        across=across,
    )


def _below(counts: torch.Tensor, total: int) -> torch.Tensor:
    return torch.arange(total, device=counts.device) < counts[:, None]

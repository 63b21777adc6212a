"""The training loss on the validation examples, beside the scores that people read."""

from __future__ import annotations

import math

import torch
from torch import nn

from sezoo.training.batch import spectral_batch
from sezoo.training.examples import ExampleSource
from sezoo.training.losses import Loss
from sezoo.training.torch_stft import TorchStft

__all__ = ["validation_loss"]


def validation_loss(
    network: nn.Module, source: ExampleSource, loss: Loss, torch_stft: TorchStft, device: torch.device
) -> float | None:
    """The mean loss of the validation examples, each of them a batch; None where it is not finite.

    The network computes as it does after training: no dropout, batch normalization by its running statistics.
    """
    network.eval()
    values = []
    with torch.no_grad():
        for index in range(len(source)):
            noisy, clean = (torch.from_numpy(waveform)[None].to(device) for waveform in source.example(0, index))
            lengths = torch.tensor([noisy.shape[-1]], device=device)
            batch = spectral_batch(noisy, clean, lengths, torch_stft)
            values.append(float(loss(batch, network(torch_stft.magnitude(batch.noisy_spectrum)).float())))
    mean = sum(values) / len(values)
    return mean if math.isfinite(mean) else None

"""A gated recurrent unit (GRU) over the frames as a residual layer."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["GruLayer"]


class GruLayer(nn.Module):
    """A GRU over the frames and a 1x1 convolution, added to the input. Each clip begins with a state of zeros.

    Parameters
    ----------
    channels : of the input and the output.
    units : of the GRU.
    """

    def __init__(self, channels: int, units: int):
        super().__init__()
        self.gru = nn.GRU(channels, units, batch_first=True)
        self.out = nn.Sequential(nn.Conv1d(units, channels, 1, bias=False), nn.BatchNorm1d(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, frames) to the same shape."""
        followed, _ = self.gru(x.transpose(1, 2))
        return x + self.out(followed.transpose(1, 2))

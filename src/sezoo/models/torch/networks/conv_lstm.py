"""ConvLSTMDenoiser: a 1x1 convolution over the bins, an LSTM over the frames, two 1x1 convolutions to the mask."""

from __future__ import annotations

import torch
from torch import nn

from sezoo.base.errors import UserError
from sezoo.models.torch.networks.stft_tcnn import MASK_ACTIVATIONS

__all__ = ["ConvLstmDenoiser"]


class ConvLstmDenoiser(nn.Module):
    """The model zoo's recurrent denoiser; its tensors have the names of the model zoo's state dicts.

    It is causal: the LSTM goes forward over the frames and keeps what it has seen of all that came before. Each clip
    begins with a state of zeros.

    Parameters
    ----------
    in_channels : bins of the spectrum, ``n_fft // 2 + 1``.
    out_channels : bins of the mask, which are as many, and the channels between the layers; None is `in_channels`.
    lstm_hidden_size, num_lstm_layers : of the LSTM.
    mask_activation : "sigmoid" for masks in 0..1, "tanh" for -1..1.

    Raises
    ------
    UserError : another number of channels out than in, of which no mask can be made.
    """

    def __init__(
        self,
        *,
        in_channels: int = 257,
        out_channels: int | None = None,
        lstm_hidden_size: int = 256,
        num_lstm_layers: int = 2,
        mask_activation: str = "sigmoid",
    ):
        super().__init__()
        if out_channels is None:
            out_channels = in_channels
        if out_channels != in_channels:
            raise UserError(
                f"model_specific.out_channels: found {out_channels}; allowed: {in_channels}, as in_channels: the mask "
                "has the bins of the spectrum"
            )
        self.conv_block_1 = ConvBnRelu(in_channels, out_channels)
        self.lstm_block = nn.LSTM(out_channels, lstm_hidden_size, num_layers=num_lstm_layers, batch_first=True)
        self.conv_block_2 = ConvBnRelu(lstm_hidden_size, out_channels)
        self.conv_3 = nn.Conv1d(out_channels, out_channels, 1)
        self.mask = MASK_ACTIVATIONS[mask_activation]()

    def forward(self, magnitude: torch.Tensor) -> torch.Tensor:
        """Magnitudes (batch, bins, frames) to a mask of the same shape."""
        x = self.conv_block_1(magnitude)
        x, _ = self.lstm_block(x.transpose(1, 2))
        return self.mask(self.conv_3(self.conv_block_2(x.transpose(1, 2))))


class ConvBnRelu(nn.Sequential):
    """A 1x1 convolution over the channels, batch norm, ReLU."""

    def __init__(self, channels: int, out_channels: int):
        super().__init__(nn.Conv1d(channels, out_channels, 1), nn.BatchNorm1d(out_channels), nn.ReLU())

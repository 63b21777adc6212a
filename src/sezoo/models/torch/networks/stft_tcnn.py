"""STFT-TCNN: residual temporal convolutions over the frames of a magnitude spectrum, the bins as channels."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from sezoo.base.errors import UserError

__all__ = ["WEIGHT_AXES", "DepthwiseSeparableConv", "ResidualLayer", "StftTcnn"]

LAYER_ACTIVATIONS = {"relu": nn.ReLU, "prelu": nn.PReLU}
MASK_ACTIVATIONS = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh}

WEIGHT_AXES = {
    "c.weight": ("tcn_latent_dim", "in_channels"),
    "dw.weight": ("tcn_latent_dim", None, "kernel_size"),
    "pw.weight": ("in_channels", "tcn_latent_dim"),
}
"""Which parameter of `StftTcnn` makes the length of which axis of a weight; None where it is always 1."""


class DepthwiseSeparableConv(nn.Module):
    """A depthwise convolution over time, batch norm and activation, then a 1x1 convolution over the channels."""

    def __init__(
        self, channels: int, out_channels: int, *, kernel_size: int, dilation: int, activation: str, causal: bool
    ):
        super().__init__()
        reach = dilation * (kernel_size - 1)  # so much padding gives as many frames out as in
        padding, self.past = (0, reach) if causal else (reach // 2, 0)
        self.dw = nn.Conv1d(
            channels, channels, kernel_size, dilation=dilation, padding=padding, groups=channels, bias=False
        )
        self.bn = nn.BatchNorm1d(channels)
        self.act = LAYER_ACTIVATIONS[activation]()
        self.pw = nn.Conv1d(channels, out_channels, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, frames) to (batch, out_channels, frames)."""
        if self.past:
            x = functional.pad(x, (self.past, 0))
        return self.pw(self.act(self.bn(self.dw(x))))


class ResidualLayer(nn.Module):
    """A 1x1 convolution to the latent channels, then a depthwise-separable one back, added to the input."""

    def __init__(self, channels: int, latent: int, *, kernel_size: int, dilation: int, activation: str, causal: bool):
        super().__init__()
        self.c = nn.Conv1d(channels, latent, 1)
        self.bn = nn.BatchNorm1d(latent)
        self.act = LAYER_ACTIVATIONS[activation]()
        self.ds = DepthwiseSeparableConv(
            latent, channels, kernel_size=kernel_size, dilation=dilation, activation=activation, causal=causal
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, frames) to the same shape."""
        return x + self.ds(self.act(self.bn(self.c(x))))


class StftTcnn(nn.Module):
    """The STFT-TCNN, ``n_blocks * num_layers`` residual layers and the activation that makes the mask.

    The defaults are the "medium" network. A layer looks ``dilation * (kernel_size - 1) / 2`` frames to either side,
    14 frames in all for "medium", or, where it is causal, twice as far back and not ahead. Weights are the same.

    Parameters
    ----------
    n_blocks, num_layers : blocks, and residual layers per block.
    in_channels : bins of the spectrum, ``n_fft // 2 + 1``.
    tcn_latent_dim : channels inside a residual layer.
    init_dilation : layer i of a block is dilated by ``init_dilation ** i`` frames.
    kernel_size : taps of the depthwise convolution, an odd number.
    layer_activation : "relu" or "prelu" (one slope for all channels).
    mask_activation : "sigmoid" for masks in 0..1, "tanh" for -1..1.
    causal : no frame's mask depends on frames after it.

    Raises
    ------
    UserError : an even `kernel_size`, which cannot keep the number of frames.
    """

    def __init__(
        self,
        *,
        n_blocks: int = 2,
        num_layers: int = 3,
        in_channels: int = 257,
        tcn_latent_dim: int = 512,
        init_dilation: int = 2,
        kernel_size: int = 3,
        layer_activation: str = "relu",
        mask_activation: str = "sigmoid",
        causal: bool = False,
    ):
        super().__init__()
        if kernel_size % 2 == 0:
            raise UserError(
                f"model_specific.kernel_size: found {kernel_size}; allowed: an odd number, as an even kernel has no "
                "middle and would change the number of frames"
            )
        self.net = nn.Sequential(
            *(
                ResidualLayer(
                    in_channels,
                    tcn_latent_dim,
                    kernel_size=kernel_size,
                    dilation=init_dilation**layer,
                    activation=layer_activation,
                    causal=causal,
                )
                for _ in range(n_blocks)
                for layer in range(num_layers)
            )
        )
        self.mask = MASK_ACTIVATIONS[mask_activation]()

    def forward(self, magnitude: torch.Tensor) -> torch.Tensor:
        """Magnitudes (batch, bins, frames) to a mask of the same shape."""
        return self.mask(self.net(magnitude))

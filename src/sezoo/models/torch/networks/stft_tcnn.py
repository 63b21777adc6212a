"""STFT-TCNN: residual temporal convolutions over the frames of a magnitude spectrum, the bins as channels."""

from __future__ import annotations

import torch
from torch import nn

from sezoo.base.errors import UserError
from sezoo.models.torch.networks.running_level import RunningLevel
from sezoo.models.torch.networks.time_padding import TimeConv1d, frames_ahead

__all__ = ["WEIGHT_AXES", "DepthwiseSeparableConv", "ResidualLayer", "StftTcnn"]

LEAST_LEVEL = 5e-6
"""A thousandth of the mean magnitude of a voice at -65 dBFS."""

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
        self, channels: int, out_channels: int, *, kernel_size: int, dilation: int, activation: str, ahead: int
    ):
        super().__init__()
        self.dw = TimeConv1d(channels, kernel_size, dilation=dilation, ahead=ahead)
        self.bn = nn.BatchNorm1d(channels)
        self.act = LAYER_ACTIVATIONS[activation]()
        self.pw = nn.Conv1d(channels, out_channels, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, frames) to (batch, out_channels, frames)."""
        return self.pw(self.act(self.bn(self.dw(x))))


class ResidualLayer(nn.Module):
    """A 1x1 convolution to the latent channels, then a depthwise-separable one back, added to the input."""

    def __init__(self, channels: int, latent: int, *, kernel_size: int, dilation: int, activation: str, ahead: int):
        super().__init__()
        self.c = nn.Conv1d(channels, latent, 1)
        self.bn = nn.BatchNorm1d(latent)
        self.act = LAYER_ACTIVATIONS[activation]()
        self.ds = DepthwiseSeparableConv(
            latent, channels, kernel_size=kernel_size, dilation=dilation, activation=activation, ahead=ahead
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, frames) to the same shape."""
        return x + self.ds(self.act(self.bn(self.c(x))))


class StftTcnn(nn.Module):
    """The STFT-TCNN, ``n_blocks * num_layers`` residual layers and the activation that makes the mask.

    The defaults are the "medium" network. A layer looks ``dilation * (kernel_size - 1) / 2`` frames to either side,
    14 frames in all for "medium", unless `lookahead` says otherwise; weights have the same shapes.

    Parameters
    ----------
    n_blocks, num_layers : blocks, and residual layers per block.
    in_channels : bins of the spectrum, ``n_fft // 2 + 1``.
    tcn_latent_dim : channels inside a residual layer.
    init_dilation : layer i of a block is dilated by ``init_dilation ** i`` frames.
    kernel_size : taps of the depthwise convolution, an odd number.
    layer_activation : "relu" or "prelu" (one slope for all channels).
    mask_activation : "sigmoid" for masks in 0..1, "tanh" for -1..1.
    level_frames : see `RunningLevel`; 0 leaves the magnitudes as loud as they are. Divided so, a voice is as loud as
        one of -20 dBFS.
    lookahead : frames after its own that a mask depends on; see `frames_ahead`.
    causal : none.

    Raises
    ------
    UserError : an even `kernel_size`, which cannot keep the number of frames, or a `lookahead` that does not fit.
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
        level_frames: int = 0,
        lookahead: int | None = None,
        causal: bool = False,
    ):
        super().__init__()
        if kernel_size % 2 == 0:
            raise UserError(
                f"model_specific.kernel_size: found {kernel_size}; allowed: an odd number, as an even kernel has no "
                "middle and would change the number of frames"
            )
        dilations = [init_dilation**layer for _ in range(n_blocks) for layer in range(num_layers)]
        ahead = frames_ahead(lookahead, causal, [dilation * (kernel_size - 1) // 2 for dilation in dilations])
        self.level = RunningLevel(level_frames, LEAST_LEVEL) if level_frames else nn.Identity()
        self.net = nn.Sequential(
            *(
                ResidualLayer(
                    in_channels,
                    tcn_latent_dim,
                    kernel_size=kernel_size,
                    dilation=dilation,
                    activation=layer_activation,
                    ahead=frames,
                )
                for dilation, frames in zip(dilations, ahead, strict=True)
            )
        )
        self.mask = MASK_ACTIVATIONS[mask_activation]()

    def forward(self, magnitude: torch.Tensor) -> torch.Tensor:
        """Magnitudes (batch, bins, frames) to a mask of the same shape."""
        return self.mask(self.net(self.level(magnitude)))

"""U-TCN: a small U-Net over the frequencies of compressed magnitudes, with temporal convolutions at its bottom."""

from __future__ import annotations

import torch
from torch import nn

from sezoo.base.errors import UserError
from sezoo.models.torch.networks.bin_unet import BinUNet
from sezoo.models.torch.networks.gru_layer import GruLayer
from sezoo.models.torch.networks.time_padding import TimeConv1d, frames_ahead

__all__ = ["Utcn"]


class Utcn(BinUNet):
    """The network of `BinUNet` with residual layers of dilated depthwise convolutions over time, as in the STFT-TCNN.

    All time kernels are symmetric, 16 frames to either side in the default network, unless `lookahead` says otherwise;
    weights have the same shapes.

    Parameters
    ----------
    n_blocks, num_layers : residual layer i of each of the blocks is dilated by ``init_dilation ** i`` frames.
    tcn_latent_dim : channels at the bottom.
    init_dilation, kernel_size : of the temporal convolutions at the bottom; an odd number of taps.
    in_channels, channels, level_frames, compression : see `BinUNet`.
    lookahead : frames after its own that a mask depends on; see `frames_ahead`.
    causal : none.
    gru_units : units of a GRU layer after each block but the last, whose output depends on all frames before;
        None has no such layer. See `GruLayer`.

    Raises
    ------
    UserError : a number of bins, an even `kernel_size`, or a `lookahead` that does not fit; `gru_units` with 1 block.
    """

    def __init__(
        self,
        *,
        n_blocks: int = 2,
        num_layers: int = 3,
        in_channels: int = 257,
        tcn_latent_dim: int = 256,
        init_dilation: int = 2,
        kernel_size: int = 3,
        channels: tuple[int, int, int] = (16, 32, 48),
        level_frames: int = 0,
        compression: str = "power",
        lookahead: int | None = None,
        causal: bool = False,
        gru_units: int | None = None,
    ):
        if kernel_size % 2 == 0:
            raise UserError(f"model_specific.kernel_size: found {kernel_size}; allowed: an odd number")
        if gru_units is not None and n_blocks == 1:
            raise UserError(
                f"model_specific.gru_units: found {gru_units} with n_blocks: 1; a GRU layer is between two blocks, so "
                "n_blocks: 2 or more is needed"
            )
        dilations = [init_dilation**layer for _ in range(n_blocks) for layer in range(num_layers)]
        reaches = [1, *(dilation * (kernel_size - 1) // 2 for dilation in dilations), 1]
        first, *in_time, last = frames_ahead(lookahead, causal, reaches)

        def over_time() -> nn.Module:
            layers: list[nn.Module] = []
            for number, (dilation, ahead) in enumerate(zip(dilations, in_time, strict=True)):
                is_next_block = number > 0 and number % num_layers == 0
                if gru_units is not None and is_next_block:
                    layers.append(GruLayer(tcn_latent_dim, gru_units))
                layers.append(TimeLayer(tcn_latent_dim, kernel_size, dilation, ahead))
            return nn.Sequential(*layers)

        super().__init__(
            in_channels,
            tcn_latent_dim,
            over_time,
            channels=channels,
            level_frames=level_frames,
            compression=compression,
            ahead=(first, last),
        )


class TimeLayer(nn.Module):
    """A 1x1 convolution, a dilated depthwise one over time, a 1x1 convolution, added to the input."""

    def __init__(self, channels: int, kernel_size: int, dilation: int, ahead: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(channels, channels, 1, bias=False),
            nn.BatchNorm1d(channels),
            nn.ReLU(),
            TimeConv1d(channels, kernel_size, dilation=dilation, ahead=ahead),
            nn.BatchNorm1d(channels),
            nn.ReLU(),
            nn.Conv1d(channels, channels, 1, bias=False),
            nn.BatchNorm1d(channels),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, frames) to the same shape."""
        return x + self.layers(x)

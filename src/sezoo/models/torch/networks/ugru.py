"""U-GRU: the U-TCN's way down and up, with gated recurrent units (GRU) in the place of its temporal convolutions."""

from __future__ import annotations

from torch import nn

from sezoo.models.torch.networks.bin_unet import BinUNet
from sezoo.models.torch.networks.gru_layer import GruLayer

__all__ = ["Ugru"]


class Ugru(BinUNet):
    """The network of `BinUNet` with residual GRU layers over time. It is causal: no mask depends on a later frame.

    Parameters
    ----------
    gru_hidden_size : units of each GRU, and channels at the bottom.
    num_gru_layers : residual layers of a GRU and a 1x1 convolution.
    in_channels, channels, level_frames, compression : see `BinUNet`.

    Raises
    ------
    UserError : a number of bins that does not fit, or a running level with `compression` "copies".
    """

    def __init__(
        self,
        *,
        in_channels: int = 257,
        gru_hidden_size: int = 64,
        num_gru_layers: int = 2,
        channels: tuple[int, int, int] = (8, 16, 24),
        level_frames: int = 0,
        compression: str = "power",
    ):
        super().__init__(
            in_channels,
            gru_hidden_size,
            lambda: nn.Sequential(*(GruLayer(gru_hidden_size, gru_hidden_size) for _ in range(num_gru_layers))),
            channels=channels,
            level_frames=level_frames,
            compression=compression,
            ahead=(0, 0),
        )

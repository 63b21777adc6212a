"""The way down and up again of a small U-Net over the frequencies of compressed magnitudes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from sezoo.base.errors import UserError
from sezoo.models.torch.networks.running_level import RunningLevel
from sezoo.models.torch.networks.time_padding import TimeConv2d

__all__ = ["BinUNet", "ClippedCopies"]

COMPRESSION = 0.3
"""Exponent of the magnitudes. What 8 bits must hold then spans 25 dB where the magnitudes span 80."""

FULL_COPIES = (0.2, 0.8, 3.2, 12.8)
"""Magnitudes at which the copies are cut off before training; 12.8 is that of a sine of an eighth of full scale."""

COPY_LIMIT = 6.0

DETAIL = 4
"""Bins that the first convolution takes together: the finest frequencies inside the network are so wide."""


class BinUNet(nn.Module):
    """A mask from convolutions, additions, ReLU and one sigmoid; the magnitudes are compressed in float before them.

    Three 2-D convolutions with strides over the bins (4, 2, 2) make 16 wide bands of the bins, a 1x1 convolution
    makes one vector of each frame, and layers that the subclass chooses follow it over time. The way back mirrors it;
    channels become bins by reshaping (Shi et al., "Real-time single image and video super-resolution using an
    efficient sub-pixel convolutional neural network", 2016), and the outputs of the way down are added on the way up.

    Parameters
    ----------
    in_channels : bins of the spectrum, ``n_fft // 2 + 1``: one more than a multiple of 16.
    latent : channels at the bottom.
    over_time : makes the layers at the bottom: (batch, latent, frames) to the same shape.
    channels : of the three convolutions on the way down.
    level_frames : see `RunningLevel`; 0 leaves the compressed magnitudes as loud as they are.
    compression : "power" for the exponent of 0.3; "copies" for `ClippedCopies`, which leaves levels as they are.
    ahead : frames that the first and the last convolution over time look ahead.

    Raises
    ------
    UserError : a number of bins that does not fit, or a running level with `compression` "copies".
    """

    def __init__(
        self,
        in_channels: int,
        latent: int,
        over_time: Callable[[], nn.Module],
        *,
        channels: tuple[int, int, int],
        level_frames: int,
        compression: str,
        ahead: tuple[int, int],
    ):
        super().__init__()
        if (in_channels - 1) % 16:
            raise UserError(
                f"model_specific.in_channels: found {in_channels}; allowed for this network: one more than a multiple "
                "of 16, such as 129 or 257 (preprocessing.n_fft is then a multiple of 32)"
            )
        if compression == "copies" and level_frames:
            raise UserError(
                f"model_specific.level_frames: found {level_frames}; allowed with compression: copies: 0, as there is "
                "no float before the first int8 tensor in which a level could be taken"
            )
        fine, middle, wide = channels
        bottom = wide * ((in_channels - 1) // 16)
        self.level = RunningLevel(level_frames) if level_frames else nn.Identity()
        self.copies = ClippedCopies() if compression == "copies" else None
        self.down1 = ConvBnRelu(len(FULL_COPIES) if self.copies else 1, fine, (7, 1), stride=DETAIL)
        self.detail_down = Residual2d(fine, ahead[0])
        self.down2 = ConvBnRelu(fine, middle, (5, 1), stride=2)
        self.down3 = ConvBnRelu(middle, wide, (5, 1), stride=2)
        self.into = nn.Conv1d(bottom, latent, 1)
        self.time = over_time()
        self.out_of = nn.Sequential(nn.Conv1d(latent, bottom, 1, bias=False), nn.BatchNorm1d(bottom))
        self.up3 = Widened(wide, middle, 2)
        self.up2 = Widened(middle, fine, 2)
        self.detail_up = Residual2d(fine, ahead[1])
        self.up1 = nn.Conv2d(fine, DETAIL, (3, 1), padding=(1, 0))

    def forward(self, magnitude: torch.Tensor) -> torch.Tensor:
        """Magnitudes (batch, bins, frames) to a mask of the same shape."""
        fine = self.detail_down(self.down1(self._compress(magnitude)))
        middle = self.down2(fine)
        wide = self.down3(middle)
        batch, channels, bands, frames = wide.shape
        followed = self.out_of(self.time(self.into(wide.reshape(batch, channels * bands, frames))))
        x = torch.relu(followed.reshape(batch, channels, bands, frames) + wide)
        x = torch.relu(self.up3(x) + middle)
        x = self.detail_up(torch.relu(self.up2(x) + fine))
        mask = torch.sigmoid(_bins_of(self.up1(x), DETAIL)[:, 0])
        return torch.cat([mask[:, :1], mask], 1)  # 0 Hz has the mask of the bin above it

    def _compress(self, magnitude: torch.Tensor) -> torch.Tensor:
        """(batch, bins, frames) to (batch, 1 or copies, bins but for 0 Hz, frames)."""
        if self.copies is not None:
            return self.copies(magnitude[:, None, 1:])
        return self.level(magnitude**COMPRESSION)[:, None, 1:]


class ClippedCopies(nn.Sequential):
    """Four copies of the magnitudes with different gains, clipped; the first copy resolves the quietest bins.

    Instead of a curve that compresses, for hardware without one: a 1x1 convolution and ReLU6, which saturation to
    int8 computes. The convolution that reads them can make any curve of them that is straight between their ends.
    """

    def __init__(self):
        super().__init__(nn.Conv2d(1, len(FULL_COPIES), 1), nn.ReLU6())
        with torch.no_grad():
            self[0].weight.copy_((COPY_LIMIT / torch.tensor(FULL_COPIES))[:, None, None, None])
            self[0].bias.zero_()


class ConvBnRelu(nn.Sequential):
    """A convolution over frequency and time with a stride over frequency, batch norm, ReLU."""

    def __init__(self, channels: int, out_channels: int, kernel: tuple[int, int], *, stride: int = 1):
        padding = (kernel[0] // 2, kernel[1] // 2)
        convolution = nn.Conv2d(channels, out_channels, kernel, stride=(stride, 1), padding=padding, bias=False)
        super().__init__(convolution, nn.BatchNorm2d(out_channels), nn.ReLU())


class Residual2d(nn.Module):
    """A 3x3 convolution with a look-ahead in frames, batch norm, residual connection and ReLU."""

    def __init__(self, channels: int, ahead: int):
        super().__init__()
        self.c = TimeConv2d(channels, ahead=ahead)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, frequencies, frames) to the same shape."""
        return torch.relu(x + self.bn(self.c(x)))


class Widened(nn.Module):
    """A convolution to more channels, which become neighbouring frequencies."""

    def __init__(self, channels: int, out_channels: int, factor: int):
        super().__init__()
        self.factor = factor
        self.c = nn.Conv2d(channels, out_channels * factor, (3, 1), padding=(1, 0), bias=False)
        self.bn = nn.BatchNorm2d(out_channels * factor)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, frequencies, frames) to (batch, out_channels, frequencies * factor, frames)."""
        return _bins_of(self.bn(self.c(x)), self.factor)


def _bins_of(x: torch.Tensor, factor: int) -> torch.Tensor:
    """Channels to neighbouring frequencies: (batch, c * factor, f, frames) to (batch, c, f * factor, frames)."""
    batch, channels, frequencies, frames = x.shape
    x = x.reshape(batch, channels // factor, factor, frequencies, frames).transpose(2, 3)
    return x.reshape(batch, channels // factor, frequencies * factor, frames)

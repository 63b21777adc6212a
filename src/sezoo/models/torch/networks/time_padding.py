"""Convolutions over time with a look-ahead of a few frames; the rest of their context is in the past."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from sezoo.base.errors import UserError
from sezoo.base.text import pluralize

__all__ = ["TimeConv1d", "TimeConv2d", "frames_ahead"]


def frames_ahead(lookahead: int | None, causal: bool, reaches: Sequence[int]) -> list[int]:
    """Return the look-ahead in frames of each convolution, `lookahead` in total.

    The first ones look ahead as far as a symmetric kernel does, until nothing is left; the others look back alone.
    What is ahead is then known to all layers behind them.

    Parameters
    ----------
    lookahead : frames; None is as far ahead as back.
    causal : is a look-ahead of 0.
    reaches : frames that each convolution would look to either side, in the order of the network.

    Raises
    ------
    UserError : a look-ahead below 0, one further than symmetric kernels look, or one beside `causal`.
    """
    if causal and lookahead:
        raise UserError(f"model_specific.lookahead: found {lookahead} beside causal: true, which is a look-ahead of 0")
    if causal:
        lookahead = 0
    if lookahead is None:
        return list(reaches)
    most = sum(reaches)
    if not 0 <= lookahead <= most:
        raise UserError(
            f"model_specific.lookahead: found {lookahead}; allowed: 0 to {most}, as the kernels of this network "
            f"look {pluralize(most, 'frame')} to either side"
        )
    shares, left = [], lookahead
    for reach in reaches:
        shares.append(min(reach, left))
        left -= shares[-1]
    return shares


class TimeConv1d(nn.Conv1d):
    """A depthwise convolution over frames that keeps their number, with a look-ahead in frames.

    Its weights are those of a symmetric one. Only where it is none are zeros put on by an operator of their own.
    """

    def __init__(self, channels: int, kernel_size: int, *, dilation: int, ahead: int):
        inside, shift = _padding(dilation * (kernel_size - 1), ahead)
        super().__init__(
            channels, channels, kernel_size, dilation=dilation, padding=inside, groups=channels, bias=False
        )
        self.shift = shift

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, frames) to the same shape."""
        return super().forward(functional.pad(x, self.shift) if any(self.shift) else x)


class TimeConv2d(nn.Conv2d):
    """A 3x3 convolution over frequencies and frames that keeps the number of both, `ahead` (0 to 2) frames ahead."""

    def __init__(self, channels: int, *, ahead: int):
        inside, shift = _padding(2, ahead)
        super().__init__(channels, channels, 3, padding=(1, inside), bias=False)
        self.shift = shift

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, frequencies, frames) to the same shape."""
        return super().forward(functional.pad(x, self.shift) if any(self.shift) else x)


def _padding(span: int, ahead: int) -> tuple[int, tuple[int, int]]:
    """Zeros on both sides by the convolution, and those (before, after) that are put on before it."""
    return (ahead, (0, 0)) if span == 2 * ahead else (0, (span - ahead, ahead))

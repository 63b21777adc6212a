"""Rounding to integers as a QDQ graph does it, with gradients to train through."""

from __future__ import annotations

import math
from typing import Any

import torch

__all__ = ["fake_quantize", "fake_quantize_bias", "round_straight_through"]

INT32 = 2**31 - 1


class _FakeQuantize(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any, x: torch.Tensor, scale: torch.Tensor, zero_point: torch.Tensor, lowest: int, highest: int
    ) -> torch.Tensor:
        integers = torch.round(x / scale) + zero_point  # to nearest even, as QuantizeLinear
        context.save_for_backward(x, scale, zero_point)
        context.limits = lowest, highest
        return (integers.clamp(lowest, highest) - zero_point) * scale

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, scale, zero_point = context.saved_tensors
        lowest, highest = context.limits
        steps = x / scale
        integers = torch.round(steps) + zero_point
        inside = (integers >= lowest) & (integers <= highest)
        of_x = gradient * inside if context.needs_input_grad[0] else None
        if not context.needs_input_grad[1]:
            return of_x, None, None, None, None
        slope = integers.clamp(lowest, highest) - zero_point - steps * inside
        of_scale = (gradient * slope).sum_to_size(scale.shape) / math.sqrt(x.numel() / scale.numel() * highest)
        return of_x, of_scale, None, None, None


def fake_quantize(
    x: torch.Tensor, scale: torch.Tensor, zero_point: torch.Tensor, limits: tuple[int, int]
) -> torch.Tensor:
    """Apply QuantizeLinear and DequantizeLinear to a tensor.

    The gradient passes straight through where nothing is cut off. That of the scale is the one of Esser et al.,
    "Learned step size quantization", ICLR 2020, with their factor for how many values share it.

    Parameters
    ----------
    scale, zero_point : of shapes that broadcast to that of `x`; zero points are whole.
    limits : the lowest and the highest integer.
    """
    return _FakeQuantize.apply(x, scale, zero_point, *limits)


def fake_quantize_bias(bias: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """A bias in 32 bits, at the scale of its layer's accumulators; the gradient passes straight through."""
    with torch.no_grad():
        steps = (bias.double() / scale).round().clamp(-INT32, INT32)  # float32 does not hold 32 bits
        change = (steps * scale).float() - bias
    return bias + change


def round_straight_through(x: torch.Tensor) -> torch.Tensor:
    """`x` rounded to nearest even, with the gradient of `x`."""
    return x + (torch.round(x) - x).detach()

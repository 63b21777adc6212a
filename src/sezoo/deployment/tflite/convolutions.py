"""Convolutions of the integer graph in the layout of TensorFlow Lite: (1, frames, positions, channels)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sezoo.deployment.engine.conv import Conv
from sezoo.deployment.tflite.axis import Axis

__all__ = ["Kernel", "kernel_of"]

MOST_STRIDE = 3
"""Largest stride over padded positions that Ethos-U55 and U65 support."""


@dataclass(frozen=True, eq=False)
class Kernel:
    """A convolution of a .tflite file.

    Attributes
    ----------
    weights : (outputs, taps in time, taps over positions, inputs), for `depthwise` (1, taps, taps, outputs), int8
    positions, channels : shape of a row of the input.
    made : number of positions of the output.
    time, space : geometry along frames and along positions.
    """

    weights: np.ndarray
    depthwise: bool
    positions: int
    channels: int
    made: int
    time: Axis
    space: Axis


def kernel_of(conv: Conv, native: tuple[int, int], frames: int, *, is_stream: bool) -> Kernel:
    """Return the kernel of a convolution.

    Parameters
    ----------
    native : number of positions and channels of the input's row, as its operator computed it.
    frames : number of output frames.
    is_stream : whether the input includes the frames before and after; otherwise they are zero padding.
    """
    depthwise = conv.groups > 1 and conv.weights.shape[4] == 1
    weights = conv.weights.reshape(conv.channels_out, *conv.weights.shape[2:])
    size, before = (frames + conv.span, 0) if is_stream else (frames, conv.before)
    time = Axis(size, frames, conv.taps, dilation=conv.dilation_time, before=before)
    space = Axis(
        conv.positions_in, conv.positions, weights.shape[2], conv.stride, conv.dilation, conv.pad
    )  # fmt: skip
    kernel = Kernel(weights, depthwise, conv.positions_in, conv.channels_in, conv.positions, time, space)
    if conv.groups == 1:
        if conv.positions == conv.positions_in == 1 and native[0] > 1:
            kernel = _over_all_positions(kernel, native)
        elif conv.stride > MOST_STRIDE and conv.dilation == 1 and conv.positions_in % conv.stride == 0:
            kernel = _without_stride(kernel, conv.stride)
    if depthwise:
        kernel = replace(kernel, weights=kernel.weights.transpose(3, 1, 2, 0))
    return kernel


def _over_all_positions(kernel: Kernel, native: tuple[int, int]) -> Kernel:
    """Return a matrix product with whole rows as a kernel as wide as a row, which avoids a reshape."""
    positions, channels = native
    outputs, taps = kernel.weights.shape[:2]
    weights = kernel.weights.reshape(outputs, taps, positions, channels)
    return replace(kernel, weights=weights, positions=positions, channels=channels, space=Axis(positions, 1, positions))


def _without_stride(kernel: Kernel, stride: int) -> Kernel:
    """Return an equivalent kernel of stride 1, which merges the positions of a stride into channels of one position."""
    weights, space = kernel.weights, kernel.space
    lead = -(-space.before // stride)
    front = lead * stride - space.before
    taps = -(-(front + space.taps) // stride)
    weights = np.pad(weights, ((0, 0), (0, 0), (front, taps * stride - front - space.taps), (0, 0)))
    weights = weights.reshape(*weights.shape[:2], taps, stride * kernel.channels)
    positions = space.size // stride
    return replace(
        kernel,
        weights=weights,
        positions=positions,
        channels=stride * kernel.channels,
        space=Axis(positions, space.made, taps, before=lead),
    )

"""The convolution of the integer graph.

It requantizes in float32 and rounds half to even, as onnxruntime does (see `interpreter`): with TFLite's double
rounding, masks are off by 0.6 in places.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sezoo.deployment.engine.tensor import OneInput, Tensor

__all__ = ["Conv"]


@dataclass(frozen=True, eq=False)
class Conv(OneInput):
    """A convolution over positions and frames, or only over frames if there is one position.

    Attributes
    ----------
    weights : (groups, outputs per group, taps in time, taps over positions, inputs per group) int8
    bias : (outputs,) int64, in units of the accumulator, without the input's zero point
    multiplier : (outputs,) float32, from the accumulator to steps of the output
    positions_in, positions : number of positions of the input and of the output.
    stride, dilation, pad : parameters over positions; `pad` is the number of zeros before the first position.
    dilation_time, before : parameters over frames; `before` is the number of zero frames before a patch. Zeros are
        the input's zero point.
    rows : number of rows per frame of the input: the history of earlier frames, then this frame. If it is greater
        than 1, the taps in time read these rows, and frames are independent.
    low, high : limits of the output: those of its type, of a ReLU or of a Clip.
    """

    name: str
    input: Tensor
    output: Tensor
    weights: np.ndarray
    bias: np.ndarray
    multiplier: np.ndarray
    positions_in: int
    positions: int
    low: int
    high: int
    stride: int = 1
    dilation: int = 1
    pad: int = 0
    dilation_time: int = 1
    before: int = 0
    rows: int = 1
    kind = "Conv"

    @property
    def groups(self) -> int:
        """Number of groups of channels, as in ONNX's Conv."""
        return self.weights.shape[0]

    @property
    def channels_in(self) -> int:
        """Number of channels per input position."""
        return self.groups * self.weights.shape[4]

    @property
    def channels_out(self) -> int:
        """Number of channels per output position."""
        return self.groups * self.weights.shape[1]

    @property
    def taps(self) -> int:
        """Number of taps in time."""
        return self.weights.shape[2]

    @property
    def span(self) -> int:
        """Number of frames before and after a frame that its output depends on, in total."""
        return 0 if self.rows > 1 else (self.taps - 1) * self.dilation_time

    @property
    def after(self) -> int:
        """Number of frames after a frame that its output depends on (lookahead)."""
        return self.span - self.before

    @property
    def is_depthwise(self) -> bool:
        """Whether the convolution is depthwise: each channel is a group of its own."""
        return self.groups > 1 and self.weights.shape[1] == self.weights.shape[4] == 1

    @property
    def is_pointwise(self) -> bool:
        """Whether the kernel covers one position of one frame, which makes the convolution a matrix product."""
        alone = self.weights.shape[2:4] == (1, 1) and self.stride == 1 and self.positions == self.positions_in
        return self.groups == 1 and alone

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations per frame, including those with padding."""
        return self.weights.size * self.positions

    @cached_property
    def folded_bias(self) -> np.ndarray:
        """The bias with the input's zero point folded in: (outputs,) int64."""
        return self.bias - self.input.zero_point * self.weights.sum(axis=(2, 3, 4), dtype=np.int64).ravel()

    @property
    def largest_accumulator(self) -> int:
        """Upper bound of the accumulators' magnitude for any input."""
        return int((self._largest_sums + np.abs(self.folded_bias)).max())

    @cached_property
    def largest_sum(self) -> int:
        """Upper bound of the accumulators' magnitude without the bias."""
        return int(self._largest_sums.max())

    @property
    def _largest_sums(self) -> np.ndarray:
        return np.abs(self.weights.astype(np.int64)).sum(axis=(2, 3, 4)).ravel() * -self.input.low

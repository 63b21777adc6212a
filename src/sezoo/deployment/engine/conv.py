"""The convolution of the integer graph.

It requantizes in float32 and rounds half to even, as onnxruntime does (`interpreter` says precisely how): with double
rounding in the manner of TFLite, masks are off by 0.6 in places.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sezoo.deployment.engine.tensor import Tensor

__all__ = ["Conv"]


@dataclass(frozen=True, eq=False)
class Conv:
    """A convolution over positions and frames; with one position it is over frames alone.

    Attributes
    ----------
    weights : (groups, outputs per group, taps in time, taps over positions, inputs per group) int8
    bias : (outputs,) int64, in units of the accumulator; the input's zero point has no part in it
    multiplier : (outputs,) float32, from the accumulator to steps of the output
    positions : of the output; those of the input are `positions_in`.
    stride, dilation, pad : over positions; `pad` positions stand before the first one.
    dilation_time, before : over frames; `before` frames stand before the first one in a patch. What lies beyond
        an edge is zero, which is the input's zero point.
    rows : of a frame, one behind the other in its input: what was kept of earlier frames, and this one. Where there
        are several, taps in time go over those, and every frame stands alone.
    low, high : what the output is clamped to: its type's limits, or those of a ReLU or a Clip.
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
    def inputs(self) -> tuple[Tensor, ...]:
        """The tensors that it reads."""
        return (self.input,)

    @property
    def groups(self) -> int:
        """Groups of channels that do not see each other."""
        return self.weights.shape[0]

    @property
    def channels_in(self) -> int:
        """Channels of a position of the input."""
        return self.groups * self.weights.shape[4]

    @property
    def channels_out(self) -> int:
        """Channels of a position of the output."""
        return self.groups * self.weights.shape[1]

    @property
    def taps(self) -> int:
        """Taps in time."""
        return self.weights.shape[2]

    @property
    def span(self) -> int:
        """Frames before and after a frame that its output depends on, together."""
        return 0 if self.rows > 1 else (self.taps - 1) * self.dilation_time

    @property
    def after(self) -> int:
        """Frames after a frame that its output depends on."""
        return self.span - self.before

    @property
    def is_depthwise(self) -> bool:
        """Whether every channel is by itself."""
        return self.groups > 1 and self.weights.shape[1] == self.weights.shape[4] == 1

    @property
    def is_pointwise(self) -> bool:
        """Whether it sees one position of one frame, and is a matrix product."""
        alone = self.weights.shape[2:4] == (1, 1) and self.stride == 1 and self.positions == self.positions_in
        return self.groups == 1 and alone

    @property
    def macs(self) -> int:
        """Multiplications a frame, those with padding among them."""
        return self.weights.size * self.positions

    @cached_property
    def folded_bias(self) -> np.ndarray:
        """The bias with the input's zero point in it: (outputs,) int64."""
        return self.bias - self.input.zero_point * self.weights.sum(axis=(2, 3, 4), dtype=np.int64).ravel()

    @property
    def largest_accumulator(self) -> int:
        """No accumulator is larger in magnitude, whatever the input."""
        return int((self._largest_sums + np.abs(self.folded_bias)).max())

    @cached_property
    def largest_sum(self) -> int:
        """Without the bias."""
        return int(self._largest_sums.max())

    @property
    def _largest_sums(self) -> np.ndarray:
        return np.abs(self.weights.astype(np.int64)).sum(axis=(2, 3, 4)).ravel() * -self.input.low

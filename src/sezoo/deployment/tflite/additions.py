"""Pairs of int8 whose sums LiteRT's default kernels and onnxruntime round to different integers.

XNNPACK multiplies the operands of an addition by integers of 21 bits, onnxruntime by float32. Of the 65,536 pairs some
lie so near to a half that the two round them apart: a handful an addition.
"""

from __future__ import annotations

import numpy as np

from sezoo.deployment.engine.arithmetic import ONNXRUNTIME
from sezoo.deployment.engine.operators import Elementwise

__all__ = ["NearPairs", "pairs_rounded_apart"]

F = np.float32

BITS = 20
"""Bits of XNNPACK's larger multiplier after its leading one."""

NEAR = 2.0**-9
"""Distance from a half beyond which sums are rounded alike with scales that are changed by some millionths."""


def pairs_rounded_apart(addition: Elementwise) -> int:
    """Return the number of the 65,536 pairs of integers whose sums XNNPACK and onnxruntime round differently."""
    return int(np.count_nonzero(NearPairs(addition).rounded_apart(addition)))


class NearPairs:
    """The pairs of an addition whose sums are close to a half, with onnxruntime's results.

    Parameters
    ----------
    commonness : weights of all pairs, (256, 256) float64, those with -128 first; None gives all the weight 1.
    """

    def __init__(self, addition: Elementwise, commonness: np.ndarray | None = None):
        every = np.arange(-128, 128)
        a, b = (each.ravel().astype(np.int8) for each in np.meshgrid(every, every, indexing="ij"))
        x, y = (each.astype(np.int64) - tensor.zero_point for each, tensor in zip((a, b), addition.inputs, strict=True))
        scales = np.asarray(addition.scales, np.float64) * float(addition.inverse)
        steps = x * scales[0] + y * scales[1]
        is_near = np.abs(steps - np.floor(steps) - 0.5) < NEAR
        self.x, self.y = x[is_near], y[is_near]
        self.wanted = ONNXRUNTIME.elementwise(addition, a[is_near], b[is_near])
        self.commonness = np.ones(len(self.x)) if commonness is None else commonness.ravel()[is_near]

    def rounded_apart(self, addition: Elementwise) -> np.ndarray:
        """Return which pairs XNNPACK rounds differently with the scales of an addition's tensors: (pairs,) bool.

        As `xnn_init_qs8_add_minmax_scalar_params` and its kernels: integer products, a sum, and rounding half up.
        """
        output = F(addition.output.scale)
        ratios = [F(tensor.scale) / output for tensor in addition.inputs]
        shift = BITS + 1 - int(np.frexp(max(ratios))[1])
        first, second = (
            int(np.sign(signed) * np.rint(np.ldexp(float(ratio), shift)))
            for signed, ratio in zip(addition.scales, ratios, strict=True)
        )
        steps = (self.x * first + self.y * second + (1 << (shift - 1))) >> shift
        return np.clip(steps + addition.output.zero_point, addition.low, addition.high) != self.wanted

    def cost(self, addition: Elementwise) -> float:
        """Return how frequent the pairs are that are rounded differently."""
        return float(self.commonness[self.rounded_apart(addition)].sum())

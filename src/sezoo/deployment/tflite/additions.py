"""Adjustment of scales so that LiteRT's default kernels round sums as onnxruntime does.

XNNPACK multiplies the operands of an addition by integers of 21 bits, onnxruntime by float32. Of the 65,536 pairs of
int8 some lie so near to a half that the two round them apart: a handful an addition, but one integer that differs in
the first layers changes many behind it. Which pairs these are is known, and depends on the last bits of the tensors'
scales, which nothing else does: a convolution's weights take up what its input's or output's scale is changed by.
They have to take it up so that float32 gives the factor of every channel back, which not all scales allow: of those
with which an addition agrees, the ones are taken with which the convolutions on both sides lose fewest factors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from sezoo.deployment.engine.arithmetic import ONNXRUNTIME
from sezoo.deployment.engine.conv import Conv
from sezoo.deployment.engine.integer_graph import IntegerGraph
from sezoo.deployment.engine.operators import Elementwise, Operator
from sezoo.deployment.engine.tensor import Tensor
from sezoo.deployment.engine.tflite_arithmetic import weight_scales

__all__ = ["lost_factors", "pairs_rounded_apart", "with_agreeing_additions"]

F = np.float32

BITS = 20
"""Bits of XNNPACK's larger multiplier after its leading one."""

STEP, MOST_STEPS = 2.0**-22, 16
"""Relative change of a scale per step, and most steps: 4e-6 in total."""

NEAR = 2.0**-9
"""Distance from a half beyond which sums are rounded alike with all of these scales."""

HALVED = 16
"""Steps from zero that halve the assumed frequency of an integer, as rounding rare pairs apart costs less."""

LOST_FACTORS = 2.0**-8
"""Cost of a convolution that loses the factors of all its channels, in pairs as frequent as that of two zeros.

A factor that is off by its last bit, by 6e-8, moves sums of some 30 steps over a half in two of a million cases, and of
a million pairs about 500 are that of two zeros.
"""


def with_agreeing_additions(graph: IntegerGraph) -> IntegerGraph:
    """Return a graph with the same integers, with the scales of its tensors changed by a few millionths."""
    fixed = {tensor.name for tensor in (*graph.entries, graph.result)}
    for operator in graph.operators:
        if not isinstance(operator, Conv | Elementwise) or operator.kind == "mul":
            fixed |= {tensor.name for tensor in (*operator.inputs, operator.output)}
    changed: dict[str, Tensor] = {}
    for operator in graph.operators:
        if isinstance(operator, Elementwise) and operator.kind == "add":
            convs = [_with_tensors(each, changed) for each in graph.operators if isinstance(each, Conv)]
            changed |= _choose_scales(_with_tensors(operator, changed), convs, fixed)
            fixed |= {tensor.name for tensor in (*operator.inputs, operator.output)}
    sites = tuple(replace(site, tensor=changed.get(site.tensor.name, site.tensor)) for site in graph.sites)
    return replace(graph, operators=tuple(_with_tensors(each, changed) for each in graph.operators), sites=sites)


def pairs_rounded_apart(addition: Elementwise) -> int:
    """Return the number of the 65,536 pairs of integers whose sums XNNPACK and onnxruntime round differently."""
    pairs = _NearPairs(addition)
    return int(np.count_nonzero(pairs.by_xnnpack(addition) != pairs.wanted))


class _NearPairs:
    """The pairs of an addition whose sums are close to a half, with onnxruntime's results."""

    def __init__(self, addition: Elementwise):
        every = np.arange(-128, 128)
        a, b = (each.ravel().astype(np.int8) for each in np.meshgrid(every, every))
        x, y = (each.astype(np.int64) - tensor.zero_point for each, tensor in zip((a, b), addition.inputs, strict=True))
        scales = np.asarray(addition.scales, np.float64) * float(addition.inverse)
        steps = x * scales[0] + y * scales[1]
        is_near = np.abs(steps - np.floor(steps) - 0.5) < NEAR
        self.x, self.y = x[is_near], y[is_near]
        self.wanted = ONNXRUNTIME.elementwise(addition, a[is_near], b[is_near])
        self.commonness = 2.0 ** (-(np.abs(self.x) + np.abs(self.y)) / HALVED)

    def by_xnnpack(self, addition: Elementwise) -> np.ndarray:
        """Add as XNNPACK (`xnn_init_qs8_add_minmax_scalar_params`): integer products, a sum, and rounding half up."""
        output = F(addition.output.scale)
        ratios = [F(tensor.scale) / output for tensor in addition.inputs]
        shift = BITS + 1 - int(np.frexp(max(ratios))[1])
        first, second = (
            int(np.sign(signed) * np.rint(np.ldexp(float(ratio), shift)))
            for signed, ratio in zip(addition.scales, ratios, strict=True)
        )
        steps = (self.x * first + self.y * second + (1 << (shift - 1))) >> shift
        return np.clip(steps + addition.output.zero_point, addition.low, addition.high)

    def cost(self, addition: Elementwise) -> float:
        """Return the total weight of the pairs that are rounded differently."""
        return float(self.commonness[self.by_xnnpack(addition) != self.wanted].sum())


def lost_factors(conv: Conv) -> int:
    """Return the number of channels whose factor is not reproduced in float32 from the scales in a file."""
    factors = F(conv.input.scale) * weight_scales(conv) / F(conv.output.scale)
    return int(np.count_nonzero(factors != conv.multiplier))


def _choose_scales(addition: Elementwise, convs: Sequence[Conv], fixed: set[str]) -> dict[str, Tensor]:
    """Return the tensors of an addition whose free scales minimize the cost of it and its neighbours."""
    free = [tensor for tensor in (addition.output, addition.b, addition.a) if tensor.name not in fixed][:2]
    names = {tensor.name for tensor in free}
    neighbours = [conv for conv in convs if names & {conv.input.name, conv.output.name}]
    pairs = _NearPairs(addition)
    best: dict[str, Tensor] = {}
    least = pairs.cost(addition) + _cost_of_factors(neighbours, {})
    for tensors in _changes(free):
        if not least:
            break
        cost = pairs.cost(_with_tensors(addition, tensors))
        if cost < least:
            cost += _cost_of_factors(neighbours, tensors)
        if cost < least:
            best, least = tensors, cost
    return best


def _cost_of_factors(convs: Sequence[Conv], tensors: Mapping[str, Tensor]) -> float:
    """Return the cost of the channels that lose their factors with changed tensors."""
    changed = [_with_tensors(conv, tensors) for conv in convs]
    return LOST_FACTORS * sum(lost_factors(conv) / len(conv.multiplier) for conv in changed)


def _changes(free: list[Tensor]) -> Iterator[dict[str, Tensor]]:
    """Yield combinations of changed tensors, smallest changes first."""
    counts = np.array(list(np.ndindex((2 * MOST_STEPS + 1,) * len(free)))) - MOST_STEPS
    for steps in counts[np.argsort(np.abs(counts).sum(axis=1), kind="stable")]:
        yield {
            tensor.name: replace(tensor, scale=F(float(tensor.scale) * (1 + STEP * int(count))))
            for tensor, count in zip(free, steps, strict=True)
        }


def _with_tensors(operator: Operator, changed: Mapping[str, Tensor]) -> Operator:
    """Return an operator with tensors of other scales; its results in onnxruntime's rounding do not change."""
    if not isinstance(operator, Conv | Elementwise):
        return operator
    names = ("input", "output") if isinstance(operator, Conv) else ("a", "b", "output")
    there = {name: getattr(operator, name) for name in names}
    return replace(operator, **{name: changed.get(tensor.name, tensor) for name, tensor in there.items()})

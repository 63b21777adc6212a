"""Adjustment of scales so that LiteRT's default kernels round sums as onnxruntime does.

A single integer that is rounded differently in the first layers changes many in later ones. Which pairs of an
addition, and which channels of a convolution, XNNPACK rounds differently (`additions`) depends on the last bits of the
tensors' scales. Nothing else does: a convolution's weight scales compensate for a change of its input's or output's
scale, such that float32 reproduces the factor of every channel, or a neighbour of it that rounds the same sums alike.
The first search changes two scales of each addition together to minimize the expected number of integers rounded
differently; the second one changes the scales of all tensors, one by one and in finer steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from sezoo.deployment.engine.conv import Conv
from sezoo.deployment.engine.integer_graph import IntegerGraph
from sezoo.deployment.engine.operators import Elementwise, Operator
from sezoo.deployment.engine.tensor import Tensor
from sezoo.deployment.engine.tflite_arithmetic import cost_of_neighbours, scales_for_factors
from sezoo.deployment.tflite.additions import NearPairs
from sezoo.deployment.tflite.common_pairs import additions_of, commonness_by_distance

__all__ = ["with_agreeing_scales"]

F = np.float32

STEP, STEPS = 2.0**-22, 16
"""Relative change per step of two scales of an addition, and most steps, in the first search."""

FINE_STEP, FINE_STEPS = 2.0**-25, 96
"""Relative change per step of a single scale, and most steps, in the second search."""

TRIALS, TRIED = 300, 2.0**-21
"""Random changes of all free scales of an addition, and the largest of them: most leave its integers unchanged."""

MOST = 2.0**-17
"""Largest relative change of a scale: 8e-6."""

ROUNDS = 4
"""Most rounds of the second search, which ends when nothing improves."""

MENDED = 2.0**-4
"""Share of a convolution's cost that counts in the first search, as the second one removes most of it."""


def with_agreeing_scales(graph: IntegerGraph, common: Mapping[str, np.ndarray]) -> IntegerGraph:
    """Return a graph with the same integers, with the scales of its tensors changed by a few millionths.

    Parameters
    ----------
    common : as `common_pairs` returns it; pairs of other additions are weighed by their distance from zero.
    """
    search = _Search(graph, common)
    changed = search.run()
    sites = tuple(replace(site, tensor=changed.get(site.tensor.name, site.tensor)) for site in graph.sites)
    operators = tuple(_with_tensors(each, changed) for each in graph.operators)
    output = changed.get(graph.output.name, graph.output)
    return replace(graph, operators=operators, sites=sites, output=output)


class _Search:
    """Original and current tensors, and each operator's cost: expected integers per frame that are rounded apart."""

    def __init__(self, graph: IntegerGraph, common: Mapping[str, np.ndarray]):
        self.additions = additions_of(graph)
        convs = [each for each in graph.operators if isinstance(each, Conv)]
        self.operators: list[Conv | Elementwise] = [*self.additions, *convs]  # additions first: they cost most
        self.given = {tensor.name: tensor for each in self.operators for tensor in _tensors(each)}
        self.now = dict(self.given)
        fixed = {tensor.name for tensor in graph.inputs}
        if graph.mask_table is None:
            fixed.add(graph.output.name)
        for each in graph.operators:
            if each not in self.operators:
                fixed |= {tensor.name for tensor in (*each.inputs, each.output)}
        self.free = [name for name in self.given if name not in fixed]
        self.pairs = {
            each: NearPairs(each, common.get(each.name, commonness_by_distance(each))) for each in self.additions
        }
        self.neighbours = {each: cost_of_neighbours(each) for each in convs}
        self.costs: dict[Operator, float] = {}

    def run(self) -> dict[str, Tensor]:
        """Return the tensors with their scales, by name."""
        counts = np.array(list(np.ndindex(2 * STEPS + 1, 2 * STEPS + 1))) - STEPS
        pairwise = STEP * counts[np.argsort(np.abs(counts).sum(axis=1), kind="stable")]
        singly = FINE_STEP * np.array(sorted(range(-FINE_STEPS, FINE_STEPS + 1), key=abs))[:, np.newaxis]
        self.share = MENDED
        self._count(self.operators)
        for addition in self.additions:
            self._improve(self._free_of(addition)[:2], pairwise)
        self.share = 1.0
        self._count(self.operators)
        rng = np.random.default_rng(0)
        for _ in range(ROUNDS):
            improved = [self._improve([name], singly) for name in self.free]
            for addition in self.additions:
                changes = TRIED * (2 * rng.random((TRIALS, 3)) - 1)
                improved.append(self._improve(self._free_of(addition), changes))
            if not any(improved):
                break
        return self.now

    def _count(self, operators: Sequence[Conv | Elementwise]) -> None:
        self.costs |= {each: self._cost(each, _with_tensors(each, self.now)) for each in operators}

    def _free_of(self, addition: Elementwise) -> list[str]:
        """Return the names of its tensors whose scales are free, the output first."""
        names = dict.fromkeys(tensor.name for tensor in (addition.output, addition.b, addition.a))
        return [name for name in names if name in self.free]

    def _improve(self, names: Sequence[str], changes: np.ndarray) -> bool:
        """Apply the change of some tensors that minimizes the cost of their operators; return whether it fell.

        Parameters
        ----------
        changes : (changes, tensors or more) relative changes, in order of preference.
        """
        near = [each for each in self.operators if {tensor.name for tensor in _tensors(each)} & {*names}]
        current = [(each, _with_tensors(each, self.now)) for each in near]
        before = least = sum(self.costs[each] for each in near)
        best: dict[str, Tensor] = {}
        for tensors in self._change_scales(names, changes) if least else ():
            cost = 0.0
            for each, now in current:
                cost += self._cost(each, _with_tensors(now, tensors))
                if cost >= least:
                    break
            else:
                best, least = tensors, cost
            if not least:
                break
        self.now |= best
        self._count(near)
        return least < before

    def _change_scales(self, names: Sequence[str], changes: np.ndarray) -> Iterator[dict[str, Tensor]]:
        for change in changes:
            tensors = {
                name: replace(self.now[name], scale=F(float(self.now[name].scale) * (1 + by)))
                for name, by in zip(names, change, strict=False)
            }
            if all(self._is_near(each) for each in tensors.values()):
                yield tensors

    def _is_near(self, tensor: Tensor) -> bool:
        return abs(float(tensor.scale) / float(self.given[tensor.name].scale) - 1) <= MOST

    def _cost(self, operator: Conv | Elementwise, changed: Operator) -> float:
        """Return the cost of an operator with tensors of other scales."""
        if isinstance(changed, Conv):
            source, output = changed.input.scale, changed.output.scale
            _, costs = scales_for_factors(source, output, changed.multiplier, self.neighbours[operator])
            return self.share * changed.positions * float(costs.sum())
        return self.pairs[operator].cost(changed)


def _tensors(operator: Conv | Elementwise) -> tuple[Tensor, ...]:
    return (*operator.inputs, operator.output)


def _with_tensors(operator: Operator, changed: Mapping[str, Tensor]) -> Operator:
    """Return an operator with tensors of other scales; its results in onnxruntime's rounding do not change."""
    if not isinstance(operator, Conv | Elementwise):
        return operator
    names = ("input", "output") if isinstance(operator, Conv) else ("a", "b", "output")
    there = {name: getattr(operator, name) for name in names}
    return replace(operator, **{name: changed.get(tensor.name, tensor) for name, tensor in there.items()})

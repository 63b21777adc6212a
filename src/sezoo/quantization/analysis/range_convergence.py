"""Whether there are enough calibration clips: ranges from half of them, against those from all."""

from __future__ import annotations

import numpy as np

from sezoo.quantization.fidelity.context import RecoveryContext
from sezoo.quantization.plan import Plan
from sezoo.results.quantization import Convergence

__all__ = ["convergence"]

FEWEST = 4
"""Halves of fewer segments say nothing."""


def convergence(plan: Plan, context: RecoveryContext) -> Convergence | None:
    """Ranges of the float model from halves of the segments that are fitted on, against those from all.

    The halves are every other segment, and the first and the second half: kinds of clips may come by turns or in rows.
    Ranges that are part of a transform, and those of tensors in float, do not count.
    """
    count, middle = len(context.fit), len(context.fit) // 2
    if count < FEWEST:
        return None
    every_other = [range(0, count, 2), range(1, count, 2)]
    of_all, *of_halves = context.ranges_of_groups(plan, [None, *every_other, range(middle), range(middle, count)])
    quantized = [
        node for node in plan.exact.graph.node if node.op_type in plan.op_types and node.name not in plan.in_float
    ]
    counted = {name for node in quantized for name in (*node.input, *node.output)} - plan.fixed_ranges
    differences = {
        name: float(np.mean([_difference(half[name], ends) for half in of_halves]))
        for name, ends in of_all.items()
        if name in counted and ends[1] > ends[0]
    }
    if not differences:
        return None
    worst = max(differences, key=differences.__getitem__)
    return Convergence(count, float(np.median(list(differences.values()))), differences[worst], worst)


def _difference(one: tuple[np.float32, np.float32], other: tuple[np.float32, np.float32]) -> float:
    """Return the larger difference of the two ends, as a share of the other range's width."""
    return max(abs(float(one[0] - other[0])), abs(float(one[1] - other[1]))) / float(other[1] - other[0])

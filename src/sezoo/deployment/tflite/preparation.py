"""Simplification of an integer graph for TensorFlow Lite: it ends with the integers from which the mask is looked up.

Permutations are folded into the convolutions before them, and operators after the last sums into the mask's table and
index, which the application evaluates. Scales are adjusted for additions to agree (`agreeing_scales`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sezoo.deployment.engine.conv import Conv
from sezoo.deployment.engine.integer_graph import IntegerGraph
from sezoo.deployment.engine.operators import LookupTable, Operator, Permute
from sezoo.deployment.tflite.agreeing_scales import with_agreeing_scales
from sezoo.deployment.tflite.common_pairs import common_pairs

__all__ = ["prepare_graph"]


def prepare_graph(graph: IntegerGraph) -> IntegerGraph:
    """Return a graph with the same masks and fewer operators."""
    graph = _fold_into_mask(_fold_permutations(graph))
    return with_agreeing_scales(graph, common_pairs(graph))


def _fold_permutations(graph: IntegerGraph) -> IntegerGraph:
    readers = [tensor.name for operator in graph.operators for tensor in operator.inputs] + [graph.output.name]
    operators: list[Operator] = []
    for operator in graph.operators:
        if isinstance(operator, Permute) and operators and readers.count(operators[-1].output.name) == 1:
            joined = _as_one(operators[-1], operator)
            if joined is not None:
                operators[-1] = joined
                continue
        operators.append(operator)
    return replace(graph, operators=tuple(operators))


def _as_one(conv: Operator, order: Permute) -> Conv | None:
    """Return the convolution with its output channels permuted equally at every position, or None if impossible."""
    if not isinstance(conv, Conv) or conv.groups > 1 or order.inputs != (conv.output,):
        return None
    if len(order.index) % conv.positions:
        return None
    within = order.index.reshape(conv.positions, -1) - conv.channels_out * np.arange(conv.positions)[:, np.newaxis]
    pick = within[0]
    if np.any(within != pick) or pick.min() < 0 or pick.max() >= conv.channels_out:
        return None
    return replace(
        conv,
        output=order.output,
        weights=conv.weights[:, pick],
        bias=conv.bias[pick],
        multiplier=conv.multiplier[pick],
    )


def _fold_into_mask(graph: IntegerGraph) -> IntegerGraph:
    operators, output = list(graph.operators), graph.output
    table, index = graph.mask_table, graph.mask_index
    while len(operators) > 1 and operators[-1].output == output:
        last = operators[-1]
        if isinstance(last, LookupTable):
            output, table = last.input, table[last.table.astype(np.int64) + 128]
        elif isinstance(last, Permute) and len(set(last.inputs)) == 1:
            output, index = last.inputs[0], (last.index % last.inputs[0].items)[index]
        else:
            break
        operators.pop()
    sites = tuple(site for site in graph.sites if any(site.tensor == each.output for each in operators))
    return replace(graph, operators=tuple(operators), output=output, mask_table=table, mask_index=index, sites=sites)

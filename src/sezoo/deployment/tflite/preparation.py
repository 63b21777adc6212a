"""An integer graph as TensorFlow Lite gets it: it ends with the integers that the mask is looked up from.

Orders of channels are made part of the convolutions before them, and what lies behind the last sums is left to the
mask's table and index, which a program has. Scales are those with which additions agree (`additions`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sezoo.deployment.engine.conv import Conv
from sezoo.deployment.engine.integer_graph import IntegerGraph
from sezoo.deployment.engine.operators import LookupTable, Operator, Permute
from sezoo.deployment.tflite.additions import with_agreeing_additions

__all__ = ["prepare_graph"]


def prepare_graph(graph: IntegerGraph) -> IntegerGraph:
    """A graph with the same masks, with fewer operators."""
    return with_agreeing_additions(_cut(_folded(graph)))


def _folded(graph: IntegerGraph) -> IntegerGraph:
    readers = [tensor.name for operator in graph.operators for tensor in operator.inputs] + [graph.result.name]
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
    """A convolution that gives its channels in another order, the same one at every position; None where it cannot."""
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


def _cut(graph: IntegerGraph) -> IntegerGraph:
    operators, result = list(graph.operators), graph.result
    table, index = graph.mask_table, graph.mask_index
    while len(operators) > 1 and operators[-1].output == result:
        last = operators[-1]
        if isinstance(last, LookupTable):
            result, table = last.input, table[last.table.astype(np.int64) + 128]
        elif isinstance(last, Permute) and len(set(last.inputs)) == 1:
            result, index = last.inputs[0], (last.index % last.inputs[0].items)[index]
        else:
            break
        operators.pop()
    sites = tuple(site for site in graph.sites if any(site.tensor == each.output for each in operators))
    return replace(graph, operators=tuple(operators), result=result, mask_table=table, mask_index=index, sites=sites)

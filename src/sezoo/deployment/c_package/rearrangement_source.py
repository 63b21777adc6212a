"""Permutations in `sezoo_model.c`: copies of contiguous runs of items, or an index table."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from sezoo.deployment.engine.operators import Permute
from sezoo.deployment.engine.tensor import padded

__all__ = ["permute_source", "runs_of"]

SHORTEST_RUN, MOST_RUNS = 8, 64
"""Limits for copying in runs: least average length in items, and most runs; otherwise an index table is used."""


def permute_source(name: str, operator: Permute, inputs: list[str], out: str, frames: int) -> list[str]:
    """Return the C statements that permute the items of rows at these addresses."""
    bytes_, row = operator.output.bits // 8, padded(operator.output.items)
    if (runs := runs_of(operator)) is not None:
        steps = (f" + r * {row * bytes_}", " + r * {}") if frames > 1 else ("", "")
        copies = [
            f"memcpy({out} + {to * bytes_}{steps[0]}, {inputs[operand]} + {first * bytes_}"
            f"{steps[1].format(operator.inputs[operand].row_bytes)}, {count * bytes_});"
            for operand, first, to, count in runs
        ]
        return copies if frames == 1 else [f"for (int32_t r = 0; r < {frames}; ++r) {{", *_indent(copies), "}"]
    items = [tensor.items for tensor in operator.inputs]
    rows = [padded(tensor.items) for tensor in operator.inputs]
    kind, wide = ("int16_t", "_s16") if bytes_ == 2 else ("int8_t", "")
    if wide:
        inputs = [f"(const int16_t *)(const void *)({each})" for each in inputs]
        out = f"(int16_t *)(void *)({out})"
    zero = []
    if (operator.index < 0).any():
        zero = [f"    static const {kind} zero[] = {{{operator.output.zero_point}}};"]
        inputs, items, rows = [*inputs, "zero"], [*items, 1], [*rows, 0]
    items, rows = (", ".join(str(each) for each in numbers) for numbers in (items, rows))
    return [
        "{",
        *zero,
        f"    const {kind} *const inputs[] = {{{', '.join(inputs)}}};",
        f"    static const int32_t items[] = {{{items}}}, rows[] = {{{rows}}};",
        f"    sezoo_run_rearrange{wide}({name}_index, {len(operator.index)}, inputs, items, rows, {len(inputs)}, "
        f"{out}, {row}, {frames});",
        "}",
    ]


def _indent(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def runs_of(operator: Permute) -> list[tuple[int, int, int, int]] | None:
    """Return (operand, first item, destination, count) of each contiguous run; None if they are too short or many."""
    index, ends = operator.index, np.cumsum([tensor.items for tensor in operator.inputs])
    operands = np.searchsorted(ends, index, side="right")
    edges = [0, *(np.flatnonzero((np.diff(index) != 1) | (np.diff(operands) != 0)) + 1).tolist(), len(index)]
    alone = len(edges) == 2
    if (index < 0).any() or not (alone or (len(index) >= SHORTEST_RUN * (len(edges) - 1) and len(edges) <= MOST_RUNS)):
        return None
    starts = ends - [tensor.items for tensor in operator.inputs]
    return [(int(operands[to]), int(index[to] - starts[operands[to]]), to, end - to) for to, end in pairwise(edges)]

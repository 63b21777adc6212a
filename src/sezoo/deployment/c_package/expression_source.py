"""An expression as a C function that computes four items at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sezoo.deployment.c_package.arrays import c_array, c_comment, c_float
from sezoo.deployment.engine.expression import Expression, Tree
from sezoo.deployment.engine.tensor import Tensor, padded

__all__ = ["expression_source"]

FUNCTIONS = {"add": "sezoo_add", "sub": "sezoo_sub", "mul": "sezoo_mul", "max": "sezoo_larger", "min": "sezoo_smaller"}


def expression_source(name: str, operator: Expression) -> str:
    """Return a C function with that name; it takes the addresses of the inputs and the output, and the row count."""
    row, output = padded(operator.output.items), operator.output
    arrays = [
        c_array(f"{name}_numbers_{number}", np.pad(values, (0, row - len(values))))
        for number, values in enumerate(operator.constants)
    ]
    numbers = iter(range(len(arrays)))
    leaves = {tensor: f"x{number}" for number, tensor in enumerate(operator.inputs)}
    lines = [
        f"const sezoo_lanes {leaves[tensor]} = sezoo_from_s{tensor.bits}((const int{tensor.bits}_t *)(const void *)"
        f"in{number} + i, {tensor.zero_point}, {c_float(tensor.scale)});"
        for number, tensor in enumerate(operator.inputs)
    ]

    def value(tree: Tree) -> str:
        if isinstance(tree, tuple):
            kind, *branches = tree
            return f"{FUNCTIONS[kind]}({', '.join(value(branch) for branch in branches)})"
        if isinstance(tree, Tensor):
            return leaves[tree]
        return (
            f"sezoo_number({c_float(tree[0])})" if tree.size == 1 else f"sezoo_load({name}_numbers_{next(numbers)} + i)"
        )

    steps = f"sezoo_scale({value(operator.tree)}, {c_float(operator.inverse)})"
    lines.append(f"sezoo_to_s{output.bits}((int{output.bits}_t *)(void *)out + i, {steps}, &rounding);")
    low, high = operator.low - output.zero_point, operator.high - output.zero_point
    parameters = [f"const int8_t *in{number}" for number in range(len(operator.inputs))]
    body = [
        f"static const sezoo_rounding rounding = {{{output.zero_point}, {low}, {high}}};",
        *_loops(lines, [tensor.row_bytes for tensor in operator.inputs], output.row_bytes, row),
    ]
    head = f"static void {name}({', '.join([*parameters, 'int8_t *out', 'int32_t frames'])})"
    return (
        f"{c_comment(operator.name)}\n{''.join(arrays)}{head}\n{{\n" + "".join(f"    {line}\n" for line in body) + "}\n"
    )


def _loops(lines: list[str], row_bytes: list[int], output_bytes: int, row: int) -> Iterator[str]:
    yield "for (int32_t t = 0; t < frames; ++t) {"
    yield f"    for (int32_t i = 0; i < {row}; i += SEZOO_LANES) {{"
    for line in lines:
        yield f"        {line}"
    yield "    }"
    for number, size in enumerate(row_bytes):
        yield f"    in{number} += {size};"
    yield f"    out += {output_bytes};"
    yield "}"

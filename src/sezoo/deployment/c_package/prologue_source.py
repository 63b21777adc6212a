"""The generated C function of the float front end: from the magnitudes of a frame to the network's integer inputs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from sezoo.deployment.c_package.arrays import c_array, c_comment, c_float
from sezoo.deployment.c_package.program import Program
from sezoo.deployment.engine.integer_graph import FloatStep
from sezoo.deployment.engine.prologue import INPUT_ROWS
from sezoo.deployment.engine.tensor import Tensor

__all__ = ["prologue_source"]

INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
CALLS = {
    "sqrt": "sezoo_sqrt",
    "log": "sezoo_log",
    "exp": "sezoo_exp",
    "abs": "sezoo_abs",
    "neg": "-",
    "round": "sezoo_round",
    "relu": "sezoo_relu",
    "max": "sezoo_max",
    "min": "sezoo_min",
    "pow": "sezoo_pow",
}


def prologue_source(program: Program) -> str:
    """Return the C tables and the function `sezoo_model_enter`."""
    steps = program.graph.prologue
    numbers = {step.output: number for number, step in enumerate(steps)}
    tables, lines = [], []
    for number, step in enumerate(steps):
        if step.kind == "gather" and _blocks(step) is None and not _is_one_item(step):
            tables.append(c_array(f"order_{number}", step.index.astype(np.uint16)))
        if step.constant is not None and step.constant.size > 1:
            tables.append(c_array(f"constant_{number}", step.constant))
        lines += _lines(program, step, number, numbers)
    body = "".join(f"    {line}\n" for line in lines)
    head = "void sezoo_model_enter(int8_t *arena, int8_t *history, const float *magnitude, int32_t frame)\n"
    unused = "    (void)history;\n    (void)frame;\n"
    return "".join(f"{table}\n" for table in tables) + head + "{\n" + unused + body + "}\n"


def _lines(program: Program, step: FloatStep, number: int, numbers: dict[str, int]) -> Iterator[str]:
    def row(name: str) -> str:
        return "magnitude" if name in INPUT_ROWS else f"row_{numbers[name]}"

    made = f"row_{number}"
    yield c_comment(step.output)
    if step.kind == "quantize":
        tensor = step.tensor
        yield f"{_pointer(tensor)}{made} = {_place(program, tensor)};"
        yield (
            f"sezoo_quantize_s{tensor.bits}({row(step.inputs[0])}, {c_float(tensor.scale)}, {tensor.zero_point}, "
            f"{tensor.low}, {tensor.high}, {made}, {step.items});"
        )
        return
    offset = program.memory.offsets[f"row {step.output}"]
    yield f"float *const {made} = (float *)(void *)(arena + {offset});"
    if step.kind == "gather":
        yield from _gather(program, step, number, row)
        return
    if step.kind == "mean":
        (source,) = step.inputs
        size = _size(program, source)
        yield f"{made}[0] = 0.0f;"
        yield from _loop(size, f"{made}[0] += {row(source)}[i];")
        yield f"{made}[0] *= {c_float(np.float32(1) / np.float32(size))};"
        return
    if step.kind == "peak":
        yield from _peak(program, step, made, row(step.inputs[0]))
        return
    if step.kind == "pow" and step.constant is not None and step.constant.size == 1 and not step.first:
        yield f"sezoo_pow_all({row(step.inputs[0])}, {c_float(step.constant[0])}, {made}, {step.items});"
        return
    if step.kind == "dequantize":
        value = f"(float)({row(step.inputs[0])}[i] - {step.tensor.zero_point}) * {c_float(step.tensor.scale)}"
    else:
        operands = [f"{row(name)}[i]" for name in step.inputs]
        if step.constant is not None:
            constant = c_float(step.constant[0]) if step.constant.size == 1 else f"constant_{number}[i]"
            operands.insert(0 if step.first else 1, constant)
        if step.kind in INFIX:
            value = f" {INFIX[step.kind]} ".join(operands)
        else:
            value = f"{CALLS[step.kind]}({', '.join(operands)})"
    yield from _loop(step.items, f"{made}[i] = {value};")


def _peak(program: Program, step: FloatStep, made: str, source: str) -> Iterator[str]:
    """Yield the C statements for the running maximum of each item; the newest frame replaces the oldest."""
    items, others = step.items, step.window - 1
    yield "{"
    if step.output in program.history.floats:
        yield f"    float *const kept = (float *)(void *)(history + {program.history.floats[step.output][0]});"
    else:
        yield f"    float *const kept = (float *)(void *)(arena + {program.memory.offsets[f'window {step.output}']});"
        yield "    if (frame == 0) {"
        yield f"        memset(kept, 0, {others * items} * sizeof(float));"
        yield "    }"
    yield f"    for (int32_t i = 0; i < {items}; ++i) {{"
    yield f"        {made}[i] = {source}[i];"
    yield f"        for (int32_t k = 0; k < {others}; ++k) {{"
    yield f"            {made}[i] = sezoo_max({made}[i], kept[k * {items} + i]);"
    yield "        }"
    yield "    }"
    if others > 1:
        yield f"    memmove(kept, kept + {items}, {(others - 1) * items} * sizeof(float));"
    yield f"    memcpy(kept + {(others - 1) * items}, {source}, {items} * sizeof(float));"
    yield "}"


def _loop(items: int, statement: str) -> Iterator[str]:
    yield f"for (int32_t i = 0; i < {items}; ++i) {{"
    yield f"    {statement}"
    yield "}"


def _pointer(tensor: Tensor) -> str:
    return f"int{tensor.bits}_t *const "


def _place(program: Program, tensor: Tensor) -> str:
    """Return the address of a frame's integers: a row of the network, or the front end's own memory."""
    if tensor in program.graph.inputs:
        first = program.memory.offsets[f"tensor {tensor.name}"] + program.history_rows(tensor) * tensor.row_bytes
        place = f"arena + {first} + frame * {tensor.row_bytes}"
    else:
        place = f"arena + {program.memory.offsets[f'row {tensor.name}']}"
    return place if tensor.bits == 8 else f"(int16_t *)(void *)({place})"


def _gather(program: Program, step: FloatStep, number: int, row) -> Iterator[str]:
    """Yield the C statements that permute items of rows: block copies if the blocks are few, else item by item."""
    blocks = _blocks(step)
    sizes = [_size(program, name) for name in step.inputs]
    starts = np.cumsum([0, *sizes])
    if blocks is not None:
        for to, first, count in blocks:
            which = int(np.searchsorted(starts, first, side="right")) - 1
            # A block may span several rows.
            while count:
                here = min(count, int(starts[which + 1]) - first)
                source = f"{row(step.inputs[which])} + {first - int(starts[which])}"
                yield f"memcpy(row_{number} + {to}, {source}, {here} * sizeof(float));"
                to, first, count, which = to + here, first + here, count - here, which + 1
        return
    if _is_one_item(step):
        which = int(np.searchsorted(starts, step.index[0], side="right")) - 1
        yield from _loop(step.items, f"row_{number}[i] = {row(step.inputs[which])}[{step.index[0] - starts[which]}];")
        return
    value = f"{row(step.inputs[0])}[order_{number}[i]]"
    for name, start in zip(step.inputs[1:], starts[1:-1], strict=True):
        value = f"order_{number}[i] < {start} ? {value} : {row(name)}[order_{number}[i] - {start}]"
    yield from _loop(step.items, f"row_{number}[i] = {value};")


def _is_one_item(step: FloatStep) -> bool:
    """Return whether a row repeats a single item, such as a level that all bins are divided by."""
    return step.items > 1 and bool((step.index == step.index[0]).all())


def _size(program: Program, name: str) -> int:
    return program.graph.values if name in INPUT_ROWS else program.float_rows[name]


def _blocks(step: FloatStep) -> list[tuple[int, int, int]] | None:
    """Return (to, from, count) of each contiguous block of a permutation, or None if there are more than eight."""
    breaks = np.flatnonzero(np.diff(step.index) != 1) + 1
    if len(breaks) > 8:
        return None
    edges = [0, *breaks.tolist(), len(step.index)]
    return [(first, int(step.index[first]), end - first) for first, end in pairwise(edges)]

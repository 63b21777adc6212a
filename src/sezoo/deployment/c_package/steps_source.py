"""The steps of a process() call in `sezoo_model.c`: one kernel call per operator, on buffers in the arena."""

from __future__ import annotations

import numpy as np

from sezoo.deployment.c_package.constants_source import begins_nonzero
from sezoo.deployment.c_package.network_source import initial_states, network_call
from sezoo.deployment.c_package.program import Program
from sezoo.deployment.c_package.rearrangement_source import permute_source
from sezoo.deployment.engine.conv import Conv
from sezoo.deployment.engine.expression import Expression
from sezoo.deployment.engine.external import ExternalNetwork
from sezoo.deployment.engine.group_operators import Normalize, Softmax
from sezoo.deployment.engine.operators import Curve, Elementwise, LookupTable, Loop, Operator, State, Sweep
from sezoo.deployment.engine.product import Product
from sezoo.deployment.engine.tensor import Tensor, padded

__all__ = ["address_of", "run_function"]

GENTLE = 520
"""Bound on the difference of adjacent points of a curve that is computed in 16 bits; see sezoo_run_curve_s16."""


def run_function(program: Program) -> str:
    """Return the C functions that run all operators in order and that initialize the history."""
    graph, place = program.graph, program.place
    lines = ["(void)history;", "(void)frames_before;"]  # the patch engine uses neither
    for tensor in graph.inputs:
        lines += _store_rows(program, tensor)
    for operator in graph.operators:
        if isinstance(operator, Loop):
            lines += _loop(program, operator)
        else:
            lines += _step(program, place[id(operator)], operator)
        lines += _store_rows(program, operator.output)
        lines.append(f"SEZOO_TRACE({place[id(operator)]});")
    kept = [
        f"sezoo_fill(history + {program.history.rows[tensor.name]}, {rows * tensor.row_bytes}, "
        f"{tensor.zero_point}, {tensor.bits // 8});"
        for tensor in graph.tensors
        if (rows := program.history_rows(tensor))
    ]
    for operator in graph.operators:
        if isinstance(operator, ExternalNetwork):
            kept += initial_states(program, operator)
    for loop in graph.loops:
        for number, state in enumerate(loop.states):
            offset = program.history.states[state.before.name]
            kept += _initial_state(state, f"history + {offset}", f"first_{number}_{offset}")
    kept += [f"memset(history + {offset}, 0, {size});" for offset, size in program.history.floats.values()]
    return _function("void sezoo_model_run(int8_t *arena, int8_t *history, uint32_t frames_before)", lines) + (
        "\n" + _function("void sezoo_model_begin(int8_t *history)", ["(void)history;", *kept])
    )


def _initial_state(state: State, place: str, first: str) -> list[str]:
    """Return the C statements that write the initial value of a state to an address."""
    tensor = state.before
    lines = [f"sezoo_fill({place}, {tensor.row_bytes}, {tensor.zero_point}, {tensor.bits // 8});"]
    if begins_nonzero(state):
        lines.append(f"memcpy({place}, {first}, {tensor.items * tensor.bits // 8});")
    return lines


def _loop(program: Program, loop: Loop) -> list[str]:
    """Return the C loop that runs operators frame by frame, from the first frame of the clip on."""
    frames, lag = program.engine.frames_computed, program.lag(loop.output)
    start = f"frames_before < {lag} ? {lag} - (int32_t)frames_before : 0" if lag else "0"
    rows = {tensor.name: program.first_row(loop, operand) for operand, tensor in enumerate(loop.inputs)}
    rows[loop.output.name] = program.history_rows(loop.output)

    def address(tensor: Tensor) -> str:
        if tensor.name in program.history.states:
            return f"history + {program.history.states[tensor.name]}"
        if tensor.name in rows:
            return f"{address_of(program, tensor, rows[tensor.name])} + t * {tensor.row_bytes}"
        return address_of(program, tensor)

    lines = [f"for (int32_t t = {start}; t < {frames}; ++t) {{"]
    for operator in loop.operators:
        index = program.place[id(operator)]
        inputs = [address(tensor) for tensor in operator.inputs]
        lines += [f"    {line}" for line in _run(program, index, operator, inputs, address(operator.output), 1)]
        lines.append(f"    SEZOO_TRACE({index});")
    for state in loop.states:
        size = state.before.row_bytes
        lines.append(f"    memcpy({address(state.before)}, {address(state.after)}, {size});")
    return [*lines, "}"]


def _function(head: str, lines: list[str]) -> str:
    return f"{head}\n{{\n" + "".join(f"    {line}\n" for line in lines) + "}\n"


def address_of(program: Program, tensor: Tensor, row: int = 0) -> str:
    """Return the address of a row as a C expression; row 0 is the first one in the buffer."""
    offset = program.memory.offsets[f"tensor {tensor.name}"] + row * tensor.row_bytes
    return f"arena + {offset}"


def _step(program: Program, index: int, operator: Operator) -> list[str]:
    frames = program.engine.frames_computed
    out = address_of(program, operator.output, program.history_rows(operator.output))
    if isinstance(operator, Conv):
        source = operator.input
        there, first = program.history_rows(source) + frames, program.first_row(operator, 0)
        return _run_conv(program, index, operator, (address_of(program, source), there, first), out, frames)
    inputs = [
        address_of(program, tensor, program.first_row(operator, operand))
        for operand, tensor in enumerate(operator.inputs)
    ]
    return _run(program, index, operator, inputs, out, frames)


def _run_conv(
    program: Program, index: int, conv: Conv, source: tuple[str, int, int], out: str, frames: int
) -> list[str]:
    """Return the C statements of a convolution.

    Parameters
    ----------
    source : address of the input, number of rows in the buffer, and the first row that the convolution reads.
    """
    scratch = f"arena + {program.memory.offsets[f'scratch {index}']}"
    name = f"sezoo_run_{'depthwise' if conv.is_depthwise else 'conv'}(&op_{index:02d}"
    where, there, first = source
    if conv.rows == 1:
        return [f"{name}, {where}, {there}, {first}, {out}, {frames}, {scratch});"]
    where, out = f"{where} + r * {conv.input.row_bytes}", f"{out} + r * {conv.output.row_bytes}"
    return [
        f"for (int32_t r = 0; r < {frames}; ++r) {{",
        f"    {name}, {where}, {conv.rows}, 0, {out}, 1, {scratch});",
        "}",
    ]


def _run(program: Program, index: int, operator: Operator, inputs: list[str], out: str, frames: int) -> list[str]:
    """Return the C statements of an operator on rows at these addresses."""
    name, row = f"op_{index:02d}", padded(operator.output.items)
    wide = "_s16" if operator.output.bits == 16 else ""
    typed = f"(int16_t *)(void *)({out})" if wide else out
    if isinstance(operator, Conv):
        return _run_conv(program, index, operator, (inputs[0], frames, 0), out, frames)
    if isinstance(operator, Elementwise):
        of_16_bits = "_s16" if operator.a.bits == 16 else ""
        first = f"(const int16_t *)(const void *)({inputs[0]})" if of_16_bits else inputs[0]
        return [f"sezoo_run_{operator.kind}{of_16_bits}(&{name}, {first}, {inputs[1]}, {out}, {frames});"]
    if isinstance(operator, Product):
        scratch = f"arena + {program.memory.offsets[f'scratch {index}']}"
        return [f"sezoo_run_product(&{name}, {inputs[0]}, {inputs[1]}, {out}, {frames}, {scratch});"]
    if isinstance(operator, Expression):
        return [f"{name}({', '.join([*inputs, out])}, {frames});"]
    if isinstance(operator, LookupTable):
        return [f"sezoo_run_lookup({name}_table, {inputs[0]}, {out}, {row}, {frames});"]
    if isinstance(operator, Normalize | Softmax):
        return [f"sezoo_run_{operator.kind.lower()}(&{name}, {inputs[0]}, {out}, {frames});"]
    if isinstance(operator, Sweep):
        return _sweep(program, name, operator, inputs, out, frames)
    if isinstance(operator, Curve):
        gentle = int(np.abs(np.diff(operator.table.astype(np.int32))).max() < GENTLE)
        source = f"(const int16_t *)(const void *)({inputs[0]})"
        return [f"sezoo_run_curve{wide or '_s8'}({name}_curve, {gentle}, {source}, {typed}, {row * frames});"]
    if isinstance(operator, ExternalNetwork):
        return network_call(program, operator, inputs, out, frames)
    return permute_source(name, operator, inputs, out, frames)


def _sweep(program: Program, name: str, sweep: Sweep, inputs: list[str], out: str, frames: int) -> list[str]:
    """Return the C loop that runs operators step by step within each frame, on one row each."""

    def copy(to: str, source: str, part: Tensor) -> str:
        return f"memcpy({to}, {source}, {part.items * part.bits // 8});"

    def step_address(row: str, whole: Tensor, part: Tensor) -> str:
        return f"{row} + r * {whole.row_bytes} + step * {part.items * part.bits // 8}"

    steps = [
        copy(address_of(program, part), step_address(row, whole, part), part)
        for row, whole, part in zip(inputs, sweep.inputs, sweep.parts, strict=True)
    ]
    for operator in sweep.operators:
        rows = [address_of(program, tensor) for tensor in operator.inputs]
        steps += _run(program, program.place[id(operator)], operator, rows, address_of(program, operator.output), 1)
    steps.append(copy(step_address(out, sweep.output, sweep.part), address_of(program, sweep.part), sweep.part))
    steps += [
        f"memcpy({address_of(program, state.before)}, {address_of(program, state.after)}, {state.before.row_bytes});"
        for state in sweep.states
    ]
    initial = [
        line
        for number, state in enumerate(sweep.states)
        for line in _initial_state(state, address_of(program, state.before), f"{name}_first_{number}")
    ]
    return [
        f"for (int32_t r = 0; r < {frames}; ++r) {{",
        *(f"    {line}" for line in initial),
        f"    for (int32_t step = 0; step < {sweep.steps}; ++step) {{",
        *(f"        {line}" for line in steps),
        "    }",
        "}",
    ]


def _store_rows(program: Program, tensor: Tensor) -> list[str]:
    """Return the C statements that clear rows of frames before the clip, and prepend and update a tensor's history."""
    if not program.stream:
        return []
    kept, lag, frames = program.history_rows(tensor), program.lag(tensor), program.engine.frames_computed
    lines = []
    if lag:
        lines.append(
            f"sezoo_clear({address_of(program, tensor, kept)}, {lag}, {frames}, {tensor.row_bytes}, "
            f"{tensor.zero_point}, {tensor.bits // 8}, frames_before);"
        )
    if kept:
        offset = program.history.rows[tensor.name]
        lines.append(
            f"sezoo_keep({address_of(program, tensor)}, history + {offset}, {kept * tensor.row_bytes}, "
            f"{frames * tensor.row_bytes});"
        )
    return lines

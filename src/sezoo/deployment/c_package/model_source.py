"""The generated sources: `sezoo_model.c` with the weights and the steps, and the headers with the sizes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from sezoo.audio.stft_window import window_label
from sezoo.deployment.c_package.arrays import (
    c_array,
    c_comment,
    c_float,
    depthwise_weights,
    matrix_weights,
    padded_outputs,
)
from sezoo.deployment.c_package.expression_source import expression_source
from sezoo.deployment.c_package.network_source import network_call
from sezoo.deployment.c_package.program import LANES, Program, depth_of, magnitude_row
from sezoo.deployment.c_package.prologue_source import prologue_source
from sezoo.deployment.engine.integer_graph import (
    Conv,
    Curve,
    Elementwise,
    Expression,
    Lookup,
    Loop,
    Normalize,
    Operator,
    Outside,
    Rearrange,
    Softmax,
    State,
    Sweep,
    Tensor,
    padded,
)
from sezoo.models.spectra import COMPLEX_SPECTRUM

__all__ = ["model_header", "model_source", "packed_weights"]

SHORTEST_RUN, MOST_RUNS = 8, 64
"""Items, on average, and runs of neighbours that are copied one by one; else every item is looked up."""

GENTLE = 520
"""Steps from point to point below which a curve can be computed in 16 bits; see sezoo_run_curve_s16."""


def model_source(program: Program) -> str:
    """The text of `sezoo_model.c`."""
    graph = program.graph
    parts = [_HEAD]
    if any(isinstance(operator, Outside) for operator in graph.operators):
        parts.append('#include "sezoo_network.h"\n')
    parts += _transform_tables(program)
    if graph.mask_table is not None:
        parts.append(c_array("mask_table", graph.mask_table, comment="the mask for integers from the lowest on"))
    if not _is_identity(graph.mask_index):
        parts.append(c_array("mask_index", graph.mask_index.astype(np.uint16), comment="the item of each bin"))
    curves: dict[bytes, str] = {}
    parts += [_definition(program, index, operator, curves) for index, operator in enumerate(program.steps)]
    parts += _first_states(program)
    parts.append(prologue_source(program))
    parts.append(_run_function(program))
    parts.append(_mask_function(program))
    return "\n".join(parts)


_HEAD = """\
/* Generated: the weights of the network and the steps of a call. */
#include "sezoo_model.h"

#include <string.h>

#include "sezoo_expression.h"
#include "sezoo_kernels.h"
#include "sezoo_math.h"
#include "sezoo_stream.h"
"""


def _transform_tables(program: Program) -> Iterator[str]:
    stft = program.stft
    n_fft, half = stft.n_fft, stft.n_fft // 2
    left = (n_fft - stft.win_length) // 2
    window = stft.padded_window[left : left + stft.win_length]
    yield c_array("window", window, comment=f"{window_label(stft.window)} window of {stft.win_length} samples")
    cosine = np.cos(2 * np.pi * np.arange(n_fft) / n_fft).astype(np.float32)
    yield c_array("cosine", cosine, comment="cos(2 pi t / n_fft)")
    bits = half.bit_length() - 1
    reverse = [int(f"{t:0{bits}b}"[::-1], 2) for t in range(half)]
    yield c_array("reverse", np.array(reverse, np.uint16), comment="t with its bits in reverse order")
    yield (
        f"const sezoo_fft sezoo_model_fft = {{{n_fft}, cosine, reverse}};\n"
        "const float *const sezoo_model_window = window;\n"
    )


# -- operators ---------------------------------------------------------------------------------------------------


def _definition(program: Program, index: int, operator: Operator, curves: dict[bytes, str]) -> str:
    """The constants of an operator.

    Parameters
    ----------
    curves : the names of those that are there already, by their points: layers share them.
    """
    name = f"op_{index:02d}"
    if isinstance(operator, Conv):
        return _depthwise(program, name, operator) if operator.is_depthwise else _conv(program, name, operator)
    if isinstance(operator, Elementwise):
        return _elementwise(name, operator)
    if isinstance(operator, Expression):
        return expression_source(name, operator)
    if isinstance(operator, Lookup):
        return c_array(f"{name}_table", operator.table, comment=f"a function of one integer: {operator.name}")
    if isinstance(operator, Curve):
        return _curve(name, operator, curves)
    if isinstance(operator, Normalize | Softmax):
        return _over_groups(name, operator)
    if isinstance(operator, Rearrange) and runs_of(operator) is None:
        behind = sum(tensor.items for tensor in operator.inputs)  # a zero
        index = np.where(operator.index < 0, behind, operator.index)
        return c_array(f"{name}_index", index.astype(np.uint16), comment=f"another order: {operator.name}")
    if isinstance(operator, Sweep):
        return "".join(
            c_array(f"{name}_first_{number}", state.first)
            for number, state in enumerate(operator.states)
            if _begins(state)
        )
    return ""


def _curve(name: str, curve: Curve, curves: dict[bytes, str]) -> str:
    there = curves.setdefault(curve.table.tobytes(), name)
    if there != name:
        return f"#define {name}_curve {there}_curve\n"
    return c_array(f"{name}_curve", curve.table, comment=f"a function by 1025 points: {curve.name}")


def _first_states(program: Program) -> Iterator[str]:
    """What states are before the first frame, where that is not zero."""
    for loop in program.graph.loops:
        for number, state in enumerate(loop.states):
            if _begins(state):
                yield c_array(f"first_{number}_{program.state_offsets[state.before.name]}", state.first)


def _begins(state: State) -> bool:
    """Whether a state is something else than zero at first."""
    return bool((state.first != state.before.zero_point).any())


def _rounding(output: Tensor, low: int, high: int) -> str:
    return f"{{{output.zero_point}, {low - output.zero_point}, {high - output.zero_point}}}"


def _together(program: Program, conv: Conv) -> int:
    """Outputs that are computed at a time."""
    return 4 if program.is_dense(conv) else 2


def packed_weights(program: Program, conv: Conv) -> np.ndarray:
    """The weights of a convolution in the order in which its kernel reads them: int8 of any shape."""
    if conv.is_depthwise:
        return depthwise_weights(conv.weights)
    groups, outputs = conv.weights.shape[:2]
    return matrix_weights(conv.weights.reshape(groups, outputs, -1), _together(program, conv))


def _conv(program: Program, name: str, conv: Conv) -> str:
    groups, outputs = conv.weights.shape[:2]
    is_dense, together = program.is_dense(conv), _together(program, conv)
    bias = padded_outputs(conv.folded_bias.reshape(groups, outputs), together).astype(np.int32)
    multiplier = padded_outputs(conv.multiplier.reshape(groups, outputs), together).astype(np.float32)
    biases = c_array(f"{name}_bias", bias)
    if is_dense and conv.input.bits == 16:  # see sezoo_dense
        sums = conv.weights.sum(axis=(2, 3, 4), dtype=np.int64).reshape(groups, outputs)
        of_bytes = (bias + 128 * padded_outputs(sums, together)).astype(np.int64) & 0xFFFFFFFF
        with_sums = c_array(f"{name}_bias", of_bytes.astype(np.uint32).view(np.int32))
        biases = f"#if SEZOO_MVE\n{with_sums}#else\n{biases}#endif\n"
    fields = [
        f".matrix = {{{name}_weights, {name}_bias, {name}_multiplier, {depth_of(conv)}, {outputs}}}",
        *_shared_fields(conv),
        f".dense = {int(is_dense)}",
        f".groups = {groups}, .channels_in = {conv.weights.shape[4]}",
    ]
    return (
        f"{c_comment(conv.name)} /* {conv.macs:,} MAC a frame */\n"
        + c_array(f"{name}_weights", packed_weights(program, conv))
        + biases
        + c_array(f"{name}_multiplier", multiplier)
        + _struct("sezoo_conv", name, fields)
    )


def _depthwise(program: Program, name: str, conv: Conv) -> str:
    fields = [
        f".weights = {name}_weights, .bias = {name}_bias, .multiplier = {name}_multiplier",
        *_shared_fields(conv),
        f".channels = {conv.channels_in}",
    ]
    behind = (0, padded(conv.channels_in) - conv.channels_in)
    return (
        f"{c_comment(conv.name)} /* depthwise, {conv.macs:,} MAC a frame */\n"
        + c_array(f"{name}_weights", packed_weights(program, conv))
        + c_array(f"{name}_bias", np.pad(conv.folded_bias, behind).astype(np.int32))
        + c_array(f"{name}_multiplier", np.pad(conv.multiplier, behind).astype(np.float32))
        + _struct("sezoo_depthwise", name, fields)
    )


def _shared_fields(conv: Conv) -> list[str]:
    return [
        f".rounding = {_rounding(conv.output, conv.low, conv.high)}",
        f".input_row = {conv.positions_in * conv.channels_in if conv.rows > 1 else padded(conv.input.items)}",
        f".output_row = {padded(conv.output.items)}",
        f".input_bytes = {conv.input.bits // 8}, .output_bytes = {conv.output.bits // 8}",
        f".positions_in = {conv.positions_in}, .positions_out = {conv.positions}",
        f".taps = {conv.taps}, .dilation_time = {conv.dilation_time}",
        f".kernel = {conv.weights.shape[3]}, .stride = {conv.stride}, .dilation = {conv.dilation}, .pad = {conv.pad}",
        f".input_zero_point = {conv.input.zero_point}",
    ]


def _elementwise(name: str, operator: Elementwise) -> str:
    a, b = operator.a, operator.b
    if b.bits == 16:  # the kernels have the wider one first
        raise ValueError(f"{operator.name}: the second operand has 16 bits")
    fields = [
        f".rounding = {_rounding(operator.output, operator.low, operator.high)}",
        f".zero_point_a = {a.zero_point}, .zero_point_b = {b.zero_point}",
        f".scale_a = {c_float(operator.scales[0])}, .scale_b = {c_float(operator.scales[1])}",
        f".inverse = {c_float(operator.inverse)}",
        f".row = {padded(operator.output.items)}",
    ]
    return f"{c_comment(operator.name)}\n" + _struct("sezoo_elementwise", name, fields)


def _over_groups(name: str, operator: Normalize | Softmax) -> str:
    fields = [
        f".rounding = {_rounding(operator.output, operator.low, operator.high)}",
        f".inverse = {c_float(operator.inverse)}, .groups = {operator.groups}, .size = {operator.size}",
        f".input_row = {padded(operator.input.items)}, .output_row = {padded(operator.output.items)}",
        f".output_bytes = {operator.output.bits // 8}",
    ]
    comment = f"{c_comment(operator.name)}\n"
    if isinstance(operator, Softmax):
        fields.append(f".table = {name}_table")
        return comment + c_array(f"{name}_table", operator.table) + _struct("sezoo_softmax", name, fields)
    fields += [
        f".factor = {name}_factor, .offset = {name}_offset, .epsilon = {c_float(operator.epsilon)}",
        f".input_bytes = {operator.input.bits // 8}",
    ]
    arrays = c_array(f"{name}_factor", operator.factor) + c_array(f"{name}_offset", operator.offset)
    return comment + arrays + _struct("sezoo_normalize", name, fields)


def _struct(kind: str, name: str, fields: list[str]) -> str:
    return f"static const {kind} {name} = {{\n" + "".join(f"    {field},\n" for field in fields) + "};\n"


# -- the steps ---------------------------------------------------------------------------------------------------


def _run_function(program: Program) -> str:
    """All operators in order, on buffers in the arena."""
    graph, place = program.graph, program.place
    lines = ["(void)history;", "(void)frames_before;"]  # a patch has neither
    for tensor in graph.entries:
        lines += _arrived(program, tensor)
    for operator in graph.operators:
        if isinstance(operator, Loop):
            lines += _loop(program, operator)
        else:
            lines += _step(program, place[id(operator)], operator)
        lines += _arrived(program, operator.output)
        lines.append(f"SEZOO_TRACE({place[id(operator)]});")
    kept = [
        f"sezoo_fill(history + {program.history_offsets[tensor.name]}, {program.kept(tensor) * tensor.row_bytes}, "
        f"{tensor.zero_point}, {tensor.bits // 8});"
        for tensor in graph.tensors
        if program.kept(tensor)
    ]
    for loop in graph.loops:
        for number, state in enumerate(loop.states):
            offset = program.state_offsets[state.before.name]
            kept += _begun(state, f"history + {offset}", f"first_{number}_{offset}")
    kept += [f"memset(history + {offset}, 0, {size});" for offset, size in program.kept_floats.values()]
    return _function("void sezoo_model_run(int8_t *arena, int8_t *history, uint32_t frames_before)", lines) + (
        "\n" + _function("void sezoo_model_begin(int8_t *history)", ["(void)history;", *kept])
    )


def _begun(state: State, place: str, first: str) -> list[str]:
    """A state as it begins, at an address."""
    tensor = state.before
    lines = [f"sezoo_fill({place}, {tensor.row_bytes}, {tensor.zero_point}, {tensor.bits // 8});"]
    if _begins(state):
        lines.append(f"memcpy({place}, {first}, {tensor.items * tensor.bits // 8});")
    return lines


def _loop(program: Program, loop: Loop) -> list[str]:
    """Operators that are run frame by frame; frames before the first one of all are left out."""
    frames, lag = program.engine.computed, program.lag(loop.output)
    start = f"frames_before < {lag} ? {lag} - (int32_t)frames_before : 0" if lag else "0"
    rows = {tensor.name: program.first_row(loop, operand) for operand, tensor in enumerate(loop.inputs)}
    rows[loop.output.name] = program.kept(loop.output)

    def address(tensor: Tensor) -> str:
        if tensor.name in program.state_offsets:
            return f"history + {program.state_offsets[tensor.name]}"
        if tensor.name in rows:
            return f"{_address(program, tensor, rows[tensor.name])} + t * {tensor.row_bytes}"
        return _address(program, tensor)

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


def _address(program: Program, tensor: Tensor, row: int = 0) -> str:
    """The address of a row, counted from the first one in the buffer."""
    offset = program.memory.offsets[f"tensor {tensor.name}"] + row * tensor.row_bytes
    return f"arena + {offset}"


def _step(program: Program, index: int, operator: Operator) -> list[str]:
    frames = program.engine.computed
    out = _address(program, operator.output, program.kept(operator.output))
    if isinstance(operator, Conv):
        source = operator.input
        there, first = program.kept(source) + frames, program.first_row(operator, 0)
        return _run_conv(program, index, operator, (_address(program, source), there, first), out, frames)
    inputs = [
        _address(program, tensor, program.first_row(operator, operand))
        for operand, tensor in enumerate(operator.inputs)
    ]
    return _run(program, index, operator, inputs, out, frames)


def _run_conv(
    program: Program, index: int, conv: Conv, source: tuple[str, int, int], out: str, frames: int
) -> list[str]:
    """A convolution.

    Parameters
    ----------
    source : the address of its input, the rows that are there, and the one that it begins to read at.
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
    """An operator on rows at these addresses."""
    name, row = f"op_{index:02d}", padded(operator.output.items)
    wide = "_s16" if operator.output.bits == 16 else ""
    typed = f"(int16_t *)(void *)({out})" if wide else out
    if isinstance(operator, Conv):
        return _run_conv(program, index, operator, (inputs[0], frames, 0), out, frames)
    if isinstance(operator, Elementwise):
        of_16_bits = "_s16" if operator.a.bits == 16 else ""
        first = f"(const int16_t *)(const void *)({inputs[0]})" if of_16_bits else inputs[0]
        return [f"sezoo_run_{operator.kind}{of_16_bits}(&{name}, {first}, {inputs[1]}, {out}, {frames});"]
    if isinstance(operator, Expression):
        return [f"{name}({', '.join([*inputs, out])}, {frames});"]
    if isinstance(operator, Lookup):
        return [f"sezoo_run_lookup({name}_table, {inputs[0]}, {out}, {row}, {frames});"]
    if isinstance(operator, Normalize | Softmax):
        return [f"sezoo_run_{operator.kind.lower()}(&{name}, {inputs[0]}, {out}, {frames});"]
    if isinstance(operator, Sweep):
        return _sweep(program, name, operator, inputs, out, frames)
    if isinstance(operator, Curve):
        gentle = int(np.abs(np.diff(operator.table.astype(np.int32))).max() < GENTLE)
        source = f"(const int16_t *)(const void *)({inputs[0]})"
        return [f"sezoo_run_curve{wide or '_s8'}({name}_curve, {gentle}, {source}, {typed}, {row * frames});"]
    if isinstance(operator, Outside):
        return network_call(program.graph, operator, inputs, out, frames)
    return _rearrange(name, operator, inputs, out, frames)


def _sweep(program: Program, name: str, sweep: Sweep, inputs: list[str], out: str, frames: int) -> list[str]:
    """Operators that are run step by step in each frame, on one row each."""

    def moved(to: str, source: str, part: Tensor) -> str:
        return f"memcpy({to}, {source}, {part.items * part.bits // 8});"

    def stepped(row: str, whole: Tensor, part: Tensor) -> str:
        return f"{row} + r * {whole.row_bytes} + step * {part.items * part.bits // 8}"

    steps = [
        moved(_address(program, part), stepped(row, whole, part), part)
        for row, whole, part in zip(inputs, sweep.inputs, sweep.parts, strict=True)
    ]
    for operator in sweep.operators:
        rows = [_address(program, tensor) for tensor in operator.inputs]
        steps += _run(program, program.place[id(operator)], operator, rows, _address(program, operator.output), 1)
    steps.append(moved(stepped(out, sweep.output, sweep.part), _address(program, sweep.part), sweep.part))
    steps += [
        f"memcpy({_address(program, state.before)}, {_address(program, state.after)}, {state.before.row_bytes});"
        for state in sweep.states
    ]
    begun = [
        line
        for number, state in enumerate(sweep.states)
        for line in _begun(state, _address(program, state.before), f"{name}_first_{number}")
    ]
    return [
        f"for (int32_t r = 0; r < {frames}; ++r) {{",
        *(f"    {line}" for line in begun),
        f"    for (int32_t step = 0; step < {sweep.steps}; ++step) {{",
        *(f"        {line}" for line in steps),
        "    }",
        "}",
    ]


def _rearrange(name: str, operator: Rearrange, inputs: list[str], out: str, frames: int) -> list[str]:
    bytes_, row = operator.output.bits // 8, padded(operator.output.items)
    if (runs := runs_of(operator)) is not None:
        steps = (f" + r * {row * bytes_}", " + r * {}") if frames > 1 else ("", "")
        copies = [
            f"memcpy({out} + {to * bytes_}{steps[0]}, {inputs[operand]} + {first * bytes_}"
            f"{steps[1].format(operator.inputs[operand].row_bytes)}, {count * bytes_});"
            for operand, first, to, count in runs
        ]
        return copies if frames == 1 else [f"for (int32_t r = 0; r < {frames}; ++r) {{", *_indented(copies), "}"]
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


def _arrived(program: Program, tensor: Tensor) -> list[str]:
    """A stream's new rows: those of frames before the clip are made zero, and what is kept goes before them."""
    if not program.stream:
        return []
    kept, lag, frames = program.kept(tensor), program.lag(tensor), program.engine.computed
    lines = []
    if lag:
        lines.append(
            f"sezoo_clear({_address(program, tensor, kept)}, {lag}, {frames}, {tensor.row_bytes}, "
            f"{tensor.zero_point}, {tensor.bits // 8}, frames_before);"
        )
    if kept:
        offset = program.history_offsets[tensor.name]
        lines.append(
            f"sezoo_keep({_address(program, tensor)}, history + {offset}, {kept * tensor.row_bytes}, "
            f"{frames * tensor.row_bytes});"
        )
    return lines


def _mask_function(program: Program) -> str:
    graph = program.graph
    row = padded(graph.result.items)
    first = program.kept(graph.result) + program.engine.first_mask
    item = "k" if _is_identity(graph.mask_index) else "mask_index[k]"
    result, place = graph.result, _address(program, graph.result, first)
    lines, value = [], f"mask_table[row[{item}] + 128]"
    place = f"(const int16_t *)(const void *)({place})" if result.bits == 16 else place
    if graph.mask_table is None:
        value = f"(float)(row[{item}] - {result.zero_point}) * {c_float(result.scale)}"
    elif result.bits == 16:
        lines = [f"const int32_t x = row[{item}] + 32768;", "const float *const point = mask_table + x / 64;"]
        value = f"point[0] + (point[1] - point[0]) * ((float)(x % 64) * {c_float(1 / 64)})"
    steps = "".join(f"        {line}\n" for line in (*lines, f"mask[k] = {value};"))
    return (
        "void sezoo_model_mask(const int8_t *arena, int32_t frame, float *mask)\n{\n"
        f"    const int{result.bits}_t *row = {place} + frame * {row};\n"
        f"    for (int32_t k = 0; k < {graph.values}; ++k) {{\n{steps}    }}\n}}\n"
    )


def _indented(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def runs_of(operator: Rearrange) -> list[tuple[int, int, int, int]] | None:
    """Neighbours that stay so: operand, first item, where to, and how many; None where they are too many or too few."""
    index, ends = operator.index, np.cumsum([tensor.items for tensor in operator.inputs])
    operands = np.searchsorted(ends, index, side="right")
    edges = [0, *(np.flatnonzero((np.diff(index) != 1) | (np.diff(operands) != 0)) + 1).tolist(), len(index)]
    alone = len(edges) == 2
    if (index < 0).any() or not (alone or (len(index) >= SHORTEST_RUN * (len(edges) - 1) and len(edges) <= MOST_RUNS)):
        return None
    starts = ends - [tensor.items for tensor in operator.inputs]
    return [(int(operands[to]), int(index[to] - starts[operands[to]]), to, end - to) for to, end in pairwise(edges)]


def _is_identity(index: np.ndarray) -> bool:
    return np.array_equal(index, np.arange(len(index)))


# -- sizes -------------------------------------------------------------------------------------------------------


def model_header(program: Program) -> str:
    """The text of `sezoo_model.h`, which only the sources of the package include."""
    engine, stft, memory = program.engine, program.stft, program.memory
    constants = {
        "BINS": stft.bins,
        "VALUES": program.graph.values,
        "IS_COMPLEX": int(program.graph.is_complex),
        "GIVES_SPECTRUM": int(program.graph.kind == COMPLEX_SPECTRUM),
        "N_FFT": stft.n_fft,
        "WINDOW": "SEZOO_WINDOW_LENGTH",
        "COMPUTED": engine.computed,
        "FIRST_COMPUTED": engine.first_computed,
        "FIRST_KEPT": engine.first_kept,
        "LATE": engine.late(stft),
        "MAGNITUDE_ROW": magnitude_row(program.graph.values),
        "ANALYSIS": memory.offsets["analysis"],
        "MAGNITUDES": memory.offsets["magnitudes"],
        "SYNTHESIS": memory.offsets["analysis" if program.spectrum_stays else "synthesis"],
        "MASK": memory.offsets["mask"],
        "SPECTRUM_STAYS": int(program.spectrum_stays),
    }
    words = {
        "VALUES": "floats of a frame that go in, and as many that come out",
        "IS_COMPLEX": "both are all real parts, then all imaginary ones; else magnitudes and a mask",
        "GIVES_SPECTRUM": "what comes out is the denoised spectrum itself",
        "COMPUTED": "frames that the network computes in a call",
        "FIRST_COMPUTED": "of the frames that the samples make",
        "FIRST_KEPT": "the first of them that comes out",
        "LATE": "samples that the ring of the output is behind",
        "MAGNITUDE_ROW": "floats from one frame's magnitudes to the next",
        "ANALYSIS": "places in the arena, in bytes",
        "SPECTRUM_STAYS": "the frame that the network computes comes out in the same call",
    }
    defines = "".join(
        f"#define SEZOO_{name} {value}{f' /* {words[name]} */' if name in words else ''}\n"
        for name, value in constants.items()
    )
    return _MODEL_HEADER.replace("@DEFINES@", defines).replace("@LANES@", str(LANES))


_MODEL_HEADER = """\
/* Generated: the sizes of this network and of its buffers. */
#ifndef SEZOO_MODEL_H
#define SEZOO_MODEL_H

#include "sezoo_denoiser.h"
#include "sezoo_fft.h"

@DEFINES@
extern const sezoo_fft sezoo_model_fft;
extern const float *const sezoo_model_window;

/* SEZOO_VALUES of a frame become the integers that the network begins with; `frame` counts from 0 in each call. */
void sezoo_model_enter(int8_t *arena, int8_t *history, const float *magnitude, int32_t frame);
/* The network itself. `frames_before` have gone through it in earlier calls. */
void sezoo_model_run(int8_t *arena, int8_t *history, uint32_t frames_before);
/* The mask of a frame that comes out, counted from 0 in each call: SEZOO_VALUES. */
void sezoo_model_mask(const int8_t *arena, int32_t frame, float *mask);
/* What is kept from call to call, as it is before the first one. */
void sezoo_model_begin(int8_t *history);

/* Where constants lie: what belongs to one layer, and what layers or frames share. */
#ifdef SEZOO_WEIGHTS_SECTION
#define SEZOO_WEIGHTS __attribute__((section(SEZOO_WEIGHTS_SECTION)))
#else
#define SEZOO_WEIGHTS
#endif
#ifdef SEZOO_TABLES_SECTION
#define SEZOO_TABLES __attribute__((section(SEZOO_TABLES_SECTION)))
#else
#define SEZOO_TABLES
#endif

/* With SEZOO_MEASURE, your sezoo_trace is called after each operator with its number, with -1 before the network, and
   with -2 at the end of a call. */
#ifdef SEZOO_MEASURE
void sezoo_trace(int32_t step);
#define SEZOO_TRACE(step) sezoo_trace(step)
#else
#define SEZOO_TRACE(step) ((void)0)
#endif

#endif
"""

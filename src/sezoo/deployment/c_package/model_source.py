"""The generated sources: `sezoo_model.c` with the weights and the steps, and the headers with the sizes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sezoo.audio.stft_window import window_label
from sezoo.deployment.c_package.arrays import (
    c_array,
    c_comment,
    c_float,
    depthwise_weights,
    matrix_weights,
    padded_pairs,
)
from sezoo.deployment.c_package.program import LANES, Program, depth_of, magnitude_row
from sezoo.deployment.c_package.prologue_source import prologue_source
from sezoo.deployment.engine.integer_graph import Conv, Elementwise, Lookup, Operator, Tensor, padded

__all__ = ["model_header", "model_source"]


def model_source(program: Program) -> str:
    """The text of `sezoo_model.c`."""
    graph = program.graph
    parts = [_HEAD]
    parts += _transform_tables(program)
    parts.append(c_array("mask_table", graph.mask_table, comment="the mask for integers from -128 to 127"))
    if not _is_identity(graph.mask_index):
        parts.append(c_array("mask_index", graph.mask_index.astype(np.uint16), comment="the item of each bin"))
    parts += [_definition(index, operator) for index, operator in enumerate(graph.operators)]
    parts.append(prologue_source(program))
    parts.append(_run_function(program))
    parts.append(_mask_function(program))
    return "\n".join(parts)


_HEAD = """\
/* Generated: the weights of the network and the steps of a call. */
#include "sezoo_model.h"

#include <string.h>

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


def _definition(index: int, operator: Operator) -> str:
    """The constants of an operator."""
    name = f"op_{index:02d}"
    if isinstance(operator, Conv):
        return _depthwise(name, operator) if operator.is_depthwise else _conv(name, operator)
    if isinstance(operator, Elementwise):
        return _elementwise(name, operator)
    if isinstance(operator, Lookup):
        return c_array(f"{name}_table", operator.table, comment=f"a function of one integer: {operator.name}")
    return c_array(f"{name}_index", operator.index.astype(np.uint16), comment=f"another order: {operator.name}")


def _rounding(output: Tensor, low: int, high: int) -> str:
    return f"{{{output.zero_point}, {low - output.zero_point}, {high - output.zero_point}}}"


def _conv(name: str, conv: Conv) -> str:
    groups, outputs = conv.weights.shape[:2]
    weights = matrix_weights(conv.weights.reshape(groups, outputs, -1))
    bias = padded_pairs(conv.folded_bias.reshape(groups, outputs)).astype(np.int32)
    multiplier = padded_pairs(conv.multiplier.reshape(groups, outputs)).astype(np.float32)
    fields = [
        f".matrix = {{{name}_weights, {name}_bias, {name}_multiplier, {depth_of(conv)}, {outputs}}}",
        *_shared_fields(conv),
        f".input_bytes = {conv.input.bits // 8}, .groups = {groups}, .channels_in = {conv.weights.shape[4]}",
    ]
    return (
        f"{c_comment(conv.name)} /* {conv.macs:,} MAC a frame */\n"
        + c_array(f"{name}_weights", weights)
        + c_array(f"{name}_bias", bias)
        + c_array(f"{name}_multiplier", multiplier)
        + _struct("sezoo_conv", name, fields)
    )


def _depthwise(name: str, conv: Conv) -> str:
    fields = [
        f".weights = {name}_weights, .bias = {name}_bias, .multiplier = {name}_multiplier",
        *_shared_fields(conv),
        f".channels = {conv.channels_in}",
    ]
    behind = (0, padded(conv.channels_in) - conv.channels_in)
    return (
        f"{c_comment(conv.name)} /* depthwise, {conv.macs:,} MAC a frame */\n"
        + c_array(f"{name}_weights", depthwise_weights(conv.weights))
        + c_array(f"{name}_bias", np.pad(conv.folded_bias, behind).astype(np.int32))
        + c_array(f"{name}_multiplier", np.pad(conv.multiplier, behind).astype(np.float32))
        + _struct("sezoo_depthwise", name, fields)
    )


def _shared_fields(conv: Conv) -> list[str]:
    return [
        f".rounding = {_rounding(conv.output, conv.low, conv.high)}",
        f".input_row = {padded(conv.input.items)}, .output_row = {padded(conv.output.items)}",
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


def _struct(kind: str, name: str, fields: list[str]) -> str:
    return f"static const {kind} {name} = {{\n" + "".join(f"    {field},\n" for field in fields) + "};\n"


# -- the steps ---------------------------------------------------------------------------------------------------


def _run_function(program: Program) -> str:
    """All operators in order, on buffers in the arena."""
    graph = program.graph
    lines = ["(void)history;", "(void)frames_before;"]  # a patch has neither
    for tensor in graph.entries:
        lines += _arrived(program, tensor)
    for index, operator in enumerate(graph.operators):
        lines += _step(program, index, operator)
        lines += _arrived(program, operator.output)
        lines.append(f"SEZOO_TRACE({index});")
    kept = [
        f"sezoo_fill(history + {program.history_offsets[tensor.name]}, {program.kept(tensor) * tensor.row_bytes}, "
        f"{tensor.zero_point}, {tensor.bits // 8});"
        for tensor in graph.tensors
        if program.kept(tensor)
    ]
    kept += [f"memset(history + {offset}, 0, {size});" for offset, size in program.kept_floats.values()]
    return _function("void sezoo_model_run(int8_t *arena, int8_t *history, uint32_t frames_before)", lines) + (
        "\n" + _function("void sezoo_model_begin(int8_t *history)", ["(void)history;", *kept])
    )


def _function(head: str, lines: list[str]) -> str:
    return f"{head}\n{{\n" + "".join(f"    {line}\n" for line in lines) + "}\n"


def _address(program: Program, tensor: Tensor, row: int = 0) -> str:
    """The address of a row, counted from the first one in the buffer."""
    offset = program.memory.offsets[f"tensor {tensor.name}"] + row * tensor.row_bytes
    return f"arena + {offset}"


def _step(program: Program, index: int, operator: Operator) -> list[str]:
    frames, name = program.engine.computed, f"op_{index:02d}"
    out = _address(program, operator.output, program.kept(operator.output))
    if isinstance(operator, Conv):
        source, first = operator.input, program.first_row(operator, 0)
        there = program.kept(source) + frames
        scratch = f"arena + {program.memory.offsets[f'scratch {index}']}"
        kind = "depthwise" if operator.is_depthwise else "conv"
        return [
            f"sezoo_run_{kind}(&{name}, {_address(program, source)}, {there}, {first}, {out}, {frames}, {scratch});"
        ]
    inputs = [
        _address(program, tensor, program.first_row(operator, operand))
        for operand, tensor in enumerate(operator.inputs)
    ]
    if isinstance(operator, Elementwise):
        wide = "_s16" if operator.a.bits == 16 else ""
        first = f"(const int16_t *)(const void *)({inputs[0]})" if wide else inputs[0]
        return [f"sezoo_run_{operator.kind}{wide}(&{name}, {first}, {inputs[1]}, {out}, {frames});"]
    if isinstance(operator, Lookup):
        row = padded(operator.output.items)
        return [f"sezoo_run_lookup({name}_table, {inputs[0]}, {out}, {row}, {frames});"]
    items = ", ".join(str(tensor.items) for tensor in operator.inputs)
    rows = ", ".join(str(padded(tensor.items)) for tensor in operator.inputs)
    return [
        "{",
        f"    const int8_t *const inputs[] = {{{', '.join(inputs)}}};",
        f"    static const int32_t items[] = {{{items}}}, rows[] = {{{rows}}};",
        f"    sezoo_run_rearrange({name}_index, {len(operator.index)}, inputs, items, rows, {len(inputs)}, {out}, "
        f"{padded(operator.output.items)}, {frames});",
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
            f"{tensor.zero_point}, frames_before);"
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
    return (
        "void sezoo_model_mask(const int8_t *arena, int32_t frame, float *mask)\n{\n"
        f"    const int8_t *row = {_address(program, graph.result, first)} + frame * {row};\n"
        f"    for (int32_t k = 0; k < {graph.bins}; ++k) {{\n"
        f"        mask[k] = mask_table[row[{item}] + 128];\n    }}\n}}\n"
    )


def _is_identity(index: np.ndarray) -> bool:
    return np.array_equal(index, np.arange(len(index)))


# -- sizes -------------------------------------------------------------------------------------------------------


def model_header(program: Program) -> str:
    """The text of `sezoo_model.h`, which only the sources of the package include."""
    engine, stft, memory = program.engine, program.stft, program.memory
    constants = {
        "BINS": stft.bins,
        "N_FFT": stft.n_fft,
        "WINDOW": "SEZOO_WINDOW_LENGTH",
        "COMPUTED": engine.computed,
        "FIRST_COMPUTED": engine.first_computed,
        "FIRST_KEPT": engine.first_kept,
        "LATE": engine.late(stft),
        "MAGNITUDE_ROW": magnitude_row(program.graph.bins),
        "ANALYSIS": memory.offsets["analysis"],
        "MAGNITUDES": memory.offsets["magnitudes"],
        "SYNTHESIS": memory.offsets["synthesis"],
        "MASK": memory.offsets["mask"],
    }
    words = {
        "COMPUTED": "frames that the network computes in a call",
        "FIRST_COMPUTED": "of the frames that the samples make",
        "FIRST_KEPT": "the first of them that comes out",
        "LATE": "samples that the ring of the output is behind",
        "MAGNITUDE_ROW": "floats from one frame's magnitudes to the next",
        "ANALYSIS": "places in the arena, in bytes",
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

/* The magnitudes of a frame become the integers that the network begins with; `frame` counts from 0 in each call. */
void sezoo_model_enter(int8_t *arena, int8_t *history, const float *magnitude, int32_t frame);
/* The network itself. `frames_before` have gone through it in earlier calls. */
void sezoo_model_run(int8_t *arena, int8_t *history, uint32_t frames_before);
/* The mask of a frame that comes out, counted from 0 in each call: SEZOO_BINS values. */
void sezoo_model_mask(const int8_t *arena, int32_t frame, float *mask);
/* What is kept from call to call, as it is before the first one. */
void sezoo_model_begin(int8_t *history);

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

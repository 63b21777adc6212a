"""The generated `sezoo_model.c`: tables of the transform, the constants of each operator, the steps, and the mask."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sezoo.audio.stft_window import window_label
from sezoo.deployment.c_package.arrays import c_array, c_float
from sezoo.deployment.c_package.constants_source import definition, initial_states
from sezoo.deployment.c_package.program import Program
from sezoo.deployment.c_package.prologue_source import prologue_source
from sezoo.deployment.c_package.steps_source import address_of, run_function
from sezoo.deployment.engine.external import ExternalNetwork
from sezoo.deployment.engine.tensor import padded

__all__ = ["model_source"]


def model_source(program: Program) -> str:
    """Return the text of `sezoo_model.c`."""
    graph = program.graph
    parts = [_HEAD]
    if any(isinstance(operator, ExternalNetwork) for operator in graph.operators):
        parts.append('#include "sezoo_network.h"\n')
    parts += _transform_tables(program)
    if graph.mask_table is not None:
        parts.append(c_array("mask_table", graph.mask_table, comment="the mask for integers from the lowest on"))
    if not _is_identity(graph.mask_index):
        parts.append(c_array("mask_index", graph.mask_index.astype(np.uint16), comment="the item of each bin"))
    curves: dict[bytes, str] = {}
    parts += [definition(program, index, operator, curves) for index, operator in enumerate(program.steps)]
    parts += initial_states(program)
    parts.append(prologue_source(program))
    parts.append(run_function(program))
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
#include "sezoo_weights.h"
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


def _mask_function(program: Program) -> str:
    graph = program.graph
    row = padded(graph.output.items)
    first = program.history_rows(graph.output) + program.engine.first_mask
    item = "k" if _is_identity(graph.mask_index) else "mask_index[k]"
    result, place = graph.output, address_of(program, graph.output, first)
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


def _is_identity(index: np.ndarray) -> bool:
    return np.array_equal(index, np.arange(len(index)))

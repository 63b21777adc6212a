"""C code for a package whose network is a function supplied by the user: its declaration and its call."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sezoo.deployment.c_package.program import Program
from sezoo.deployment.engine.external import ExternalNetwork
from sezoo.deployment.engine.tensor import Tensor

__all__ = ["initial_states", "network_call", "network_header"]


def network_header(network: ExternalNetwork, frames: int) -> str:
    """Return the text of `sezoo_network.h`.

    Parameters
    ----------
    frames : number of frames per process() call.
    """
    states = [state.bytes for state in network.states]
    inputs, outputs = [frames * tensor.items for tensor in network.inputs], [frames * network.output.items]
    return _HEADER.format(
        inputs=len(inputs) + len(states),
        input_sizes=_comma_separated(inputs + states),
        outputs=len(outputs) + len(states),
        output_sizes=_comma_separated(outputs + states),
        states=_STATES.format(
            count=len(states),
            total=sum(states),
            rows=_comma_separated([state.rows for state in network.states]),
            lags=_comma_separated([state.lag for state in network.states]),
            zeros=_comma_separated([state.tensor.zero_point for state in network.states]),
        )
        if states
        else "",
        contract=_CONTRACT if states else "",
    )


def _comma_separated(values: Sequence[int]) -> str:
    return ", ".join(str(value) for value in values)


_HEADER = """\
/* The network of this package, which is not in it: write this function, and let it call TFLite Micro or an NPU. */
#ifndef SEZOO_NETWORK_H
#define SEZOO_NETWORK_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

#define SEZOO_NETWORK_INPUTS {inputs}
#define SEZOO_NETWORK_INPUT_BYTES {{{input_sizes}}} /* of each input */
#define SEZOO_NETWORK_OUTPUTS {outputs}
#define SEZOO_NETWORK_OUTPUT_BYTES {{{output_sizes}}} /* of each output */
{states}
/* One call: `in` has the inputs of the .tflite file in their order, `out` takes its outputs in theirs, int8 as they lie
   in TFLite Micro's tensors.{contract} Give 0 if all went well. After anything else the masks of this call are the
   highest that the network can give: sound goes through. */
int32_t sezoo_network(const int8_t *const in[], int8_t *const out[]);

#ifdef __cplusplus
}}
#endif

#endif
"""

_STATES = """
/* States: the last of the inputs and of the outputs, with rows of earlier frames. sezoo_denoiser keeps them. */
#define SEZOO_NETWORK_STATES {count}
#define SEZOO_NETWORK_STATE_BYTES {total} /* of all together */
#define SEZOO_NETWORK_STATE_ROWS {{{rows}}}
#define SEZOO_NETWORK_STATE_LAGS {{{lags}}} /* frames from the newest one to the newest of the rows */
#define SEZOO_NETWORK_STATE_ZEROS {{{zeros}}} /* what rows of frames before the first one are */
"""

_CONTRACT = """ A state that goes in and the one that comes out have the same
   address: read all of `in` before you write to `out`."""


def initial_states(program: Program, network: ExternalNetwork) -> list[str]:
    """Return the C statements that initialize the states of a stream before the first call."""
    return [
        f"sezoo_fill(history + {program.history.external[state.tensor.name]}, {state.bytes}, "
        f"{state.tensor.zero_point}, 1);"
        for state in network.states
    ]


def network_call(program: Program, network: ExternalNetwork, inputs: list[str], out: str, frames: int) -> list[str]:
    """Return the C statements that call the network: its tensors are packed, rows in the arena padded to 16 bytes.

    State rows that belong to frames before the first one are set to zero points.

    Parameters
    ----------
    inputs, out : C expressions for the addresses of the rows.
    """
    result, mask_table = network.output, program.graph.mask_table
    if result.bits != 8 or any(tensor.bits != 8 for tensor in network.inputs) or mask_table is None:
        raise ValueError(f"{network.name}: 8 bits and a table of the mask are needed")
    loudest = int(np.argmax(mask_table)) - 128
    states = [f"history + {program.history.external[state.tensor.name]}" for state in network.states]
    lines = [
        f"for (int32_t r = 1; r < {frames}; ++r) {{ memmove({_row(place, tensor.items)}, "
        f"{_row(place, tensor.row_bytes)}, {tensor.items}); }}"
        for tensor, place in zip(network.inputs, inputs, strict=True)
        if _has_gaps(tensor) and frames > 1
    ]
    lines += [
        f"const int8_t *const inputs[] = {{{', '.join((*inputs, *states))}}};",
        f"int8_t *const outputs[] = {{{', '.join((out, *states))}}};",
        f"if (sezoo_network(inputs, outputs) != 0) {{ memset({out}, {loudest}, {frames * result.items}); }}",
    ]
    lines += [
        f"sezoo_clear({place}, {state.warmup_calls}, {state.rows}, {state.tensor.items}, {state.tensor.zero_point}, 1, "
        "frames_before);"
        for place, state in zip(states, network.states, strict=True)
        if state.warmup_calls
    ]
    if _has_gaps(result) and frames > 1:
        lines.append(
            f"for (int32_t r = {frames - 1}; r > 0; --r) {{ memmove({_row(out, result.row_bytes)}, "
            f"{_row(out, result.items)}, {result.items}); }}"
        )
    return ["{", *(f"    {line}" for line in lines), "}"]


def _has_gaps(tensor: Tensor) -> bool:
    return tensor.row_bytes != tensor.items


def _row(place: str, size: int) -> str:
    return f"{place} + r * {size}"

"""The C of a package whose network is a function of the user's: its declaration, and the call of it."""

from __future__ import annotations

import numpy as np

from sezoo.deployment.engine.integer_graph import IntegerGraph
from sezoo.deployment.engine.operators import Outside
from sezoo.deployment.engine.tensor import Tensor

__all__ = ["network_call", "network_header"]


def network_header(network: Outside, frames: int) -> str:
    """The text of `sezoo_network.h`.

    Parameters
    ----------
    frames : of a call.
    """
    sizes = [frames * tensor.items for tensor in network.inputs]
    return _HEADER.format(
        inputs=len(sizes), sizes=", ".join(str(size) for size in sizes), output=frames * network.output.items
    )


_HEADER = """\
/* The network of this package, which is not in it: write this function, and let it call TFLite Micro or an NPU. */
#ifndef SEZOO_NETWORK_H
#define SEZOO_NETWORK_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

#define SEZOO_NETWORK_INPUTS {inputs}
#define SEZOO_NETWORK_INPUT_BYTES {{{sizes}}} /* of each input */
#define SEZOO_NETWORK_OUTPUT_BYTES {output}

/* One call: `in` has the inputs of the .tflite file in their order, `out` takes its output, int8 as they lie in TFLite
   Micro's tensors. Give 0 if all went well. After anything else the masks of this call are the highest that the network
   can give: sound goes through. */
int32_t sezoo_network(const int8_t *const in[], int8_t *out);

#ifdef __cplusplus
}}
#endif

#endif
"""


def network_call(graph: IntegerGraph, network: Outside, inputs: list[str], out: str, frames: int) -> list[str]:
    """The lines that call it: rows have no gaps in its tensors, and 16 bytes each or a multiple of that in the arena.

    Parameters
    ----------
    inputs, out : addresses of rows.
    """
    result = network.output
    if result.bits != 8 or any(tensor.bits != 8 for tensor in network.inputs) or graph.mask_table is None:
        raise ValueError(f"{network.name}: 8 bits and a table of the mask are needed")
    loudest = int(np.argmax(graph.mask_table)) - 128
    lines = [
        f"for (int32_t r = 1; r < {frames}; ++r) {{ memmove({_row(place, tensor.items)}, "
        f"{_row(place, tensor.row_bytes)}, {tensor.items}); }}"
        for tensor, place in zip(network.inputs, inputs, strict=True)
        if _has_gaps(tensor)
    ]
    lines += [
        f"const int8_t *const inputs[] = {{{', '.join(inputs)}}};",
        f"if (sezoo_network(inputs, {out}) != 0) {{ memset({out}, {loudest}, {frames * result.items}); }}",
    ]
    if _has_gaps(result):
        lines.append(
            f"for (int32_t r = {frames - 1}; r > 0; --r) {{ memmove({_row(out, result.row_bytes)}, "
            f"{_row(out, result.items)}, {result.items}); }}"
        )
    return ["{", *(f"    {line}" for line in lines), "}"]


def _has_gaps(tensor: Tensor) -> bool:
    return tensor.row_bytes != tensor.items


def _row(place: str, size: int) -> str:
    return f"{place} + r * {size}"

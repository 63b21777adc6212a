"""The C package around a .tflite file: everything except the network, which is a function supplied by the user.

Spectra, front end, mask and overlap-add come from `sezoo.deployment.c_package`. On a computer, a stub network returns
the integers of the test vectors, so that a build can be verified without TensorFlow Lite.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np

from sezoo.base.files import write_text
from sezoo.deployment.c_package.network_source import network_header
from sezoo.deployment.c_package.package import PackageSettings, write_sources
from sezoo.deployment.c_package.program import Program
from sezoo.deployment.c_package.vectors import vector_masks, write_vectors
from sezoo.deployment.engine.external import ExternalNetwork, ExternalState
from sezoo.deployment.engine.tflite_arithmetic import TFLITE
from sezoo.deployment.tflite.lowering import LoweredGraph
from sezoo.deployment.tflite.memory import arena_bytes
from sezoo.deployment.tflite.readme import resolver_calls
from sezoo.deployment.tflite.vectors import Vectors

__all__ = ["program_around", "write_package_around"]

NETWORK_SOURCES = ("conv", "dense", "elementwise", "groups", "matmul")
"""Kernel sources that the package does not need."""


def program_around(program: Program, low: LoweredGraph) -> Program:
    """Return the program with its network replaced by an external one.

    Parameters
    ----------
    low : the network of the .tflite file.
    """
    graph = program.graph
    states = tuple(ExternalState(state.tensor, state.rows, state.lag) for state in low.states)
    network = ExternalNetwork("the network", graph.inputs, graph.output, program.lag(graph.output), states)
    return Program(replace(graph, operators=(network,), sites=()), program.engine, program.stft)


def write_package_around(
    program: Program,
    low: LoweredGraph,
    settings: PackageSettings,
    calls: Sequence[np.ndarray],
    vectors: Vectors,
    folder: Path,
) -> None:
    """Write the package into a new folder.

    Parameters
    ----------
    program : program that includes the network.
    low : the network of the .tflite file.
    calls : magnitudes, (bins, frames that a call computes) float32 each.
    vectors : the network's integers in these calls.
    """
    around = program_around(program, low)
    folder.mkdir()
    write_sources(around, settings, folder)
    for name in NETWORK_SOURCES:
        (folder / "src" / f"sezoo_{name}.c").unlink()
    network = around.steps[0]
    assert isinstance(network, ExternalNetwork)
    write_text(folder / "include" / "sezoo_network.h", network_header(network, around.engine.frames_computed))
    own = files("sezoo.deployment.tflite")
    stand_in = folder / "examples" / "host" / "network_of_vectors.c"
    write_text(stand_in, (own / stand_in.name).read_text(encoding="utf-8"))
    values = {
        "ARENA": str(arena_bytes(low.file)),
        "COUNT": str(len(resolver_calls(low))),
        "ADDS": "\n".join(f"    {call}" for call in resolver_calls(low)),
    }
    text = (own / "network_tflm.cc").read_text(encoding="utf-8")
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    write_text(folder / "examples" / "network_tflm.cc", text)
    write_text(folder / "README.md", _README)
    there = folder / "test_vectors"
    there.mkdir()
    vectors.write(there)
    write_vectors(calls, vector_masks(program, calls, TFLITE), there)


_README = """\
# A speech denoiser in C, around a TensorFlow Lite network

This package processes samples, spectra, mask and overlap-add; you supply the network as a function, declared in
`include/sezoo_network.h`:

```c
int32_t sezoo_network(const int8_t *const in[], int8_t *const out[]);
```

`in` has the inputs of `denoiser.tflite`, `out` receives its outputs. Both include the states of a stream, which
`sezoo_denoiser` stores. `examples/network_tflm.cc` implements this function with TFLite Micro and the resolver that the
network needs; compile it and `denoiser_tflite.c` with your TFLM. For an Ethos-U, use the same code with `AddEthosU()`
in the resolver and the array of `denoiser_vela.tflite`.

```c
#include "sezoo_denoiser.h"

static sezoo_denoiser denoiser;
static SEZOO_ARENA(arena);

void begin(void) { sezoo_init(&denoiser, arena); }

void samples_arrived(const int16_t in[SEZOO_SAMPLES_PER_CALL], int16_t out[SEZOO_SAMPLES_PER_CALL])
{
    sezoo_process(&denoiser, in, out);
}
```

Compile all of `src/` with `-O3`, and add `include` and `src` to the include paths.

## Test it

```
cmake -B build
cmake --build build
ctest --test-dir build
```

`check_vectors` compares the masks bit by bit with the reference in `test_vectors/`. On a computer,
`examples/host/network_of_vectors.c` replaces the network: it checks its input integers, and returns those that TFLite
Micro computes. On your board, build `examples/check_vectors.c` with your own `sezoo_network`.

The sources are under the Apache License 2.0, `LICENSE`; the weights are under the license of the model.
"""

"""The README of a C package, with the sizes and figures of its model."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sezoo.base.foreign_text import escape
from sezoo.base.version import __version__
from sezoo.deployment.c_package.report import DeploymentReport

__all__ = ["readme"]


def readme(report: DeploymentReport) -> str:
    """Return the text of `README.md`."""
    program = report.program
    graph, engine, stft = program.graph, program.engine, program.stft
    how = (
        "Every frame is computed once: what the convolutions need of earlier frames is kept from call to call."
        if engine.is_stream
        else f"A call computes a patch of {engine.frames_computed} frames, {engine.lookahead} on either side of "
        "the new ones."
    )
    rate = report.settings.sample_rate
    rows = [
        ("samples in and out", f"16-bit or float32, {rate} Hz, {engine.new * stft.hop_length} a call"),
        ("latency", f"{report.latency_ms:.0f} ms ({engine.latency(stft)} samples), including the block of one call"),
        ("working memory (arena)", f"{program.arena_bytes:,} bytes, free between calls"),
        ("state", f"{program.state_bytes:,} bytes"),
        ("weights and biases", f"{graph.parameters:,}"),
        ("multiplications", f"{graph.macs_per_frame * engine.frames_computed:,} a call"),
        *_measured(report),
        ("model's SHA-256", f"`{report.settings.model_hash}` (`SEZOO_MODEL_HASH`)"),
        ("written by", f"sezoo {__version__}"),
    ]
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    settings = report.settings
    gain = "scaled to the peak of a loud call" if settings.input_gain else "as they are"
    gate = (
        "no gate"
        if settings.silence_threshold is None
        else f"a call whose output is below {settings.silence_threshold:g} dBFS is silent"
    )
    limit = (
        "all that the network calls noise is taken away"
        if settings.attenuation_limit is None
        else f"nothing is attenuated by more than {settings.attenuation_limit:g} dB"
    )
    return _README.format(
        model=escape(report.model, "markdown"),
        how=how,
        table=table,
        gain=gain,
        seen="real and imaginary parts" if report.program.graph.is_complex else "magnitudes",
        gate=gate,
        limit=limit,
        exact=_exact(report),
        layers=_layers(report),
    )


def _measured(report: DeploymentReport) -> Iterator[tuple[str, str]]:
    if (run := report.emulated) is None:
        return
    figures, calls = run.figures, run.figures.calls
    yield "built with", run.compiler
    yield f"flash on {run.core.name}", f"{run.size.flash:,} bytes, the example program among them"
    yield "stack", f"{figures.stack:,} bytes"
    yield (
        f"instructions on {run.core.name} ({run.core.kernels})",
        f"{figures.instructions / calls / 1e6:.2f} million a call, {figures.spectra / calls / 1e6:.2f} of them for the "
        "spectra",
    )


def _exact(report: DeploymentReport) -> str:
    agreed = report.agreement
    lines = [
        f"Each operator, fed the integers of onnxruntime, differs from it in {100 * agreed.share:.2g} % of its "
        f"integers, by {agreed.largest} at most."
    ]
    if report.emulated is not None and report.pesq:
        wave = report.wave_snr
        same = "equal, sample by sample" if wave is not None and np.isinf(wave) else f"{wave:.0f} dB apart"
        clip = f"{escape(report.recording.name, 'markdown')} {report.recording.origin}"
        lines.append(
            f"{clip}, denoised on an emulated {report.emulated.core.name}: PESQ {report.pesq['core']:.3f}, and "
            f"{report.pesq['reference']:.3f} by the reference in Python; the waves are {same}."
        )
    return "\n".join(lines)


def _layers(report: DeploymentReport) -> str:
    """Return instructions for adding the package to a project, for each supported build system."""
    names = ("stm32cubeide", *report.settings.layers)
    return f"## In your project\n\n{''.join(f'{_LAYERS[name]}{chr(10)}' for name in names)}\n"


_LAYERS = {
    "stm32cubeide": """\
- **STM32CubeIDE, or any project with a list of files**: copy `include` and `src`; add both to the include paths, and
  `src` to the source folders; set -O3 for `src`. With CMake: `add_subdirectory`, and link `sezoo`.""",
    "arduino": """\
- **Arduino**: put this folder into `libraries` of your sketchbook, under the name `sezoo_denoiser`. The example
  `TimePerCall` says whether your board keeps up. Arduino compiles with -Os: the samples are the same, but later.
  Before you publish it, put the address of your page into `url` of `library.properties`.""",
    "platformio": """\
- **PlatformIO**: put this folder into `lib` of your project, under the name `sezoo_denoiser`.""",
    "zephyr": """\
- **Zephyr**: `-DEXTRA_ZEPHYR_MODULES=` this folder (or an entry of your `west.yml`), and `CONFIG_SEZOO_DENOISER=y`.""",
    "cmsis-pack": """\
- **CMSIS-Pack** (Keil MDK, CMSIS-Toolbox, STM32CubeIDE): import the `.pack` beside this folder, `cpackget add FILE`,
  and select the component `Audio: Denoiser`.""",
    "esp-idf": """\
- **ESP-IDF**: put this folder into `components` of your project, under the name `sezoo_denoiser`.""",
}
"""Instructions by build system."""

_README = """\
# A denoiser for speech in C

Made of the int8 model {model}. C99, without a heap, and without a library but for `memcpy`, `memmove` and `memset`
(and `sqrtf`, link with `-lm`, where the core has no floating-point unit of Arm's).
{how}

| | |
|---|---|
{table}

The instructions are an emulator's. It does not know how long they take: memory that has to be waited for, and
instructions that take several cycles, come on top. Measure on your board.

{exact}

## Use

`include/sezoo_denoiser.h` is all that your program includes:

```c
#include "sezoo_denoiser.h"

static sezoo_denoiser denoiser;
static SEZOO_ARENA(arena);

void begin(void) {{ sezoo_init(&denoiser, arena); }}

void samples_arrived(const int16_t in[SEZOO_SAMPLES_PER_CALL], int16_t out[SEZOO_SAMPLES_PER_CALL])
{{
    sezoo_process(&denoiser, in, out);
}}
```

Compile all of `src/` with `-O3` for your core. The sources switch `-ffast-math`, `-Ofast` and fused multiplications off
for themselves, or stop with an error under a compiler that cannot: the result is the same with any options. Which
kernels are used follows from them: Helium with `-mcpu=cortex-m55`, the DSP extension with `-mcpu=cortex-m4`, `m7` or
`m33`, plain C elsewhere, 32-bit and 64-bit Arm Linux and computers among them (or with `-DSEZOO_PLAIN_C`). Put `arena`
into the fastest memory that it fits into.

The {seen} that the network sees are {gain}; {gate}; {limit}.

`sezoo_process_float` takes and gives float32, full scale being 1. For products, the header has an attenuation limit in
dB, a bypass with the same latency, both without clicks, a reset, a figure of speech activity for each call, and macros
that put weights, tables and the arena into sections of your linker script. What your program does not call is not
linked.

{layers}## Try it

On a computer, with CMake:

```
cmake -B build
cmake --build build
ctest --test-dir build
build/denoise_wav noisy.wav denoised.wav
```

`check_vectors` compares the masks of this build with those of the reference in `test_vectors/`, bit by bit; the
vectors are longer than what the network looks ahead and keeps of earlier calls. Run it on
your board too: `examples/cortex_m` has start-up code, linker scripts and files over semihosting for the boards that
QEMU emulates, and stands for yours.

| file | |
|---|---|
| `src/sezoo_denoiser.c` | a call: samples, spectra, masks, samples |
| `src/sezoo_spectra.c`, `sezoo_fft.c` | windows and Fourier transforms, of four frames at a time or of one |
| `src/sezoo_conv.c`, `_matmul.c`, `_dense.c`, `_elementwise.c`, `_stream.c` | the integer operators |
| `src/sezoo_model.c` | the weights, and the steps of this network |

The sources are under the Apache License 2.0, `LICENSE`; the weights are as free as the model that they are of.
"""

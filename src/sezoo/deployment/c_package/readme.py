"""The README of a C package, with the sizes and figures of its model."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sezoo.base.foreign_text import escape
from sezoo.base.text import latency_text
from sezoo.base.version import __version__
from sezoo.deployment.c_package.report import DeploymentReport

__all__ = ["readme"]


def readme(report: DeploymentReport) -> str:
    """Return the text of `README.md`."""
    program = report.program
    graph, engine, stft = program.graph, program.engine, program.stft
    how = (
        "Every frame is computed once; the history that convolutions need is kept from call to call."
        if engine.is_stream
        else f"Each call computes a patch of {engine.frames_computed} frames: the new ones, and {engine.lookahead} of "
        "context on either side."
    )
    rate = report.settings.sample_rate
    rows = [
        ("samples in and out", f"16-bit or float32, {rate} Hz, {engine.new * stft.hop_length} per call"),
        ("latency", f"{latency_text(report.latency_ms)} ({engine.latency(stft)} samples), with the block of one call"),
        ("working memory (arena)", f"{program.arena_bytes:,} bytes, free between calls"),
        ("state", f"{program.state_bytes:,} bytes per channel, the `sizeof(sezoo_denoiser)` of a 32-bit core"),
        ("weights and biases", f"{graph.parameters:,}"),
        ("multiplications", f"{graph.macs_per_frame * engine.frames_computed:,} per call"),
        *_measurement_rows(report),
        ("model's SHA-256", f"`{report.settings.model_hash}` (`SEZOO_MODEL_HASH`)"),
        ("written by", f"sezoo {__version__}"),
    ]
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    settings = report.settings
    gain = "scaled to the peak of a loud call" if settings.input_gain else "not scaled"
    gate = (
        "there is no silence gate"
        if settings.silence_threshold is None
        else f"the output of a call is muted below {settings.silence_threshold:g} dBFS"
    )
    limit = (
        "the attenuation is not limited"
        if settings.attenuation_limit is None
        else f"the attenuation is at most {settings.attenuation_limit:g} dB"
    )
    return _README.format(
        model=escape(report.model, "markdown"),
        how=how,
        table=table,
        gain=gain,
        seen="real and imaginary parts" if report.program.graph.is_complex else "magnitudes",
        gate=gate,
        limit=limit,
        counted="" if report.emulated is None else _COUNTED,
        exact=_exact(report),
        layers=_layers(report),
    )


def _measurement_rows(report: DeploymentReport) -> Iterator[tuple[str, str]]:
    if (run := report.emulated) is None:
        return
    figures, calls = run.figures, run.figures.calls
    yield "built with", run.compiler
    yield f"flash on {run.core.name}", f"{run.size.flash:,} bytes, including the example program"
    yield "stack", f"{figures.stack:,} bytes"
    yield (
        f"instructions on {run.core.name} ({run.core.kernels})",
        f"{figures.instructions / calls / 1e6:.2f} million per call, of which {figures.spectra / calls / 1e6:.2f} "
        "million for the STFT",
    )


def _exact(report: DeploymentReport) -> str:
    agreed = report.agreement
    lines = [
        f"Fed the integers of onnxruntime, the operators differ from it in {100 * agreed.share:.2g} % of their "
        f"integers, by at most {agreed.largest}."
        if agreed.share
        else "Compared with onnxruntime, all operators give the same integers."
    ]
    if report.emulated is not None and report.pesq:
        waveform = report.wave_snr
        same = (
            "equal sample by sample"
            if waveform is not None and np.isinf(waveform)
            else f"equal to {waveform:.0f} dB SNR"
        )
        clip = f"{escape(report.recording.name, 'markdown')} {report.recording.origin}"
        lines.append(
            f"{clip}, denoised on an emulated {report.emulated.core.name}: PESQ {report.pesq['core']:.3f}, and "
            f"{report.pesq['reference']:.3f} for the reference in Python; the waveforms are {same}."
        )
    return "\n".join(lines)


def _layers(report: DeploymentReport) -> str:
    """Return instructions for adding the package to a project, for each supported build system."""
    names = ("stm32cubeide", *report.settings.layers)
    return f"## In your project\n\n{''.join(f'{_LAYERS[name]}{chr(10)}' for name in names)}\n"


_LAYERS = {
    "stm32cubeide": """\
- **STM32CubeIDE, or any project with a list of files**: copy `include` and `src`, add both to the include paths and
  `src` to the source folders, and compile `src` with -O3. With CMake: `add_subdirectory`, and link `sezoo`.""",
    "arduino": """\
- **Arduino**: put this folder into `libraries` of your sketchbook, under the name `sezoo_denoiser`. The example
  `TimePerCall` shows whether your board runs in real time. Arduino compiles with -Os: the result is the same, but
  slower. Before you publish the library, set `url` in `library.properties` to the address of your page.""",
    "platformio": """\
- **PlatformIO**: put this folder into `lib` of your project, under the name `sezoo_denoiser`.""",
    "zephyr": """\
- **Zephyr**: `-DEXTRA_ZEPHYR_MODULES=` this folder (or an entry of your `west.yml`), and `CONFIG_SEZOO_DENOISER=y`.""",
    "cmsis-pack": """\
- **CMSIS-Pack** (Keil MDK, CMSIS-Toolbox, STM32CubeIDE): import the `.pack` file beside this folder (`cpackget add
  FILE`), and select the component `Audio: Denoiser`.""",
    "esp-idf": """\
- **ESP-IDF**: put this folder into `components` of your project, under the name `sezoo_denoiser`.""",
}
"""Instructions by build system."""

_COUNTED = """\
The instructions are counted by an emulator, which does not model time: wait states of memory and instructions of
several cycles come on top. Measure on your board.

"""

_README = """\
# A speech denoiser in C

Generated from the int8 model {model}. C99, no heap, and no library functions except `memcpy`, `memmove` and `memset`
(and `sqrtf`, link with `-lm`, on cores without Arm's floating-point unit).
{how}

| | |
|---|---|
{table}

{counted}{exact}

## Use

Your program includes only `include/sezoo_denoiser.h`:

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

Compile all of `src/` with `-O3` for your core. The sources disable `-ffast-math`, `-Ofast` and fused multiplications,
or stop with an error if the compiler cannot: the result does not depend on the options. They select the kernels:
Helium with `-mcpu=cortex-m55`, the DSP extension with `-mcpu=cortex-m4`, `m7` or `m33`, and plain C elsewhere,
including 32-bit and 64-bit Arm Linux and PCs (or with `-DSEZOO_PLAIN_C`). Helium's transforms are written with fused
multiplications: a sample in some thousands may differ by 1 from that of the other kernels. Put `arena` into the fastest
memory that holds it.

The {seen} at the network's input are {gain}; {gate}; {limit}.

The header describes what products need besides; functions that your program does not call are not linked.

| | |
|---|---|
| `sezoo_process_float` | float32 samples, full scale being 1; the input is rounded to 16 bits |
| `sezoo_set_attenuation_limit` | limits the noise reduction in dB, without a click |
| `sezoo_set_bypass` | passes the input through with the same latency, without a click |
| `sezoo_speech_activity` | share of the speech band that the last call let through, 0 to 1 |
| `sezoo_reset` | starts again with silence |
| several channels | a `sezoo_denoiser` each; they may share the arena if their calls do not interrupt each other |
| `-DSEZOO_ARENA_SECTION='".dtcm"'` | section of your linker script; also `_WEIGHTS_` and `_TABLES_` for `_ARENA_` |

{layers}## Test it

On a computer, with CMake:

```
cmake -B build
cmake --build build
ctest --test-dir build
build/denoise_wav noisy.wav denoised.wav
```

`check_vectors` compares the masks of this build bit by bit with the reference in `test_vectors/`; the vectors are
longer than the network's look-ahead and history. Run it on your board, too: `examples/cortex_m` has start-up code,
linker scripts and file access over semihosting for the boards that QEMU emulates, as a template for yours.

| file | |
|---|---|
| `src/sezoo_denoiser.c` | the processing of a call: samples, spectra, masks, samples |
| `src/sezoo_spectra.c`, `sezoo_fft.c` | windows and Fourier transforms, of four frames or one frame at a time |
| `src/sezoo_conv.c`, `_matmul.c`, `_dense.c`, `_elementwise.c`, `_stream.c` | the integer operators |
| `src/sezoo_model.c` | the weights and the operators of this network |

The sources are under the Apache License 2.0, `LICENSE`; the weights are under the license of the model.
"""

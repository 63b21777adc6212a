"""The README of a .tflite file, with the TFLite Micro operators that the network needs."""

from __future__ import annotations

from collections import Counter

from sezoo.base.foreign_text import escape
from sezoo.deployment.c_package.program import Program
from sezoo.deployment.tflite.lowering import LoweredGraph

__all__ = ["readme", "resolver_calls"]

RESOLVER = {
    "ADD": "AddAdd",
    "CAST": "AddCast",
    "CONCATENATION": "AddConcatenation",
    "CONV_2D": "AddConv2D",
    "DEPTHWISE_CONV_2D": "AddDepthwiseConv2D",
    "GATHER": "AddGather",
    "MAXIMUM": "AddMaximum",
    "MINIMUM": "AddMinimum",
    "MUL": "AddMul",
    "PAD": "AddPad",
    "QUANTIZE": "AddQuantize",
    "RESHAPE": "AddReshape",
    "STRIDED_SLICE": "AddStridedSlice",
    "SUB": "AddSub",
}
"""Methods of TFLite Micro's MicroMutableOpResolver, by operator."""


def readme(program: Program, low: LoweredGraph, size: int, model: str) -> str:
    """Return the text of `README.md`.

    Parameters
    ----------
    size : size of the file in bytes.
    """
    engine = program.engine
    kinds = Counter(operator.kind.name for operator in low.file.operators)
    adds = "\n".join(f"    {call}" for call in resolver_calls(low))
    states = _STATES if low.states else ""
    call = (
        f"{engine.new} new frame, every frame is computed once"
        if engine.is_stream
        else f"a patch of {engine.frames_computed} frames: {engine.new} new ones, "
        f"{engine.lookahead} of context on each side"
    )
    return _README.format(
        model=escape(model, "markdown"),
        size=f"{size:,}",
        call=call,
        table="\n".join(f"| {kind} | {count} |" for kind, count in sorted(kinds.items())),
        count=len(kinds),
        adds=adds,
        states=states,
        package=_PACKAGE,
    )


def resolver_calls(low: LoweredGraph) -> list[str]:
    """Return the C++ statements that register the file's operators in TFLite Micro."""
    return [f"resolver.{RESOLVER[kind]}();" for kind in sorted({each.kind.name for each in low.file.operators})]


_STATES = """
## States

Every input behind those of the network is handed on from call to call: zero points (`states[].zero_point` of
`denoiser.json`) before the first call, the output `states[].output` of the call before afterwards. Row `r` of `n` rows
is of frame `call - lag - (n - 1 - r)`: as long as that is negative, it is set to the zero point before the next call.
The first `lookahead` outputs are of frames before the sound, and have no meaning. `c_package/` does all this.
"""

_PACKAGE = "| `c_package/` | steps 1, 2, 4 and 5 below in C; step 3 is a function of yours |\n"

_README = """\
# The network as a TensorFlow Lite model

Made by sezoo from `{model}`. A call computes {call}.

| file | what |
|---|---|
| `denoiser.tflite` | the network in int8, {size} bytes: LiteRT, TFLite Micro, Ethos-U |
| `denoiser_tflite.c`, `.h` | the same as an array, aligned to 16 bytes |
| `denoiser.json` | what a program does around it: spectrum, prologue, scales, mask table, frames, latency |
| `test_vectors/` | `input_*.i8` and `output.i8`: calls one behind the other, and what comes out of TFLite Micro |
{package}
## A call

1. Magnitudes of the frames, by the transform that `spectrum` describes.
2. `prologue`: steps in float, frame by frame. The last of them round to the integers of the inputs:
   `clamp(round(x / scale) + zero_point)`, ties to even.
3. `Invoke()`. Inputs and output are (1, frames, positions, channels), int8.
4. The mask of frame `t` and bin `k` is `mask.table[q + 128]`, with `q` item `mask.item_of_bin[k]` of frame `t` of the
   output: exact, without a sigmoid on the chip. Of a patch's frames `new` are kept, from `first_kept` on.
5. Spectrum times mask, inverse transform, overlap-add.
{states}
## TFLite Micro

| operator | number |
|---|---|
{table}

    tflite::MicroMutableOpResolver<{count}> resolver;
{adds}

`output.i8` has the integers of TFLite Micro's reference kernels, which round twice. CMSIS-NN's are the same unless it
was built with `CMSIS_NN_USE_SINGLE_ROUNDING` (not tried); LiteRT's default kernels (XNNPACK) round once, and
compute the integers of onnxruntime, nearly always.

## Ethos-U

    vela denoiser.tflite --accelerator-config ethos-u55-128 --output-dir .
"""

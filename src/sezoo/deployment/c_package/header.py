"""The generated public header, `sezoo_denoiser.h`."""

from __future__ import annotations

import math

from sezoo.denoising.board import FULL_SCALE_DB, LOUD_PEAK
from sezoo.deployment.c_package.program import Program

__all__ = ["denoiser_header"]


def denoiser_header(program: Program, sample_rate: int, *, input_gain: bool, silence_threshold: float | None) -> str:
    """The text of `sezoo_denoiser.h`.

    Parameters
    ----------
    silence_threshold : in dBFS, below which a call's output is silent; None where there is no gate.
    """
    engine, stft = program.engine, program.stft
    samples = engine.new * stft.hop_length
    power = 0 if silence_threshold is None else samples * 10 ** ((silence_threshold + FULL_SCALE_DB) / 10)
    values = {
        "RATE": sample_rate,
        "HOP": stft.hop_length,
        "NEW": engine.new,
        "DELAY": engine.delay(stft),
        "MILLISECONDS": f"{1000 * engine.latency(stft) / sample_rate:.1f}",
        "ARENA": program.arena_bytes,
        "HELD": stft.win_length + (engine.held - 1) * stft.hop_length,
        "WINDOW": stft.win_length,
        "HISTORY": max(16, program.history_bytes),  # C has no arrays of nothing
        "STARTED": max(1, engine.lookahead),  # compilers warn of unsigned numbers less than 0
        "GAIN": int(input_gain),
        "PEAK": LOUD_PEAK,
        "GATE": int(silence_threshold is not None),
        "POWER": math.ceil(power),
        "ENGINE": "every frame is computed once" if engine.is_stream else "every call computes a whole patch",
    }
    text = _HEADER
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    return text


_HEADER = """\
/* A denoiser for speech: 16-bit samples in, as many out, later by SEZOO_DELAY. Generated; @ENGINE@.

       static sezoo_denoiser denoiser;
       static int8_t arena[SEZOO_ARENA_BYTES] __attribute__((aligned(16)));

       sezoo_init(&denoiser, arena);
       for (;;) {
           ... SEZOO_SAMPLES_PER_CALL samples from the microphone ...
           sezoo_process(&denoiser, in, out);
       }

   Nothing is allocated, and nothing but memcpy, memmove and memset is needed of a library; of one for mathematics
   sqrtf, where the core has no floating-point unit of Arm's. */
#ifndef SEZOO_DENOISER_H
#define SEZOO_DENOISER_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SEZOO_SAMPLE_RATE @RATE@
#define SEZOO_HOP @HOP@ /* samples from frame to frame */
#define SEZOO_FRAMES_PER_CALL @NEW@
#define SEZOO_SAMPLES_PER_CALL (SEZOO_FRAMES_PER_CALL * SEZOO_HOP)

/* Samples by which the output lags behind the input: sample n comes out as sample n + SEZOO_DELAY. */
#define SEZOO_DELAY @DELAY@

/* Samples from the arrival of one to its output, @MILLISECONDS@ ms: it also waits for the other samples of its call. */
#define SEZOO_LATENCY (SEZOO_DELAY + SEZOO_SAMPLES_PER_CALL)

/* Working memory. Between calls its contents are of no importance, and it may be used for something else. */
#define SEZOO_ARENA_BYTES @ARENA@

/* The network sees a loud call's magnitudes as if its peak were full scale. */
#define SEZOO_INPUT_GAIN @GAIN@
#define SEZOO_LOUD_PEAK @PEAK@

/* A call whose output has less power than this, summed over its samples, is silent. */
#define SEZOO_GATE @GATE@
#define SEZOO_GATE_POWER UINT64_C(@POWER@)

#define SEZOO_SAMPLES_HELD @HELD@
#define SEZOO_WINDOW_LENGTH @WINDOW@
#define SEZOO_HISTORY_BYTES @HISTORY@
#define SEZOO_ALL_STARTED @STARTED@ /* frames after which nothing is left of the time before the first one */

/* What lives from call to call. */
typedef struct {
    int8_t *arena;
    uint32_t frames;
    int16_t samples[SEZOO_SAMPLES_HELD];
    float wave[SEZOO_WINDOW_LENGTH], weight[SEZOO_WINDOW_LENGTH];
    int32_t history[SEZOO_HISTORY_BYTES / 4]; /* rows of integers */
} sezoo_denoiser;

/* Begin with silence. `arena` has SEZOO_ARENA_BYTES, and is aligned to 16 bytes. */
void sezoo_init(sezoo_denoiser *denoiser, void *arena);

/* SEZOO_SAMPLES_PER_CALL samples in, as many out; `in` and `out` may be the same. */
void sezoo_process(sezoo_denoiser *denoiser, const int16_t *in, int16_t *out);

#ifdef __cplusplus
}
#endif

#endif
"""

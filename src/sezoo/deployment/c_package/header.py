"""The generated public header, `sezoo_denoiser.h`."""

from __future__ import annotations

import math

from sezoo.audio.board_input import LOUD_PEAK
from sezoo.base.version import __version__
from sezoo.denoising.board import FULL_SCALE_DB
from sezoo.denoising.masking import dry_share
from sezoo.deployment.c_package.arrays import c_float
from sezoo.deployment.c_package.program import Program
from sezoo.deployment.c_package.settings import PackageSettings

__all__ = ["denoiser_header"]


def denoiser_header(program: Program, settings: PackageSettings) -> str:
    """Return the text of `sezoo_denoiser.h`."""
    sample_rate, attenuation_limit = settings.sample_rate, settings.attenuation_limit
    silence_threshold = settings.silence_threshold
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
        "HELD": program.samples_held,
        "WINDOW": stft.win_length,
        "HISTORY": program.history_bytes,
        "STARTED": max(1, engine.lookahead),  # compilers warn of unsigned numbers less than 0
        "GAIN": int(settings.input_gain),
        "PEAK": LOUD_PEAK,
        "LIMIT": "all may be taken away" if attenuation_limit is None else f"{attenuation_limit:g} dB at most",
        "DRY": c_float(0 if attenuation_limit is None else dry_share(attenuation_limit)),
        "GATE": int(silence_threshold is not None),
        "POWER": math.ceil(power),
        "VERSION": __version__,
        "HASH": settings.model_hash,
        "ENGINE": "every frame is computed once" if engine.is_stream else "every call computes a whole patch",
    }
    text = _HEADER
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    return text


_HEADER = """\
/* A denoiser for speech: 16-bit samples in, as many out, later by SEZOO_DELAY. Generated; @ENGINE@.

       static sezoo_denoiser denoiser;
       static SEZOO_ARENA(arena);

       sezoo_init(&denoiser, arena);
       for (;;) {
           ... SEZOO_SAMPLES_PER_CALL samples from the microphone ...
           sezoo_process(&denoiser, in, out);
       }

   All that a denoiser knows is in its sezoo_denoiser: there can be several, for several channels. They may share an
   arena, as long as no call interrupts another one's. sezoo_init and sezoo_process are all that is needed; of the other
   functions, what is not called is not linked.

   Where things lie in memory can be chosen by macros for the compiler, each the name of a section of your linker
   script:
       -DSEZOO_WEIGHTS_SECTION='".external_flash"'  weights and biases, by far the most of it
       -DSEZOO_TABLES_SECTION='".flash"'            windows, twiddle factors and tables of functions
       -DSEZOO_ARENA_SECTION='".dtcm"'              memory that is declared by SEZOO_ARENA(name), as below

   Nothing is allocated, and nothing but memcpy, memmove and memset is needed of a library; of one for mathematics
   sqrtf, where the core has no floating-point unit of Arm's.

   SPDX-License-Identifier: Apache-2.0, see LICENSE. The weights are as free as the model that they are of. */
#ifndef SEZOO_DENOISER_H
#define SEZOO_DENOISER_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SEZOO_PACKAGE_VERSION "@VERSION@" /* of sezoo */
#define SEZOO_MODEL_HASH "@HASH@" /* SHA-256 */

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

/* Declares it, in SEZOO_ARENA_SECTION if there is one. */
#ifdef SEZOO_ARENA_SECTION
#define SEZOO_ARENA(name) int8_t name[SEZOO_ARENA_BYTES] __attribute__((aligned(16), section(SEZOO_ARENA_SECTION)))
#else
#define SEZOO_ARENA(name) int8_t name[SEZOO_ARENA_BYTES] __attribute__((aligned(16)))
#endif

/* The share of the input that stays in the output whatever the network says, when a denoiser is new: @LIMIT@. */
#define SEZOO_DRY @DRY@

/* An attenuation limit of so many dB or more is none. */
#define SEZOO_NO_LIMIT 200.0f

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
    float dry; /* the share of the input that stays */
    int32_t is_bypassed;
    int16_t samples[SEZOO_SAMPLES_HELD];
    float wave[SEZOO_WINDOW_LENGTH], weight[SEZOO_WINDOW_LENGTH];
    int32_t history[SEZOO_HISTORY_BYTES / 4]; /* rows of integers */
} sezoo_denoiser;

/* Begin with silence. `arena` has SEZOO_ARENA_BYTES, and is aligned to 16 bytes. */
void sezoo_init(sezoo_denoiser *denoiser, void *arena);

/* SEZOO_SAMPLES_PER_CALL samples in, as many out; `in` and `out` may be the same. */
void sezoo_process(sezoo_denoiser *denoiser, const int16_t *in, int16_t *out);

/* The same for samples of float32, full scale being 1. The input is rounded to 16 bits, as recordings are that networks
   are trained on: amplify quiet speech, below -45 dBFS, before the call. The output is neither rounded nor limited.
   Calls of both kinds may take turns. */
void sezoo_process_float(sezoo_denoiser *denoiser, const float *in, float *out);

/* Begin again with silence, as after sezoo_init; the arena, the attenuation limit and the bypass stay. */
void sezoo_reset(sezoo_denoiser *denoiser);

/* Take away at most so many decibels of anything: with noise 12 dB down, a listener still knows where the speaker is.
   It is a mix of the output with the input, 10^(-decibels / 20) of it, both equally late. 0 takes nothing away,
   SEZOO_NO_LIMIT all that the network wants to. It can be called at any time: changes are faded in over a window. */
void sezoo_set_attenuation_limit(sezoo_denoiser *denoiser, float decibels);

/* Let the input through as it is, with the same latency, while the network goes on; 0 ends it. It can be called at any
   time, and does not click: changes are faded in over a window. */
void sezoo_set_bypass(sezoo_denoiser *denoiser, int32_t is_on);

/* How much of the band of speech (300 to 3400 Hz) the network has let through in the last call: near 0 for noise, near
   1 for clean speech. It is the mean of the masks, before the attenuation limit, of complex ones that of their
   magnitudes; of digital silence it says nothing. It is read from the arena: call it after sezoo_process, before the
   arena is used for something else. */
float sezoo_speech_activity(const sezoo_denoiser *denoiser);

#ifdef __cplusplus
}
#endif

#endif
"""

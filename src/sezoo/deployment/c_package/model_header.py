"""The generated `sezoo_model.h`: the sizes of a network and of its buffers."""

from __future__ import annotations

from sezoo.deployment.c_package.arena import LANES, magnitude_row
from sezoo.deployment.c_package.program import Program
from sezoo.models.spectra import COMPLEX_SPECTRUM

__all__ = ["model_header"]


def model_header(program: Program) -> str:
    """Return the text of `sezoo_model.h`, a header internal to the package."""
    engine, stft, memory = program.engine, program.stft, program.memory
    constants = {
        "BINS": stft.bins,
        "VALUES": program.graph.values,
        "IS_COMPLEX": int(program.graph.is_complex),
        "GIVES_SPECTRUM": int(program.graph.kind == COMPLEX_SPECTRUM),
        "N_FFT": stft.n_fft,
        "WINDOW": "SEZOO_WINDOW_LENGTH",
        "COMPUTED": engine.frames_computed,
        "FIRST_COMPUTED": engine.first_computed,
        "FIRST_KEPT": engine.first_output,
        "LATE": engine.ring_offset(stft),
        "MAGNITUDE_ROW": magnitude_row(program.graph.values),
        "ANALYSIS": memory.offsets["analysis"],
        "MAGNITUDES": memory.offsets["magnitudes"],
        "SYNTHESIS": memory.offsets["analysis" if program.spectrum_stays else "synthesis"],
        "MASK": memory.offsets["mask"],
        "SPECTRUM_STAYS": int(program.spectrum_stays),
    }
    words = {
        "VALUES": "floats of a frame that go in, and as many that come out",
        "IS_COMPLEX": "both are all real parts, then all imaginary ones; else magnitudes and a mask",
        "GIVES_SPECTRUM": "what comes out is the denoised spectrum itself",
        "COMPUTED": "frames that the network computes in a call",
        "FIRST_COMPUTED": "of the frames that the samples make",
        "FIRST_KEPT": "the first of them that comes out",
        "LATE": "samples that the ring of the output is behind",
        "MAGNITUDE_ROW": "floats from one frame's magnitudes to the next",
        "ANALYSIS": "places in the arena, in bytes",
        "SPECTRUM_STAYS": "the frame that the network computes comes out in the same call",
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

/* SEZOO_VALUES of a frame become the integers that the network begins with; `frame` counts from 0 in each call. */
void sezoo_model_enter(int8_t *arena, int8_t *history, const float *magnitude, int32_t frame);
/* The network itself. `frames_before` have gone through it in earlier calls. */
void sezoo_model_run(int8_t *arena, int8_t *history, uint32_t frames_before);
/* The mask of a frame that comes out, counted from 0 in each call: SEZOO_VALUES. */
void sezoo_model_mask(const int8_t *arena, int32_t frame, float *mask);
/* What is kept from call to call, as it is before the first one. */
void sezoo_model_begin(int8_t *history);

/* Where constants lie: what belongs to one layer, and what layers or frames share. */
#ifdef SEZOO_WEIGHTS_SECTION
#define SEZOO_WEIGHTS __attribute__((section(SEZOO_WEIGHTS_SECTION)))
#else
#define SEZOO_WEIGHTS
#endif
#ifdef SEZOO_TABLES_SECTION
#define SEZOO_TABLES __attribute__((section(SEZOO_TABLES_SECTION)))
#else
#define SEZOO_TABLES
#endif

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

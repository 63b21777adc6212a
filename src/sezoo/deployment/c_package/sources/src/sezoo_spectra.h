/* From samples to spectra and back: up to four frames at a time, or one, where a call has no more. */
#ifndef SEZOO_SPECTRA_H
#define SEZOO_SPECTRA_H

#include <stdint.h>

#include "sezoo_lanes.h"
#include "sezoo_model.h"

#define SEZOO_ONE_FRAME (SEZOO_COMPUTED == 1 && SEZOO_N_FFT >= 32 && !SEZOO_IS_COMPLEX)
#define SEZOO_FRAMES_AT_A_TIME (SEZOO_ONE_FRAME ? 1 : SEZOO_LANES)

/* Windowed frames of `samples`, a hop apart, become spectra `z`. One frame is transformed in `work`, n_fft floats. */
void sezoo_analyse(const int16_t *samples, int32_t count, float *z, float *work);
/* Their magnitudes times `gain`, SEZOO_MAGNITUDE_ROW floats from one frame to the next; for a complex network their real
   parts and then their imaginary ones. */
void sezoo_measure(float *z, float gain, float *magnitudes);
/* One of the spectra times a mask. */
void sezoo_apply_mask(float *z, int32_t frame, const float *mask);
/* Spectra become signals, n_fft / 2 times as large, which are read by sezoo_signal from what is returned. */
const float *sezoo_synthesise(float *z, float *work);

/* Sample n of a frame: among those of a transform of four frames the even ones are the real parts. */
static inline float sezoo_signal(const float *signals, int32_t frame, int32_t n)
{
#if SEZOO_ONE_FRAME
    (void)frame;
    return signals[n];
#else
    return signals[(n / 2) * 2 * SEZOO_LANES + (n & 1) * SEZOO_LANES + frame];
#endif
}

#if SEZOO_IS_COMPLEX
/* Real and imaginary part of a bin in a spectrum of four frames; those of the first and the last are one number. */
static inline float *sezoo_real_part(float *z, int32_t k)
{
    return k == SEZOO_N_FFT / 2 ? z + SEZOO_LANES : z + k * 2 * SEZOO_LANES;
}

static inline float *sezoo_imaginary_part(float *z, int32_t k)
{
    return k == 0 || k == SEZOO_N_FFT / 2 ? 0 : z + k * 2 * SEZOO_LANES + SEZOO_LANES;
}
#endif

#endif

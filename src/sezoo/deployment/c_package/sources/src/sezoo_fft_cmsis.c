/* The transforms by CMSIS-DSP, where the application links it anyway: -DSEZOO_CMSIS_DSP. They need 2 n_fft floats more,
   and one signal after the other; the package's own are as fast. */
#ifdef SEZOO_CMSIS_DSP

#include "sezoo_fft.h"

#include <arm_math.h>

#include "sezoo_lanes.h"
#include "sezoo_model.h"

#define STEP (2 * SEZOO_LANES)

static float signal[SEZOO_N_FFT], spectrum[SEZOO_N_FFT];

static const arm_rfft_fast_instance_f32 *instance(void)
{
    static arm_rfft_fast_instance_f32 rfft;
    static int ready = 0;
    if (!ready) {
        (void)arm_rfft_fast_init_f32(&rfft, SEZOO_N_FFT);
        ready = 1;
    }
    return &rfft;
}

/* CMSIS-DSP packs a spectrum as this package does: the bins 0 and n_fft / 2 first, then real and imaginary parts. */
void sezoo_fft_forward(const sezoo_fft *fft, float *z)
{
    for (int32_t lane = 0; lane < SEZOO_LANES; ++lane) {
        for (int32_t t = 0; t < SEZOO_N_FFT / 2; ++t) {
            const float *from = z + fft->reverse[t] * STEP + lane;
            signal[2 * t] = from[0];
            signal[2 * t + 1] = from[SEZOO_LANES];
        }
        arm_rfft_fast_f32((arm_rfft_fast_instance_f32 *)instance(), signal, spectrum, 0);
        /* Values of this lane alone are written: the signals of the others are still to come. */
        for (int32_t k = 0; k < SEZOO_N_FFT / 2; ++k) {
            z[k * STEP + lane] = spectrum[2 * k];
            z[k * STEP + SEZOO_LANES + lane] = spectrum[2 * k + 1];
        }
    }
}

void sezoo_fft_inverse(const sezoo_fft *fft, float *z)
{
    const float larger = (float)(SEZOO_N_FFT / 2);
    (void)fft;
    for (int32_t lane = 0; lane < SEZOO_LANES; ++lane) {
        for (int32_t k = 0; k < SEZOO_N_FFT / 2; ++k) {
            spectrum[2 * k] = z[k * STEP + lane];
            spectrum[2 * k + 1] = z[k * STEP + SEZOO_LANES + lane];
        }
        arm_rfft_fast_f32((arm_rfft_fast_instance_f32 *)instance(), spectrum, signal, 1);
        for (int32_t t = 0; t < SEZOO_N_FFT / 2; ++t) {
            z[t * STEP + lane] = signal[2 * t] * larger;
            z[t * STEP + SEZOO_LANES + lane] = signal[2 * t + 1] * larger;
        }
    }
}

void sezoo_fft_forward_one(const sezoo_fft *fft, float *z, float *work)
{
    (void)fft;
    arm_rfft_fast_f32((arm_rfft_fast_instance_f32 *)instance(), z, work, 0);
    for (int32_t k = 0; k < SEZOO_N_FFT / 2; ++k) {
        z[k] = work[2 * k];
        z[SEZOO_N_FFT / 2 + k] = work[2 * k + 1];
    }
}

void sezoo_fft_inverse_one(const sezoo_fft *fft, float *z, float *work)
{
    (void)fft;
    for (int32_t k = 0; k < SEZOO_N_FFT / 2; ++k) {
        spectrum[2 * k] = z[k];
        spectrum[2 * k + 1] = z[SEZOO_N_FFT / 2 + k];
    }
    arm_rfft_fast_f32((arm_rfft_fast_instance_f32 *)instance(), spectrum, work, 1);
    for (int32_t n = 0; n < SEZOO_N_FFT; ++n) {
        work[n] *= (float)(SEZOO_N_FFT / 2);
    }
}

#else
typedef int sezoo_fft_cmsis_is_empty; /* C wants something in a file */
#endif

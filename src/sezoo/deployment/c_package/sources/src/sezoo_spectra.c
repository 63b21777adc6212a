/* From samples to spectra and back. */
#include "sezoo_spectra.h"

#include <string.h>

#include "sezoo_math.h"

#define HALF (SEZOO_N_FFT / 2)
#define MARGIN ((SEZOO_N_FFT - SEZOO_WINDOW) / 2) /* zeros before and behind the window */
#define FULL_SCALE 32768.0f

#if SEZOO_ONE_FRAME

void sezoo_analyse(const int16_t *samples, int32_t count, float *z, float *work)
{
    (void)count;
    memset(z, 0, MARGIN * sizeof *z);
    for (int32_t i = 0; i < SEZOO_WINDOW; ++i) {
        z[MARGIN + i] = (float)samples[i] * (sezoo_model_window[i] * (1.0f / FULL_SCALE));
    }
    memset(z + MARGIN + SEZOO_WINDOW, 0, (SEZOO_N_FFT - MARGIN - SEZOO_WINDOW) * sizeof *z);
    sezoo_fft_forward_one(&sezoo_model_fft, z, work);
}

void sezoo_measure(float *z, float gain, float *magnitudes)
{
    const float *re = z, *im = z + HALF;
    for (int32_t k = 1; k < HALF; ++k) {
        magnitudes[k] = sezoo_sqrt(re[k] * re[k] + im[k] * im[k]) * gain;
    }
    magnitudes[0] = sezoo_sqrt(re[0] * re[0]) * gain;
    magnitudes[HALF] = sezoo_sqrt(im[0] * im[0]) * gain;
}

void sezoo_apply_mask(float *z, int32_t frame, const float *mask)
{
    const float highest = z[HALF] * mask[HALF];
    (void)frame;
    for (int32_t k = 0; k < HALF; ++k) {
        z[k] *= mask[k];
        z[HALF + k] *= mask[k];
    }
    z[HALF] = highest;
}

const float *sezoo_synthesise(float *z, float *work)
{
    sezoo_fft_inverse_one(&sezoo_model_fft, z, work);
    return work;
}

#else

#define STEP (2 * SEZOO_LANES) /* floats from one complex value of four frames to the next */

void sezoo_analyse(const int16_t *samples, int32_t count, float *z, float *work)
{
    int32_t from[SEZOO_LANES];
    (void)work;
    for (int32_t lane = 0; lane < SEZOO_LANES; ++lane) {
        from[lane] = (lane < count ? lane : count - 1) * SEZOO_HOP;
    }
    memset(z, 0, HALF * STEP * sizeof *z);
#if SEZOO_MVE
    const uint32x4_t offsets = vreinterpretq_u32_s32(vldrwq_s32(from));
#endif
    for (int32_t i = 0; i < SEZOO_WINDOW; ++i) {
        const int32_t n = MARGIN + i;
        const float weight = sezoo_model_window[i] * (1.0f / FULL_SCALE);
        float *to = z + sezoo_model_fft.reverse[n / 2] * STEP + (n & 1) * SEZOO_LANES;
#if SEZOO_MVE
        const int32x4_t four = vldrhq_gather_shifted_offset_s32(samples + i, offsets);
        vstrwq_f32(to, vmulq_n_f32(vcvtq_f32_s32(four), weight));
#else
        for (int32_t lane = 0; lane < SEZOO_LANES; ++lane) {
            to[lane] = (float)samples[from[lane] + i] * weight;
        }
#endif
    }
    sezoo_fft_forward(&sezoo_model_fft, z);
}

#if SEZOO_IS_COMPLEX
void sezoo_measure(float *z, float gain, float *parts)
{
    (void)gain; /* is of magnitudes alone */
    for (int32_t k = 0; k <= HALF; ++k) {
        const float *re = sezoo_real_part(z, k), *im = sezoo_imaginary_part(z, k);
        for (int32_t lane = 0; lane < SEZOO_LANES; ++lane) {
            parts[lane * SEZOO_MAGNITUDE_ROW + k] = re[lane];
            parts[lane * SEZOO_MAGNITUDE_ROW + SEZOO_BINS + k] = im != 0 ? im[lane] : 0.0f;
        }
    }
}
#else
void sezoo_measure(float *z, float gain, float *magnitudes)
{
    float powers[SEZOO_LANES];
    for (int32_t k = 0; k <= HALF; ++k) {
        const sezoo_lanes re = sezoo_load(k == HALF ? z + SEZOO_LANES : z + k * STEP);
        if (k == 0 || k == HALF) {
            sezoo_store(powers, sezoo_mul(re, re));
        } else {
            const sezoo_lanes im = sezoo_load(z + k * STEP + SEZOO_LANES);
            sezoo_store(powers, sezoo_add(sezoo_mul(re, re), sezoo_mul(im, im)));
        }
        for (int32_t lane = 0; lane < SEZOO_LANES; ++lane) {
            magnitudes[lane * SEZOO_MAGNITUDE_ROW + k] = sezoo_sqrt(powers[lane]) * gain;
        }
    }
}
#endif

void sezoo_apply_mask(float *z, int32_t frame, const float *mask)
{
    z[frame] *= mask[0];
    z[SEZOO_LANES + frame] *= mask[HALF];
    for (int32_t k = 1; k < HALF; ++k) {
        z[k * STEP + frame] *= mask[k];
        z[k * STEP + SEZOO_LANES + frame] *= mask[k];
    }
}

const float *sezoo_synthesise(float *z, float *work)
{
    (void)work;
    sezoo_fft_inverse(&sezoo_model_fft, z);
    return z;
}

#endif

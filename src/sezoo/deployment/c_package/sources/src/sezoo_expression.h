/* What the generated expressions are made of: integers as four floats, and floats rounded to four integers. */
#ifndef SEZOO_EXPRESSION_H
#define SEZOO_EXPRESSION_H

#include "sezoo_kernels.h"
#include "sezoo_lanes.h"
#include "sezoo_math.h"

#if SEZOO_MVE

static inline sezoo_lanes sezoo_real(int32x4_t integers, int32_t zero_point, float scale)
{
    return vmulq_n_f32(vcvtq_f32_s32(vaddq_n_s32(integers, -zero_point)), scale);
}
static inline sezoo_lanes sezoo_from_s8(const int8_t *x, int32_t zero_point, float scale)
{
    return sezoo_real(vldrbq_s32(x), zero_point, scale);
}
static inline sezoo_lanes sezoo_from_s16(const int16_t *x, int32_t zero_point, float scale)
{
    return sezoo_real(vldrhq_s32(x), zero_point, scale);
}
static inline sezoo_lanes sezoo_number(float a) { return vdupq_n_f32(a); }
static inline sezoo_lanes sezoo_larger(sezoo_lanes a, sezoo_lanes b) { return vmaxnmq_f32(a, b); }
static inline sezoo_lanes sezoo_smaller(sezoo_lanes a, sezoo_lanes b) { return vminnmq_f32(a, b); }
static inline int32x4_t sezoo_integers(sezoo_lanes steps, const sezoo_rounding *rounding)
{
    const int32x4_t low = vdupq_n_s32(rounding->lowest), high = vdupq_n_s32(rounding->highest);
    return sezoo_rounded_lanes(steps, low, high, rounding->zero_point);
}
static inline void sezoo_to_s8(int8_t *out, sezoo_lanes steps, const sezoo_rounding *rounding)
{
    vstrbq_s32(out, sezoo_integers(steps, rounding));
}
static inline void sezoo_to_s16(int16_t *out, sezoo_lanes steps, const sezoo_rounding *rounding)
{
    vstrhq_s32(out, sezoo_integers(steps, rounding));
}

#else

static inline sezoo_lanes sezoo_from_s8(const int8_t *x, int32_t zero_point, float scale)
{
    SEZOO_EACH((float)(x[i] - zero_point) * scale);
}
static inline sezoo_lanes sezoo_from_s16(const int16_t *x, int32_t zero_point, float scale)
{
    SEZOO_EACH((float)(x[i] - zero_point) * scale);
}
static inline sezoo_lanes sezoo_number(float a) { SEZOO_EACH(a); }
static inline sezoo_lanes sezoo_larger(sezoo_lanes a, sezoo_lanes b) { SEZOO_EACH(sezoo_max(a.lane[i], b.lane[i])); }
static inline sezoo_lanes sezoo_smaller(sezoo_lanes a, sezoo_lanes b) { SEZOO_EACH(sezoo_min(a.lane[i], b.lane[i])); }
static inline void sezoo_to_s8(int8_t *out, sezoo_lanes steps, const sezoo_rounding *rounding)
{
    for (int i = 0; i < SEZOO_LANES; ++i) {
        out[i] = (int8_t)sezoo_rounded_wide(steps.lane[i], rounding);
    }
}
static inline void sezoo_to_s16(int16_t *out, sezoo_lanes steps, const sezoo_rounding *rounding)
{
    for (int i = 0; i < SEZOO_LANES; ++i) {
        out[i] = (int16_t)sezoo_rounded_wide(steps.lane[i], rounding);
    }
}

#endif

#endif

/* Four floats at a time, one of each of four frames, so that a transform needs no shuffling of its values. */
#ifndef SEZOO_LANES_H
#define SEZOO_LANES_H

#include "sezoo_target.h"

#define SEZOO_LANES 4

#if SEZOO_MVE

typedef float32x4_t sezoo_lanes;
static inline sezoo_lanes sezoo_load(const float *from) { return vldrwq_f32(from); }
static inline void sezoo_store(float *to, sezoo_lanes a) { vstrwq_f32(to, a); }
static inline sezoo_lanes sezoo_add(sezoo_lanes a, sezoo_lanes b) { return vaddq_f32(a, b); }
static inline sezoo_lanes sezoo_sub(sezoo_lanes a, sezoo_lanes b) { return vsubq_f32(a, b); }
static inline sezoo_lanes sezoo_mul(sezoo_lanes a, sezoo_lanes b) { return vmulq_f32(a, b); }
static inline sezoo_lanes sezoo_scale(sezoo_lanes a, float b) { return vmulq_n_f32(a, b); }
/* a * b + c */
static inline sezoo_lanes sezoo_scale_add(sezoo_lanes a, float b, sezoo_lanes c) { return vfmaq_n_f32(c, a, b); }

#else

typedef struct {
    float lane[SEZOO_LANES];
} sezoo_lanes;
#define SEZOO_EACH(expression)                                                                                         \
    sezoo_lanes result;                                                                                                \
    for (int i = 0; i < SEZOO_LANES; ++i) {                                                                            \
        result.lane[i] = expression;                                                                                   \
    }                                                                                                                  \
    return result
static inline sezoo_lanes sezoo_load(const float *from) { SEZOO_EACH(from[i]); }
static inline void sezoo_store(float *to, sezoo_lanes a)
{
    for (int i = 0; i < SEZOO_LANES; ++i) {
        to[i] = a.lane[i];
    }
}
static inline sezoo_lanes sezoo_add(sezoo_lanes a, sezoo_lanes b) { SEZOO_EACH(a.lane[i] + b.lane[i]); }
static inline sezoo_lanes sezoo_sub(sezoo_lanes a, sezoo_lanes b) { SEZOO_EACH(a.lane[i] - b.lane[i]); }
static inline sezoo_lanes sezoo_mul(sezoo_lanes a, sezoo_lanes b) { SEZOO_EACH(a.lane[i] * b.lane[i]); }
static inline sezoo_lanes sezoo_scale(sezoo_lanes a, float b) { SEZOO_EACH(a.lane[i] * b); }
static inline sezoo_lanes sezoo_scale_add(sezoo_lanes a, float b, sezoo_lanes c)
{
    SEZOO_EACH(a.lane[i] * b + c.lane[i]);
}

#endif

#endif

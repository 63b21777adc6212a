/* Four floats at a time: one of each of four frames, or of each quarter of one, so that a transform needs little
   shuffling of its values. */
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
static inline sezoo_lanes sezoo_mul_add(sezoo_lanes a, sezoo_lanes b, sezoo_lanes c) { return vfmaq_f32(c, a, b); }
/* Every `step`-th float, and four of them the other way round, which end at `last`. */
static inline sezoo_lanes sezoo_load_every(const float *from, uint32_t step)
{
    return vldrwq_gather_shifted_offset_f32(from, vmulq_n_u32(vidupq_n_u32(0, 1), step));
}
static inline sezoo_lanes sezoo_load_reversed(const float *last)
{
    return vldrwq_gather_shifted_offset_f32(last - 3, vddupq_n_u32(3, 1));
}
static inline void sezoo_store_reversed(float *last, sezoo_lanes a)
{
    vstrwq_scatter_shifted_offset_f32(last - 3, vddupq_n_u32(3, 1), a);
}

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
static inline sezoo_lanes sezoo_mul_add(sezoo_lanes a, sezoo_lanes b, sezoo_lanes c)
{
    SEZOO_EACH(a.lane[i] * b.lane[i] + c.lane[i]);
}
static inline sezoo_lanes sezoo_load_every(const float *from, uint32_t step) { SEZOO_EACH(from[(uint32_t)i * step]); }
static inline sezoo_lanes sezoo_load_reversed(const float *last) { SEZOO_EACH(last[-i]); }
static inline void sezoo_store_reversed(float *last, sezoo_lanes a)
{
    for (int i = 0; i < SEZOO_LANES; ++i) {
        last[-i] = a.lane[i];
    }
}

#endif

#endif

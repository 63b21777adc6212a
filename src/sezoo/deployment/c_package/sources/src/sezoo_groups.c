/* Operators that look at several integers of a frame at a time: groups of a row, one behind the other. */
#include "sezoo_kernels.h"
#include "sezoo_math.h"

#if SEZOO_MVE
#define NORMALIZE(name, in, out_type, LOAD, STORE)                                                                     \
    static void name(const sezoo_normalize *op, const in *x, out_type *out, const float *factor, const float *offset)  \
    {                                                                                                                  \
        const int32_t size = op->size;                                                                                 \
        int32_t total = 0;                                                                                             \
        int64_t squares = 0;                                                                                           \
        for (int32_t i = 0; i < size; i += 4) {                                                                        \
            const int32x4_t q = LOAD(x + i, vctp32q((uint32_t)(size - i)));                                            \
            total = vaddvaq_s32(total, q);                                                                             \
            squares = vmlaldavaq_s32(squares, q, q);                                                                   \
        }                                                                                                              \
        const float ratio = sezoo_ratio(op, total, squares);                                                           \
        const int32x4_t low = vdupq_n_s32(op->rounding.lowest), high = vdupq_n_s32(op->rounding.highest);              \
        for (int32_t i = 0; i < size; i += 4) {                                                                        \
            const mve_pred16_t there = vctp32q((uint32_t)(size - i));                                                  \
            const int32x4_t centred = vaddq_n_s32(vmulq_n_s32(LOAD(x + i, there), size), -total);                      \
            const float32x4_t even = vmulq_n_f32(vcvtq_f32_s32(centred), ratio);                                       \
            const float32x4_t scaled = vmulq_f32(even, vldrwq_z_f32(factor + i, there));                               \
            const float32x4_t moved = vaddq_f32(scaled, vldrwq_z_f32(offset + i, there));                              \
            const float32x4_t steps = vmulq_n_f32(moved, op->inverse);                                                 \
            STORE(out + i, sezoo_rounded_lanes(steps, low, high, op->rounding.zero_point), there);                     \
        }                                                                                                              \
    }
#else
#define NORMALIZE(name, in, out_type, LOAD, STORE)                                                                     \
    static void name(const sezoo_normalize *op, const in *x, out_type *out, const float *factor, const float *offset)  \
    {                                                                                                                  \
        const int32_t size = op->size;                                                                                 \
        int32_t total = 0;                                                                                             \
        int64_t squares = 0;                                                                                           \
        for (int32_t i = 0; i < size; ++i) {                                                                           \
            total += x[i];                                                                                             \
            squares += (int32_t)x[i] * x[i];                                                                           \
        }                                                                                                              \
        const float ratio = sezoo_ratio(op, total, squares);                                                           \
        for (int32_t i = 0; i < size; ++i) {                                                                           \
            const float even = (float)(x[i] * size - total) * ratio;                                                   \
            const float steps = (even * factor[i] + offset[i]) * op->inverse;                                          \
            out[i] = (out_type)sezoo_rounded_wide(steps, &op->rounding);                                               \
        }                                                                                                              \
    }
#endif

/* 1 over n times the standard deviation, of the sums of n integers and of their squares. */
static float sezoo_ratio(const sezoo_normalize *op, int32_t total, int64_t squares)
{
    const int64_t spread = op->size * squares - (int64_t)total * total;
    return 1.0f / sezoo_sqrt((float)spread + op->epsilon);
}

NORMALIZE(s8_to_s8, int8_t, int8_t, vldrbq_z_s32, vstrbq_p_s32)
NORMALIZE(s8_to_s16, int8_t, int16_t, vldrbq_z_s32, vstrhq_p_s32)
NORMALIZE(s16_to_s8, int16_t, int8_t, vldrhq_z_s32, vstrbq_p_s32)
NORMALIZE(s16_to_s16, int16_t, int16_t, vldrhq_z_s32, vstrhq_p_s32)

void sezoo_run_normalize(const sezoo_normalize *op, const void *x, void *out, int32_t frames)
{
    for (int32_t t = 0; t < frames; ++t) {
        for (int32_t group = 0; group < op->groups; ++group) {
            const int32_t first = group * op->size, from = t * op->input_row + first, to = t * op->output_row + first;
            const float *factor = op->factor + first, *offset = op->offset + first;
            if (op->input_bytes == 1 && op->output_bytes == 1) {
                s8_to_s8(op, (const int8_t *)x + from, (int8_t *)out + to, factor, offset);
            } else if (op->input_bytes == 1) {
                s8_to_s16(op, (const int8_t *)x + from, (int16_t *)out + to, factor, offset);
            } else if (op->output_bytes == 1) {
                s16_to_s8(op, (const int16_t *)x + from, (int8_t *)out + to, factor, offset);
            } else {
                s16_to_s16(op, (const int16_t *)x + from, (int16_t *)out + to, factor, offset);
            }
        }
    }
}

static int32_t power_s8(const int32_t *table, int32_t distance) { return table[distance]; }

static int32_t power_s16(const int32_t *table, int32_t distance)
{
    const int64_t product = (int64_t)table[distance & 255] * table[256 + (distance >> 8)];
    return (int32_t)((product + (1 << 19)) >> 20);
}

#define SOFTMAX(name, in, power)                                                                                       \
    static void name(const sezoo_softmax *op, const in *x, void *out, int32_t to)                                      \
    {                                                                                                                  \
        int32_t largest = x[0], sum = 0;                                                                               \
        for (int32_t i = 1; i < op->size; ++i) {                                                                       \
            largest = x[i] > largest ? x[i] : largest;                                                                 \
        }                                                                                                              \
        for (int32_t i = 0; i < op->size; ++i) {                                                                       \
            sum += power(op->table, largest - x[i]);                                                                   \
        }                                                                                                              \
        const float ratio = 1.0f / (float)sum;                                                                         \
        for (int32_t i = 0; i < op->size; ++i) {                                                                       \
            const float share = (float)power(op->table, largest - x[i]) * ratio;                                       \
            const int32_t rounded = sezoo_rounded_wide(share * op->inverse, &op->rounding);                            \
            if (op->output_bytes == 1) {                                                                               \
                ((int8_t *)out)[to + i] = (int8_t)rounded;                                                             \
            } else {                                                                                                   \
                ((int16_t *)out)[to + i] = (int16_t)rounded;                                                           \
            }                                                                                                          \
        }                                                                                                              \
    }

SOFTMAX(softmax_s8, int8_t, power_s8)
SOFTMAX(softmax_s16, int16_t, power_s16)

void sezoo_run_softmax(const sezoo_softmax *op, const void *x, void *out, int32_t frames)
{
    for (int32_t t = 0; t < frames; ++t) {
        for (int32_t group = 0; group < op->groups; ++group) {
            const int32_t from = t * op->input_row + group * op->size, to = t * op->output_row + group * op->size;
            if (op->input_bytes == 1) {
                softmax_s8(op, (const int8_t *)x + from, out, to);
            } else {
                softmax_s16(op, (const int16_t *)x + from, out, to);
            }
        }
    }
}

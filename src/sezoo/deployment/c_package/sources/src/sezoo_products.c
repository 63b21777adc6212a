/* Matrix products of two tensors: each group of rows of `a` with each group of rows of `b`, both read along what is
   summed. Zero points are taken from the sums: (p - s)(q - t) = pq - sq - tp + st. */
#include "sezoo_kernels.h"

#define TOGETHER 4 /* columns */

/* -- sums of a row, and products of one with the next four, or with as many as there are ---------------------------- */

#if SEZOO_MVE

static int32_t sum_s8(const int8_t *x, int32_t depth)
{
    int32_t sum = 0;
    for (int32_t k = 0; k < depth; k += 16) {
        sum = vaddvaq_s8(sum, vldrbq_z_s8(x + k, vctp8q((uint32_t)(depth - k))));
    }
    return sum;
}

static int32_t sum_s16(const int16_t *x, int32_t depth)
{
    int32_t sum = 0;
    for (int32_t k = 0; k < depth; k += 8) {
        sum = vaddvaq_s16(sum, vldrhq_z_s16(x + k, vctp16q((uint32_t)(depth - k))));
    }
    return sum;
}

static void four_s8(const int8_t *a, const int8_t *b, int32_t depth, int32_t made[TOGETHER])
{
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (int32_t k = 0; k < depth; k += 16, b += 16) {
        const mve_pred16_t there = vctp8q((uint32_t)(depth - k));
        const int8x16_t x = vldrbq_z_s8(a + k, there);
        s0 = vmladavaq_s8(s0, x, vldrbq_z_s8(b, there));
        s1 = vmladavaq_s8(s1, x, vldrbq_z_s8(b + depth, there));
        s2 = vmladavaq_s8(s2, x, vldrbq_z_s8(b + 2 * depth, there));
        s3 = vmladavaq_s8(s3, x, vldrbq_z_s8(b + 3 * depth, there));
    }
    made[0] = s0;
    made[1] = s1;
    made[2] = s2;
    made[3] = s3;
}

static int32_t one_s8(const int8_t *a, const int8_t *b, int32_t depth)
{
    int32_t sum = 0;
    for (int32_t k = 0; k < depth; k += 16) {
        const mve_pred16_t there = vctp8q((uint32_t)(depth - k));
        sum = vmladavaq_s8(sum, vldrbq_z_s8(a + k, there), vldrbq_z_s8(b + k, there));
    }
    return sum;
}

static int64_t one_s16(const int16_t *a, const int16_t *b, int32_t depth)
{
    int64_t sum = 0;
    for (int32_t k = 0; k < depth; k += 8) {
        const mve_pred16_t there = vctp16q((uint32_t)(depth - k));
        sum = vmlaldavaq_s16(sum, vldrhq_z_s16(a + k, there), vldrhq_z_s16(b + k, there));
    }
    return sum;
}

#else

static int32_t sum_s8(const int8_t *x, int32_t depth)
{
    int32_t sum = 0;
    for (int32_t k = 0; k < depth; ++k) {
        sum += x[k];
    }
    return sum;
}

static int32_t sum_s16(const int16_t *x, int32_t depth)
{
    int32_t sum = 0;
    for (int32_t k = 0; k < depth; ++k) {
        sum += x[k];
    }
    return sum;
}

#if SEZOO_DSP

static uint32_t word(const void *x) { return ((const sezoo_unaligned *)x)->value; }

/* Bytes 0 and 2, and 1 and 3, of a word as pairs of int16. */
static int32_t even(uint32_t bytes) { return (int32_t)__sxtb16((int8x4_t)bytes); }
static int32_t odd(uint32_t bytes) { return (int32_t)__sxtb16((int8x4_t)(bytes >> 8)); }

static void four_s8(const int8_t *a, const int8_t *b, int32_t depth, int32_t made[TOGETHER])
{
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0, k = 0;
    for (; k + 4 <= depth; k += 4) {
        const uint32_t x = word(a + k);
        const int32_t first = even(x), second = odd(x);
        const uint32_t y0 = word(b + k), y1 = word(b + depth + k);
        const uint32_t y2 = word(b + 2 * depth + k), y3 = word(b + 3 * depth + k);
        s0 = __smlad(second, odd(y0), __smlad(first, even(y0), s0));
        s1 = __smlad(second, odd(y1), __smlad(first, even(y1), s1));
        s2 = __smlad(second, odd(y2), __smlad(first, even(y2), s2));
        s3 = __smlad(second, odd(y3), __smlad(first, even(y3), s3));
    }
    for (; k < depth; ++k) {
        s0 += a[k] * b[k];
        s1 += a[k] * b[depth + k];
        s2 += a[k] * b[2 * depth + k];
        s3 += a[k] * b[3 * depth + k];
    }
    made[0] = s0;
    made[1] = s1;
    made[2] = s2;
    made[3] = s3;
}

static int64_t one_s16(const int16_t *a, const int16_t *b, int32_t depth)
{
    int64_t sum = 0;
    int32_t k = 0;
    for (; k + 2 <= depth; k += 2) {
        sum = __smlald((int32_t)word(a + k), (int32_t)word(b + k), sum);
    }
    return k < depth ? sum + a[k] * b[k] : sum;
}

#else

static void four_s8(const int8_t *a, const int8_t *b, int32_t depth, int32_t made[TOGETHER])
{
    for (int32_t j = 0; j < TOGETHER; ++j, b += depth) {
        int32_t sum = 0;
        for (int32_t k = 0; k < depth; ++k) {
            sum += a[k] * b[k];
        }
        made[j] = sum;
    }
}

static int64_t one_s16(const int16_t *a, const int16_t *b, int32_t depth)
{
    int64_t sum = 0;
    for (int32_t k = 0; k < depth; ++k) {
        sum += (int32_t)a[k] * b[k];
    }
    return sum;
}

#endif

static int32_t one_s8(const int8_t *a, const int8_t *b, int32_t depth)
{
    int32_t sum = 0;
    for (int32_t k = 0; k < depth; ++k) {
        sum += a[k] * b[k];
    }
    return sum;
}

#endif

/* -- one group ------------------------------------------------------------------------------------------------------ */

static void stored(const sezoo_product *op, void *out, int32_t at, float steps)
{
    const int32_t rounded = sezoo_rounded_wide(steps, &op->rounding);
    if (op->output_bytes == 1) {
        ((int8_t *)out)[at] = (int8_t)rounded;
    } else {
        ((int16_t *)out)[at] = (int16_t)rounded;
    }
}

/* Four integers of the output. */
static void stored_four(const sezoo_product *op, void *out, int32_t at, const int32_t made[TOGETHER])
{
#if SEZOO_MVE
    const int32x4_t low = vdupq_n_s32(op->rounding.lowest), high = vdupq_n_s32(op->rounding.highest);
    const float32x4_t steps = vmulq_n_f32(vcvtq_f32_s32(vldrwq_s32(made)), op->multiplier);
    const int32x4_t rounded = sezoo_rounded_lanes(steps, low, high, op->rounding.zero_point);
    if (op->output_bytes == 1) {
        vstrbq_s32((int8_t *)out + at, rounded);
    } else {
        vstrhq_s32((int16_t *)out + at, rounded);
    }
#else
    for (int32_t j = 0; j < TOGETHER; ++j) {
        stored(op, out, at + j, (float)made[j] * op->multiplier);
    }
#endif
}

static void group_s8(const sezoo_product *op, const int8_t *a, const int8_t *b, void *out, int32_t at, int32_t *sums)
{
    const int32_t depth = op->depth, columns = op->columns, s = op->zero_point_a, t = op->zero_point_b;
    for (int32_t j = 0; j < columns; ++j) {
        sums[j] = s == 0 ? 0 : s * sum_s8(b + j * depth, depth);
    }
    for (int32_t i = 0; i < op->rows; ++i, a += depth, at += columns) {
        const int32_t same = t == 0 ? 0 : t * (depth * s - sum_s8(a, depth));
        int32_t j = 0;
        for (; j + TOGETHER <= columns; j += TOGETHER) {
            int32_t made[TOGETHER];
            four_s8(a, b + j * depth, depth, made);
            for (int32_t each = 0; each < TOGETHER; ++each) {
                made[each] += same - sums[j + each];
            }
            stored_four(op, out, at + j, made);
        }
        for (; j < columns; ++j) {
            const int32_t sum = one_s8(a, b + j * depth, depth) + same - sums[j];
            stored(op, out, at + j, (float)sum * op->multiplier);
        }
    }
}

static void group_s16(const sezoo_product *op, const int16_t *a, const int16_t *b, void *out, int32_t at, int32_t *sums)
{
    const int32_t depth = op->depth, columns = op->columns;
    const int64_t s = op->zero_point_a, t = op->zero_point_b;
    for (int32_t j = 0; j < columns; ++j) {
        sums[j] = s == 0 ? 0 : sum_s16(b + j * depth, depth);
    }
    for (int32_t i = 0; i < op->rows; ++i, a += depth, at += columns) {
        const int64_t same = t == 0 ? 0 : t * (depth * s - sum_s16(a, depth));
        for (int32_t j = 0; j < columns; ++j) {
            const int64_t sum = one_s16(a, b + j * depth, depth) + same - s * sums[j];
            stored(op, out, at + j, (float)sum * op->multiplier);
        }
    }
}

void sezoo_run_product(const sezoo_product *op, const void *a, const void *b, void *out, int32_t frames, void *scratch)
{
    const int32_t of_a = op->rows * op->depth, of_b = op->columns * op->depth, made = op->rows * op->columns;
    for (int32_t f = 0; f < frames; ++f) {
        for (int32_t group = 0; group < op->groups; ++group) {
            const int32_t from_a = f * op->a_row + group * of_a, from_b = f * op->b_row + group * of_b;
            const int32_t to = f * op->output_row + group * made;
            if (op->input_bytes == 1) {
                group_s8(op, (const int8_t *)a + from_a, (const int8_t *)b + from_b, out, to, (int32_t *)scratch);
            } else {
                group_s16(op, (const int16_t *)a + from_a, (const int16_t *)b + from_b, out, to, (int32_t *)scratch);
            }
        }
    }
}

/* Operators that look at one integer of each input at a time. */
#include "sezoo_kernels.h"

#if SEZOO_MVE
/* Rows have room for whole vectors. */
#define ELEMENTWISE(name, type, LANES, both, COMBINED)                                                                 \
    void name(const sezoo_elementwise *op, const type *a, const int8_t *b, int8_t *out, int32_t frames)                \
    {                                                                                                                  \
        const int32x4_t low = vdupq_n_s32(op->rounding.lowest), high = vdupq_n_s32(op->rounding.highest);              \
        const int32_t zero_a = -op->zero_point_a, zero_b = -op->zero_point_b, zero_point = op->rounding.zero_point;    \
        const float scale_a = op->scale_a, scale_b = op->scale_b, inverse = op->inverse;                               \
        for (int32_t i = 0; i < op->row * frames; i += 4) {                                                            \
            const float32x4_t x = vmulq_n_f32(vcvtq_f32_s32(vaddq_n_s32(LANES(a + i), zero_a)), scale_a);              \
            const float32x4_t y = vmulq_n_f32(vcvtq_f32_s32(vaddq_n_s32(vldrbq_s32(b + i), zero_b)), scale_b);         \
            const float32x4_t steps = vmulq_n_f32(COMBINED(x, y), inverse);                                            \
            vstrbq_s32(out + i, sezoo_rounded_lanes(steps, low, high, zero_point));                                    \
        }                                                                                                              \
    }
#else
#define ELEMENTWISE(name, type, LANES, both, COMBINED)                                                                 \
    void name(const sezoo_elementwise *op, const type *a, const int8_t *b, int8_t *out, int32_t frames)                \
    {                                                                                                                  \
        for (int32_t i = 0; i < op->row * frames; ++i) {                                                               \
            const float x = (float)(a[i] - op->zero_point_a) * op->scale_a;                                            \
            const float y = (float)(b[i] - op->zero_point_b) * op->scale_b;                                            \
            out[i] = sezoo_rounded((x both y) * op->inverse, &op->rounding);                                           \
        }                                                                                                              \
    }
#endif

ELEMENTWISE(sezoo_run_add, int8_t, vldrbq_s32, +, vaddq_f32)
ELEMENTWISE(sezoo_run_add_s16, int16_t, vldrhq_s32, +, vaddq_f32)
ELEMENTWISE(sezoo_run_mul, int8_t, vldrbq_s32, *, vmulq_f32)

void sezoo_run_lookup(const int8_t table[256], const int8_t *x, int8_t *out, int32_t row, int32_t frames)
{
#if SEZOO_MVE
    const uint8x16_t sign = vdupq_n_u8(0x80);
    for (int32_t i = 0; i < row * frames; i += SEZOO_ROW) {
        const uint8x16_t index = veorq_u8(vreinterpretq_u8_s8(vldrbq_s8(x + i)), sign);
        vstrbq_s8(out + i, vldrbq_gather_offset_s8(table, index));
    }
#else
    for (int32_t i = 0; i < row * frames; ++i) {
        out[i] = table[x[i] + 128];
    }
#endif
}

void sezoo_run_rearrange(const uint16_t *index, int32_t items, const int8_t *const *inputs, const int32_t *input_items,
                         const int32_t *input_rows, int32_t inputs_count, int8_t *out, int32_t out_row,
                         int32_t frames)
{
    for (int32_t t = 0; t < frames; ++t, out += out_row) {
        if (inputs_count == 1) {
            const int8_t *from = inputs[0] + t * input_rows[0];
            for (int32_t i = 0; i < items; ++i) {
                out[i] = from[index[i]];
            }
            continue;
        }
        for (int32_t i = 0; i < items; ++i) {
            int32_t input = 0, item = index[i];
            while (item >= input_items[input]) {
                item -= input_items[input++];
            }
            out[i] = inputs[input][t * input_rows[input] + item];
        }
    }
}

/* Operators that look at one integer of each input at a time. */
#include "sezoo_kernels.h"

#if SEZOO_MVE
/* Rows have room for whole vectors. */
#define ITEMS_S8 vldrbq_s32
#define ITEMS_S16 vldrhq_s32
#define ELEMENTWISE(name, type, LANES, both, COMBINED)                                                                 \
    void name(const sezoo_elementwise *op, const type *a, const int8_t *b, int8_t *out, int32_t frames)                \
    {                                                                                                                  \
        const int32x4_t low = vdupq_n_s32(op->rounding.lowest), high = vdupq_n_s32(op->rounding.highest);              \
        const int32_t zero_a = -op->zero_point_a, zero_b = -op->zero_point_b, zero_point = op->rounding.zero_point;    \
        const float scale_a = op->scale_a, scale_b = op->scale_b, inverse = op->inverse;                               \
        for (int32_t left = op->row * frames / 4; left > 0; --left, a += 4, b += 4, out += 4) {                        \
            const float32x4_t x = vmulq_n_f32(vcvtq_f32_s32(vaddq_n_s32(LANES(a), zero_a)), scale_a);                  \
            const float32x4_t y = vmulq_n_f32(vcvtq_f32_s32(vaddq_n_s32(vldrbq_s32(b), zero_b)), scale_b);             \
            const float32x4_t steps = vmulq_n_f32(COMBINED(x, y), inverse);                                            \
            vstrbq_s32(out, sezoo_rounded_lanes(steps, low, high, zero_point));                                        \
        }                                                                                                              \
    }
#elif SEZOO_ROUNDS
/* Byte `place` of a word, with its sign, plus an integer: one instruction. */
#define PLUS_BYTE(sum, integer, four, turn) __asm("sxtab %0, %1, %2" turn : "=r"(sum) : "r"(integer), "r"(four))
#define ITEMS_S8(x, a, i, place, turn) PLUS_BYTE(x, zero_a, four_a, turn)
#define ITEMS_S16(x, a, i, place, turn) x = zero_a + a[i + (place)]
#define ITEM(PLUS, both, place, turn)                                                                                  \
    {                                                                                                                  \
        int32_t x, y;                                                                                                  \
        PLUS(x, a, i, place, turn);                                                                                    \
        PLUS_BYTE(y, zero_b, four_b, turn);                                                                            \
        const float steps = ((float)x * scale_a both (float)y * scale_b) * inverse;                                    \
        out[i + (place)] = sezoo_rounded_s8(steps, &rounding, is_whole);                                               \
    }
#define ELEMENTWISE(name, type, PLUS, both, COMBINED)                                                                  \
    void name(const sezoo_elementwise *op, const type *a, const int8_t *b, int8_t *out, int32_t frames)                \
    {                                                                                                                  \
        const sezoo_rounding rounding = op->rounding;                                                                  \
        const int32_t zero_a = -op->zero_point_a, zero_b = -op->zero_point_b, is_whole = sezoo_is_whole_s8(&rounding); \
        const float scale_a = op->scale_a, scale_b = op->scale_b, inverse = op->inverse;                               \
        const int32_t items = op->row * frames;                                                                        \
        for (int32_t i = 0; i < items; i += 4) {                                                                       \
            const uint32_t four_a = ((const sezoo_unaligned *)(const void *)(a + i))->value;                           \
            const uint32_t four_b = ((const sezoo_unaligned *)(const void *)(b + i))->value;                           \
            (void)four_a;                                                                                              \
            ITEM(PLUS, both, 0, "")                                                                                    \
            ITEM(PLUS, both, 1, ", ror #8")                                                                            \
            ITEM(PLUS, both, 2, ", ror #16")                                                                           \
            ITEM(PLUS, both, 3, ", ror #24")                                                                           \
        }                                                                                                              \
    }
#else
#define ELEMENTWISE(name, type, LANES, both, COMBINED)                                                                 \
    void name(const sezoo_elementwise *op, const type *a, const int8_t *b, int8_t *out, int32_t frames)                \
    {                                                                                                                  \
        const int32_t items = op->row * frames;                                                                        \
        for (int32_t i = 0; i < items; ++i) {                                                                          \
            const float x = (float)(a[i] - op->zero_point_a) * op->scale_a;                                            \
            const float y = (float)(b[i] - op->zero_point_b) * op->scale_b;                                            \
            out[i] = sezoo_rounded((x both y) * op->inverse, &op->rounding);                                           \
        }                                                                                                              \
    }
#endif

ELEMENTWISE(sezoo_run_add_s16, int16_t, ITEMS_S16, +, vaddq_f32)
ELEMENTWISE(sezoo_run_mul, int8_t, ITEMS_S8, *, vmulq_f32)

#if SEZOO_DSP
static ELEMENTWISE(add_in_float, int8_t, ITEMS_S8, +, vaddq_f32)

typedef uint32_t __attribute__((may_alias)) word;

#define SUM(half, a, b)                                                                                                \
    __smlaw##half(factor_b, (int32_t)(b), __smlaw##half(factor_a, (int32_t)(a), offset))
#define PUT(place, sum)                                                                                                \
    __asm("ssat %0, #8, %1, asr #20" : "=r"(limited) : "r"(sum));                                                      \
    out[place] = (int8_t)limited

/* Bytes are multiplied by 256 by leaving them in the upper halves of int16. */
void sezoo_run_add(const sezoo_elementwise *op, const int8_t *a, const int8_t *b, int8_t *out, int32_t frames)
{
    const int32_t factor_a = op->factor_a, factor_b = op->factor_b, offset = op->offset;
    const uint32_t upper = 0xFF00FF00U;
    if (factor_a == 0) {
        add_in_float(op, a, b, out, frames);
        return;
    }
    for (int32_t left = op->row * frames / 4; left > 0; --left, a += 4, b += 4, out += 4) {
        const uint32_t four_a = *(const word *)(const void *)a, four_b = *(const word *)(const void *)b;
        const uint32_t even_a = (four_a << 8) & upper, odd_a = four_a & upper;
        const uint32_t even_b = (four_b << 8) & upper, odd_b = four_b & upper;
        int32_t limited;
        PUT(0, SUM(b, even_a, even_b));
        PUT(1, SUM(b, odd_a, odd_b));
        PUT(2, SUM(t, even_a, even_b));
        PUT(3, SUM(t, odd_a, odd_b));
    }
}
#else
ELEMENTWISE(sezoo_run_add, int8_t, ITEMS_S8, +, vaddq_f32)
#endif

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

#define POINT(x) ((uint16_t)((x) + 32768) >> 6)

/* 520 steps from one point to the next are the most of which 63 64ths are an int16. */
#define CURVE(name, type, LANES, ROUNDED)                                                                              \
    void name(const int16_t table[1025], int32_t gentle, const int16_t *x, type *out, int32_t count)                   \
    {                                                                                                                  \
        int32_t i = 0;                                                                                                 \
        LANES for (; i < count; ++i)                                                                                   \
        {                                                                                                              \
            const int32_t place = POINT(x[i]), step = table[place + 1] - table[place];                                 \
            const int32_t value = table[place] + ((step * (x[i] & 63) + 32) >> 6);                                     \
            out[i] = (type)(ROUNDED);                                                                                  \
        }                                                                                                              \
        (void)gentle;                                                                                                  \
    }

#if SEZOO_MVE
static inline int16x8_t eight_of_curve(const int16_t *table, const int16_t *x)
{
    const int16x8_t eight = vldrhq_s16(x);
    const uint16x8_t place = vshrq_n_u16(veorq_u16(vreinterpretq_u16_s16(eight), vdupq_n_u16(0x8000)), 6);
    const int16x8_t from = vldrhq_gather_shifted_offset_s16(table, place);
    const int16x8_t to = vldrhq_gather_shifted_offset_s16(table + 1, place);
    const int16x8_t part = vmulq_s16(vsubq_s16(to, from), vandq_s16(eight, vdupq_n_s16(63)));
    return vaddq_s16(from, vshrq_n_s16(vaddq_n_s16(part, 32), 6));
}
#define LANES_S16                                                                                                      \
    for (; gentle && i < count; i += 8) {                                                                              \
        vstrhq_s16(out + i, eight_of_curve(table, x + i));                                                             \
    }
#define LANES_S8                                                                                                       \
    for (; gentle && i < count; i += 8) {                                                                              \
        const int16x8_t rounded = vrshrq_n_s16(eight_of_curve(table, x + i), 8);                                       \
        vstrbq_s16(out + i, vminq_s16(rounded, vdupq_n_s16(127)));                                                     \
    }
#else
#define LANES_S16
#define LANES_S8
#endif

CURVE(sezoo_run_curve_s16, int16_t, LANES_S16, value)
CURVE(sezoo_run_curve_s8, int8_t, LANES_S8, sezoo_limited((value + 128) >> 8, -128, 127))

#if SEZOO_MVE
/* Eight items at a time. */
static void pick_int8_t(const uint16_t *index, int32_t items, const int8_t *from, int8_t *out)
{
    for (; items > 0; items -= 8, index += 8, out += 8) {
        const mve_pred16_t some = vctp16q((uint32_t)items);
        vstrbq_p_s16(out, vldrbq_gather_offset_s16(from, vldrhq_z_u16(index, some)), some);
    }
}

static void pick_int16_t(const uint16_t *index, int32_t items, const int16_t *from, int16_t *out)
{
    for (; items > 0; items -= 8, index += 8, out += 8) {
        const mve_pred16_t some = vctp16q((uint32_t)items);
        vstrhq_p_s16(out, vldrhq_gather_shifted_offset_s16(from, vldrhq_z_u16(index, some)), some);
    }
}
#else
#define PICK(type)                                                                                                     \
    static void pick_##type(const uint16_t *index, int32_t items, const type *from, type *out)                         \
    {                                                                                                                  \
        for (int32_t i = 0; i < items; ++i) {                                                                          \
            out[i] = from[index[i]];                                                                                   \
        }                                                                                                              \
    }
PICK(int8_t)
PICK(int16_t)
#endif

#define REARRANGE(name, type)                                                                                          \
    void name(const uint16_t *index, int32_t items, const type *const *inputs, const int32_t *input_items,             \
              const int32_t *input_rows, int32_t inputs_count, type *out, int32_t out_row, int32_t frames)             \
    {                                                                                                                  \
        for (int32_t t = 0; t < frames; ++t, out += out_row) {                                                         \
            if (inputs_count == 1) {                                                                                   \
                pick_##type(index, items, inputs[0] + t * input_rows[0], out);                                         \
                continue;                                                                                              \
            }                                                                                                          \
            int32_t first = 0, size = 0; /* of the input that the item before came from */                             \
            const type *from = inputs[0];                                                                              \
            for (int32_t i = 0; i < items; ++i) {                                                                      \
                if ((uint32_t)(index[i] - first) >= (uint32_t)size) {                                                  \
                    int32_t input = 0;                                                                                 \
                    for (first = 0; index[i] - first >= input_items[input]; ++input) {                                 \
                        first += input_items[input];                                                                   \
                    }                                                                                                  \
                    size = input_items[input];                                                                         \
                    from = inputs[input] + t * input_rows[input];                                                      \
                }                                                                                                      \
                out[i] = from[index[i] - first];                                                                       \
            }                                                                                                          \
        }                                                                                                              \
    }
REARRANGE(sezoo_run_rearrange, int8_t)
REARRANGE(sezoo_run_rearrange_s16, int16_t)

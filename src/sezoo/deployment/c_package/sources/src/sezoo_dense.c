/* Matrix products with one row of activations, which is what a recurrent layer has: four outputs at a time. */
#include "sezoo_kernels.h"

#if SEZOO_MVE

/* Registers r0 to r12 and r14, in which sums have to be in even ones; they begin with zeros. */
typedef struct {
    int32_t high0;
    const int8_t *x;
    int32_t high1;
    const int8_t *weights;
    int32_t high2;
    const int8_t *x_end;
    int32_t high3;
    int32_t r7;
    int32_t low0;
    int32_t r9;
    int32_t low1;
    int32_t r11;
    int32_t low2;
    int32_t low3;
} dense_block;

/* int16 activations are taken as 256 times their high byte and the low one: two products with int8 of 16 each. */
#define STEP_S16                                                                                                       \
    "vldrb.8 q0, [r1], #16\n"                                                                                          \
    "vldrb.8 q2, [r3], #16\n"                                                                                          \
    "vmladava.s8 r0, q0, q2\n"                                                                                         \
    "vldrb.8 q1, [r1], #16\n"                                                                                          \
    "vmladava.s8 r8, q1, q2\n"                                                                                         \
    "vldrb.8 q3, [r3], #16\n"                                                                                          \
    "vmladava.s8 r2, q0, q3\n"                                                                                         \
    "vldrb.8 q4, [r3], #16\n"                                                                                          \
    "vmladava.s8 r10, q1, q3\n"                                                                                        \
    "vldrb.8 q5, [r3], #16\n"                                                                                          \
    "vmladava.s8 r4, q0, q4\n"                                                                                         \
    "vmladava.s8 r12, q1, q4\n"                                                                                        \
    "vmladava.s8 r6, q0, q5\n"                                                                                         \
    "vmladava.s8 lr, q1, q5\n"
#define STEP_S8                                                                                                        \
    "vldrb.8 q0, [r1], #16\n"                                                                                          \
    "vldrb.8 q2, [r3], #16\n"                                                                                          \
    "vmladava.s8 r0, q0, q2\n"                                                                                         \
    "vldrb.8 q3, [r3], #16\n"                                                                                          \
    "vmladava.s8 r2, q0, q3\n"                                                                                         \
    "vldrb.8 q4, [r3], #16\n"                                                                                          \
    "vmladava.s8 r4, q0, q4\n"                                                                                         \
    "vldrb.8 q5, [r3], #16\n"                                                                                          \
    "vmladava.s8 r6, q0, q5\n"

/* Two steps a turn; an odd number of them begins in the middle. */
#define DENSE(name, STEP)                                                                                              \
    static inline void name(const dense_block *block, int32_t *sums, int32_t steps)                                    \
    {                                                                                                                  \
        __asm volatile(                                                                                                \
            "push {r0-r12, lr}\n"                                                                                      \
            "push {%1}\n"                                                                                              \
            "tst %2, #1\n"                                                                                             \
            "ldm %0, {r0-r12, lr}\n"                                                                                   \
            "bne 2f\n"                                                                                                 \
            "1:\n" STEP "2:\n" STEP                                                                                    \
            "cmp r1, r5\n"                                                                                             \
            "bne 1b\n"                                                                                                 \
            "pop {r1}\n"                                                                                               \
            "stm r1, {r0, r2, r4, r6, r8, r10, r12, lr}\n"                                                             \
            "pop {r0-r12, lr}\n"                                                                                       \
            :                                                                                                          \
            : "r"(block), "r"(sums), "r"(steps)                                                                        \
            : "q0", "q1", "q2", "q3", "q4", "q5", "cc", "memory");                                                     \
    }
DENSE(dense_s16, STEP_S16)
DENSE(dense_s8, STEP_S8)

void sezoo_dense(const sezoo_matrix *matrix, const sezoo_rounding *rounding, const void *x, int32_t input_bytes,
                 void *out, int32_t output_bytes, void *scratch)
{
    const int32_t depth = matrix->depth;
    const int8_t *row = x;
    if (input_bytes == 2) {
        uint8_t *to = scratch;
        for (int32_t k = 0; k < depth; k += SEZOO_ROW) {
            const uint8x16x2_t bytes = vld2q_u8((const uint8_t *)x + 2 * k);
            vstrbq_u8(to + 2 * k, bytes.val[1]);
            vstrbq_u8(to + 2 * k + SEZOO_ROW, veorq_u8(bytes.val[0], vdupq_n_u8(0x80)));
        }
        row = scratch;
    }
    const int32x4_t low = vdupq_n_s32(rounding->lowest), high = vdupq_n_s32(rounding->highest);
    const int32_t outputs = matrix->outputs, steps = depth / SEZOO_ROW, zero_point = rounding->zero_point;
    const int32_t *bias = matrix->bias;
    const float *multiplier = matrix->multiplier;
    dense_block block = {.x = row, .weights = matrix->weights, .x_end = row + depth * input_bytes};
    int32_t sums[8];
    for (int32_t o = 0; o < outputs; o += 4, bias += 4, multiplier += 4, block.weights += 4 * depth) {
        int32x4_t sum = vldrwq_s32(bias);
        if (input_bytes == 2) {
            dense_s16(&block, sums, steps);
            sum = vaddq_s32(sum, vaddq_s32(vshlq_n_s32(vldrwq_s32(sums), 8), vldrwq_s32(sums + 4)));
        } else {
            dense_s8(&block, sums, steps);
            sum = vaddq_s32(sum, vldrwq_s32(sums));
        }
        const float32x4_t scaled = vmulq_f32(vcvtq_f32_s32(sum), vldrwq_f32(multiplier));
        const int32x4_t rounded = sezoo_rounded_lanes(scaled, low, high, zero_point);
        const mve_pred16_t stored = vctp32q((uint32_t)(outputs - o));
        if (output_bytes == 1) {
            vstrbq_p_s32((int8_t *)out + o, rounded, stored);
        } else {
            vstrhq_p_s32((int16_t *)out + o, rounded, stored);
        }
    }
}

#elif SEZOO_DSP

typedef uint32_t __attribute__((may_alias)) word;

/* Activations as pairs of int16 in the order in which SXTB16 takes weights apart: 0 and 2, 1 and 3. */
static void spread(const void *x, int32_t bytes, int32_t depth, word *to)
{
    const sezoo_unaligned *from = x;
    for (int32_t k = 0; k < depth; k += 4, to += 2) {
        const uint32_t first = (from++)->value;
        if (bytes == 1) {
            to[0] = (uint32_t)__sxtb16((int8x4_t)first);
            to[1] = (uint32_t)__sxtb16((int8x4_t)(first >> 8));
        } else {
            const uint32_t second = (from++)->value;
            to[0] = (first & 0xFFFFU) | (second << 16);
            to[1] = (first >> 16) | (second & 0xFFFF0000U);
        }
    }
}

/* Four weights of four outputs with four activations. */
#define FOUR(o0, o1, o2, o3)                                                                                           \
    "ldrd %[x0], %[x1], [%[x]], #8\n" OUTPUT("a0", o0) OUTPUT("a1", o1) OUTPUT("a2", o2) OUTPUT("a3", o3)
#define OUTPUT(sum, place)                                                                                             \
    "ldr %[even], [%[w], #" place "]\n"                                                                                \
    "sxtb16 %[odd], %[even], ror #8\n"                                                                                 \
    "sxtb16 %[even], %[even]\n"                                                                                        \
    "smlad %[" sum "], %[x1], %[odd], %[" sum "]\n"                                                                    \
    "smlad %[" sum "], %[x0], %[even], %[" sum "]\n"

void sezoo_dense(const sezoo_matrix *matrix, const sezoo_rounding *rounding, const void *x, int32_t input_bytes,
                 void *out, int32_t output_bytes, void *scratch)
{
    const int32_t depth = matrix->depth;
    spread(x, input_bytes, depth, scratch);
    const word *end = (const word *)scratch + depth / 2;
    const int32_t whole = output_bytes == 2 && rounding->zero_point == 0 && rounding->lowest == -32768 &&
                          rounding->highest == 32767; /* all of an int16, to which one instruction limits */
    const sezoo_rounding local = *rounding; /* int8 that are stored could be anything */
    const int32_t whole_s8 = sezoo_is_whole_s8(rounding);
    const int32_t outputs = matrix->outputs, *bias = matrix->bias;
    const float *multiplier = matrix->multiplier;
    const int8_t *weights = matrix->weights;
    for (int32_t o = 0; o < outputs; o += 4, bias += 4, multiplier += 4) {
        const word *row = scratch;
        int32_t a0 = bias[0], a1 = bias[1], a2 = bias[2], a3 = bias[3];
        uint32_t even, odd, x0, x1;
        __asm volatile(
            "1:\n" FOUR("0", "16", "32", "48") FOUR("4", "20", "36", "52") FOUR("8", "24", "40", "56")
                FOUR("12", "28", "44", "60")
            "cmp %[x], %[end]\n"
            "add %[w], %[w], #64\n"
            "bne 1b\n"
            : [w] "+r"(weights), [x] "+r"(row), [a0] "+r"(a0), [a1] "+r"(a1), [a2] "+r"(a2), [a3] "+r"(a3),
              [even] "=&r"(even), [odd] "=&r"(odd), [x0] "=&r"(x0), [x1] "=&r"(x1)
            : [end] "r"(end)
            : "cc", "memory");
        const int32_t sums[] = {a0, a1, a2, a3}, count = outputs - o < 4 ? outputs - o : 4;
#if SEZOO_ROUNDS
        if (whole && count == 4) {
            int16_t *to = (int16_t *)out + o;
            to[0] = (int16_t)sezoo_limited(sezoo_nearest((float)a0 * multiplier[0]), INT16_MIN, INT16_MAX);
            to[1] = (int16_t)sezoo_limited(sezoo_nearest((float)a1 * multiplier[1]), INT16_MIN, INT16_MAX);
            to[2] = (int16_t)sezoo_limited(sezoo_nearest((float)a2 * multiplier[2]), INT16_MIN, INT16_MAX);
            to[3] = (int16_t)sezoo_limited(sezoo_nearest((float)a3 * multiplier[3]), INT16_MIN, INT16_MAX);
            continue;
        }
#endif
        if (output_bytes == 1 && count == 4) {
            int8_t *to = (int8_t *)out + o;
            to[0] = sezoo_rounded_s8((float)a0 * multiplier[0], &local, whole_s8);
            to[1] = sezoo_rounded_s8((float)a1 * multiplier[1], &local, whole_s8);
            to[2] = sezoo_rounded_s8((float)a2 * multiplier[2], &local, whole_s8);
            to[3] = sezoo_rounded_s8((float)a3 * multiplier[3], &local, whole_s8);
            continue;
        }
        for (int32_t i = 0; i < count; ++i) {
            const int32_t rounded = sezoo_rounded_wide((float)sums[i] * multiplier[i], rounding);
            if (output_bytes == 1) {
                ((int8_t *)out)[o + i] = (int8_t)rounded;
            } else {
                ((int16_t *)out)[o + i] = (int16_t)rounded;
            }
        }
    }
    (void)whole;
}

#undef FOUR
#undef OUTPUT

#else

void sezoo_dense(const sezoo_matrix *matrix, const sezoo_rounding *rounding, const void *x, int32_t input_bytes,
                 void *out, int32_t output_bytes, void *scratch)
{
    (void)scratch;
    for (int32_t o = 0; o < matrix->outputs; ++o) {
        const int8_t *weights = matrix->weights + (o / 4) * 4 * matrix->depth + (o & 3) * SEZOO_ROW;
        int32_t sum = matrix->bias[o];
        for (int32_t k = 0; k < matrix->depth; k += SEZOO_ROW, weights += 4 * SEZOO_ROW) {
            for (int32_t i = 0; i < SEZOO_ROW; ++i) {
                const int32_t activation = input_bytes == 1 ? ((const int8_t *)x)[k + i] : ((const int16_t *)x)[k + i];
                sum += activation * weights[i];
            }
        }
        const int32_t rounded = sezoo_rounded_wide((float)sum * matrix->multiplier[o], rounding);
        if (output_bytes == 1) {
            ((int8_t *)out)[o] = (int8_t)rounded;
        } else {
            ((int16_t *)out)[o] = (int16_t)rounded;
        }
    }
}

#endif

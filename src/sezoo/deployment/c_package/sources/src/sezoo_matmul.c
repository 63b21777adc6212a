/* Matrix products of int8 weights with int8 or int16 activations: nine tenths of all the work. */
#include "sezoo_kernels.h"

#include <string.h>

#if SEZOO_MVE

/* Four rows and two outputs at a time: 6 loads and 8 instructions of 16 multiplications each. Eight accumulators, which
   have to be in even registers, leave the odd ones for the pointers: more than a compiler manages. The fields are in
   the order of the registers that they are loaded into, r0 to r12 and r14. */
typedef struct {
    int32_t a0;
    const void *x0;
    int32_t a1;
    const void *x1;
    int32_t a2;
    const void *x2;
    int32_t a3;
    const void *weights; /* widening loads want a low register */
    int32_t b0;
    const void *x3;
    int32_t b1;
    const void *x0_end;
    int32_t b2;
    int32_t b3;
} dot_block;

/* Sixteen activations of each row with sixteen weights of two outputs. */
#define STEP_S8                                                                                                        \
    "vldrb.8 q4, [r7], #16\n"                                                                                          \
    "vldrb.8 q0, [r1], #16\n"                                                                                          \
    "vmladava.s8 r0, q0, q4\n"                                                                                         \
    "vldrb.8 q1, [r3], #16\n"                                                                                          \
    "vmladava.s8 r2, q1, q4\n"                                                                                         \
    "vldrb.8 q2, [r5], #16\n"                                                                                          \
    "vmladava.s8 r4, q2, q4\n"                                                                                         \
    "vldrb.8 q3, [r9], #16\n"                                                                                          \
    "vmladava.s8 r6, q3, q4\n"                                                                                         \
    "vldrb.8 q5, [r7], #16\n"                                                                                          \
    "vmladava.s8 r8, q0, q5\n"                                                                                         \
    "vmladava.s8 r10, q1, q5\n"                                                                                        \
    "vmladava.s8 r12, q2, q5\n"                                                                                        \
    "vmladava.s8 lr, q3, q5\n"

/* Eight of each: weights are widened as they are loaded. */
#define HALF_S16(first, second)                                                                                        \
    "vldrb.s16 q4, [r7, #" first "]\n"                                                                                 \
    "vldrh.16 q0, [r1], #16\n"                                                                                         \
    "vmladava.s16 r0, q0, q4\n"                                                                                        \
    "vldrh.16 q1, [r3], #16\n"                                                                                         \
    "vmladava.s16 r2, q1, q4\n"                                                                                        \
    "vldrh.16 q2, [r5], #16\n"                                                                                         \
    "vmladava.s16 r4, q2, q4\n"                                                                                        \
    "vldrh.16 q3, [r9], #16\n"                                                                                         \
    "vmladava.s16 r6, q3, q4\n"                                                                                        \
    "vldrb.s16 q5, [r7, #" second "]\n"                                                                                \
    "vmladava.s16 r8, q0, q5\n"                                                                                        \
    "vmladava.s16 r10, q1, q5\n"                                                                                       \
    "vmladava.s16 r12, q2, q5\n"                                                                                       \
    "vmladava.s16 lr, q3, q5\n"
#define STEP_S16 HALF_S16("0", "16") HALF_S16("8", "24") "adds r7, #32\n"

/* The accumulators come back in the first 8 words of the block, a0 to a3 and then b0 to b3; the others stay. Two steps a
   turn; an odd number of them begins in the middle. */
#define DOT(name, STEP)                                                                                                \
    static inline void name(dot_block *block, int32_t steps)                                                           \
    {                                                                                                                  \
        __asm volatile(                                                                                                \
            "push {r0-r12, lr}\n"                                                                                      \
            "push {%0}\n"                                                                                              \
            "tst %1, #1\n"                                                                                             \
            "ldm %0, {r0-r12, lr}\n"                                                                                   \
            "bne 2f\n"                                                                                                 \
            "1:\n" STEP "2:\n" STEP                                                                                    \
            "cmp r1, r11\n"                                                                                            \
            "bne 1b\n"                                                                                                 \
            "pop {r1}\n"                                                                                               \
            "stm r1, {r0, r2, r4, r6, r8, r10, r12, lr}\n"                                                             \
            "pop {r0-r12, lr}\n"                                                                                       \
            :                                                                                                          \
            : "r"(block), "r"(steps)                                                                                   \
            : "q0", "q1", "q2", "q3", "q4", "q5", "cc", "memory");                                                     \
    }
DOT(dot_2x4_s8, STEP_S8)
DOT(dot_2x4_s16, STEP_S16)

#define MATMUL(name, type, dot)                                                                                        \
    void name(const sezoo_matrix *matrix, const sezoo_rounding *rounding, const type *x, int32_t stride, int32_t rows, \
              int8_t *out, int32_t out_stride, void *scratch)                                                          \
    {                                                                                                                  \
        const int32x4_t low = vdupq_n_s32(rounding->lowest), high = vdupq_n_s32(rounding->highest);                    \
        const uint32x4_t places = vmulq_n_u32(vidupq_n_u32(0, 1), (uint32_t)out_stride);                               \
        const int32_t depth = matrix->depth, outputs = matrix->outputs, zero_point = rounding->zero_point;             \
        dot_block block;                                                                                               \
        const int32_t *sums = (const int32_t *)&block;                                                                 \
        (void)scratch;                                                                                                 \
        const int8_t *weights = matrix->weights;                                                                       \
        for (int32_t o = 0; o < outputs; o += 2, weights += 2 * depth) {                                               \
            const int32_t bias = matrix->bias[o];                                                                      \
            const float scale_a = matrix->multiplier[o], scale_b = matrix->multiplier[o + 1];                          \
            const type *row = x;                                                                                       \
            int8_t *place = out + o;                                                                                   \
            block.b0 = block.b1 = block.b2 = block.b3 = matrix->bias[o + 1];                                           \
            for (int32_t left = rows; left > 0; left -= 4, row += 4 * stride, place += 4 * out_stride) {               \
                block.a0 = block.a1 = block.a2 = block.a3 = bias;                                                      \
                block.x0 = row;                                                                                        \
                block.x0_end = row + depth;                                                                            \
                block.weights = weights;                                                                               \
                /* Rows beyond the last are the first again, and not stored. */                                        \
                block.x1 = left > 1 ? row + stride : row;                                                              \
                block.x2 = left > 2 ? row + 2 * stride : row;                                                          \
                block.x3 = left > 3 ? row + 3 * stride : row;                                                          \
                dot(&block, depth / SEZOO_ROW);                                                                        \
                const mve_pred16_t stored = vctp32q((uint32_t)left);                                                   \
                const float32x4_t steps_a = vmulq_n_f32(vcvtq_f32_s32(vldrwq_s32(sums)), scale_a);                     \
                const float32x4_t steps_b = vmulq_n_f32(vcvtq_f32_s32(vldrwq_s32(sums + 4)), scale_b);                 \
                vstrbq_scatter_offset_p_s32(place, places, sezoo_rounded_lanes(steps_a, low, high, zero_point),        \
                                            stored);                                                                   \
                if (o + 1 < outputs) {                                                                                 \
                    vstrbq_scatter_offset_p_s32(place + 1, places,                                                     \
                                                sezoo_rounded_lanes(steps_b, low, high, zero_point), stored);          \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }
MATMUL(sezoo_matmul_s8, int8_t, dot_2x4_s8)
MATMUL(sezoo_matmul_s16, int16_t, dot_2x4_s16)

#elif SEZOO_DSP

/* SXTB16 makes two int16 of the bytes 0 and 2 of a word, or 1 and 3. The activations of four rows are brought into that
   order once, so that only the weights have to be taken apart at each product: 15 instructions for 16 of them. */
typedef uint32_t __attribute__((may_alias)) word;

static void spread_s8(const int8_t *x, int32_t stride, int32_t rows, int32_t depth, word *spread)
{
    for (int32_t r = 0; r < 4; ++r) {
        const sezoo_unaligned *from = (const void *)(x + (r < rows ? r : rows - 1) * stride);
        word *to = spread + 2 * r;
        for (int32_t k = 0; k < depth; k += SEZOO_ROW, from += 4, to += 32) {
#define WORD(place)                                                                                                    \
    to[8 * (place)] = (uint32_t)__sxtb16((int8x4_t)from[place].value);                                                 \
    to[8 * (place) + 1] = (uint32_t)__sxtb16((int8x4_t)(from[place].value >> 8))
            WORD(0);
            WORD(1);
            WORD(2);
            WORD(3);
#undef WORD
        }
    }
}

static void spread_s16(const int16_t *x, int32_t stride, int32_t rows, int32_t depth, word *spread)
{
    for (int32_t r = 0; r < 4; ++r) {
        const sezoo_unaligned *from = (const void *)(x + (r < rows ? r : rows - 1) * stride);
        word *to = spread + 2 * r;
        for (int32_t k = 0; k < depth; k += 4, to += 8, from += 2) {
            const uint32_t first = from[0].value, second = from[1].value;
            to[0] = (first & 0xFFFFU) | (second << 16);
            to[1] = (first >> 16) | (second & 0xFFFF0000U);
        }
    }
}

/* Four weights of one output with four rows. A compiler would load the activations one by one, and turn the weights with
   an instruction of its own. */
#define FOUR                                                                                                           \
    "ldr %[even], [%[w]], #4\n"                                                                                        \
    "sxtb16 %[odd], %[even], ror #8\n"                                                                                 \
    "sxtb16 %[even], %[even]\n" ROW("a0") ROW("a1") ROW("a2") ROW("a3")
#define ROW(sum)                                                                                                       \
    "ldrd %[x0], %[x1], [%[x]], #8\n"                                                                                  \
    "smlad %[" sum "], %[x0], %[even], %[" sum "]\n"                                                                   \
    "smlad %[" sum "], %[x1], %[odd], %[" sum "]\n"

static void products(const sezoo_matrix *matrix, const sezoo_rounding *rounding, const word *spread, int32_t rows,
                     int8_t *out, int32_t out_stride)
{
    const int32_t depth = matrix->depth;
    const word *end = spread + 2 * depth;
    const sezoo_rounding local = *rounding; /* int8 that are stored could be anything */
    const int32_t is_whole = sezoo_is_whole_s8(rounding);
    for (int32_t o = 0; o < matrix->outputs; ++o) {
        const int8_t *weights = matrix->weights + (o / 2) * 2 * depth + (o & 1) * SEZOO_ROW;
        const word *x = spread;
        int32_t a0 = matrix->bias[o], a1 = a0, a2 = a0, a3 = a0;
        uint32_t even, odd, x0, x1;
        __asm volatile(
            "1:\n" FOUR FOUR FOUR FOUR
            "cmp %[x], %[end]\n"
            "add %[w], %[w], #16\n" /* over those of the other output of the pair */
            "bne 1b\n"
            : [w] "+r"(weights), [x] "+r"(x), [a0] "+r"(a0), [a1] "+r"(a1), [a2] "+r"(a2), [a3] "+r"(a3),
              [even] "=&r"(even), [odd] "=&r"(odd), [x0] "=&r"(x0), [x1] "=&r"(x1)
            : [end] "r"(end)
            : "cc", "memory");
        const float scale = matrix->multiplier[o];
        int8_t *place = out + o;
#define STORE(r, sum) place[(r) * out_stride] = sezoo_rounded_s8((float)(sum) * scale, &local, is_whole)
        STORE(0, a0);
        if (rows > 1) STORE(1, a1);
        if (rows > 2) STORE(2, a2);
        if (rows > 3) STORE(3, a3);
#undef STORE
    }
}

#undef ROW
#undef FOUR

void sezoo_matmul_s8(const sezoo_matrix *matrix, const sezoo_rounding *rounding, const int8_t *x, int32_t stride,
                     int32_t rows, int8_t *out, int32_t out_stride, void *scratch)
{
    for (int32_t r = 0; r < rows; r += 4) {
        spread_s8(x + r * stride, stride, rows - r, matrix->depth, scratch);
        products(matrix, rounding, scratch, rows - r, out + r * out_stride, out_stride);
    }
}

void sezoo_matmul_s16(const sezoo_matrix *matrix, const sezoo_rounding *rounding, const int16_t *x, int32_t stride,
                      int32_t rows, int8_t *out, int32_t out_stride, void *scratch)
{
    for (int32_t r = 0; r < rows; r += 4) {
        spread_s16(x + r * stride, stride, rows - r, matrix->depth, scratch);
        products(matrix, rounding, scratch, rows - r, out + r * out_stride, out_stride);
    }
}

#else

#define PLAIN_MATMUL(name, type)                                                                                       \
    void name(const sezoo_matrix *matrix, const sezoo_rounding *rounding, const type *x, int32_t stride, int32_t rows, \
              int8_t *out, int32_t out_stride, void *scratch)                                                          \
    {                                                                                                                  \
        (void)scratch;                                                                                                 \
        for (int32_t o = 0; o < matrix->outputs; ++o) {                                                                \
            const int8_t *weights = matrix->weights + (o / 2) * 2 * matrix->depth + (o & 1) * SEZOO_ROW;               \
            for (int32_t r = 0; r < rows; ++r) {                                                                       \
                const type *row = x + r * stride;                                                                      \
                int32_t sum = matrix->bias[o];                                                                         \
                for (int32_t k = 0; k < matrix->depth; k += SEZOO_ROW) {                                               \
                    for (int32_t i = 0; i < SEZOO_ROW; ++i) {                                                          \
                        sum += row[k + i] * weights[2 * k + i];                                                        \
                    }                                                                                                  \
                }                                                                                                      \
                out[r * out_stride + o] = sezoo_rounded((float)sum * matrix->multiplier[o], rounding);                 \
            }                                                                                                          \
        }                                                                                                              \
    }

PLAIN_MATMUL(sezoo_matmul_s8, int8_t)
PLAIN_MATMUL(sezoo_matmul_s16, int16_t)

#endif

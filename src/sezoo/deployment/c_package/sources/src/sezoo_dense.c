/* Matrix products with one row of activations: four outputs at a time. */
#include "sezoo_kernels.h"

#if SEZOO_MVE

/* One run of steps is a piece, or a contiguous row is cut into some. Offsets in the assembly are those of the fields. */
typedef struct {
    const int8_t *x;
    const int32_t *bias;
    int32_t left; /* outputs */
    const float *multiplier;
    void *out;    /* 16 */
    int32_t jump; /* from the end of a run to the next one */
    const int8_t *weights;
    uint32_t runs; /* and 2^31 for outputs of 16 bits */
    int32_t low[4];
    int32_t high[4];
    int32_t zero_point[4]; /* 64 */
} block_s8;

#define STEP_S8                                                                                                        \
    "vldrb.8 q0, [r1], #16\n"                                                                                          \
    "vldrb.8 q2, [r7], #16\n"                                                                                          \
    "vmladava.s8 r0, q0, q2\n"                                                                                         \
    "vldrb.8 q3, [r7], #16\n"                                                                                          \
    "vmladava.s8 r2, q0, q3\n"                                                                                         \
    "vldrb.8 q2, [r7], #16\n"                                                                                          \
    "vmladava.s8 r4, q0, q2\n"                                                                                         \
    "vldrb.8 q3, [r7], #16\n"                                                                                          \
    "vmladava.s8 r6, q0, q3\n"

#define LIMITED                                                                                                        \
    "vmul.f32 q0, q0, q1\n"                                                                                            \
    "vcvtn.s32.f32 q0, q0\n"                                                                                           \
    "vmax.s32 q0, q0, q4\n"                                                                                            \
    "vmin.s32 q0, q0, q5\n"                                                                                            \
    "vadd.i32 q0, q0, q6\n"

#define ROW_S8(name, STEPS)                                                                                            \
    static void name(const block_s8 *b)                                                                                \
    {                                                                                                                  \
        __asm volatile(                                                                                                \
            "push {r0-r12, lr}\n"                                                                                      \
            "mov lr, %0\n"                                                                                             \
            "ldrd r8, r9, [lr]\n"                                                                                      \
            "ldrd r10, r11, [lr, #8]\n"                                                                                \
            "ldrd r3, r12, [lr, #16]\n"                                                                                \
            "ldr r7, [lr, #24]\n"                                                                                      \
            "vldrw.32 q4, [lr, #32]\n"                                                                                 \
            "vldrw.32 q5, [lr, #48]\n"                                                                                 \
            "vldrw.32 q6, [lr, #64]\n"                                                                                 \
            "ldr lr, [lr, #28]\n"                                                                                      \
            "1:\n"                                                                                                     \
            "ldm r9!, {r0, r2, r4, r6}\n"                                                                              \
            "mov r1, r8\n"                                                                                             \
            "uxth r5, lr\n"                                                                                            \
            "2:\n" STEPS                                                                                               \
            "add r1, r12\n"                                                                                            \
            "subs r5, #1\n"                                                                                            \
            "bne 2b\n"                                                                                                 \
            "push {r0, r2, r4, r6}\n"                                                                                  \
            "vpop {d0-d1}\n"                                                                                           \
            "vldrw.32 q1, [r11], #16\n"                                                                                \
            "vcvt.f32.s32 q0, q0\n" LIMITED                                                                            \
            "vctp.32 r10\n"                                                                                            \
            "cmp lr, #0\n"                                                                                             \
            "blt 3f\n"                                                                                                 \
            "vpst\n"                                                                                                   \
            "vstrbt.32 q0, [r3], #4\n"                                                                                \
            "subs r10, #4\n"                                                                                           \
            "bgt 1b\n"                                                                                                 \
            "b 4f\n"                                                                                                   \
            "3:\n"                                                                                                     \
            "vpst\n"                                                                                                   \
            "vstrht.32 q0, [r3], #8\n"                                                                                \
            "subs r10, #4\n"                                                                                           \
            "bgt 1b\n"                                                                                                 \
            "4:\n"                                                                                                     \
            "pop {r0-r12, lr}\n"                                                                                       \
            :                                                                                                          \
            : "r"(b)                                                                                                   \
            : "q0", "q1", "q2", "q3", "q4", "q5", "q6", "cc", "memory");                                               \
    }
ROW_S8(row_1, STEP_S8)
ROW_S8(row_2, STEP_S8 STEP_S8)
ROW_S8(row_3, STEP_S8 STEP_S8 STEP_S8)
ROW_S8(row_4, STEP_S8 STEP_S8 STEP_S8 STEP_S8)
ROW_S8(row_5, STEP_S8 STEP_S8 STEP_S8 STEP_S8 STEP_S8)

static void (*const rows_s8[])(const block_s8 *) = {row_1, row_2, row_3, row_4, row_5};

/* int16 activations are taken as 256 times their high byte and the low one: two products with int8 of 16 each. Offsets
   are those from `zeros`. */
typedef struct {
    const float *multiplier; /* -16 */
    void *out;
    int32_t left;
    int32_t is_wide; /* outputs of 16 bits */
    int32_t zeros[4];
    const int8_t *x; /* 16 */
    int32_t runs;
    const int8_t *weights;
    const int32_t *bias;
    int32_t low[4]; /* 32 */
    int32_t high[4];
    int32_t zero_point[4];
} block_s16;

#define STEP_S16                                                                                                       \
    "vldrb.8 q0, [r1], #16\n"                                                                                          \
    "vldrb.8 q2, [r7], #16\n"                                                                                          \
    "vmladava.s8 r0, q0, q2\n"                                                                                         \
    "vldrb.8 q1, [r1], #16\n"                                                                                          \
    "vmladava.s8 r8, q1, q2\n"                                                                                         \
    "vldrb.8 q3, [r7], #16\n"                                                                                          \
    "vmladava.s8 r2, q0, q3\n"                                                                                         \
    "vmladava.s8 r10, q1, q3\n"                                                                                        \
    "vldrb.8 q2, [r7], #16\n"                                                                                          \
    "vmladava.s8 r4, q0, q2\n"                                                                                         \
    "vmladava.s8 r12, q1, q2\n"                                                                                        \
    "vldrb.8 q3, [r7], #16\n"                                                                                          \
    "vmladava.s8 r6, q0, q3\n"                                                                                         \
    "vmladava.s8 lr, q1, q3\n"

#define ROW_S16(name, STEPS)                                                                                           \
    static void name(block_s16 *b)                                                                                     \
    {                                                                                                                  \
        __asm volatile(                                                                                                \
            "push {r0-r12, lr}\n"                                                                                      \
            "mov r11, %0\n"                                                                                            \
            "ldrd r7, r9, [r11, #24]\n"                                                                                \
            "vldrw.32 q4, [r11, #32]\n"                                                                                \
            "vldrw.32 q5, [r11, #48]\n"                                                                                \
            "vldrw.32 q6, [r11, #64]\n"                                                                                \
            "1:\n"                                                                                                     \
            "ldm r11, {r0, r2, r4, r6}\n"                                                                              \
            "ldm r9!, {r8, r10, r12, lr}\n"                                                                            \
            "ldrd r1, r5, [r11, #16]\n"                                                                                \
            "2:\n" STEPS                                                                                               \
            "subs r5, #1\n"                                                                                            \
            "bne 2b\n"                                                                                                 \
            "push {r0, r2, r4, r6, r8, r10, r12, lr}\n"                                                                \
            "vpop {d0-d3}\n"                                                                                           \
            "vshl.i32 q0, q0, #8\n"                                                                                    \
            "vadd.i32 q0, q0, q1\n"                                                                                    \
            "ldmdb r11, {r0, r2, r4, r6}\n"                                                                            \
            "vldrw.32 q1, [r0], #16\n"                                                                                 \
            "vcvt.f32.s32 q0, q0\n" LIMITED                                                                            \
            "vctp.32 r4\n"                                                                                             \
            "cmp r6, #0\n"                                                                                             \
            "bne 3f\n"                                                                                                 \
            "vpst\n"                                                                                                   \
            "vstrbt.32 q0, [r2], #4\n"                                                                                 \
            "b 4f\n"                                                                                                   \
            "3:\n"                                                                                                     \
            "vpst\n"                                                                                                   \
            "vstrht.32 q0, [r2], #8\n"                                                                                 \
            "4:\n"                                                                                                     \
            "strd r0, r2, [r11, #-16]\n"                                                                               \
            "subs r4, #4\n"                                                                                            \
            "str r4, [r11, #-8]\n"                                                                                     \
            "bgt 1b\n"                                                                                                 \
            "pop {r0-r12, lr}\n"                                                                                       \
            :                                                                                                          \
            : "r"(b->zeros)                                                                                            \
            : "q0", "q1", "q2", "q3", "q4", "q5", "q6", "cc", "memory");                                               \
    }
ROW_S16(row_s16_1, STEP_S16)
ROW_S16(row_s16_2, STEP_S16 STEP_S16)

void sezoo_dense(const sezoo_matrix *matrix, const sezoo_rounding *rounding, const void *x, int32_t piece_stride,
                 int32_t input_bytes, void *out, int32_t output_bytes, void *scratch)
{
    const int32_t pieces = matrix->pieces, piece = matrix->depth / pieces, steps = piece / SEZOO_ROW;
    const int32x4_t low = vdupq_n_s32(rounding->lowest), high = vdupq_n_s32(rounding->highest);
    const int32x4_t zero_point = vdupq_n_s32(rounding->zero_point);
    if (input_bytes == 1) {
        const int32_t run = sezoo_run_length(steps);
        block_s8 b; /* not initialized as a whole: that is a call of memset */
        b.x = x;
        b.bias = matrix->bias;
        b.left = matrix->outputs;
        b.multiplier = matrix->multiplier;
        b.out = out;
        b.weights = matrix->weights;
        b.jump = pieces > 1 ? piece_stride - run * SEZOO_ROW : 0;
        b.runs = (uint32_t)(matrix->depth / SEZOO_ROW / run) | (output_bytes == 2 ? 1U << 31 : 0U);
        vstrwq_s32(b.low, low);
        vstrwq_s32(b.high, high);
        vstrwq_s32(b.zero_point, zero_point);
        rows_s8[run - 1](&b);
        return;
    }
    uint8_t *to = scratch;
    const uint8_t *from = x;
    for (int32_t p = 0; p < pieces; ++p, from += 2 * piece_stride) {
        for (int32_t k = 0; k < piece; k += SEZOO_ROW, to += 2 * SEZOO_ROW) {
            const uint8x16x2_t bytes = vld2q_u8(from + 2 * k);
            vstrbq_u8(to, bytes.val[1]);
            vstrbq_u8(to + SEZOO_ROW, veorq_u8(bytes.val[0], vdupq_n_u8(0x80)));
        }
    }
    const int32_t all_steps = steps * pieces;
    block_s16 b = {matrix->multiplier, out, matrix->outputs, output_bytes == 2, {0}, scratch, all_steps,
                   matrix->weights, matrix->bias, {0}, {0}, {0}};
    vstrwq_s32(b.low, low);
    vstrwq_s32(b.high, high);
    vstrwq_s32(b.zero_point, zero_point);
    if (all_steps & 1) {
        row_s16_1(&b);
    } else {
        b.runs /= 2;
        row_s16_2(&b);
    }
}

#elif SEZOO_DSP

typedef uint32_t __attribute__((may_alias)) word;

/* Eight of int8: activations begin anywhere. */
static int32_t spread_s8(const int8_t *from, int32_t size, word *to, int32_t step, int32_t sum)
{
    const int8_t *end = from + size;
    uint32_t t0, t1, t2, t3;
    __asm volatile("1:\n"
                   "ldr %[t1], [%[from]], #4\n"
                   "ldr %[t3], [%[from]], #4\n"
                   "sxtb16 %[t0], %[t1]\n"
                   "sxtb16 %[t1], %[t1], ror #8\n"
                   "sxtb16 %[t2], %[t3]\n"
                   "sxtb16 %[t3], %[t3], ror #8\n"
                   "strd %[t0], %[t1], [%[to]]\n"
                   "add %[to], %[to], %[step]\n"
                   "strd %[t2], %[t3], [%[to]]\n"
                   "add %[to], %[to], %[step]\n"
                   "sadd16 %[t0], %[t0], %[t1]\n"
                   "sadd16 %[t2], %[t2], %[t3]\n"
                   "smlad %[sum], %[t0], %[ones], %[sum]\n"
                   "smlad %[sum], %[t2], %[ones], %[sum]\n"
                   "cmp %[from], %[end]\n"
                   "bne 1b\n"
                   : [from] "+r"(from), [to] "+r"(to), [sum] "+r"(sum), [t0] "=&r"(t0), [t1] "=&r"(t1),
                     [t2] "=&r"(t2), [t3] "=&r"(t3)
                   : [end] "r"(end), [step] "r"(4 * step), [ones] "r"(0x00010001U)
                   : "cc", "memory");
    return sum;
}

uint32_t sezoo_spread(const sezoo_matrix *matrix, const void *x, int32_t piece_stride, int32_t bytes, void *spread,
                      int32_t step)
{
    const int8_t *row = x;
    const int32_t size = sezoo_spread_size(matrix->piece), words = size / 4 * step;
    word *to = spread;
    int32_t sum = 0;
    for (int32_t p = matrix->pieces; p > 0; --p, row += piece_stride, to += words) {
        if (bytes == 1) {
            sum = spread_s8(row, size, to, step, sum);
            continue;
        }
        const sezoo_unaligned *from = (const void *)row;
        word *pair = to;
        for (int32_t k = 0; k < size; k += 4, pair += step, from += 2) {
            const uint32_t first = from[0].value, second = from[1].value;
            pair[0] = (first & 0xFFFFU) | (second << 16);
            pair[1] = (first >> 16) | (second & 0xFFFF0000U);
            sum = __smlad((int32_t)first, 0x00010001, sum);
            sum = __smlad((int32_t)second, 0x00010001, sum);
        }
    }
    return (uint32_t)sum;
}

/* As in sezoo_matmul.c, one row with four outputs. Numbers in the assembly are offsets of the fields. */
typedef struct {
    const word *x_row, *piece_end; /* 0 */
    const int8_t *weights;
    uint32_t steps; /* bytes of a piece of activations, and 2^16 times those of weights to be left out behind it */
    uint32_t offset; /* 16: of sums of b and d, by the 128 in the weights */
    const word *x_end;
    int8_t *out; /* 24 */
    const int8_t *out_end;
    const int32_t *bias; /* 32 */
    const float *multiplier;
    int32_t zero_point; /* 40 */
} fours_block;

#define PAIR(x, w, high, low)                                                                                          \
    "smlad " high ", " x ", " w ", " high "\n"                                                                         \
    "uxtb16 " w ", " w "\n"                                                                                            \
    "smlad " low ", " x ", " w ", " low "\n"
#define FOUR                                                                                                           \
    "ldrd r4, r5, [r10], #8\n"                                                                                         \
    "ldm r11!, {r6, r7, r8, r9}\n" PAIR("r4", "r6", "r0", "r1") PAIR("r5", "r7", "r0", "r1")                           \
        PAIR("r4", "r8", "r2", "r3") PAIR("r5", "r9", "r2", "r3")

#if SEZOO_ROUNDS
static void all_fours(fours_block *b)
{
    __asm volatile("push {r0-r12, lr}\n"
                   "push {%0}\n"
                   "ldr r11, [%0, #8]\n"
                   "1:\n"
                   "ldr r4, [sp]\n"
                   "ldr r9, [r4, #32]\n"
                   "ldm r9!, {r5, r6, r7, r8}\n"
                   "str r9, [r4, #32]\n"
                   "ldr r9, [r4, #16]\n"
                   "add r1, r6, r9\n"
                   "add r3, r8, r9\n"
                   "add r0, r1, r5, lsl #8\n"
                   "add r2, r3, r7, lsl #8\n"
                   "ldrd r10, r12, [r4]\n"
                   "ldr lr, [r4, #12]\n"
                   "2:\n" FOUR FOUR
                   SEZOO_NEXT_PIECE("2b", "20")
                   "sub r0, r0, r1\n"
                   "sub r2, r2, r3\n"
                   "vmov s0, s1, r0, r1\n"
                   "vmov s2, s3, r2, r3\n"
                   "ldrd r9, r8, [r4, #36]\n"
                   "vldm r9!, {s4-s7}\n"
                   "str r9, [r4, #36]\n"
                   SEZOO_ROUND_FOUR(", #8", "", ", #8", "", "s4", "s5", "s6", "s7")
                   "ldrd r6, r7, [r4, #24]\n"
                   SEZOO_LIMIT_FOUR_S8("r8")
                   SEZOO_PACK_FOUR_S8
                   "str r0, [r6], #4\n"
                   "str r6, [r4, #24]\n"
                   "cmp r6, r7\n"
                   "bne 1b\n"
                   "pop {r4}\n"
                   "pop {r0-r12, lr}\n"
                   :
                   : "r"(b)
                   : "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "cc", "memory");
}
#endif
#undef FOUR
#undef PAIR

/* Four outputs, with all taken out of their words. In the order of the registers, r0 to r12 and r14. */
typedef struct {
    int32_t a, b, c, d;
    uint32_t x[2], w[4];
    const word *x_row;
    const int8_t *weights;
    const word *piece_end;
    uint32_t steps;
    const word *x_end; /* 56 */
} four_block;

#define PAIR(x, w, high, low)                                                                                          \
    "uxtb16 r8, " w "\n"                                                                                               \
    "sxtb16 " w ", " w ", ror #8\n"                                                                                    \
    "smlad " low ", " x ", r8, " low "\n"                                                                              \
    "smlad " high ", " x ", " w ", " high "\n"
#define FOUR                                                                                                           \
    "ldrd r4, r5, [r10], #8\n"                                                                                         \
    "ldrd r6, r7, [r11], #8\n" PAIR("r4", "r6", "r0", "r1") PAIR("r5", "r7", "r0", "r1")                               \
    "ldrd r6, r7, [r11], #8\n" PAIR("r4", "r6", "r2", "r3") PAIR("r5", "r7", "r2", "r3")

static void one_four(four_block *b)
{
    __asm volatile("push {r0-r12, lr}\n"
                   "push {%0}\n"
                   "ldm %0, {r0-r12, lr}\n"
                   "1:\n" FOUR FOUR
                   SEZOO_NEXT_PIECE("1b", "56")
                   "pop {r4}\n"
                   "stm r4, {r0, r1, r2, r3}\n"
                   "pop {r0-r12, lr}\n"
                   :
                   : "r"(b)
                   : "cc", "memory");
}

#if SEZOO_ROUNDS
/* All fours of outputs of 16 bits without a zero point, to which one instruction limits. */
static void all_fours_s16(fours_block *b)
{
    __asm volatile("push {r0-r12, lr}\n"
                   "push {%0}\n"
                   "ldr r11, [%0, #8]\n"
                   "1:\n"
                   "ldr r4, [sp]\n"
                   "ldrd r5, r6, [r4, #32]\n"
                   "ldm r5!, {r0, r1, r2, r3}\n"
                   "str r5, [r4, #32]\n"
                   "ldr r5, [r4, #16]\n"
                   "add r1, r1, r5\n"
                   "add r3, r3, r5\n"
                   "vldm r6!, {s4-s7}\n"
                   "str r6, [r4, #36]\n"
                   "ldrd r10, r12, [r4]\n"
                   "ldr lr, [r4, #12]\n"
                   "2:\n" FOUR FOUR
                   SEZOO_NEXT_PIECE("2b", "20")
                   "vmov s0, s1, r0, r1\n"
                   "vmov s2, s3, r2, r3\n"
                   SEZOO_ROUND_FOUR("", "", "", "", "s4", "s5", "s6", "s7")
                   "ldrd r6, r7, [r4, #24]\n"
                   "ssat r0, #16, r0\n"
                   "ssat r1, #16, r1\n"
                   "ssat r2, #16, r2\n"
                   "ssat r3, #16, r3\n"
                   "pkhbt r0, r0, r1, lsl #16\n"
                   "pkhbt r2, r2, r3, lsl #16\n"
                   "str r0, [r6], #4\n"
                   "str r2, [r6], #4\n"
                   "str r6, [r4, #24]\n"
                   "cmp r6, r7\n"
                   "bne 1b\n"
                   "pop {r4}\n"
                   "pop {r0-r12, lr}\n"
                   :
                   : "r"(b)
                   : "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "cc", "memory");
}
#endif
#undef FOUR
#undef PAIR

void sezoo_dense(const sezoo_matrix *matrix, const sezoo_rounding *rounding, const void *x, int32_t piece_stride,
                 int32_t input_bytes, void *out, int32_t output_bytes, void *scratch)
{
    const int32_t depth = matrix->depth, outputs = matrix->outputs, pieces = matrix->pieces;
    const int32_t piece = sezoo_spread_size(matrix->piece), bytes = input_bytes;
    const uint32_t offset = 0 - 128 * sezoo_spread(matrix, x, piece_stride * bytes, bytes, scratch, 2);
    const uint32_t steps = (uint32_t)(2 * piece) | (uint32_t)(depth / pieces - piece) << 18;
    const word *row = scratch, *piece_end = row + piece / 2, *end = row + piece / 2 * pieces;
    int32_t o = 0;
#if SEZOO_ROUNDS
    const int32_t whole = output_bytes == 2 && rounding->zero_point == 0 && rounding->lowest == -32768 &&
                          rounding->highest == 32767; /* all of an int16, to which one instruction limits */
    if (bytes == 1 && output_bytes == 1 && !matrix->is_wide && sezoo_is_whole_s8(rounding) && outputs >= 4) {
        o = outputs / 4 * 4;
        fours_block b = {row, piece_end, matrix->weights, steps, offset, end, out, (int8_t *)out + o, matrix->bias,
                         matrix->multiplier, rounding->zero_point};
        all_fours(&b);
    } else if (whole && outputs >= 4) {
        o = outputs / 4 * 4;
        fours_block b = {row, piece_end, matrix->weights, steps, offset, end, out, (int8_t *)out + 2 * o, matrix->bias,
                         matrix->multiplier, 0};
        all_fours_s16(&b);
    }
#endif
    for (; o < outputs; o += 4) {
        const int32_t *bias = matrix->bias + o, count = outputs - o < 4 ? outputs - o : 4;
        const float *multiplier = matrix->multiplier + o;
        four_block b = {bias[0], (int32_t)((uint32_t)bias[1] + offset), bias[2], (int32_t)((uint32_t)bias[3] + offset),
                        {0}, {0}, row, matrix->weights + o * depth, piece_end, steps, end};
        one_four(&b);
        const int32_t sums[] = {b.a, b.b, b.c, b.d};
        for (int32_t i = 0; i < count; ++i) {
            const int32_t rounded = sezoo_rounded_wide((float)sums[i] * multiplier[i], rounding);
            if (output_bytes == 1) {
                ((int8_t *)out)[o + i] = (int8_t)rounded;
            } else {
                ((int16_t *)out)[o + i] = (int16_t)rounded;
            }
        }
    }
}

#else

void sezoo_dense(const sezoo_matrix *matrix, const sezoo_rounding *rounding, const void *x, int32_t piece_stride,
                 int32_t input_bytes, void *out, int32_t output_bytes, void *scratch)
{
    const int32_t piece = matrix->depth / matrix->pieces;
    (void)scratch;
    for (int32_t o = 0; o < matrix->outputs; ++o) {
        const int8_t *weights = matrix->weights + (o / 4) * 4 * matrix->depth + (o & 3) * SEZOO_ROW;
        int32_t sum = matrix->bias[o];
        for (int32_t p = 0; p < matrix->pieces; ++p) {
            for (int32_t k = p * piece_stride; k < p * piece_stride + piece; k += SEZOO_ROW, weights += 4 * SEZOO_ROW) {
                for (int32_t i = 0; i < SEZOO_ROW; ++i) {
                    sum += weights[i] *
                           (input_bytes == 1 ? ((const int8_t *)x)[k + i] : ((const int16_t *)x)[k + i]);
                }
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

/* Matrix products of int8 weights with int8 or int16 activations: nine tenths of all the work. */
#include "sezoo_kernels.h"

#if SEZOO_MVE

/* Two rows and four outputs at a time: 6 loads and 8 instructions of 16 multiplications each. Eight accumulators, which
   have to be in even registers, leave the odd ones for the pointers: more than a compiler manages. All pairs of rows go
   by, and requantization is in here too, so that weights of four outputs are read while they are in the cache, and
   nothing but pointers is loaded on the way. Offsets in the assembly are those from `bias`. */
typedef struct {
    int8_t *out; /* -16 */
    int32_t out_stride;
    const int8_t *out_end;
    int32_t next;    /* -4: from the end of a row to the beginning of the next but one, in bytes */
    int32_t bias[4]; /* 0 */
    int32_t runs;    /* 16: of steps; a piece is one, or a contiguous row is cut into some */
    const int8_t *weights;
    const int8_t *x0; /* 24 */
    const int8_t *x1;
    int32_t jump; /* 32: from the end of a run to the next one, in bytes */
    int32_t left; /* 36: outputs */
    const float *multiplier;
    int32_t unused;
    int32_t low[4]; /* 48 */
    int32_t high[4];
    int32_t zero_point[4];
} block;

/* Sixteen activations of each row with sixteen weights of four outputs. */
#define STEP_S8                                                                                                        \
    "vldrb.8 q0, [r1], #16\n"                                                                                          \
    "vldrb.8 q2, [r7], #16\n"                                                                                          \
    "vmladava.s8 r0, q0, q2\n"                                                                                         \
    "vldrb.8 q1, [r3], #16\n"                                                                                          \
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

/* Eight of each: weights are widened as they are loaded. */
#define HALF_S16(w0, w1, w2, w3)                                                                                       \
    "vldrh.16 q0, [r1], #16\n"                                                                                         \
    "vldrb.s16 q2, [r7, #" w0 "]\n"                                                                                    \
    "vmladava.s16 r0, q0, q2\n"                                                                                        \
    "vldrh.16 q1, [r3], #16\n"                                                                                         \
    "vmladava.s16 r8, q1, q2\n"                                                                                        \
    "vldrb.s16 q3, [r7, #" w1 "]\n"                                                                                    \
    "vmladava.s16 r2, q0, q3\n"                                                                                        \
    "vmladava.s16 r10, q1, q3\n"                                                                                       \
    "vldrb.s16 q2, [r7, #" w2 "]\n"                                                                                    \
    "vmladava.s16 r4, q0, q2\n"                                                                                        \
    "vmladava.s16 r12, q1, q2\n"                                                                                       \
    "vldrb.s16 q3, [r7, #" w3 "]\n"                                                                                    \
    "vmladava.s16 r6, q0, q3\n"                                                                                        \
    "vmladava.s16 lr, q1, q3\n"
#define STEP_S16 HALF_S16("0", "16", "32", "48") HALF_S16("8", "24", "40", "56") "adds r7, #64\n"

#define TWO_ROWS(name, STEPS)                                                                                          \
    static void name(block *b)                                                                                         \
    {                                                                                                                  \
        __asm volatile(                                                                                                \
            "push {r0-r12, lr}\n"                                                                                      \
            "mov r11, %0\n"                                                                                            \
            "ldrd r0, r2, [r11, #36]\n"                                                                                \
            "vctp.32 r0\n"                                                                                             \
            "vldrw.32 q7, [r2]\n"                                                                                      \
            "vldrw.32 q4, [r11, #48]\n"                                                                                \
            "vldrw.32 q5, [r11, #64]\n"                                                                                \
            "vldrw.32 q6, [r11, #80]\n"                                                                                \
            "ldrd r1, r3, [r11, #24]\n"                                                                                \
            "ldr r9, [r11, #32]\n"                                                                                     \
            "1:\n"                                                                                                     \
            "ldm r11, {r0, r2, r4, r6}\n"                                                                              \
            "ldm r11, {r8, r10, r12, lr}\n"                                                                            \
            "ldrd r5, r7, [r11, #16]\n"                                                                                \
            "2:\n" STEPS                                                                                               \
            "add r1, r9\n"                                                                                             \
            "add r3, r9\n"                                                                                             \
            "subs r5, #1\n"                                                                                            \
            "bne 2b\n"                                                                                                 \
            "push {r0, r2, r4, r6, r8, r10, r12, lr}\n"                                                                \
            "vpop {d0-d3}\n"                                                                                           \
            "vcvt.f32.s32 q0, q0\n"                                                                                    \
            "vcvt.f32.s32 q1, q1\n"                                                                                    \
            "vmul.f32 q0, q0, q7\n"                                                                                    \
            "vmul.f32 q1, q1, q7\n"                                                                                    \
            "vcvtn.s32.f32 q0, q0\n"                                                                                   \
            "vcvtn.s32.f32 q1, q1\n"                                                                                   \
            "vmax.s32 q0, q0, q4\n"                                                                                    \
            "vmax.s32 q1, q1, q4\n"                                                                                    \
            "vmin.s32 q0, q0, q5\n"                                                                                    \
            "vmin.s32 q1, q1, q5\n"                                                                                    \
            "vadd.i32 q0, q0, q6\n"                                                                                    \
            "vadd.i32 q1, q1, q6\n"                                                                                    \
            "ldmdb r11, {r0, r2, r4, r6}\n"                                                                            \
            "vpst\n"                                                                                                   \
            "vstrbt.32 q0, [r0]\n"                                                                                     \
            "add r0, r2\n"                                                                                             \
            "vpst\n"                                                                                                   \
            "vstrbt.32 q1, [r0]\n"                                                                                     \
            "add r0, r2\n"                                                                                             \
            "str r0, [r11, #-16]\n"                                                                                    \
            "add r1, r6\n"                                                                                             \
            "add r3, r6\n"                                                                                             \
            "cmp r0, r4\n"                                                                                             \
            "bne 1b\n"                                                                                                 \
            "pop {r0-r12, lr}\n"                                                                                       \
            :                                                                                                          \
            : "r"(b->bias)                                                                                             \
            : "q0", "q1", "q2", "q3", "q4", "q5", "q6", "q7", "cc", "memory");                                         \
    }
TWO_ROWS(two_rows_1, STEP_S8)
TWO_ROWS(two_rows_2, STEP_S8 STEP_S8)
TWO_ROWS(two_rows_3, STEP_S8 STEP_S8 STEP_S8)
TWO_ROWS(two_rows_4, STEP_S8 STEP_S8 STEP_S8 STEP_S8)
TWO_ROWS(two_rows_5, STEP_S8 STEP_S8 STEP_S8 STEP_S8 STEP_S8)
TWO_ROWS(two_rows_s16, STEP_S16)

/* The kernels by their steps in a run: the more, the less is spent between runs. */
static void (*const two_rows[])(block *) = {two_rows_1, two_rows_2, two_rows_3, two_rows_4, two_rows_5};

static void matmul(const sezoo_matrix *matrix, const sezoo_rounding *rounding, const int8_t *x, int32_t stride,
                   int32_t piece_stride, int32_t rows, int8_t *out, int32_t out_stride, int32_t bytes)
{
    const int32_t depth = matrix->depth, steps = depth / matrix->pieces / SEZOO_ROW;
    const int32_t run = bytes == 1 ? sezoo_run_length(steps) : 1;
    void (*const kernel)(block *) = bytes == 1 ? two_rows[run - 1] : two_rows_s16;
    block b; /* not initialized as a whole: that is a call of memset */
    b.runs = depth / SEZOO_ROW / run;
    b.weights = matrix->weights;
    b.left = matrix->outputs;
    b.jump = matrix->pieces > 1 ? piece_stride - run * SEZOO_ROW * bytes : 0;
    const int32_t pairs_end = rows / 2 * 2 * out_stride, read = b.runs * (run * SEZOO_ROW * bytes + b.jump);
    vstrwq_s32(b.low, vdupq_n_s32(rounding->lowest));
    vstrwq_s32(b.high, vdupq_n_s32(rounding->highest));
    vstrwq_s32(b.zero_point, vdupq_n_s32(rounding->zero_point));
    b.next = 2 * stride - read;
    b.multiplier = matrix->multiplier;
    const int32_t *bias = matrix->bias;
    for (; b.left > 0; b.left -= 4, bias += 4, b.multiplier += 4, b.weights += 4 * depth, out += 4) {
        vstrwq_s32(b.bias, vldrwq_s32(bias));
        if (rows > 1) {
            b.x0 = x;
            b.x1 = x + stride;
            b.out = out;
            b.out_stride = out_stride;
            b.out_end = out + pairs_end;
            kernel(&b);
        }
        if (rows & 1) { /* twice the last row, into the same place */
            b.x0 = b.x1 = x + (rows - 1) * stride;
            b.out = out + (rows - 1) * out_stride;
            b.out_end = b.out;
            b.out_stride = 0;
            kernel(&b);
        }
    }
}

void sezoo_matmul_s8(const sezoo_matrix *matrix, const sezoo_rounding *rounding, const int8_t *x, int32_t stride,
                     int32_t piece_stride, int32_t rows, int8_t *out, int32_t out_stride, void *scratch)
{
    (void)scratch;
    matmul(matrix, rounding, x, stride, piece_stride, rows, out, out_stride, 1);
}

void sezoo_matmul_s16(const sezoo_matrix *matrix, const sezoo_rounding *rounding, const int16_t *x, int32_t stride,
                      int32_t piece_stride, int32_t rows, int8_t *out, int32_t out_stride, void *scratch)
{
    (void)scratch;
    matmul(matrix, rounding, (const int8_t *)x, 2 * stride, 2 * piece_stride, rows, out, out_stride, 2);
}

#elif SEZOO_DSP

/* A word of weights has two of each of two outputs, whose bytes lie in turn: (b0, a0, b2, a2), with 128 added to those of
   b, see sezoo_weights.h. As two int16 they are 256 a + b, so that one SMLAD has both products, and another one with b
   alone, by UXTB16, takes them apart: 256 a.x is the difference. Activations are pairs of int16 in the same order, 0 and
   2, then 1 and 3, those of two rows in turn: 12 instructions for 16 products. Where 256 times a sum could be beyond an
   int32, with activations of 16 bits above all, a is taken out of its word as well. */
typedef uint32_t __attribute__((may_alias)) word;

/* Where rounding limits to all of an int8, it is done in here as well, and two rows go through all pairs of outputs.
   Numbers in the assembly are offsets of the fields. */
typedef struct {
    const word *x_row, *piece_end; /* 0 */
    const int8_t *weights;
    uint32_t steps; /* bytes of a piece of activations, and 2^16 times those of weights to be left out behind it */
    uint32_t offset0, offset1;  /* 16: of sums of b, by the 128 in the weights */
    int32_t next, after;        /* 24: from the end of the weights of a pair to those of the next, in turn */
    int8_t *out;                /* 32 */
    int32_t second;             /* where the second row is, from the first one */
    const int8_t *out_end;      /* 40 */
    const word *x_end;
    const int32_t *bias; /* 48 */
    const float *multiplier;
    int32_t zero_point; /* 56 */
} pairs_block;

#define FOUR                                                                                                           \
    "ldrd r8, r9, [r11], #16\n"                                                                                        \
    "ldm r10!, {r4, r5, r6, r7}\n"                                                                                     \
    "smlad r0, r4, r8, r0\n"                                                                                           \
    "smlad r1, r6, r8, r1\n"                                                                                           \
    "uxtb16 r8, r8\n"                                                                                                  \
    "smlad r2, r4, r8, r2\n"                                                                                           \
    "smlad r3, r6, r8, r3\n"                                                                                           \
    "smlad r0, r5, r9, r0\n"                                                                                           \
    "smlad r1, r7, r9, r1\n"                                                                                           \
    "uxtb16 r9, r9\n"                                                                                                  \
    "smlad r2, r5, r9, r2\n"                                                                                           \
    "smlad r3, r7, r9, r3\n"

#if SEZOO_ROUNDS
static void all_pairs(pairs_block *b)
{
    __asm volatile("push {r0-r12, lr}\n"
                   "push {%0}\n"
                   "1:\n"
                   "ldr r4, [sp]\n"
                   "ldr r9, [r4, #48]\n"
                   "ldrd r5, r6, [r9], #8\n"
                   "str r9, [r4, #48]\n"
                   "ldrd r7, r8, [r4, #16]\n"
                   "add r2, r6, r7\n"
                   "add r3, r6, r8\n"
                   "add r0, r2, r5, lsl #8\n"
                   "add r1, r3, r5, lsl #8\n"
                   "ldrd r10, r12, [r4]\n"
                   "ldrd r11, lr, [r4, #8]\n"
                   "2:\n" FOUR FOUR
                   SEZOO_NEXT_PIECE("2b", "44")
                   "sub r0, r0, r2\n"
                   "sub r1, r1, r3\n"
                   "vmov s0, s1, r0, r1\n"
                   "vmov s2, s3, r2, r3\n"
                   "ldrd r9, r8, [r4, #52]\n"
                   "vldm r9!, {s4, s5}\n"
                   "str r9, [r4, #52]\n"
                   SEZOO_ROUND_FOUR(", #8", ", #8", "", "", "s4", "s4", "s5", "s5")
                   "ldrd r6, r7, [r4, #32]\n"
                   SEZOO_LIMIT_FOUR_S8("r8")
                   "bfi r0, r2, #8, #8\n"
                   "bfi r1, r3, #8, #8\n"
                   "strh r1, [r6, r7]\n"
                   "strh r0, [r6], #2\n"
                   "str r6, [r4, #32]\n"
                   "ldrd r2, r3, [r4, #24]\n"
                   "add r11, r11, r2\n"
                   "str r11, [r4, #8]\n"
                   "strd r3, r2, [r4, #24]\n"
                   "ldr r5, [r4, #40]\n"
                   "cmp r6, r5\n"
                   "bne 1b\n"
                   "pop {r4}\n"
                   "pop {r0-r12, lr}\n"
                   :
                   : "r"(b)
                   : "s0", "s1", "s2", "s3", "s4", "s5", "cc", "memory");
}
#endif
#undef FOUR

/* One pair of outputs, with a taken out of its word. In the order of the registers, r0 to r12 and r14. */
typedef struct {
    int32_t a0, a1, b0, b1;
    uint32_t x[4], w[2];
    const word *x_row;
    const int8_t *weights;
    const word *piece_end;
    uint32_t steps;
    const word *x_end; /* 56 */
} pair_block;

#define HALF(first, second)                                                                                            \
    "sxtb16 r9, r8, ror #8\n"                                                                                          \
    "smlad r0, " first ", r9, r0\n"                                                                                    \
    "smlad r1, " second ", r9, r1\n"                                                                                   \
    "uxtb16 r8, r8\n"                                                                                                  \
    "smlad r2, " first ", r8, r2\n"                                                                                    \
    "smlad r3, " second ", r8, r3\n"
#define FOUR                                                                                                           \
    "ldm r10!, {r4, r5, r6, r7}\n"                                                                                     \
    "ldr r8, [r11], #4\n" HALF("r4", "r6") "ldr r8, [r11], #12\n" HALF("r5", "r7")

static void one_pair(pair_block *b)
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
#undef FOUR
#undef HALF

static void matmul(const sezoo_matrix *matrix, const sezoo_rounding *rounding, const int8_t *x, int32_t stride,
                   int32_t piece_stride, int32_t rows, int8_t *out, int32_t out_stride, int32_t bytes, void *scratch)
{
    const int32_t depth = matrix->depth, pieces = matrix->pieces, piece = sezoo_spread_size(matrix->piece);
    const int32_t fast_outputs =
        SEZOO_ROUNDS && bytes == 1 && !matrix->is_wide && sezoo_is_whole_s8(rounding) ? matrix->outputs & ~1 : 0;
    const uint32_t steps = (uint32_t)(4 * piece) | (uint32_t)(depth / pieces - piece) << 18;
    const word *row = scratch, *piece_end = row + piece, *end = row + piece * pieces;
    for (int32_t r = 0; r < rows; r += 2, x += 2 * stride, out += 2 * out_stride) {
        const int32_t both = rows - r > 1, second = both ? out_stride : 0;
        const uint32_t sum0 = sezoo_spread(matrix, x, piece_stride, bytes, scratch, 4);
        const uint32_t sum1 = sezoo_spread(matrix, both ? x + stride : x, piece_stride, bytes, (word *)scratch + 2, 4);
        const uint32_t offset0 = 0 - 128 * sum0, offset1 = 0 - 128 * sum1;
#if SEZOO_ROUNDS
        if (fast_outputs > 0) {
            pairs_block b = {row, piece_end, matrix->weights, steps, offset0, offset1, 8 - 4 * depth, -8, out, second,
                             out + fast_outputs, end, matrix->bias, matrix->multiplier, rounding->zero_point};
            all_pairs(&b);
        }
#endif
        for (int32_t o = fast_outputs; o < matrix->outputs; o += 2) {
            const int32_t bias_a = matrix->bias[o], bias_b = matrix->bias[o + 1];
            const float scale_a = matrix->multiplier[o], scale_b = matrix->multiplier[o + 1];
            pair_block b = {bias_a, bias_a, (int32_t)((uint32_t)bias_b + offset0), (int32_t)((uint32_t)bias_b + offset1),
                            {0}, {0}, row, matrix->weights + (o >> 2) * 4 * depth + (o & 2) * 4, piece_end, steps, end};
            int8_t *place = out + o;
            one_pair(&b);
            place[0] = sezoo_rounded((float)b.a0 * scale_a, rounding);
            place[second] = sezoo_rounded((float)b.a1 * scale_a, rounding);
            if (o + 1 < matrix->outputs) {
                place[1] = sezoo_rounded((float)b.b0 * scale_b, rounding);
                place[second + 1] = sezoo_rounded((float)b.b1 * scale_b, rounding);
            }
        }
    }
}

void sezoo_matmul_s8(const sezoo_matrix *matrix, const sezoo_rounding *rounding, const int8_t *x, int32_t stride,
                     int32_t piece_stride, int32_t rows, int8_t *out, int32_t out_stride, void *scratch)
{
    matmul(matrix, rounding, x, stride, piece_stride, rows, out, out_stride, 1, scratch);
}

void sezoo_matmul_s16(const sezoo_matrix *matrix, const sezoo_rounding *rounding, const int16_t *x, int32_t stride,
                      int32_t piece_stride, int32_t rows, int8_t *out, int32_t out_stride, void *scratch)
{
    matmul(matrix, rounding, (const int8_t *)x, 2 * stride, 2 * piece_stride, rows, out, out_stride, 2, scratch);
}

#else

#define PLAIN_MATMUL(name, type)                                                                                       \
    void name(const sezoo_matrix *matrix, const sezoo_rounding *rounding, const type *x, int32_t stride,               \
              int32_t piece_stride, int32_t rows, int8_t *out, int32_t out_stride, void *scratch)                      \
    {                                                                                                                  \
        const int32_t piece = matrix->depth / matrix->pieces;                                                          \
        (void)scratch;                                                                                                 \
        for (int32_t o = 0; o < matrix->outputs; ++o) {                                                                \
            for (int32_t r = 0; r < rows; ++r) {                                                                       \
                const int8_t *weights = matrix->weights + (o / 4) * 4 * matrix->depth + (o & 3) * SEZOO_ROW;           \
                const type *row = x + r * stride;                                                                      \
                int32_t sum = matrix->bias[o];                                                                         \
                for (int32_t p = 0; p < matrix->pieces; ++p, row += piece_stride) {                                    \
                    for (int32_t k = 0; k < piece; k += SEZOO_ROW, weights += 4 * SEZOO_ROW) {                         \
                        for (int32_t i = 0; i < SEZOO_ROW; ++i) {                                                      \
                            sum += row[k + i] * weights[i];                                                            \
                        }                                                                                              \
                    }                                                                                                  \
                }                                                                                                      \
                out[r * out_stride + o] = sezoo_rounded((float)sum * matrix->multiplier[o], rounding);                 \
            }                                                                                                          \
        }                                                                                                              \
    }

PLAIN_MATMUL(sezoo_matmul_s8, int8_t)
PLAIN_MATMUL(sezoo_matmul_s16, int16_t)

#endif

/* The integer operators. Activations are rows, one for each frame, that begin at multiples of 16 integers.
   Inside a row come all channels of the first position, then those of the next. */
#ifndef SEZOO_KERNELS_H
#define SEZOO_KERNELS_H

#include <stdint.h>

#include "sezoo_target.h"

#define SEZOO_ROW 16 /* rows and weights are padded to so many integers: one vector register */

/* How accumulators become int8: rounded to even after multiplication by a float32 for each output, limited to
   lowest..highest, and the zero point added. */
typedef struct {
    int32_t zero_point;
    int32_t lowest, highest; /* without the zero point */
} sezoo_rounding;

/* A matrix: `outputs` rows of `depth` weights. Four rows lie together, 16 weights of each in turn, so that one pointer
   runs through all; with the DSP extension they are ordered otherwise, see sezoo_weights.h. The last four are padded
   with zeros. A row has `pieces` of equal size, multiples of SEZOO_ROW, which need not be neighbours in the
   activations; the first `piece` weights of each are used, and zeros lie behind. */
typedef struct {
    const int8_t *weights;
    const int32_t *bias;     /* with the input's zero point in it; one for each row, the padding among them */
    const float *multiplier; /* likewise */
    int32_t depth;
    int32_t outputs;
    int32_t pieces;
    int32_t piece;
    int32_t is_wide; /* whether a sum can be 2^23 or more */
} sezoo_matrix;

/* A convolution. Its input's frames are read from `first_frame + t` on for output frame t, and zeros beyond what there
   is. Groups have matrices one behind the other; a matrix row holds the taps in time, in each the positions, in each
   the channels. Each tap in time may be a piece. */
typedef struct {
    sezoo_matrix matrix; /* of the first group */
    sezoo_rounding rounding;
    int32_t input_row, output_row; /* integers from one frame to the next */
    int32_t input_bytes;           /* of an integer: 1 or 2 */
    int32_t output_bytes;          /* 2 with a dense matrix only */
    int32_t dense;                 /* for sezoo_dense: one row at a time, or outputs of 16 bits */
    int32_t groups;
    int32_t channels_in; /* of a group */
    int32_t positions_in, positions_out;
    int32_t taps, dilation_time;
    int32_t kernel, stride, dilation, pad; /* over positions */
    int32_t input_zero_point;
} sezoo_conv;

/* A depthwise convolution: weights by tap in time, position, and channel; channels are padded to SEZOO_ROW, here and in
   `bias` and `multiplier`. */
typedef struct {
    const int8_t *weights;
    const int32_t *bias;
    const float *multiplier;
    sezoo_rounding rounding;
    int32_t input_row, output_row;
    int32_t input_bytes, output_bytes; /* of an integer */
    int32_t channels;
    int32_t positions_in, positions_out;
    int32_t taps, dilation_time;
    int32_t kernel, stride, dilation, pad;
    int32_t input_zero_point;
} sezoo_depthwise;

/* Addition or multiplication of two rows of integers. */
typedef struct {
    sezoo_rounding rounding;
    int32_t zero_point_a, zero_point_b;
    float scale_a, scale_b;
    float inverse; /* 1 / scale of the output */
    int32_t row; /* integers from one frame to the next, in all three */
    /* The same addition in integers, for the DSP extension: (offset + (factor_a * 256 a >> 16) + (factor_b * 256 b >> 16))
       >> 20, limited to int8. `factor_a` is 0 where no integers give what floats give. */
    int32_t factor_a, factor_b, offset;
} sezoo_elementwise;

/* Matrix products of two tensors, one for each group: `rows` times `depth` integers of a with `columns` times `depth` of
   b are `rows` times `columns`. Groups lie one behind the other. */
typedef struct {
    sezoo_rounding rounding;
    float multiplier;
    int32_t zero_point_a, zero_point_b;
    int32_t groups, rows, columns, depth; /* depth 2^14 at most */
    int32_t a_row, b_row, output_row;     /* integers from one frame to the next */
    int32_t input_bytes, output_bytes;    /* of an integer */
} sezoo_product;

/* Groups of a row, one behind the other: without their mean and over their standard deviation, times a factor, plus an
   offset. `epsilon` is that of the variance times (size / scale of the input) squared. */
typedef struct {
    const float *factor, *offset; /* one for each item */
    float epsilon;
    float inverse; /* 1 / scale of the output */
    sezoo_rounding rounding;
    int32_t groups, size; /* integers of a group */
    int32_t input_row, output_row;
    int32_t input_bytes, output_bytes; /* of an integer */
} sezoo_normalize;

/* Groups of a row, each with the sum 1: `table` has the powers of the distances from the largest, in steps of 2^-20. Of
   16 bits those of the low byte come first, and then those of the high one; the power is their product. */
typedef struct {
    const int32_t *table; /* 256, or 512 */
    float inverse;
    sezoo_rounding rounding;
    int32_t groups, size; /* 1024 at most */
    int32_t input_row, output_row;
    int32_t input_bytes, output_bytes; /* of an integer */
} sezoo_softmax;

/* Bytes of scratch memory that a matrix product needs. */
#define SEZOO_SCRATCH(depth) (4 * (depth) + SEZOO_ROW)

/* Frames `first_frame`.. of `x` are read for the first output frame; `frames_in` are there. */
void sezoo_run_conv(const sezoo_conv *conv, const void *x, int32_t frames_in, int32_t first_frame, void *out,
                    int32_t frames_out, void *scratch);
void sezoo_run_depthwise(const sezoo_depthwise *conv, const void *x, int32_t frames_in, int32_t first_frame, void *out,
                         int32_t frames_out, void *scratch);

/* out[r][o] = rounded(sum over k of x[r][k] * weights[o][k] + bias[o]). `stride` integers lie from one row to the next,
   `piece_stride` from one piece to the next. `scratch` holds SEZOO_SCRATCH(depth). With Helium, a row of several pieces
   has at most 80 int8 in each, and one of int16 has one piece. */
void sezoo_matmul_s8(const sezoo_matrix *matrix, const sezoo_rounding *rounding, const int8_t *x, int32_t stride,
                     int32_t piece_stride, int32_t rows, int8_t *out, int32_t out_stride, void *scratch);
void sezoo_matmul_s16(const sezoo_matrix *matrix, const sezoo_rounding *rounding, const int16_t *x, int32_t stride,
                      int32_t piece_stride, int32_t rows, int8_t *out, int32_t out_stride, void *scratch);

/* The product with one row of activations of 1 or 2 bytes, into integers of 1 or 2 bytes. With Helium and 16 bits, `bias`
   has 128 times the sum of the weights in it. */
void sezoo_dense(const sezoo_matrix *matrix, const sezoo_rounding *rounding, const void *x, int32_t piece_stride,
                 int32_t input_bytes, void *out, int32_t output_bytes, void *scratch);

void sezoo_run_add(const sezoo_elementwise *op, const int8_t *a, const int8_t *b, int8_t *out, int32_t frames);
void sezoo_run_add_s16(const sezoo_elementwise *op, const int16_t *a, const int8_t *b, int8_t *out, int32_t frames);
void sezoo_run_mul(const sezoo_elementwise *op, const int8_t *a, const int8_t *b, int8_t *out, int32_t frames);

/* `scratch` holds an int32 for each column. */
void sezoo_run_product(const sezoo_product *op, const void *a, const void *b, void *out, int32_t frames, void *scratch);

void sezoo_run_normalize(const sezoo_normalize *op, const void *x, void *out, int32_t frames);
void sezoo_run_softmax(const sezoo_softmax *op, const void *x, void *out, int32_t frames);

/* out[i] = table[x[i] + 128] */
void sezoo_run_lookup(const int8_t table[256], const int8_t *x, int8_t *out, int32_t row, int32_t frames);
/* A function of int16 by straight lines between 1025 points; `gentle` where none is 520 or more from the next. Rows are
   padded to SEZOO_ROW. */
void sezoo_run_curve_s16(const int16_t table[1025], int32_t gentle, const int16_t *x, int16_t *out, int32_t count);
void sezoo_run_curve_s8(const int16_t table[1025], int32_t gentle, const int16_t *x, int8_t *out, int32_t count);
/* out[i] = inputs[0][index[i]], where the items of further inputs are numbered behind those of the first */
void sezoo_run_rearrange(const uint16_t *index, int32_t items, const int8_t *const *inputs, const int32_t *input_items,
                         const int32_t *input_rows, int32_t inputs_count, int8_t *out, int32_t out_row,
                         int32_t frames);
void sezoo_run_rearrange_s16(const uint16_t *index, int32_t items, const int16_t *const *inputs,
                             const int32_t *input_items, const int32_t *input_rows, int32_t inputs_count, int16_t *out,
                             int32_t out_row, int32_t frames);

static inline int32_t sezoo_limited(int32_t value, int32_t low, int32_t high)
{
    return value < low ? low : value > high ? high : value;
}

#if SEZOO_DSP
typedef struct __attribute__((packed, may_alias)) {
    uint32_t value;
} sezoo_unaligned; /* a word: activations of convolutions over frequencies begin anywhere */

/* Activations of a row as pairs of int16 in the order in which SXTB16 takes bytes apart, 0 and 2, then 1 and 3; two words
   for each `step`. Returns their sum, modulo 2^32. `piece_stride` is in bytes. */
uint32_t sezoo_spread(const sezoo_matrix *matrix, const void *x, int32_t piece_stride, int32_t bytes, void *spread,
                      int32_t step);

/* What is spread of a piece. */
static inline int32_t sezoo_spread_size(int32_t piece) { return (piece + 7) / 8 * 8; }

/* Assembly at the end of the loop over a row in pieces: r10 reads activations, r11 weights, r12 is the end of the piece,
   lr its length and what separates the weights of two pieces. The end of the row is `end` bytes into the block whose
   address lies on the stack. */
#define SEZOO_NEXT_PIECE(loop, end)                                                                                    \
    "cmp r10, r12\n"                                                                                                   \
    "bne " loop "\n"                                                                                                   \
    "ldr r4, [sp]\n"                                                                                                   \
    "ldr r5, [r4, #" end "]\n"                                                                                         \
    "uxtah r12, r12, lr\n"                                                                                             \
    "add r11, r11, lr, lsr #16\n"                                                                                      \
    "cmp r10, r5\n"                                                                                                    \
    "bne " loop "\n"
#endif

/* Rounded half to even without a library: adding 1.5 * 2^23 leaves the integer in the lowest bits of a float. A core with
   a floating-point unit of Arm's has an instruction for it, which saturates. */
#if SEZOO_DSP && defined(__ARM_FP) && (__ARM_FP & 4) && !defined(__SOFTFP__)
#define SEZOO_ROUNDS 1
static inline int32_t sezoo_nearest(float steps)
{
    union {
        float real;
        int32_t bits;
    } whole;
    __asm("vcvtr.s32.f32 %0, %1" : "=t"(whole.real) : "t"(steps));
    return whole.bits;
}

/* Assembly that rounds four accumulators in s0 to s3: converted, each with a fraction of so many bits (", #8" or ""),
   multiplied by m0 to m3, and left as integers in r0 to r3. */
#define SEZOO_ROUND_FOUR(f0, f1, f2, f3, m0, m1, m2, m3)                                                               \
    "vcvt.f32.s32 s0, s0" f0 "\n"                                                                                      \
    "vcvt.f32.s32 s1, s1" f1 "\n"                                                                                      \
    "vcvt.f32.s32 s2, s2" f2 "\n"                                                                                      \
    "vcvt.f32.s32 s3, s3" f3 "\n"                                                                                      \
    "vmul.f32 s0, s0, " m0 "\n"                                                                                        \
    "vmul.f32 s1, s1, " m1 "\n"                                                                                        \
    "vmul.f32 s2, s2, " m2 "\n"                                                                                        \
    "vmul.f32 s3, s3, " m3 "\n"                                                                                        \
    "vcvtr.s32.f32 s0, s0\n"                                                                                           \
    "vcvtr.s32.f32 s1, s1\n"                                                                                           \
    "vcvtr.s32.f32 s2, s2\n"                                                                                           \
    "vcvtr.s32.f32 s3, s3\n"                                                                                           \
    "vmov r0, r1, s0, s1\n"                                                                                            \
    "vmov r2, r3, s2, s3\n"

/* Adds the zero point to r0 to r3 and limits them to int8. */
#define SEZOO_LIMIT_FOUR_S8(zero_point)                                                                                \
    "qadd r0, r0, " zero_point "\n"                                                                                    \
    "qadd r1, r1, " zero_point "\n"                                                                                    \
    "qadd r2, r2, " zero_point "\n"                                                                                    \
    "qadd r3, r3, " zero_point "\n"                                                                                    \
    "ssat r0, #8, r0\n"                                                                                                \
    "ssat r1, #8, r1\n"                                                                                                \
    "ssat r2, #8, r2\n"                                                                                                \
    "ssat r3, #8, r3\n"

/* The lowest bytes of r0 to r3 as the word r0. */
#define SEZOO_PACK_FOUR_S8                                                                                             \
    "bfi r0, r1, #8, #8\n"                                                                                             \
    "bfi r2, r3, #8, #8\n"                                                                                             \
    "pkhbt r0, r0, r2, lsl #16\n"
#else
#define SEZOO_ROUNDS 0
#endif

static inline int32_t sezoo_rounded_wide(float steps, const sezoo_rounding *rounding)
{
#if SEZOO_ROUNDS
    return sezoo_limited(sezoo_nearest(steps), rounding->lowest, rounding->highest) + rounding->zero_point;
#else
    const float low = (float)rounding->lowest, high = (float)rounding->highest;
    union {
        float real;
        int32_t bits;
    } sum;
    steps = steps < low ? low : steps > high ? high : steps;
    sum.real = steps + 12582912.0f;
    return sum.bits - 0x4B400000 + rounding->zero_point;
#endif
}

static inline int8_t sezoo_rounded(float steps, const sezoo_rounding *rounding)
{
    return (int8_t)sezoo_rounded_wide(steps, rounding);
}

/* Whether a rounding has all of an int8, to which one instruction limits. */
static inline int32_t sezoo_is_whole_s8(const sezoo_rounding *rounding)
{
    return rounding->lowest == INT8_MIN - rounding->zero_point && rounding->highest == INT8_MAX - rounding->zero_point;
}

static inline int8_t sezoo_rounded_s8(float steps, const sezoo_rounding *rounding, int32_t is_whole)
{
#if SEZOO_ROUNDS
    if (is_whole) {
        int32_t rounded;
        __asm("qadd %0, %1, %2\n"
              "ssat %0, #8, %0"
              : "=r"(rounded)
              : "r"(sezoo_nearest(steps)), "r"(rounding->zero_point));
        return (int8_t)rounded;
    }
#endif
    (void)is_whole;
    return sezoo_rounded(steps, rounding);
}

#if SEZOO_MVE
/* Steps of 16 integers that are done without a branch: the most that divide all of a piece, 5 at most. */
static inline int32_t sezoo_run_length(int32_t steps)
{
    const uint32_t all = (uint32_t)steps;
    return all % 4 == 0 ? 4 : all % 5 == 0 ? 5 : all % 3 == 0 ? 3 : all % 2 == 0 ? 2 : 1;
}

static inline int32x4_t sezoo_rounded_lanes(float32x4_t steps, int32x4_t low, int32x4_t high, int32_t zero_point)
{
    return vaddq_n_s32(vminq_s32(vmaxq_s32(vcvtnq_s32_f32(steps), low), high), zero_point);
}
#endif

#endif

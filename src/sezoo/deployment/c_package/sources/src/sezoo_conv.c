/* Convolutions: which activations belong to an output, and the matrix products of them. */
#include "sezoo_kernels.h"

#include <string.h>

/* Few bytes: memcpy of a small C library goes byte by byte. Helium copies whole vectors; columns are written from the
   first byte to the last one, and both buffers have room behind. */
static inline void copy(int8_t *to, const int8_t *from, int32_t count)
{
#if SEZOO_MVE
    for (; count > 0; count -= 16, to += 16, from += 16) {
        vstrbq_s8(to, vldrbq_s8(from));
    }
#elif SEZOO_DSP
    for (; count >= 8; count -= 8, to += 8, from += 8) {
        const uint32_t first = ((const sezoo_unaligned *)(const void *)from)[0].value;
        const uint32_t second = ((const sezoo_unaligned *)(const void *)from)[1].value;
        ((sezoo_unaligned *)(void *)to)[0].value = first;
        ((sezoo_unaligned *)(void *)to)[1].value = second;
    }
    while (--count >= 0) {
        *to++ = *from++;
    }
#else
    memcpy(to, from, (size_t)count);
#endif
}

static void fill(const sezoo_conv *conv, int8_t *to, int32_t items)
{
    if (conv->input_bytes == 1) {
        memset(to, conv->input_zero_point, (size_t)items);
        return;
    }
    for (int32_t i = 0; i < items; ++i) {
        ((int16_t *)(void *)to)[i] = (int16_t)conv->input_zero_point;
    }
}

/* A piece of a frame's row as a part of a column, with zeros where there is nothing. */
static void copy_piece(const sezoo_conv *conv, const int8_t *frame, int32_t first, int8_t *column)
{
    const int32_t size = conv->channels_in, bytes = size * conv->input_bytes;
    for (int32_t j = 0; j < conv->kernel; ++j, column += bytes) {
        const int32_t position = first + j * conv->dilation;
        if (frame != NULL && position >= 0 && position < conv->positions_in) {
            copy(column, frame + position * conv->groups * bytes, bytes);
        } else {
            fill(conv, column, size);
        }
    }
}

/* The column of position `f`, for a group whose first channel is at `input`: what the kernel is put on, one tap in time
   behind the other. */
static void gather(const sezoo_conv *conv, const int8_t *input, int32_t frames_in, int32_t at, int32_t f,
                   int8_t *column)
{
    const int32_t taps = conv->taps, later = conv->dilation_time, bytes = conv->input_bytes;
    const int32_t row = conv->input_row * bytes, cell = conv->channels_in * bytes, piece = conv->kernel * cell;
    /* Parts that are padded begin at whole vectors. */
    const int32_t next = conv->matrix.pieces > 1 ? conv->matrix.depth / conv->matrix.pieces * bytes : piece;
    const int32_t from = f * conv->stride - conv->pad;
    if (at >= 0 && at + (taps - 1) * later < frames_in && conv->groups == 1 && conv->dilation == 1 && from >= 0 &&
        from <= conv->positions_in - conv->kernel) { /* it lies there as it is wanted */
        const int8_t *place = input + at * row + from * cell;
        for (int32_t tap = taps; tap > 0; --tap, place += later * row, column += next) {
            copy(column, place, piece);
        }
        return;
    }
    for (int32_t tap = 0; tap < taps; ++tap, column += next) {
        const int32_t frame = at + tap * later;
        copy_piece(conv, frame >= 0 && frame < frames_in ? input + frame * row : NULL, from, column);
    }
}

/* Strides are in integers. */
static void product(const sezoo_conv *conv, const sezoo_matrix *matrix, const int8_t *x, int32_t stride,
                    int32_t piece_stride, int32_t rows, int8_t *out, int32_t out_stride, void *scratch)
{
    if (conv->dense) {
        for (int32_t r = 0; r < rows; ++r) {
            sezoo_dense(matrix, &conv->rounding, x + r * stride * conv->input_bytes, piece_stride, conv->input_bytes,
                        out + r * out_stride * conv->output_bytes, conv->output_bytes, scratch);
        }
        return;
    }
    if (conv->input_bytes == 1) {
        sezoo_matmul_s8(matrix, &conv->rounding, x, stride, piece_stride, rows, out, out_stride, scratch);
    } else {
        sezoo_matmul_s16(matrix, &conv->rounding, (const int16_t *)(const void *)x, stride, piece_stride, rows, out,
                         out_stride, scratch);
    }
}

/* The positions from `f` to `end` of a frame, whose columns are gathered first, four at a time; with `and_last` and one
   position, it and the last one of all. */
static void gathered_positions(const sezoo_conv *conv, const int8_t *input, int32_t frames_in, int32_t at, int32_t f,
                               int32_t end, int32_t and_last, int8_t *frame_out, void *scratch)
{
    const int32_t depth = conv->matrix.depth, outputs = conv->matrix.outputs, wide = conv->output_bytes;
    const int32_t padded = (outputs + 3) / 4 * 4, channels_out = conv->groups * outputs;
    const int32_t piece_stride = depth / conv->matrix.pieces;
    int8_t *columns = (int8_t *)scratch + SEZOO_SCRATCH(depth);
    sezoo_matrix matrix = conv->matrix;
    for (int32_t group = 0; group < conv->groups; ++group) {
        for (int32_t first = f; first < end; first += 4) {
            const int32_t step = and_last ? conv->positions_out - 1 - first : 1;
            const int32_t count = and_last ? 2 : sezoo_limited(end - first, 1, 4);
            for (int32_t i = 0; i < count; ++i) {
                gather(conv, input, frames_in, at, first + i * step, columns + i * depth * conv->input_bytes);
            }
            product(conv, &matrix, columns, depth, piece_stride, count,
                    frame_out + (first * channels_out + group * outputs) * wide, step * channels_out, scratch);
        }
        input += conv->channels_in * conv->input_bytes;
        matrix.weights += padded * depth;
        matrix.bias += padded;
        matrix.multiplier += padded;
    }
}

static void any_conv(const sezoo_conv *conv, const void *x, int32_t frames_in, int32_t first_frame, void *output,
                     int32_t frames_out, void *scratch)
{
    const int8_t *input = x;
    int8_t *out = output;
    const int32_t bytes = conv->input_bytes, channels_out = conv->groups * conv->matrix.outputs;
    const int32_t row = conv->input_row * bytes, wide = conv->output_bytes, positions = conv->positions_out;
    const int32_t later = conv->dilation_time, span = (conv->taps - 1) * later, stride = conv->stride;
    /* Positions whose kernel is all inside can be read as they lie there, in frames whose taps are: the kernel's channels
       are contiguous, and what a vector reads beyond them has weights of zero. */
    const int32_t is_direct = conv->groups == 1 && (conv->dilation == 1 || conv->kernel == 1) &&
                              conv->matrix.pieces == conv->taps;
    const int32_t begin = is_direct ? sezoo_limited(-first_frame, 0, frames_out) : 0;
    const int32_t end = is_direct ? sezoo_limited(frames_in - span - first_frame, begin, frames_out) : 0;
    if (positions == 1 && conv->kernel == 1 && conv->pad == 0 && begin == 0 && end == frames_out) { /* frames are rows */
        product(conv, &conv->matrix, input + first_frame * row, conv->input_row, later * conv->input_row, frames_out, out,
                conv->output_row, scratch);
        return;
    }
    const int32_t inside = sezoo_limited((int32_t)((uint32_t)(conv->pad + stride - 1) / (uint32_t)stride), 0, positions);
    const int32_t reach = conv->positions_in - conv->kernel + conv->pad;
    const int32_t inside_end = reach < 0 ? inside : sezoo_limited(reach / stride + 1, inside, positions);
    const int32_t cell = stride * conv->channels_in, before = inside * cell - conv->pad * conv->channels_in;

    if (positions == 1 && inside_end > inside && begin < end) {
        product(conv, &conv->matrix, input + (first_frame + begin) * row + before * bytes, conv->input_row,
                later * conv->input_row, end - begin, out + begin * conv->output_row * wide, conv->output_row, scratch);
    }
    for (int32_t t = 0; t < frames_out; ++t) {
        const int32_t at = first_frame + t, has_all = t >= begin && t < end;
        int8_t *frame_out = out + t * conv->output_row * wide;
        if (!has_all || inside == inside_end) {
            gathered_positions(conv, input, frames_in, at, 0, positions, 0, frame_out, scratch);
            continue;
        }
        if (positions == 1) {
            continue;
        }
        product(conv, &conv->matrix, input + at * row + before * bytes, cell, later * conv->input_row,
                inside_end - inside, frame_out + inside * channels_out * wide, channels_out, scratch);
        const int32_t both = inside == 1 && inside_end == positions - 1;
        gathered_positions(conv, input, frames_in, at, 0, inside, both, frame_out, scratch);
        if (!both) {
            gathered_positions(conv, input, frames_in, at, inside_end, positions, 0, frame_out, scratch);
        }
    }
}

void sezoo_run_conv(const sezoo_conv *conv, const void *x, int32_t frames_in, int32_t first_frame, void *output,
                    int32_t frames_out, void *scratch)
{
    if (conv->dense && frames_out == 1 && conv->taps == 1 && conv->kernel == 1 && conv->positions_in == 1 &&
        conv->positions_out == 1 && conv->pad == 0 && conv->groups == 1 && first_frame >= 0) { /* a row as it lies there */
        sezoo_dense(&conv->matrix, &conv->rounding, (const int8_t *)x + first_frame * conv->input_row * conv->input_bytes,
                    0, conv->input_bytes, output, conv->output_bytes, scratch);
        return;
    }
    any_conv(conv, x, frames_in, first_frame, output, frames_out, scratch);
}

/* Where the activations of a tap are, or a row of zeros. */
static const int8_t *tap_row(const sezoo_depthwise *conv, const int8_t *x, int32_t frames_in, int32_t frame,
                             int32_t position, const int8_t *zeros)
{
    if (frame < 0 || frame >= frames_in || position < 0 || position >= conv->positions_in) {
        return zeros;
    }
    return x + (frame * conv->input_row + position * conv->channels) * conv->input_bytes;
}

#if SEZOO_MVE
/* Three taps in time, which nearly all have: weights stay in registers while the frames from `begin` to `end` go by. Rows
   have room for whole vectors. With `edge`, taps may be beyond the frames that there are. */
static inline void three_taps(const sezoo_depthwise *conv, const int8_t *x, int32_t frames_in, int32_t first_frame,
                              int8_t *out, int32_t begin, int32_t end, const int8_t *zeros, int edge)
{
    const int32x4_t low = vdupq_n_s32(conv->rounding.lowest), high = vdupq_n_s32(conv->rounding.highest);
    const int32_t padded = (conv->channels + SEZOO_ROW - 1) / SEZOO_ROW * SEZOO_ROW;
    const int32_t row = conv->input_row, zero_point = conv->rounding.zero_point;
    const int32_t second = conv->dilation_time, third = 2 * second;
    for (int32_t c = 0; c < padded && begin < end; c += 4) {
        const int32x4_t w0 = vldrbq_s32(conv->weights + c), w1 = vldrbq_s32(conv->weights + padded + c),
                        w2 = vldrbq_s32(conv->weights + 2 * padded + c);
        const int32x4_t bias = vldrwq_s32(conv->bias + c);
        const float32x4_t scale = vldrwq_f32(conv->multiplier + c);
        const int8_t *x0 = x + (first_frame + begin) * row + c, *x1 = x0 + second * row, *x2 = x0 + third * row;
        int8_t *place = out + begin * conv->output_row + c;
        for (int32_t t = begin; t < end; ++t, place += conv->output_row) {
            if (edge) {
                const int32_t at = first_frame + t;
                x0 = (at >= 0 && at < frames_in ? x + at * row : zeros) + c;
                x1 = (at + second >= 0 && at + second < frames_in ? x + (at + second) * row : zeros) + c;
                x2 = (at + third >= 0 && at + third < frames_in ? x + (at + third) * row : zeros) + c;
            }
            int32x4_t sum = vaddq_s32(bias, vmulq_s32(vldrbq_s32(x0), w0));
            sum = vaddq_s32(sum, vmulq_s32(vldrbq_s32(x1), w1));
            sum = vaddq_s32(sum, vmulq_s32(vldrbq_s32(x2), w2));
            const float32x4_t steps = vmulq_f32(vcvtq_f32_s32(sum), scale);
            vstrbq_s32(place, sezoo_rounded_lanes(steps, low, high, zero_point));
            x0 += row;
            x1 += row;
            x2 += row;
        }
    }
}
#endif

#if SEZOO_ROUNDS
/* Three taps in time, which nearly all have, of one frame: four channels at a time. `second` bytes lie from one tap to the
   next, `out` bytes from the activations to the output. Rows have room for what is beyond the channels. */
typedef struct {
    int32_t zero_point;
    int32_t out; /* 4 bytes less */
    const int8_t *end;
    const int8_t *x; /* 12 */
    const int8_t *weights;
    const int32_t *bias; /* 20 */
    const float *scale;
    int32_t second; /* 28 */
    int32_t padded;
} taps_block;

#define TAP(x, w)                                                                                                      \
    "ldr r10, [r4" x "\n"                                                                                              \
    "ldr r11, [r5" w "\n"                                                                                              \
    "sxtb16 r12, r10\n"                                                                                                \
    "sxtb16 lr, r11\n"                                                                                                 \
    "smlabb r0, r12, lr, r0\n"                                                                                         \
    "smlatt r2, r12, lr, r2\n"                                                                                         \
    "sxtb16 r10, r10, ror #8\n"                                                                                        \
    "sxtb16 r11, r11, ror #8\n"                                                                                        \
    "smlabb r1, r10, r11, r1\n"                                                                                        \
    "smlatt r3, r10, r11, r3\n"

static void three_taps(const taps_block *b)
{
    __asm volatile("push {r0-r12, lr}\n"
                   "mov r12, %0\n"
                   "ldm r12, {r0, r1, r2, r4, r5, r6, r7, r8, r9}\n"
                   "push {r0, r1, r2}\n"
                   "1:\n"
                   "ldm r6!, {r0, r1, r2, r3}\n" TAP(", r8]", ", r9]") TAP(", r8, lsl #1]", ", r9, lsl #1]")
                       TAP("], #4", "], #4")
                   "vmov s0, s1, r0, r1\n"
                   "vmov s2, s3, r2, r3\n"
                   "vldm r7!, {s4-s7}\n"
                   SEZOO_ROUND_FOUR("", "", "", "", "s4", "s5", "s6", "s7")
                   "ldr r10, [sp]\n"
                   "ldrd r11, r12, [sp, #4]\n"
                   SEZOO_LIMIT_FOUR_S8("r10")
                   SEZOO_PACK_FOUR_S8
                   "str r0, [r4, r11]\n"
                   "cmp r4, r12\n"
                   "bne 1b\n"
                   "add sp, #12\n"
                   "pop {r0-r12, lr}\n"
                   :
                   : "r"(b)
                   : "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "cc", "memory");
}
#undef TAP
#endif

#if SEZOO_DSP
#define MOST_PLACES 16

/* The sums of four channels stay in registers while the taps go by, whose activations are at `places`. */
static inline void sum_of_four(const int8_t *const *places, int32_t count, int32_t c, const int8_t *w, int32_t padded,
                               const int32_t *bias, int32_t *sums)
{
    int32_t a0 = bias[0], a1 = bias[1], a2 = bias[2], a3 = bias[3];
    for (int32_t i = 0; i < count; ++i, w += padded) {
        const int8x4_t x = (int8x4_t)((const sezoo_unaligned *)(const void *)(places[i] + c))->value;
        const int8x4_t weights = (int8x4_t)((const sezoo_unaligned *)(const void *)w)->value;
        const int32_t x_even = (int32_t)__sxtb16(x), x_odd = (int32_t)__sxtb16(x >> 8);
        const int32_t w_even = (int32_t)__sxtb16(weights), w_odd = (int32_t)__sxtb16(weights >> 8);
        a0 = __smlabb(x_even, w_even, a0);
        a1 = __smlabb(x_odd, w_odd, a1);
        a2 = __smlatt(x_even, w_even, a2);
        a3 = __smlatt(x_odd, w_odd, a3);
    }
    sums[0] = a0;
    sums[1] = a1;
    sums[2] = a2;
    sums[3] = a3;
}

static __attribute__((noinline)) void store_rounded(const int32_t *sums, const float *scale,
                                                    const sezoo_rounding *rounding, int8_t *out, int32_t count)
{
    const sezoo_rounding local = *rounding; /* int8 that are stored could be anything */
    const int32_t is_whole = sezoo_is_whole_s8(rounding);
    for (int32_t i = 0; i < count; ++i) {
        out[i] = sezoo_rounded_s8((float)sums[i] * scale[i], &local, is_whole);
    }
}

static __attribute__((noinline)) void all_channels(const sezoo_depthwise *conv, const int8_t *const *places,
                                                   int32_t count, int8_t *out)
{
    const int32_t channels = conv->channels, padded = (channels + SEZOO_ROW - 1) / SEZOO_ROW * SEZOO_ROW;
    for (int32_t first = 0; first < channels; first += SEZOO_ROW) {
        int32_t sums[SEZOO_ROW];
        for (int32_t i = 0; i < SEZOO_ROW; i += 4) {
            const int32_t c = first + i;
            const int8_t *w = conv->weights + c;
            if (count == 3) { /* which nearly all have */
                sum_of_four(places, 3, c, w, padded, conv->bias + c, sums + i);
            } else {
                sum_of_four(places, count, c, w, padded, conv->bias + c, sums + i);
            }
        }
        store_rounded(sums, conv->multiplier + first, &conv->rounding, out + first,
                      sezoo_limited(channels - first, 1, SEZOO_ROW));
    }
}
#endif

#if SEZOO_MVE
/* Sixteen channels of a position, of which `count` are there: weights are padded, and so is what lies behind rows. */
static inline void sixteen(const sezoo_depthwise *conv, const int8_t *x, int32_t frames_in, int32_t frame,
                           int32_t first, const int8_t *zeros, int32_t c, int32_t count, int8_t *out)
{
    const int32_t padded = (conv->channels + SEZOO_ROW - 1) / SEZOO_ROW * SEZOO_ROW;
    const int32x4_t low = vdupq_n_s32(conv->rounding.lowest), high = vdupq_n_s32(conv->rounding.highest);
    int32x4_t sums[4];
    for (int32_t i = 0; i < 4; ++i) {
        sums[i] = vldrwq_s32(conv->bias + c + 4 * i);
    }
    const int8_t *w = conv->weights + c;
    for (int32_t tap = 0; tap < conv->taps; ++tap) {
        for (int32_t j = 0; j < conv->kernel; ++j, w += padded) {
            const int8_t *from = tap_row(conv, x, frames_in, frame + tap * conv->dilation_time,
                                         first + j * conv->dilation, zeros) +
                                 c * conv->input_bytes;
            if (conv->input_bytes == 1) {
                for (int32_t i = 0; i < 4; ++i) {
                    sums[i] = vaddq_s32(sums[i], vmulq_s32(vldrbq_s32(from + 4 * i), vldrbq_s32(w + 4 * i)));
                }
            } else {
                const int16_t *wide = (const int16_t *)(const void *)from;
                for (int32_t i = 0; i < 4; ++i) {
                    sums[i] = vaddq_s32(sums[i], vmulq_s32(vldrhq_s32(wide + 4 * i), vldrbq_s32(w + 4 * i)));
                }
            }
        }
    }
    for (int32_t i = 0; 4 * i < count; ++i) {
        const mve_pred16_t some = vctp32q((uint32_t)(count - 4 * i));
        const float32x4_t steps = vmulq_f32(vcvtq_f32_s32(sums[i]), vldrwq_f32(conv->multiplier + c + 4 * i));
        const int32x4_t rounded = sezoo_rounded_lanes(steps, low, high, conv->rounding.zero_point);
        if (conv->output_bytes == 1) {
            vstrbq_p_s32(out + c + 4 * i, rounded, some);
        } else {
            vstrhq_p_s32((int16_t *)(void *)out + c + 4 * i, rounded, some);
        }
    }
}
#else
static inline void sixteen(const sezoo_depthwise *conv, const int8_t *x, int32_t frames_in, int32_t frame,
                           int32_t first, const int8_t *zeros, int32_t c, int32_t count, int8_t *out)
{
    const int32_t padded = (conv->channels + SEZOO_ROW - 1) / SEZOO_ROW * SEZOO_ROW;
    int32_t sums[SEZOO_ROW];
    memcpy(sums, conv->bias + c, (size_t)count * sizeof sums[0]);
    const int8_t *w = conv->weights + c;
    for (int32_t tap = 0; tap < conv->taps; ++tap) {
        for (int32_t j = 0; j < conv->kernel; ++j, w += padded) {
            const int8_t *from = tap_row(conv, x, frames_in, frame + tap * conv->dilation_time,
                                         first + j * conv->dilation, zeros) +
                                 c * conv->input_bytes;
            if (conv->input_bytes == 1) {
                for (int32_t i = 0; i < count; ++i) {
                    sums[i] += from[i] * w[i];
                }
            } else {
                const int16_t *wide = (const int16_t *)(const void *)from;
                for (int32_t i = 0; i < count; ++i) {
                    sums[i] += wide[i] * w[i];
                }
            }
        }
    }
    for (int32_t i = 0; i < count; ++i) {
        const int32_t rounded = sezoo_rounded_wide((float)sums[i] * conv->multiplier[c + i], &conv->rounding);
        if (conv->output_bytes == 1) {
            out[c + i] = (int8_t)rounded;
        } else {
            ((int16_t *)(void *)out)[c + i] = (int16_t)rounded;
        }
    }
}
#endif

/* A row of activations that are zero. */
static void fill_zeros(const sezoo_depthwise *conv, int8_t *zeros)
{
    const int32_t padded = (conv->channels + SEZOO_ROW - 1) / SEZOO_ROW * SEZOO_ROW;
    if (conv->input_bytes == 1) {
        memset(zeros, conv->input_zero_point, (size_t)padded);
        return;
    }
    for (int32_t i = 0; i < padded; ++i) {
        ((int16_t *)(void *)zeros)[i] = (int16_t)conv->input_zero_point;
    }
}

void sezoo_run_depthwise(const sezoo_depthwise *conv, const void *input, int32_t frames_in, int32_t first_frame,
                         void *output, int32_t frames_out, void *scratch)
{
    const int8_t *x = input;
    int8_t *out = output, *zeros = scratch;
#if SEZOO_MVE
    const int32_t of_bytes = conv->input_bytes == 1 && conv->output_bytes == 1;
    if (of_bytes && conv->taps == 3 && conv->kernel == 1 && conv->positions_out == 1 && conv->pad == 0) {
        const int32_t begin = sezoo_limited(-first_frame, 0, frames_out);
        const int32_t end = sezoo_limited(frames_in - first_frame - 2 * conv->dilation_time, begin, frames_out);
        if (end - begin < frames_out) { /* never in a stream, whose frames have all their past */
            fill_zeros(conv, zeros);
        }
        three_taps(conv, x, frames_in, first_frame, out, 0, begin, zeros, 1);
        three_taps(conv, x, frames_in, first_frame, out, begin, end, zeros, 0);
        three_taps(conv, x, frames_in, first_frame, out, end, frames_out, zeros, 1);
        return;
    }
#endif
#if SEZOO_ROUNDS
    if (conv->input_bytes == 1 && conv->output_bytes == 1 && conv->taps == 3 && conv->kernel == 1 &&
        conv->positions_out == 1 && conv->pad == 0 && first_frame >= 0 &&
        first_frame + frames_out - 1 + 2 * conv->dilation_time < frames_in && sezoo_is_whole_s8(&conv->rounding)) {
        const int32_t row = conv->input_row, padded = (conv->channels + SEZOO_ROW - 1) / SEZOO_ROW * SEZOO_ROW;
        taps_block block = {conv->rounding.zero_point, 0, NULL, x + first_frame * row, conv->weights, conv->bias,
                            conv->multiplier, conv->dilation_time * row, padded};
        for (int32_t t = 0; t < frames_out; ++t, block.x += row, out += conv->output_row) {
            block.out = (int32_t)((uintptr_t)out - (uintptr_t)block.x) - 4;
            block.end = block.x + padded;
            three_taps(&block);
        }
        return;
    }
#endif
    fill_zeros(conv, zeros);
    for (int32_t t = 0; t < frames_out; ++t) {
        for (int32_t f = 0; f < conv->positions_out; ++f) {
            int8_t *place = out + (t * conv->output_row + f * conv->channels) * conv->output_bytes;
            const int32_t first = f * conv->stride - conv->pad;
#if SEZOO_DSP
            if (conv->input_bytes == 1 && conv->output_bytes == 1 && conv->taps * conv->kernel <= MOST_PLACES) {
                const int8_t *places[MOST_PLACES];
                int32_t count = 0;
                for (int32_t tap = 0; tap < conv->taps; ++tap) {
                    for (int32_t j = 0; j < conv->kernel; ++j) {
                        places[count++] = tap_row(conv, x, frames_in, first_frame + t + tap * conv->dilation_time,
                                                  first + j * conv->dilation, zeros);
                    }
                }
                all_channels(conv, places, count, place);
                continue;
            }
#endif
            for (int32_t c = 0; c < conv->channels; c += SEZOO_ROW) {
                const int32_t count = sezoo_limited(conv->channels - c, 1, SEZOO_ROW);
                sixteen(conv, x, frames_in, first_frame + t, first, zeros, c, count, place);
            }
        }
    }
}

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

/* The columns of `count` positions from `f` on, for a group whose first channel is at `input`: what the kernel is put
   on, one tap in time behind the other. */
static void gather(const sezoo_conv *conv, const int8_t *input, int32_t frames_in, int32_t at, int32_t f, int32_t count,
                   int8_t *columns)
{
    const int32_t taps = conv->taps, later = conv->dilation_time, depth = conv->matrix.depth * conv->input_bytes;
    const int32_t row = conv->input_row * conv->input_bytes, cell = conv->channels_in * conv->input_bytes;
    const int32_t piece = conv->kernel * cell, stride = conv->stride;
    int32_t from = f * stride - conv->pad;
    const int32_t all_frames =
        at >= 0 && at + (taps - 1) * later < frames_in && conv->groups == 1 && conv->dilation == 1;
    const int32_t last = conv->positions_in - conv->kernel;
    for (int32_t i = 0; i < count; ++i, columns += depth, from += stride) {
        if (all_frames && from >= 0 && from <= last) { /* it lies there as it is wanted */
            const int8_t *place = input + at * row + from * cell;
            int8_t *column = columns;
            for (int32_t tap = taps; tap > 0; --tap, place += later * row, column += piece) {
                copy(column, place, piece);
            }
            continue;
        }
        for (int32_t tap = 0; tap < taps; ++tap) {
            const int32_t frame = at + tap * later;
            copy_piece(conv, frame >= 0 && frame < frames_in ? input + frame * row : NULL, from,
                       columns + tap * piece);
        }
    }
}

static void product(const sezoo_conv *conv, const sezoo_matrix *matrix, const int8_t *x, int32_t stride, int32_t rows,
                    int8_t *out, int32_t out_stride, void *scratch)
{
    if (conv->dense) {
        for (int32_t r = 0; r < rows; ++r) {
            sezoo_dense(matrix, &conv->rounding, x + r * stride * conv->input_bytes, conv->input_bytes,
                        out + r * out_stride * conv->output_bytes, conv->output_bytes, scratch);
        }
        return;
    }
    if (conv->input_bytes == 1) {
        sezoo_matmul_s8(matrix, &conv->rounding, x, stride, rows, out, out_stride, scratch);
    } else {
        sezoo_matmul_s16(matrix, &conv->rounding, (const int16_t *)(const void *)x, stride, rows, out, out_stride,
                         scratch);
    }
}

void sezoo_run_conv(const sezoo_conv *conv, const void *x, int32_t frames_in, int32_t first_frame, void *output,
                    int32_t frames_out, void *scratch)
{
    const int8_t *input = x;
    int8_t *out = output;
    const int32_t bytes = conv->input_bytes, depth = conv->matrix.depth, outputs = conv->matrix.outputs;
    const int32_t channels_in = conv->groups * conv->channels_in, channels_out = conv->groups * outputs;
    const int32_t row = conv->input_row * bytes, wide = conv->output_bytes, together = conv->dense ? 4 : 2;

    if (conv->taps == 1 && conv->kernel == 1 && conv->groups == 1 && conv->positions_out == 1 && conv->pad == 0) {
        /* Every frame's row is a column as it lies there. */
        product(conv, &conv->matrix, input + first_frame * row, conv->input_row, frames_out, out, conv->output_row,
                scratch);
        return;
    }
    /* With one tap in time, positions whose kernel is all inside can be read as they lie there too: the kernel's
       channels are contiguous, and what a vector reads beyond them has weights of zero. */
    int32_t inside = conv->positions_out, inside_end = 0;
    if (conv->taps == 1 && conv->groups == 1 && conv->dilation == 1) {
        inside = (conv->pad + conv->stride - 1) / conv->stride;
        inside_end = (conv->positions_in - conv->kernel + conv->pad) / conv->stride + 1;
        /* Products are of four positions at a time: those that are gathered are four too, or up to three more. */
        inside = sezoo_limited((inside + 3) / 4 * 4, 0, conv->positions_out);
        inside_end = sezoo_limited(inside_end, inside, conv->positions_out);
        inside_end -= (inside_end - inside) % 4;
    }
    int8_t *gathered = (int8_t *)scratch + (conv->dense ? SEZOO_DENSE_SCRATCH(depth) : SEZOO_SCRATCH(depth));
    for (int32_t t = 0; t < frames_out; ++t) {
        const int32_t at = first_frame + t;
        int8_t *frame_out = out + t * conv->output_row * wide;
        if (inside_end > inside) {
            const int8_t *first = input + at * row + (inside * conv->stride - conv->pad) * channels_in * bytes;
            product(conv, &conv->matrix, first, conv->stride * channels_in, inside_end - inside,
                    frame_out + inside * channels_out * wide, channels_out, scratch);
        }
        for (int32_t group = 0; group < conv->groups; ++group) {
            sezoo_matrix matrix = conv->matrix;
            const int32_t padded = (outputs + together - 1) / together * together;
            matrix.weights += group * padded * depth;
            matrix.bias += group * padded;
            matrix.multiplier += group * padded;
            for (int32_t f = 0; f < conv->positions_out;) {
                if (f >= inside && f < inside_end) {
                    f = inside_end;
                    continue;
                }
                const int32_t limit = f < inside && inside_end > inside ? inside : conv->positions_out;
                const int32_t count = sezoo_limited(limit - f, 1, 4);
                gather(conv, input + group * conv->channels_in * bytes, frames_in, at, f, count, gathered);
                product(conv, &matrix, gathered, depth, count, frame_out + (f * channels_out + group * outputs) * wide,
                        channels_out, scratch);
                f += count;
            }
        }
    }
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

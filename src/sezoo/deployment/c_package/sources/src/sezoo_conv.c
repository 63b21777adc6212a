/* Convolutions: which activations belong to an output, and the matrix products of them. */
#include "sezoo_kernels.h"

#include <string.h>

/* A piece of a frame's row as a column of a matrix product, with zeros where there is nothing. */
static void copy_piece(const sezoo_conv *conv, const int8_t *frame, int32_t first, int8_t *column)
{
    const int32_t bytes = conv->input_bytes;
    const int32_t channels = conv->groups * conv->channels_in;
    for (int32_t j = 0; j < conv->kernel; ++j) {
        const int32_t position = first + j * conv->dilation;
        int8_t *to = column + j * conv->channels_in * bytes;
        if (frame != NULL && position >= 0 && position < conv->positions_in) {
            memcpy(to, frame + position * channels * bytes, (size_t)(conv->channels_in * bytes));
        } else if (bytes == 1) {
            memset(to, conv->input_zero_point, (size_t)conv->channels_in);
        } else {
            for (int32_t c = 0; c < conv->channels_in; ++c) {
                ((int16_t *)(void *)to)[c] = (int16_t)conv->input_zero_point;
            }
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
        inside_end = sezoo_limited(inside_end, inside, conv->positions_out);
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
            const int32_t piece = conv->kernel * conv->channels_in * bytes;
            for (int32_t f = 0; f < conv->positions_out;) {
                if (f >= inside && f < inside_end) {
                    f = inside_end;
                    continue;
                }
                const int32_t limit = f < inside && inside_end > inside ? inside : conv->positions_out;
                const int32_t count = sezoo_limited(limit - f, 1, 4);
                for (int32_t i = 0; i < count; ++i) {
                    int8_t *column = gathered + i * depth * bytes;
                    for (int32_t tap = 0; tap < conv->taps; ++tap) {
                        const int32_t frame = at + tap * conv->dilation_time;
                        const int8_t *there = frame >= 0 && frame < frames_in
                                                  ? input + frame * row + group * conv->channels_in * bytes
                                                  : NULL;
                        copy_piece(conv, there, (f + i) * conv->stride - conv->pad, column + tap * piece);
                    }
                }
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

void sezoo_run_depthwise(const sezoo_depthwise *conv, const void *input, int32_t frames_in, int32_t first_frame,
                         void *output, int32_t frames_out, void *scratch)
{
    const int8_t *x = input;
    int8_t *out = output, *zeros = scratch;
    const int32_t padded = (conv->channels + SEZOO_ROW - 1) / SEZOO_ROW * SEZOO_ROW;
    for (int32_t i = 0; i < padded; ++i) {
        if (conv->input_bytes == 1) {
            zeros[i] = (int8_t)conv->input_zero_point;
        } else {
            ((int16_t *)(void *)zeros)[i] = (int16_t)conv->input_zero_point;
        }
    }
#if SEZOO_MVE
    const int32_t of_bytes = conv->input_bytes == 1 && conv->output_bytes == 1;
    if (of_bytes && conv->taps == 3 && conv->kernel == 1 && conv->positions_out == 1 && conv->pad == 0) {
        const int32_t begin = sezoo_limited(-first_frame, 0, frames_out);
        const int32_t end = sezoo_limited(frames_in - first_frame - 2 * conv->dilation_time, begin, frames_out);
        three_taps(conv, x, frames_in, first_frame, out, 0, begin, zeros, 1);
        three_taps(conv, x, frames_in, first_frame, out, begin, end, zeros, 0);
        three_taps(conv, x, frames_in, first_frame, out, end, frames_out, zeros, 1);
        return;
    }
#endif
    for (int32_t t = 0; t < frames_out; ++t) {
        for (int32_t f = 0; f < conv->positions_out; ++f) {
            int8_t *place = out + (t * conv->output_row + f * conv->channels) * conv->output_bytes;
            const int32_t first = f * conv->stride - conv->pad;
            for (int32_t c = 0; c < conv->channels; c += SEZOO_ROW) {
                const int32_t count = sezoo_limited(conv->channels - c, 1, SEZOO_ROW);
                sixteen(conv, x, frames_in, first_frame + t, first, zeros, c, count, place);
            }
        }
    }
}

/* A real transform of n samples is a complex one of n / 2, and a pass over its bins (Sorensen et al., "Real-valued fast
   Fourier transform algorithms", IEEE ASSP-35, 1987). The complex one decimates in time, two radix-2 stages in one pass
   (radix 2^2: 3 multiplications by twiddle factors where radix 2 has 4). */
#ifndef SEZOO_CMSIS_DSP

#include "sezoo_fft.h"

#include "sezoo_lanes.h"

#define STEP (2 * SEZOO_LANES) /* floats from one complex value to the next */

typedef struct {
    sezoo_lanes re, im;
} complex_lanes;

static inline complex_lanes load(const float *z)
{
    const complex_lanes a = {sezoo_load(z), sezoo_load(z + SEZOO_LANES)};
    return a;
}

static inline void store(float *z, sezoo_lanes re, sezoo_lanes im)
{
    sezoo_store(z, re);
    sezoo_store(z + SEZOO_LANES, im);
}

/* a * (cosine - i sine), given minus the sine */
static inline complex_lanes turned(complex_lanes a, float cosine, float minus_sine)
{
    const complex_lanes b = {
        sezoo_scale_add(a.im, -minus_sine, sezoo_scale(a.re, cosine)),
        sezoo_scale_add(a.re, minus_sine, sezoo_scale(a.im, cosine)),
    };
    return b;
}

/* The same by a cosine and a sine for each lane. */
static inline complex_lanes turned_each(complex_lanes a, sezoo_lanes cosine, sezoo_lanes minus_sine)
{
    const complex_lanes b = {
        sezoo_mul_add(a.im, sezoo_scale(minus_sine, -1.0f), sezoo_mul(a.re, cosine)),
        sezoo_mul_add(a.re, minus_sine, sezoo_mul(a.im, cosine)),
    };
    return b;
}

static inline complex_lanes sum(complex_lanes a, complex_lanes b)
{
    const complex_lanes c = {sezoo_add(a.re, b.re), sezoo_add(a.im, b.im)};
    return c;
}

static inline complex_lanes difference(complex_lanes a, complex_lanes b)
{
    const complex_lanes c = {sezoo_sub(a.re, b.re), sezoo_sub(a.im, b.im)};
    return c;
}

/* Two stages: transforms of `half` values become transforms of 4 * half; `count` values in all. */
static void two_stages(const sezoo_fft *fft, float *z, int32_t count, int32_t half)
{
    const int32_t quarter = fft->n_fft / 4;
    const int32_t turn = fft->n_fft / (4 * half); /* of n_fft, for one step of j */
    const float *cosine = fft->cosine;
    for (int32_t j = 0; j < half; ++j) {
        const int32_t t = j * turn;
        const float c1 = cosine[2 * t], s1 = cosine[2 * t + quarter]; /* minus the sine is the cosine a quarter on */
        const float c2 = cosine[t], s2 = cosine[t + quarter];
        const float c3 = cosine[3 * t], s3 = cosine[3 * t + quarter];
        for (int32_t i = j; i < count; i += 4 * half) {
            float *at = z + i * STEP;
            const complex_lanes a = load(at), b = turned(load(at + half * STEP), c1, s1),
                                c = turned(load(at + 2 * half * STEP), c2, s2),
                                d = turned(load(at + 3 * half * STEP), c3, s3);
            const complex_lanes ab = sum(a, b), a_b = difference(a, b), cd = sum(c, d), c_d = difference(c, d);
            store(at, sezoo_add(ab.re, cd.re), sezoo_add(ab.im, cd.im));
            store(at + half * STEP, sezoo_add(a_b.re, c_d.im), sezoo_sub(a_b.im, c_d.re)); /* c_d times -i */
            store(at + 2 * half * STEP, sezoo_sub(ab.re, cd.re), sezoo_sub(ab.im, cd.im));
            store(at + 3 * half * STEP, sezoo_sub(a_b.re, c_d.im), sezoo_add(a_b.im, c_d.re));
        }
    }
}

/* From `count` values in reversed order to their transform. */
static void transform(const sezoo_fft *fft, float *z, int32_t count)
{
    int32_t half = 1, left = count;
    while (left >= 4) {
        left /= 4;
    }
    if (left == 2) { /* an odd number of stages: the first one by itself */
        for (int32_t i = 0; i < count; i += 2) {
            const complex_lanes a = load(z + i * STEP), b = load(z + (i + 1) * STEP);
            store(z + i * STEP, sezoo_add(a.re, b.re), sezoo_add(a.im, b.im));
            store(z + (i + 1) * STEP, sezoo_sub(a.re, b.re), sezoo_sub(a.im, b.im));
        }
        half = 2;
    }
    for (; half < count; half *= 4) {
        two_stages(fft, z, count, half);
    }
}

void sezoo_fft_forward(const sezoo_fft *fft, float *z)
{
    const int32_t count = fft->n_fft / 2, quarter = fft->n_fft / 4;
    transform(fft, z, count);
    const complex_lanes zero = load(z);
    store(z, sezoo_add(zero.re, zero.im), sezoo_sub(zero.re, zero.im));
    for (int32_t k = 1; k <= count / 2; ++k) {
        /* The spectra of the even and of the odd samples, from which bin k and bin count - k are made. */
        float *lower = z + k * STEP, *upper = z + (count - k) * STEP;
        const complex_lanes a = load(lower), b = load(upper);
        const complex_lanes even = {sezoo_scale(sezoo_add(a.re, b.re), 0.5f), sezoo_scale(sezoo_sub(a.im, b.im), 0.5f)};
        const complex_lanes odd = {sezoo_scale(sezoo_add(a.im, b.im), 0.5f), sezoo_scale(sezoo_sub(b.re, a.re), 0.5f)};
        const complex_lanes part = turned(odd, fft->cosine[k], fft->cosine[k + quarter]);
        store(upper, sezoo_sub(even.re, part.re), sezoo_sub(part.im, even.im));
        store(lower, sezoo_add(even.re, part.re), sezoo_add(even.im, part.im));
    }
}

void sezoo_fft_inverse(const sezoo_fft *fft, float *z)
{
    const int32_t count = fft->n_fft / 2, quarter = fft->n_fft / 4;
    const complex_lanes ends = load(z);
    /* All values conjugated: the forward transform of the conjugate is the conjugate of the inverse one. */
    store(z, sezoo_scale(sezoo_add(ends.re, ends.im), 0.5f), sezoo_scale(sezoo_sub(ends.im, ends.re), 0.5f));
    for (int32_t k = 1; k <= count / 2; ++k) {
        float *lower = z + k * STEP, *upper = z + (count - k) * STEP;
        const complex_lanes a = load(lower), b = load(upper);
        const complex_lanes even = {sezoo_scale(sezoo_add(a.re, b.re), 0.5f), sezoo_scale(sezoo_sub(a.im, b.im), 0.5f)};
        const complex_lanes part = {sezoo_scale(sezoo_sub(a.re, b.re), 0.5f), sezoo_scale(sezoo_add(a.im, b.im), 0.5f)};
        /* part / twiddle is the spectrum of the odd samples; the conjugate of even + i odd is stored. */
        const complex_lanes odd = turned(part, fft->cosine[k], -fft->cosine[k + quarter]);
        store(upper, sezoo_add(even.re, odd.im), sezoo_sub(even.im, odd.re));
        store(lower, sezoo_sub(even.re, odd.im), sezoo_sub(sezoo_scale(even.im, -1.0f), odd.re));
    }
    for (int32_t t = 0; t < count; ++t) {
        const int32_t other = fft->reverse[t];
        if (other > t) {
            const complex_lanes a = load(z + t * STEP), b = load(z + other * STEP);
            store(z + t * STEP, b.re, b.im);
            store(z + other * STEP, a.re, a.im);
        }
    }
    transform(fft, z, count);
    for (int32_t t = 0; t < count; ++t) { /* conjugated back */
        sezoo_store(z + t * STEP + SEZOO_LANES, sezoo_scale(sezoo_load(z + t * STEP + SEZOO_LANES), -1.0f));
    }
}

/* One signal: its complex values 4 t + r are transformed as those of lane r, a quarter of them each, and the last two
   stages put the lanes together. What is computed is the same, and in the same order. */

static void put_together(const sezoo_fft *fft, const float *work, float *re, float *im)
{
    const int32_t half = fft->n_fft / 8, quarter = fft->n_fft / 4;
    for (int32_t j = 0; j < half; j += SEZOO_LANES) {
        const float *from = work + j * STEP, *cosine = fft->cosine;
#define LANE(lane) {sezoo_load_every(from + lane, STEP), sezoo_load_every(from + SEZOO_LANES + lane, STEP)}
#define TURNED(value, times)                                                                                           \
    turned_each(value, sezoo_load_every(cosine + times * j, times),                                                    \
                sezoo_load_every(cosine + times * j + quarter, times))
        const complex_lanes a = LANE(0), second = LANE(2), third = LANE(1), fourth = LANE(3);
        const complex_lanes b = TURNED(second, 4), c = TURNED(third, 2), d = TURNED(fourth, 6);
#undef TURNED
#undef LANE
        const complex_lanes ab = sum(a, b), a_b = difference(a, b), cd = sum(c, d), c_d = difference(c, d);
        sezoo_store(re + j, sezoo_add(ab.re, cd.re));
        sezoo_store(im + j, sezoo_add(ab.im, cd.im));
        sezoo_store(re + half + j, sezoo_add(a_b.re, c_d.im)); /* c_d times -i */
        sezoo_store(im + half + j, sezoo_sub(a_b.im, c_d.re));
        sezoo_store(re + 2 * half + j, sezoo_sub(ab.re, cd.re));
        sezoo_store(im + 2 * half + j, sezoo_sub(ab.im, cd.im));
        sezoo_store(re + 3 * half + j, sezoo_sub(a_b.re, c_d.im));
        sezoo_store(im + 3 * half + j, sezoo_add(a_b.im, c_d.re));
    }
}

void sezoo_fft_forward_one(const sezoo_fft *fft, float *z, float *work)
{
    const int32_t count = fft->n_fft / 2, quarter = fft->n_fft / 4;
    float *re = z, *im = z + count;
    for (int32_t t = 0; t < count; t += SEZOO_LANES) {
        float *to = work + fft->reverse[t] * STEP;
        sezoo_store(to, sezoo_load_every(z + 2 * t, 2));
        sezoo_store(to + SEZOO_LANES, sezoo_load_every(z + 2 * t + 1, 2));
    }
    transform(fft, work, count / 4);
    put_together(fft, work, re, im);
    const float first_re = re[0], first_im = im[0];
    for (int32_t k = 1; k <= count / 2; k += SEZOO_LANES) {
        const complex_lanes a = {sezoo_load(re + k), sezoo_load(im + k)};
        const complex_lanes b = {sezoo_load_reversed(re + count - k), sezoo_load_reversed(im + count - k)};
        const complex_lanes even = {sezoo_scale(sezoo_add(a.re, b.re), 0.5f), sezoo_scale(sezoo_sub(a.im, b.im), 0.5f)};
        const complex_lanes odd = {sezoo_scale(sezoo_add(a.im, b.im), 0.5f), sezoo_scale(sezoo_sub(b.re, a.re), 0.5f)};
        const complex_lanes part =
            turned_each(odd, sezoo_load(fft->cosine + k), sezoo_load(fft->cosine + k + quarter));
        sezoo_store_reversed(re + count - k, sezoo_sub(even.re, part.re));
        sezoo_store_reversed(im + count - k, sezoo_sub(part.im, even.im));
        sezoo_store(re + k, sezoo_add(even.re, part.re));
        sezoo_store(im + k, sezoo_add(even.im, part.im));
    }
    re[0] = first_re + first_im;
    im[0] = first_re - first_im;
}

void sezoo_fft_inverse_one(const sezoo_fft *fft, float *z, float *work)
{
    const int32_t count = fft->n_fft / 2, quarter = fft->n_fft / 4;
    float *re = z, *im = z + count;
    const float zero = re[0], highest = im[0];
    for (int32_t k = 1; k <= count / 2; k += SEZOO_LANES) {
        const complex_lanes a = {sezoo_load(re + k), sezoo_load(im + k)};
        const complex_lanes b = {sezoo_load_reversed(re + count - k), sezoo_load_reversed(im + count - k)};
        const complex_lanes even = {sezoo_scale(sezoo_add(a.re, b.re), 0.5f), sezoo_scale(sezoo_sub(a.im, b.im), 0.5f)};
        const complex_lanes part = {sezoo_scale(sezoo_sub(a.re, b.re), 0.5f), sezoo_scale(sezoo_add(a.im, b.im), 0.5f)};
        const complex_lanes odd = turned_each(part, sezoo_load(fft->cosine + k),
                                              sezoo_scale(sezoo_load(fft->cosine + k + quarter), -1.0f));
        sezoo_store_reversed(re + count - k, sezoo_add(even.re, odd.im));
        sezoo_store_reversed(im + count - k, sezoo_sub(even.im, odd.re));
        sezoo_store(re + k, sezoo_sub(even.re, odd.im));
        sezoo_store(im + k, sezoo_sub(sezoo_scale(even.im, -1.0f), odd.re));
    }
    re[0] = (zero + highest) * 0.5f;
    im[0] = (highest - zero) * 0.5f;
    for (int32_t t = 0; t < count; t += SEZOO_LANES) {
        float *to = work + fft->reverse[t] * STEP;
        sezoo_store(to, sezoo_load(re + t));
        sezoo_store(to + SEZOO_LANES, sezoo_load(im + t));
    }
    transform(fft, work, count / 4);
    put_together(fft, work, re, im);
    for (int32_t t = 0; t < count; ++t) { /* conjugated back */
        work[2 * t] = re[t];
        work[2 * t + 1] = -im[t];
    }
}

#else
typedef int sezoo_fft_is_empty; /* C wants something in a file; see sezoo_fft_cmsis.c */
#endif

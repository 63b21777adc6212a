/* Functions of one float without a library. They do the same operations in the same order as the reference in Python
   (sezoo.deployment.engine.prologue), and give the same bits. */
#ifndef SEZOO_MATH_H
#define SEZOO_MATH_H

#include <stdint.h>

#include "sezoo_target.h"

/* One instruction; sqrtf would also set errno, and want a library of mathematics. */
#if defined(__aarch64__)
#define SEZOO_SQRT "fsqrt %s0, %s1"
#define SEZOO_FLOAT_REGISTER "w"
#elif defined(__ARM_FP) && (__ARM_FP & 4) && !defined(__SOFTFP__)
#define SEZOO_SQRT "vsqrt.f32 %0, %1"
#define SEZOO_FLOAT_REGISTER "t"
#elif !defined(__wasm__)
#include <math.h>
#endif

typedef union {
    float real;
    int32_t bits;
} sezoo_float_bits;

static inline float sezoo_sqrt(float x)
{
#if defined(SEZOO_SQRT)
    float root;
    __asm(SEZOO_SQRT : "=" SEZOO_FLOAT_REGISTER(root) : SEZOO_FLOAT_REGISTER(x));
    return root;
#elif defined(__wasm__)
    return __builtin_sqrtf(x);
#else
    return sqrtf(x);
#endif
}

static inline float sezoo_abs(float x) { return x < 0.0f ? -x : x; }
static inline float sezoo_relu(float x) { return x > 0.0f ? x : 0.0f; }
static inline float sezoo_max(float a, float b) { return a > b ? a : b; }
static inline float sezoo_min(float a, float b) { return a < b ? a : b; }

/* Half to even. Beyond 2^22 a float is as good as whole for what is rounded here. */
static inline float sezoo_round(float x)
{
    return sezoo_abs(x) < 4194304.0f ? (x + 12582912.0f) - 12582912.0f : x;
}

static inline int32_t sezoo_quantized(float x, float scale, int32_t zero_point, int32_t low, int32_t high)
{
    const float lowest = (float)(low - zero_point), highest = (float)(high - zero_point);
    const float steps = sezoo_min(sezoo_max(x / scale, lowest), highest);
    sezoo_float_bits sum;
    sum.real = steps + 12582912.0f;
    return sum.bits - 0x4B400000 + zero_point;
}

/* 2 atanh(z) / ln 2 with z = (m - 1) / (m + 1) (Abramowitz and Stegun, 4.1.27). */
static inline float sezoo_log2(float x)
{
    sezoo_float_bits value;
    value.real = sezoo_max(x, 1.1754944e-38f);
    const int32_t exponent = (value.bits - 0x3F3504F3) >> 23; /* the mantissa is in sqrt(1/2)..sqrt(2) */
    value.bits -= exponent * (1 << 23);
    const float z = (value.real - 1.0f) / (value.real + 1.0f), square = z * z;
    float sum = 0.2623081892525388f;
    sum = sum * square + 0.3205988979753252f;
    sum = sum * square + 0.4121985831111324f;
    sum = sum * square + 0.5770780163555854f;
    sum = sum * square + 0.9617966939259756f;
    sum = sum * square + 2.8853900817779268f;
    return sum * z + (float)exponent;
}

static inline float sezoo_exp2(float x)
{
    const float limited = sezoo_min(sezoo_max(x, -126.0f), 127.0f);
    const float whole = sezoo_round(limited), part = limited - whole;
    float sum = 1.525273380405984e-05f;
    sum = sum * part + 0.0001540353039338161f;
    sum = sum * part + 0.0013333558146428443f;
    sum = sum * part + 0.009618129107628477f;
    sum = sum * part + 0.05550410866482158f;
    sum = sum * part + 0.2402265069591007f;
    sum = sum * part + 0.6931471805599453f;
    sum = sum * part + 1.0f;
    sezoo_float_bits power;
    power.bits = ((int32_t)whole + 127) * (1 << 23);
    return sum * power.real;
}

static inline float sezoo_pow(float x, float exponent)
{
    return x > 0.0f ? sezoo_exp2(sezoo_log2(x) * exponent) : 0.0f;
}
static inline float sezoo_log(float x) { return sezoo_log2(x) * 0.6931471805599453f; }
static inline float sezoo_exp(float x) { return sezoo_exp2(x * 1.4426950408889634f); }

/* Of `count` items. Helium computes four at a time, in the same order, but for divisions, which it has none of. It takes
   floats below 2^-126 for zero: so small neither operands nor results are here, with exponents between these two. */
#define SEZOO_LEAST_EXPONENT 0.0625f
#define SEZOO_LARGEST_EXPONENT 0.9f

#if SEZOO_MVE
static inline float32x4_t sezoo_divided(float32x4_t a, float32x4_t b)
{
    float lanes[8]; /* compilers take a vector apart with two instructions a lane */
    vstrwq_f32(lanes, a);
    vstrwq_f32(lanes + 4, b);
    __asm volatile("vldm %0, {s0-s7}\n"
                   "vdiv.f32 s0, s0, s4\n"
                   "vdiv.f32 s1, s1, s5\n"
                   "vdiv.f32 s2, s2, s6\n"
                   "vdiv.f32 s3, s3, s7\n"
                   "vstm %0, {s0-s3}\n"
                   :
                   : "r"(lanes)
                   : "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "memory");
    return vldrwq_f32(lanes);
}

/* sum * x + constant, rounded twice */
static inline float32x4_t sezoo_horner(float32x4_t sum, float32x4_t x, float constant)
{
    return vaddq_n_f32(vmulq_f32(sum, x), constant);
}

static inline float32x4_t sezoo_pow_lanes(float32x4_t x, float exponent)
{
    const int32x4_t given = vreinterpretq_s32_f32(x);
    int32x4_t bits = vmaxq_s32(given, vdupq_n_s32(0x00800000)); /* floats above zero are in the order of integers */
    const int32x4_t whole = vshrq_n_s32(vsubq_n_s32(bits, 0x3F3504F3), 23);
    bits = vsubq_s32(bits, vshlq_n_s32(whole, 23));
    const float32x4_t m = vreinterpretq_f32_s32(bits);
    const float32x4_t z = sezoo_divided(vsubq_n_f32(m, 1.0f), vaddq_n_f32(m, 1.0f)), square = vmulq_f32(z, z);
    float32x4_t sum = sezoo_horner(vdupq_n_f32(0.2623081892525388f), square, 0.3205988979753252f);
    sum = sezoo_horner(sum, square, 0.4121985831111324f);
    sum = sezoo_horner(sum, square, 0.5770780163555854f);
    sum = sezoo_horner(sum, square, 0.9617966939259756f);
    sum = sezoo_horner(sum, square, 2.8853900817779268f);
    const float32x4_t power = vmulq_n_f32(vaddq_f32(vmulq_f32(sum, z), vcvtq_f32_s32(whole)), exponent);
    const float32x4_t nearest = vsubq_n_f32(vaddq_n_f32(power, 12582912.0f), 12582912.0f);
    const float32x4_t part = vsubq_f32(power, nearest);
    sum = sezoo_horner(vdupq_n_f32(1.525273380405984e-05f), part, 0.0001540353039338161f);
    sum = sezoo_horner(sum, part, 0.0013333558146428443f);
    sum = sezoo_horner(sum, part, 0.009618129107628477f);
    sum = sezoo_horner(sum, part, 0.05550410866482158f);
    sum = sezoo_horner(sum, part, 0.2402265069591007f);
    sum = sezoo_horner(sum, part, 0.6931471805599453f);
    sum = sezoo_horner(sum, part, 1.0f);
    const int32x4_t scale = vshlq_n_s32(vaddq_n_s32(vcvtq_s32_f32(nearest), 127), 23);
    const float32x4_t result = vmulq_f32(sum, vreinterpretq_f32_s32(scale));
    return vpselq_f32(result, vdupq_n_f32(0.0f), vcmpgtq_n_s32(given, 0));
}

static inline int32x4_t sezoo_quantized_lanes(float32x4_t x, float scale, int32_t zero_point, int32_t low, int32_t high)
{
    const float32x4_t steps = sezoo_divided(x, vdupq_n_f32(scale));
    const float32x4_t lowest = vdupq_n_f32((float)(low - zero_point)), highest = vdupq_n_f32((float)(high - zero_point));
    const float32x4_t sum = vaddq_n_f32(vminnmq_f32(vmaxnmq_f32(steps, lowest), highest), 12582912.0f);
    return vaddq_n_s32(vreinterpretq_s32_f32(sum), zero_point - 0x4B400000);
}
#endif

static inline void sezoo_pow_all(const float *x, float exponent, float *y, int32_t count)
{
#if SEZOO_MVE
    if (exponent >= SEZOO_LEAST_EXPONENT && exponent <= SEZOO_LARGEST_EXPONENT) {
        for (; count >= 4; count -= 4, x += 4, y += 4) {
            vstrwq_f32(y, sezoo_pow_lanes(vldrwq_f32(x), exponent));
        }
    }
#endif
    for (; count > 0; --count) {
        *y++ = sezoo_pow(*x++, exponent);
    }
}

#if SEZOO_MVE
#define SEZOO_FOURS_QUANTIZED(store)                                                                                   \
    for (; count >= 4; count -= 4, x += 4, y += 4) {                                                                   \
        store(y, sezoo_quantized_lanes(vldrwq_f32(x), scale, zero_point, low, high));                                  \
    }
#else
#define SEZOO_FOURS_QUANTIZED(store)
#endif

static inline void sezoo_quantize_s8(const float *x, float scale, int32_t zero_point, int32_t low, int32_t high,
                                     int8_t *y, int32_t count)
{
    SEZOO_FOURS_QUANTIZED(vstrbq_s32)
    for (; count > 0; --count) {
        *y++ = (int8_t)sezoo_quantized(*x++, scale, zero_point, low, high);
    }
}

static inline void sezoo_quantize_s16(const float *x, float scale, int32_t zero_point, int32_t low, int32_t high,
                                      int16_t *y, int32_t count)
{
    SEZOO_FOURS_QUANTIZED(vstrhq_s32)
    for (; count > 0; --count) {
        *y++ = (int16_t)sezoo_quantized(*x++, scale, zero_point, low, high);
    }
}

#endif

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

#endif

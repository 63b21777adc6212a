/* Which kernels are compiled: Helium (MVE), the DSP instructions of Armv7E-M and Armv8-M, or plain C. */
#ifndef SEZOO_TARGET_H
#define SEZOO_TARGET_H

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the weights are stored for little-endian processors"
#endif

/* Float arithmetic is done as it is written, whatever the options say: with -Ofast, -ffast-math or fused multiplications
   and additions, compilers reorder sums, drop a rounding that is written as an addition and a subtraction, and divide by
   multiplying, and the masks are no longer those of the reference. These lines come before any function of the package,
   so that they hold for all of them. */
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#if !defined(__arm__) && !defined(__wasm__)
#pragma float_control(precise, on)
#elif __clang_major__ >= 18
#pragma clang fp reassociate(off) reciprocal(off)
#elif defined(__FAST_MATH__)
#define SEZOO_FAST_MATH 1
#endif
#elif defined(__GNUC__)
#pragma GCC optimize("no-fast-math", "no-unsafe-math-optimizations", "fp-contract=off")
#if defined(__FAST_MATH__)
#define SEZOO_FAST_MATH 1
#endif
#elif defined(_MSC_VER)
#pragma float_control(precise, on)
#pragma fp_contract(off)
#elif defined(__FAST_MATH__)
#define SEZOO_FAST_MATH 1
#endif
#if defined(SEZOO_FAST_MATH)
#error "this compiler cannot switch -ffast-math off in a source: build this folder with -O3 -fno-fast-math"
#endif

#if !defined(SEZOO_PLAIN_C) && defined(__ARM_FEATURE_MVE) && (__ARM_FEATURE_MVE & 2)
#define SEZOO_MVE 1 /* with float */
#include <arm_mve.h>
#else
#define SEZOO_MVE 0
#endif

/* The assembly is Thumb's: A32 loads pairs into neighbouring registers only. */
#if !defined(SEZOO_PLAIN_C) && !SEZOO_MVE && defined(__ARM_FEATURE_DSP) && defined(__ARM_FEATURE_SIMD32) &&              \
    defined(__thumb2__)
#define SEZOO_DSP 1
#include <arm_acle.h>
#else
#define SEZOO_DSP 0
#endif

#if SEZOO_MVE
#define SEZOO_KERNELS "Helium (MVE)"
#elif SEZOO_DSP
#define SEZOO_KERNELS "DSP extension"
#else
#define SEZOO_KERNELS "plain C"
#endif

#endif

/* Which kernels are compiled: Helium (MVE), the DSP instructions of Armv7E-M and Armv8-M, or plain C. */
#ifndef SEZOO_TARGET_H
#define SEZOO_TARGET_H

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the weights are stored for little-endian processors"
#endif

#if !defined(SEZOO_PLAIN_C) && defined(__ARM_FEATURE_MVE) && (__ARM_FEATURE_MVE & 2)
#define SEZOO_MVE 1 /* with float */
#include <arm_mve.h>
#else
#define SEZOO_MVE 0
#endif

#if !defined(SEZOO_PLAIN_C) && !SEZOO_MVE && defined(__ARM_FEATURE_DSP) && defined(__ARM_FEATURE_SIMD32)
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

/* Float arithmetic is written as it has to be done: a fused multiplication and addition would round once less, and
   results would differ from the reference. GCC wants -ffp-contract=off for that. */
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

#endif

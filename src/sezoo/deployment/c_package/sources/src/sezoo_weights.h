/* Weights of matrices in the order in which their kernels read them, made by the compiler. A block has 16 weights of each of
   four rows, as words of four: a0 to a3, b0 to b3, and so on. The DSP extension takes words of two rows, the bytes of which
   lie in turn: (b0, a0, b2, a2), then (b1, a1, b3, a3), with 128 added to those of b, which makes them unsigned; and so
   for c and d. */
#ifndef SEZOO_WEIGHTS_H
#define SEZOO_WEIGHTS_H

#include "sezoo_target.h"

#if SEZOO_DSP
#define SEZOO_EVEN(a, b) (((b) & 0x00FF00FFU) ^ 0x00800080U) | (((a) & 0x00FF00FFU) << 8)
#define SEZOO_ODD(a, b) ((((b) >> 8) & 0x00FF00FFU) ^ 0x00800080U) | ((a) & 0xFF00FF00U)
#define SEZOO_FOUR_OF_EACH(a, b, c, d) SEZOO_EVEN(a, b), SEZOO_ODD(a, b), SEZOO_EVEN(c, d), SEZOO_ODD(c, d)
#define SEZOO_BLOCK(a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3)                                    \
    SEZOO_FOUR_OF_EACH(a0, b0, c0, d0), SEZOO_FOUR_OF_EACH(a1, b1, c1, d1), SEZOO_FOUR_OF_EACH(a2, b2, c2, d2),        \
        SEZOO_FOUR_OF_EACH(a3, b3, c3, d3)
#else
#define SEZOO_BLOCK(a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3)                                    \
    a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3
#endif

#endif

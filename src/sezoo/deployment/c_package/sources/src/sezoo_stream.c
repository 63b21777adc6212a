#include "sezoo_stream.h"

#include "sezoo_target.h"

#include <string.h>

void sezoo_fill(int8_t *kept, int32_t kept_bytes, int32_t zero_point, int32_t bytes)
{
    const int8_t parts[] = {(int8_t)zero_point, (int8_t)(zero_point >> 8)};
    for (int32_t i = 0; i < kept_bytes; ++i) {
        kept[i] = parts[i % bytes];
    }
}

/* Whole rows, whose places are multiples of 16 bytes: a small C library's memcpy takes four times as long. */
static void copy_rows(int8_t *to, const int8_t *from, int32_t bytes)
{
#if SEZOO_MVE
    for (; bytes > 0; bytes -= 16, to += 16, from += 16) {
        vstrbq_s8(to, vldrbq_s8(from));
    }
#elif SEZOO_DSP
    for (; bytes > 0; bytes -= 16, to += 16, from += 16) {
        __asm volatile("ldm %1, {r4, r5, r6, r8}\n"
                       "stm %0, {r4, r5, r6, r8}\n"
                       :
                       : "r"(to), "r"(from)
                       : "r4", "r5", "r6", "r8", "memory");
    }
#else
    memcpy(to, from, (size_t)bytes);
#endif
}

void sezoo_keep(int8_t *rows, int8_t *kept, int32_t kept_bytes, int32_t new_bytes)
{
    copy_rows(rows, kept, kept_bytes);
    copy_rows(kept, rows + new_bytes, kept_bytes);
}

void sezoo_clear(int8_t *rows, int32_t lag, int32_t frames, int32_t row, int32_t zero_point,
                 int32_t bytes, uint32_t frames_before)
{
    if (frames_before < (uint32_t)lag) {
        const int32_t early = lag - (int32_t)frames_before;
        sezoo_fill(rows, row * (early < frames ? early : frames), zero_point, bytes);
    }
}

#include "sezoo_stream.h"

#include <string.h>

void sezoo_fill(int8_t *kept, int32_t kept_bytes, int32_t zero_point, int32_t bytes)
{
    const int8_t parts[] = {(int8_t)zero_point, (int8_t)(zero_point >> 8)};
    for (int32_t i = 0; i < kept_bytes; ++i) {
        kept[i] = parts[i % bytes];
    }
}

void sezoo_keep(int8_t *rows, int8_t *kept, int32_t kept_bytes, int32_t new_bytes)
{
    memcpy(rows, kept, (size_t)kept_bytes);
    memcpy(kept, rows + new_bytes, (size_t)kept_bytes);
}

void sezoo_clear(int8_t *rows, int32_t lag, int32_t frames, int32_t row, int32_t zero_point,
                 int32_t bytes, uint32_t frames_before)
{
    if (frames_before < (uint32_t)lag) {
        const int32_t early = lag - (int32_t)frames_before;
        sezoo_fill(rows, row * (early < frames ? early : frames), zero_point, bytes);
    }
}

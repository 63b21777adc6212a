/* What a stream keeps of earlier calls. */
#ifndef SEZOO_STREAM_H
#define SEZOO_STREAM_H

#include <stdint.h>

/* Before the first call, what is kept is zeros of integers of one or two bytes. */
void sezoo_fill(int8_t *kept, int32_t kept_bytes, int32_t zero_point, int32_t bytes);

/* `rows` has room for what is kept, and behind it the new rows. The kept ones are put there, and the last ones of all
   are kept for the next call. */
void sezoo_keep(int8_t *rows, int8_t *kept, int32_t kept_bytes, int32_t new_bytes);

/* Rows of frames before the first one become zero, which is what a convolution's padding is. `lag` is how far the newest
   row is behind the newest frame. */
void sezoo_clear(int8_t *rows, int32_t lag, int32_t frames, int32_t row, int32_t zero_point,
                 int32_t bytes, uint32_t frames_before);

#endif

/* A board, as board_test.c needs it: a serial line and a clock. board_template.c is to be filled in for yours. */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

/* Bytes that have arrived, `most` at most; 0 if there are none. It does not wait. */
int32_t board_read(uint8_t *to, int32_t most);
/* Sends all of them, however long it takes. */
void board_write(const uint8_t *from, int32_t bytes);

/* A clock that counts up, modulo 2^32. */
uint32_t board_ticks(void);
/* Its ticks a second; 0 where nobody knows. */
uint32_t board_ticks_per_second(void);
/* What it counts: "cycles", or an emulator's "instructions". */
const char *board_ticks_are(void);

#endif

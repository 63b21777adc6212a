/* board.h by standard input and output: board_test.c as a program of this computer. */
#include <stdlib.h>
#include <unistd.h>

#include "board.h"

int32_t board_read(uint8_t *to, int32_t most)
{
    const ssize_t count = read(0, to, (size_t)most);
    if (count <= 0) {
        exit(0);
    }
    return (int32_t)count;
}

void board_write(const uint8_t *from, int32_t bytes)
{
    if (write(1, from, (size_t)bytes) != bytes) {
        exit(1);
    }
}

uint32_t board_ticks(void)
{
    static uint32_t now;
    return now += 1000;
}

uint32_t board_ticks_per_second(void) { return 1000000; }

const char *board_ticks_are(void) { return "cycles"; }

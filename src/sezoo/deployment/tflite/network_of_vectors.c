/* Stands for the network on a computer: for one call after the other it gives what TFLite Micro makes of the test
   vectors, input_0.i8 ... and output.i8, if it is called with what they say. */
#include "files.h"
#include "sezoo_network.h"

#include <string.h>

static const int32_t sizes[] = SEZOO_NETWORK_INPUT_BYTES;
static int files[SEZOO_NETWORK_INPUTS + 1], is_open;

static void open_files(void)
{
    char name[] = "input_0.i8";
    for (int32_t i = 0; i < SEZOO_NETWORK_INPUTS; ++i) {
        name[6] = (char)('0' + i);
        files[i] = file_open(name, "rb");
    }
    files[SEZOO_NETWORK_INPUTS] = file_open("output.i8", "rb");
    is_open = 1;
}

/* Whether the next bytes of a file are these. */
static int is_next(int file, const int8_t *bytes, int32_t size)
{
    int8_t some[256];
    for (int32_t from = 0; from < size; from += (int32_t)sizeof some) {
        const int32_t count = size - from < (int32_t)sizeof some ? size - from : (int32_t)sizeof some;
        if (file_read(file, some, count) != count || memcmp(some, bytes + from, (size_t)count) != 0) {
            return 0;
        }
    }
    return 1;
}

int32_t sezoo_network(const int8_t *const in[], int8_t *out)
{
    int is_equal = 1;
    if (!is_open) {
        open_files();
    }
    for (int32_t i = 0; i <= SEZOO_NETWORK_INPUTS; ++i) {
        if (files[i] < 0) {
            print("input_0.i8 ... and output.i8 are needed\n");
            return 1;
        }
    }
    for (int32_t i = 0; i < SEZOO_NETWORK_INPUTS; ++i) {
        is_equal &= is_next(files[i], in[i], sizes[i]);
    }
    if (file_read(files[SEZOO_NETWORK_INPUTS], out, SEZOO_NETWORK_OUTPUT_BYTES) != SEZOO_NETWORK_OUTPUT_BYTES) {
        print("output.i8 has no more calls\n");
        return 1;
    }
    if (!is_equal) {
        print("the network is given other integers than those of the vectors\n");
        return 1;
    }
    return 0;
}

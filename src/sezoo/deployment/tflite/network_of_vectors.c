/* Stands for the network on a computer: for one call after the other it gives what TFLite Micro makes of the test
   vectors, input_0.i8 ... and output.i8, if it is called with what they say. Of a stream's states states.i8 has the newest
   rows of each call. */
#include "files.h"
#include "sezoo_network.h"

#include <string.h>

#ifdef SEZOO_NETWORK_STATES
enum { STATES = SEZOO_NETWORK_STATES };
#else
enum { STATES = 0 };
#endif
enum { INPUTS = SEZOO_NETWORK_INPUTS - STATES, OUTPUT = INPUTS, NEWEST = INPUTS + 1 };

static const int32_t input_bytes[] = SEZOO_NETWORK_INPUT_BYTES, output_bytes[] = SEZOO_NETWORK_OUTPUT_BYTES;
static int files[INPUTS + 2], is_open;

static void open_files(void)
{
    char name[] = "input_0.i8";
    for (int32_t i = 0; i < INPUTS; ++i) {
        name[6] = (char)('0' + i);
        files[i] = file_open(name, "rb");
    }
    files[OUTPUT] = file_open("output.i8", "rb");
    files[NEWEST] = STATES ? file_open("states.i8", "rb") : 0;
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

#ifdef SEZOO_NETWORK_STATES
static const int32_t rows[] = SEZOO_NETWORK_STATE_ROWS, lags[] = SEZOO_NETWORK_STATE_LAGS;
static const int8_t zeros[] = SEZOO_NETWORK_STATE_ZEROS;
static int8_t kept[SEZOO_NETWORK_STATE_BYTES];

/* Whether the states are those of the call before; what comes out has the newest rows behind them. Of frames before the
   first one a network makes something or other, which is not to come in again. */
static int run_states(const int8_t *const in[], int8_t *const out[])
{
    static int32_t call;
    int8_t *state = kept;
    int is_equal = 1;
    for (int32_t i = 0; i < STATES; ++i) {
        const int32_t bytes = input_bytes[INPUTS + i], row = bytes / rows[i];
        if (call == 0) {
            memset(state, zeros[i], (size_t)bytes);
        }
        is_equal &= memcmp(state, in[INPUTS + i], (size_t)bytes) == 0;
        memmove(state, state + row, (size_t)(bytes - row));
        is_equal &= file_read(files[NEWEST], state + bytes - row, row) == row;
        memcpy(out[1 + i], state, (size_t)bytes);
        for (int32_t r = 0; r < rows[i] && call - lags[i] - (rows[i] - 1 - r) < 0; ++r) {
            memset(out[1 + i] + r * row, 85, (size_t)row);
        }
        state += bytes;
    }
    ++call;
    return is_equal;
}
#endif

int32_t sezoo_network(const int8_t *const in[], int8_t *const out[])
{
    int is_equal = 1;
    if (!is_open) {
        open_files();
    }
    for (int32_t i = 0; i < INPUTS + 2; ++i) {
        if (files[i] < 0) {
            print("input_0.i8 ..., output.i8 and a stream's states.i8 are needed\n");
            return 1;
        }
    }
    for (int32_t i = 0; i < INPUTS; ++i) {
        is_equal &= is_next(files[i], in[i], input_bytes[i]);
    }
    if (file_read(files[OUTPUT], out[0], output_bytes[0]) != output_bytes[0]) {
        print("output.i8 has no more calls\n");
        return 1;
    }
#ifdef SEZOO_NETWORK_STATES
    is_equal &= run_states(in, out);
#endif
    if (!is_equal) {
        print("the network is given other integers than those of the vectors\n");
        return 1;
    }
    return 0;
}

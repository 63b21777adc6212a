/* Runs the denoiser on samples that a computer sends over a serial line, and sends back samples, masks and time, for
   `sezoo board-test`. It goes on for ever; what a board has to have for it is in board.h.

   A packet is a kind, a number (32 bits), data, and the CRC-32 of all that, all little-endian; it is encoded by COBS and
   ends with a zero byte.

       computer                             board
       'H'                                  'h' what this firmware is
       'B' number: of the session           'b'
       'F' number: of the call, from 0      'f' ticks, stack, samples, masks (float32) if they are asked for
           8 bits: whether masks are wanted, samples
                                            'e' 8 bits: what is wrong, with the number of the call that is expected

   A call that has been computed is not computed again when it is sent again: the same answer is. */
#include <string.h>

#include "board.h"
#include "sezoo_model.h"
#include "sezoo_target.h"

enum { PROTOCOL = 1 };
enum { DAMAGED = 1, NOT_BEGUN = 2, OUT_OF_ORDER = 3, UNKNOWN = 4 };
enum { HEAD = 5, CRC = 4, MOST = HEAD + 1 + 2 * SEZOO_SAMPLES_PER_CALL + CRC };

static sezoo_denoiser denoiser;
static SEZOO_ARENA(arena);
static int16_t samples[SEZOO_SAMPLES_PER_CALL];
static uint32_t has_begun, expected, ticks, stack;

#ifdef SEZOO_MEASURE
void sezoo_trace(int32_t step) { (void)step; }
#endif

static uint32_t crc_of(uint32_t crc, const uint8_t *from, int32_t length)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
        0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C, 0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C,
    };
    for (int32_t i = 0; i < length; ++i) {
        crc ^= from[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return crc;
}

/* -- sending -------------------------------------------------------------------------------------------------------- */

/* A block of COBS: how many bytes to the next zero, and those bytes. */
static uint8_t block[255];
static int32_t in_block;
static uint32_t sent_crc;

static void end_block(void)
{
    block[0] = (uint8_t)(in_block + 1);
    board_write(block, in_block + 1);
    in_block = 0;
}

static void send_raw(const uint8_t *from, int32_t length)
{
    for (int32_t i = 0; i < length; ++i) {
        if (from[i] != 0) {
            block[++in_block] = from[i];
        }
        if (from[i] == 0 || in_block == 254) {
            end_block();
        }
    }
}

static void send(const void *data, int32_t length)
{
    sent_crc = crc_of(sent_crc, (const uint8_t *)data, length);
    send_raw((const uint8_t *)data, length);
}

static void send_number(uint32_t number) { send(&number, 4); }

static void begin_packet(char kind, uint32_t number)
{
    sent_crc = 0xFFFFFFFFU;
    send(&kind, 1);
    send_number(number);
}

static void end_packet(void)
{
    const uint32_t crc = ~sent_crc;
    const uint8_t end = 0;
    send_raw((const uint8_t *)&crc, 4);
    end_block();
    board_write(&end, 1);
}

/* -- the packets ---------------------------------------------------------------------------------------------------- */

static void refuse(uint8_t why)
{
    begin_packet('e', expected);
    send(&why, 1);
    end_packet();
}

static void introduce(void)
{
    static const char hash[] = SEZOO_MODEL_HASH, version[] = SEZOO_PACKAGE_VERSION, kernels[] = SEZOO_KERNELS;
    const char *ticks_are = board_ticks_are();
    begin_packet('h', PROTOCOL);
    send_number(SEZOO_SAMPLE_RATE);
    send_number(SEZOO_SAMPLES_PER_CALL);
    send_number(SEZOO_FRAMES_PER_CALL);
    send_number(SEZOO_BINS);
    send_number(SEZOO_ARENA_BYTES);
    send_number((uint32_t)sizeof denoiser);
    send_number(board_ticks_per_second());
    send(hash, sizeof hash);
    send(version, sizeof version);
    send(kernels, sizeof kernels);
    send(ticks_are, (int32_t)strlen(ticks_are) + 1);
    end_packet();
}

static void answer(int32_t with_masks)
{
    static float mask[SEZOO_BINS];
    begin_packet('f', expected - 1);
    send_number(ticks);
    send_number(stack);
    send(samples, sizeof samples);
    for (int32_t t = 0; with_masks && t < SEZOO_FRAMES_PER_CALL; ++t) {
        sezoo_model_mask(arena, t, mask); /* the arena is as the call has left it */
        send(mask, sizeof mask);
    }
    end_packet();
}

/* -- a call, and how deep the stack gets in it ---------------------------------------------------------------------- */

enum { PAINTED = 4096, COLOUR = 0xA5 };

#define NEVER_INLINE __attribute__((noinline))

static NEVER_INLINE uint32_t paint(int32_t looks)
{
    volatile uint8_t below[PAINTED];
    uint32_t untouched = 0;
    if (!looks) {
        for (int32_t i = 0; i < PAINTED; ++i) {
            below[i] = COLOUR;
        }
        return 0;
    }
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
    while (untouched < PAINTED && below[untouched] == COLOUR) { /* what is left of what the last call painted */
        ++untouched;
    }
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
    return PAINTED - untouched;
}

static NEVER_INLINE void compute(void)
{
    const uint32_t before = board_ticks();
    sezoo_process(&denoiser, samples, samples);
    ticks = board_ticks() - before;
}

static void call(uint32_t number, const uint8_t *data)
{
    if (!has_begun) {
        refuse(NOT_BEGUN);
        return;
    }
    if (number == expected) {
        memcpy(samples, data + 1, sizeof samples);
        (void)paint(0);
        compute();
        stack = paint(1);
        ++expected;
    } else if (number + 1 != expected) {
        refuse(OUT_OF_ORDER);
        return;
    }
    answer(data[0]);
}

static void packet(const uint8_t *from, int32_t length)
{
    uint32_t number, crc;
    if (length < HEAD + CRC) {
        refuse(DAMAGED);
        return;
    }
    memcpy(&number, from + 1, 4);
    memcpy(&crc, from + length - CRC, 4);
    if (~crc_of(0xFFFFFFFFU, from, length - CRC) != crc) {
        refuse(DAMAGED);
    } else if (from[0] == 'H') {
        introduce();
    } else if (from[0] == 'B') {
        sezoo_init(&denoiser, arena);
        has_begun = 1;
        expected = 0;
        begin_packet('b', number);
        end_packet();
    } else if (from[0] == 'F' && length == MOST) {
        call(number, from + HEAD);
    } else {
        refuse(UNKNOWN);
    }
}

/* -- receiving ------------------------------------------------------------------------------------------------------ */

static uint8_t bytes[MOST];
static int32_t count, is_too_long;

static void push(uint8_t byte)
{
    if (count < MOST) {
        bytes[count++] = byte;
    } else {
        is_too_long = 1;
    }
}

int main(int argc, char **argv)
{
    int32_t in_block_left = 0, is_empty = 1, ends_with_zero = 0;
    uint8_t byte;
    (void)argc, (void)argv;
    for (;;) {
        if (board_read(&byte, 1) < 1) {
            continue;
        }
        if (byte == 0) { /* the end of a packet; one without content is none */
            if (!is_empty) {
                packet(bytes, is_too_long || in_block_left > 0 ? 0 : count);
            }
            count = is_too_long = in_block_left = ends_with_zero = 0;
            is_empty = 1;
        } else if (in_block_left > 0) {
            push(byte);
            --in_block_left;
        } else {
            if (ends_with_zero) {
                push(0);
            }
            in_block_left = byte - 1;
            ends_with_zero = byte < 255;
            is_empty = 0;
        }
    }
}

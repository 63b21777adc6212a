/* What a product does with the package, checked by itself: the exit code is the number of the first check that fails. */
#include <string.h>

#include "files.h"
#include "sezoo_denoiser.h"

#define N SEZOO_SAMPLES_PER_CALL
#define CALLS (12 + 4 * SEZOO_LATENCY / N)
#define TOTAL (CALLS * N)

static sezoo_denoiser first, second;
static SEZOO_ARENA(arena);
static SEZOO_ARENA(other);
static int16_t in[TOTAL], plain[TOTAL], limited[TOTAL], found[TOTAL], mixed[N];

#ifdef SEZOO_MEASURE
void sezoo_trace(int32_t step);
void sezoo_trace(int32_t step) { (void)step; }
#endif

static int32_t difference(int32_t a, int32_t b) { return a > b ? a - b : b - a; }

static void run(sezoo_denoiser *denoiser, int16_t *out)
{
    for (int32_t call = 0; call < CALLS; ++call) {
        sezoo_process(denoiser, in + call * N, out + call * N);
    }
}

static int differ(void) { return memcmp(plain, found, sizeof plain) != 0; }

/* The input, as late as the output. */
static int32_t late(int32_t i) { return i < SEZOO_DELAY ? 0 : in[i - SEZOO_DELAY]; }

static int32_t largest_step(const int16_t *samples)
{
    int32_t largest = 0;
    for (int32_t i = SEZOO_LATENCY; i < TOTAL; ++i) {
        largest = difference(samples[i], samples[i - 1]) > largest ? difference(samples[i], samples[i - 1]) : largest;
    }
    return largest;
}

/* Every third call the bypass is switched within a sine. A switch from one sample to the next would be heard: then the
   output has larger steps than the sine has, or than the denoised one. Gives 0 if all is well. */
static int clicks(void)
{
    int32_t jumps = 0;
    float sine = 0.0f, cosine = 12000.0f; /* turned by an eighth of a radian a sample, in steps that keep its size */
    for (int32_t i = 0; i < TOTAL; ++i) {
        in[i] = (int16_t)sine;
        sine += 0.125f * cosine;
        cosine -= 0.125f * sine;
    }
    sezoo_init(&first, arena);
    run(&first, plain);
    const int32_t of_input = largest_step(in), of_plain = largest_step(plain);
    const int32_t most = (of_plain > of_input ? of_plain : of_input) * 51 / 50;
    sezoo_reset(&first);
    for (int32_t call = 0; call < CALLS; ++call) {
        const int32_t on = call / 3 % 2, i = call * N;
        sezoo_set_bypass(&first, on);
        sezoo_process(&first, in + i, found + i);
        if (call % 3 == 0 && i > SEZOO_LATENCY) {
            jumps += difference(on ? late(i) : plain[i], on ? plain[i - 1] : late(i - 1)) > most;
        }
    }
    return largest_step(found) > most ? 13 : jumps == 0 ? 14 : 0;
}

/* Two with limits of their own, by turns; a limit that changes within a recording, and a reset in the middle of it, which
   leaves the limit. Gives 0 if all is well. */
static int limits(void)
{
    const int32_t half = CALLS / 2, after = half * N + SEZOO_WINDOW_LENGTH;
    sezoo_init(&first, arena);
    sezoo_set_attenuation_limit(&first, 6.0f);
    run(&first, limited);
    sezoo_init(&first, arena);
    sezoo_init(&second, arena);
    sezoo_set_attenuation_limit(&second, 6.0f);
    for (int32_t call = 0; call < CALLS; ++call) {
        sezoo_process(&second, in + call * N, found + call * N);
        sezoo_process(&first, in + call * N, mixed);
        if (memcmp(mixed, plain + call * N, sizeof mixed) != 0) {
            return 15;
        }
    }
    if (memcmp(found, limited, sizeof found) != 0) {
        return 16;
    }
    sezoo_reset(&first);
    for (int32_t call = 0; call < CALLS; ++call) {
        sezoo_set_attenuation_limit(&first, call < half ? SEZOO_NO_LIMIT : 6.0f);
        sezoo_process(&first, in + call * N, found + call * N);
    }
    if (memcmp(found, plain, (size_t)(half * N) * sizeof *found) != 0 ||
        memcmp(found + after, limited + after, (size_t)(TOTAL - after) * sizeof *found) != 0) {
        return 17;
    }
    sezoo_reset(&first);
    run(&first, found);
    return memcmp(found, limited, sizeof found) != 0 ? 18 : 0;
}

int main(void)
{
    uint32_t random = 1;
    int32_t quieter = 0;
    for (int32_t i = 0; i < TOTAL; ++i) {
        random = random * 1664525U + 1013904223U;
        in[i] = (int16_t)((int32_t)(random >> 18) - 8192);
    }
    sezoo_init(&first, arena);
    run(&first, plain);
    for (int32_t i = SEZOO_LATENCY; i < TOTAL; ++i) {
        quieter += difference(plain[i], late(i)) > 100;
    }
    if (quieter < TOTAL / 4) { /* a network that lets all through would show nothing below */
        return 1;
    }

    sezoo_reset(&first);
    run(&first, found);
    if (differ()) {
        return 2;
    }

    /* In place. */
    sezoo_reset(&first);
    memcpy(found, in, sizeof found);
    for (int32_t call = 0; call < CALLS; ++call) {
        sezoo_process(&first, found + call * N, found + call * N);
    }
    if (differ()) {
        return 3;
    }

    /* Two by turns, in one arena, whose contents are lost between the calls. */
    sezoo_init(&first, arena);
    sezoo_init(&second, arena);
    for (int32_t call = 0; call < CALLS; ++call) {
        sezoo_process(&first, in + call * N, found + call * N);
        memset(arena, 0x55, sizeof arena);
        sezoo_process(&second, in + (CALLS - 1 - call) * N, mixed);
        memset(arena, 0x33, sizeof arena);
    }
    if (differ()) {
        return 4;
    }
    sezoo_init(&first, other);
    run(&first, found);
    if (differ()) {
        return 5;
    }

    /* Bypassed, the output is the input, as late as ever; before it and after it is what it is without. */
    sezoo_reset(&first);
    sezoo_set_bypass(&first, 1);
    run(&first, found);
    for (int32_t i = 0; i < TOTAL; ++i) {
        if (difference(found[i], late(i)) > 1) {
            return 6;
        }
    }
    sezoo_reset(&first); /* the bypass stays */
    sezoo_process(&first, in, found);
    sezoo_set_bypass(&first, 0);
    for (int32_t call = 1; call < CALLS; ++call) {
        sezoo_set_bypass(&first, call >= CALLS / 2 && call < CALLS / 2 + 2);
        sezoo_process(&first, in + call * N, found + call * N);
    }
    if (memcmp(plain + SEZOO_LATENCY, found + SEZOO_LATENCY, (CALLS / 2 * N - SEZOO_LATENCY) * sizeof *plain) != 0) {
        return 7;
    }
    const int32_t after = (CALLS / 2 + 2) * N + SEZOO_WINDOW_LENGTH;
    if (after < TOTAL && memcmp(plain + after, found + after, (size_t)(TOTAL - after) * sizeof *plain) != 0) {
        return 8;
    }

    /* The attenuation limit is a mix with the input; at 0 dB it is the input, and none of it is as before. */
    sezoo_init(&first, arena);
    sezoo_set_attenuation_limit(&first, 12.0f);
    run(&first, found);
    for (int32_t i = 0; i < TOTAL; ++i) {
        const float mix = 0.25118864f * (float)late(i) + 0.74881136f * (float)plain[i];
        if (difference(found[i], (int32_t)(mix + 32768.5f) - 32768) > 2) {
            return 9;
        }
    }
    sezoo_reset(&first);
    sezoo_set_attenuation_limit(&first, 0.0f);
    run(&first, found);
    for (int32_t i = 0; i < TOTAL; ++i) {
        if (difference(found[i], late(i)) > 1) {
            return 10;
        }
    }
    sezoo_reset(&first);
    sezoo_set_attenuation_limit(&first, SEZOO_NO_LIMIT);
    run(&first, found);
    if (differ()) {
        return 11;
    }

    /* Samples of float32, in place, rounded afterwards; calls of both kinds take turns. */
    sezoo_reset(&first);
    for (int32_t call = 0; call < CALLS; ++call) {
        float values[N];
        if (call % 3 == 2) {
            sezoo_process(&first, in + call * N, found + call * N);
            continue;
        }
        for (int32_t i = 0; i < N; ++i) {
            values[i] = (float)in[call * N + i] / 32768.0f;
        }
        sezoo_process_float(&first, values, values);
        for (int32_t i = 0; i < N; ++i) {
            const float scaled = values[i] * 32768.0f;
            found[call * N + i] = (int16_t)((int32_t)(scaled + 12582912.0f) - 12582912);
        }
    }
    if (differ()) {
        return 12;
    }
    const int limited_otherwise = limits();
    if (limited_otherwise != 0) {
        return limited_otherwise;
    }
    const int heard = clicks();
    if (heard != 0) {
        return heard;
    }
    print("all is as it should be\n");
    return 0;
}

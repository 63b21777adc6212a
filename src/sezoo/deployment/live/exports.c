/* What a page calls: one denoiser, and buffers that JavaScript reads and writes. */
#include "sezoo_denoiser.h"

#define EXPORT(name) __attribute__((export_name(#name))) name

static sezoo_denoiser denoiser;
static SEZOO_ARENA(arena);
static int16_t in[SEZOO_SAMPLES_PER_CALL], out[SEZOO_SAMPLES_PER_CALL];

void EXPORT(begin)(void);
void EXPORT(process)(void);
void EXPORT(limit)(float decibels);
float EXPORT(activity)(void);
int16_t *EXPORT(input)(void);
int16_t *EXPORT(output)(void);
int32_t EXPORT(samples_per_call)(void);
int32_t EXPORT(delay)(void);

void begin(void) { sezoo_init(&denoiser, arena); }
void process(void) { sezoo_process(&denoiser, in, out); }
void limit(float decibels) { sezoo_set_attenuation_limit(&denoiser, decibels); }
float activity(void) { return sezoo_speech_activity(&denoiser); }
int16_t *input(void) { return in; }
int16_t *output(void) { return out; }
int32_t samples_per_call(void) { return SEZOO_SAMPLES_PER_CALL; }
int32_t delay(void) { return SEZOO_DELAY; }

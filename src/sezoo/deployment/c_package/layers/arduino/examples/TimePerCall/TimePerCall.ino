// How long a call of the denoiser takes on this board, and how long it may take. SPDX-License-Identifier: Apache-2.0
// In your program, `samples` come from a microphone (PDM, I2S) and go to wherever you need them.
#include <sezoo_denoiser.h>

static sezoo_denoiser denoiser;
static SEZOO_ARENA(arena);
static int16_t samples[SEZOO_SAMPLES_PER_CALL];
static uint32_t noise = 1;

void setup() {
  Serial.begin(115200);
  sezoo_init(&denoiser, arena);
}

void loop() {
  for (int i = 0; i < SEZOO_SAMPLES_PER_CALL; ++i) {
    noise = noise * 1664525u + 1013904223u;
    samples[i] = (int16_t)((int32_t)noise >> 18);
  }
  const uint32_t before = micros();
  sezoo_process(&denoiser, samples, samples);
  const uint32_t taken = micros() - before;
  Serial.print(taken);
  Serial.print(" us a call; the sound in it lasts ");
  Serial.print((uint32_t)(1000000ull * SEZOO_SAMPLES_PER_CALL / SEZOO_SAMPLE_RATE));
  Serial.println(" us");
}

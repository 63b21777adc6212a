/* A call: samples become spectra, their magnitudes go through the network, and its mask makes samples of the spectra.
   A complex network has real and imaginary parts instead, and gives a complex mask or the denoised spectra.
   The spectra of frames that come out later are computed a second time, which costs less than to keep them. */
#include "sezoo_denoiser.h"

#include <string.h>

#include "sezoo_math.h"
#include "sezoo_model.h"
#include "sezoo_spectra.h"

#define HALF (SEZOO_N_FFT / 2)
#define MARGIN ((SEZOO_N_FFT - SEZOO_WINDOW) / 2) /* zeros before and behind the window */
#define FULL_SCALE 32768.0f

/* The first and the last bin of the band of speech, or the highest ones that there are. */
#define BIN(hertz) ((hertz) / SEZOO_BIN_HERTZ < HALF ? (int32_t)((hertz) / SEZOO_BIN_HERTZ) : HALF)
#define SEZOO_BIN_HERTZ ((float)SEZOO_SAMPLE_RATE / SEZOO_N_FFT)
#define SPEECH_LOW BIN(300.0f)
#define SPEECH_HIGH BIN(3400.0f)

void sezoo_init(sezoo_denoiser *denoiser, void *arena)
{
    denoiser->arena = arena;
    denoiser->dry = SEZOO_DRY;
    denoiser->is_bypassed = 0;
    sezoo_reset(denoiser);
}

/* Silence has come before: its frames add nothing to the output, but their windows have weight. Divided by the edge of
   its own window alone, the first frame would begin with a click. */
static void begin_weight(float *weight)
{
    for (int32_t i = 0; i < SEZOO_WINDOW; ++i) {
        weight[i] = 0.0f;
        for (int32_t n = i + SEZOO_HOP - SEZOO_LATE; n < SEZOO_WINDOW - SEZOO_LATE; n += SEZOO_HOP) {
            weight[i] += n < 0 ? 0.0f : sezoo_model_window[n] * sezoo_model_window[n];
        }
    }
}

void sezoo_reset(sezoo_denoiser *denoiser)
{
    denoiser->frames = 0;
    memset(denoiser->samples, 0, sizeof denoiser->samples);
    memset(denoiser->wave, 0, sizeof denoiser->wave);
    begin_weight(denoiser->weight);
    memset(denoiser->history, 0, sizeof denoiser->history);
    sezoo_model_begin((int8_t *)denoiser->history);
}

void sezoo_set_attenuation_limit(sezoo_denoiser *denoiser, float decibels)
{
    const float octaves = sezoo_max(decibels, 0.0f) * -0.16609640474436813f; /* log2(10) / 20 */
    denoiser->dry = decibels < SEZOO_NO_LIMIT ? sezoo_exp2(octaves) : 0.0f;
}

void sezoo_set_bypass(sezoo_denoiser *denoiser, int32_t is_on) { denoiser->is_bypassed = is_on; }

/* ST's application shows the network a loud patch as if its peak were full scale. */
static float input_gain(const sezoo_denoiser *denoiser)
{
#if SEZOO_INPUT_GAIN
    int32_t peak = 0;
    for (int32_t i = 0; i < SEZOO_SAMPLES_HELD; ++i) {
        const int32_t sample = denoiser->samples[i] < 0 ? -denoiser->samples[i] : denoiser->samples[i];
        peak = sample > peak ? sample : peak;
    }
    return peak > SEZOO_LOUD_PEAK ? 32767.0f / (float)peak : 1.0f;
#else
    (void)denoiser;
    return 1.0f;
#endif
}

/* The masks of some frames times their spectra, a share of which stays whatever the masks are. */
static void apply_masks(const sezoo_denoiser *denoiser, int32_t first, int32_t count, float *z, float *mask)
{
    const float dry = denoiser->is_bypassed ? 1.0f : denoiser->dry, wet = 1.0f - dry;
    for (int32_t lane = 0; lane < count; ++lane) {
        sezoo_model_mask(denoiser->arena, first + lane, mask);
#if SEZOO_IS_COMPLEX
        for (int32_t k = 0; k <= HALF; ++k) {
            float *re = sezoo_real_part(z + lane, k), *im = sezoo_imaginary_part(z + lane, k), none = 0.0f;
            im = im != NULL ? im : &none;
#if SEZOO_GIVES_SPECTRUM
            *re = dry * *re + wet * mask[k];
            *im = dry * *im + wet * mask[SEZOO_BINS + k];
#else
            const float real = dry + wet * mask[k], imaginary = wet * mask[SEZOO_BINS + k], x = *re;
            *re = x * real - *im * imaginary;
            *im = x * imaginary + *im * real;
#endif
        }
#else
        if (dry > 0.0f) {
            for (int32_t k = 0; k <= HALF; ++k) {
                mask[k] = dry + wet * mask[k];
            }
        }
        sezoo_apply_mask(z, lane, mask);
#endif
    }
}

/* What the network lets through of a bin: the mask, its magnitude, or that of the output over that of the input. */
static float share(const float *mask, float *z, int32_t k)
{
#if SEZOO_IS_COMPLEX
    const float made = mask[k] * mask[k] + mask[SEZOO_BINS + k] * mask[SEZOO_BINS + k];
#if SEZOO_GIVES_SPECTRUM
    const float *im = sezoo_imaginary_part(z, k), re = *sezoo_real_part(z, k);
    const float given = re * re + (im != NULL ? *im * *im : 0.0f);
    return given > made ? sezoo_sqrt(made / given) : made > 0.0f ? 1.0f : 0.0f;
#else
    (void)z;
    return sezoo_sqrt(made);
#endif
#else
    (void)z;
    return mask[k];
#endif
}

float sezoo_speech_activity(const sezoo_denoiser *denoiser)
{
    float *mask = (float *)(void *)(denoiser->arena + SEZOO_MASK), sum = 0.0f;
    float *z = (float *)(void *)(denoiser->arena + SEZOO_SYNTHESIS);
    for (int32_t t = 0; t < SEZOO_FRAMES_PER_CALL; ++t) {
        sezoo_model_mask(denoiser->arena, t, mask);
#if SEZOO_GIVES_SPECTRUM
        sezoo_analyse(denoiser->samples + (SEZOO_FIRST_KEPT + t) * SEZOO_HOP, 1, z, NULL);
#endif
        for (int32_t k = SPEECH_LOW; k <= SPEECH_HIGH; ++k) {
            sum += share(mask, z, k);
        }
    }
    return sum / (float)(SEZOO_FRAMES_PER_CALL * (SPEECH_HIGH - SPEECH_LOW + 1));
}

static int16_t to_sample(float value)
{
    const float scaled = sezoo_min(sezoo_max(value * FULL_SCALE, -32768.0f), 32767.0f);
    return (int16_t)sezoo_round(scaled);
}

/* Where a call's output goes: to one of both. */
typedef struct {
    int16_t *samples;
    float *values; /* full scale is 1 */
} output;

/* A frame is added to the output's ring, and the samples that nothing more is added to come out, from `first` on. */
static void add_frame(sezoo_denoiser *denoiser, const float *signals, int32_t frame, output out, int32_t first)
{
    float *wave = denoiser->wave, *weight = denoiser->weight;
    for (int32_t i = SEZOO_LATE; i < SEZOO_WINDOW; ++i) {
        const int32_t n = MARGIN + i - SEZOO_LATE;
        const float window = sezoo_model_window[i - SEZOO_LATE];
        wave[i] += sezoo_signal(signals, frame, n) * (1.0f / HALF) * window;
        weight[i] += window * window;
    }
    for (int32_t i = 0; i < SEZOO_HOP; ++i) {
        const float value = weight[i] > 1.1754944e-38f ? wave[i] / weight[i] : wave[i];
        if (out.values) {
            out.values[first + i] = value;
        } else {
            out.samples[first + i] = to_sample(value);
        }
    }
    memmove(wave, wave + SEZOO_HOP, (SEZOO_WINDOW - SEZOO_HOP) * sizeof *wave);
    memmove(weight, weight + SEZOO_HOP, (SEZOO_WINDOW - SEZOO_HOP) * sizeof *weight);
    memset(wave + SEZOO_WINDOW - SEZOO_HOP, 0, SEZOO_HOP * sizeof *wave);
    memset(weight + SEZOO_WINDOW - SEZOO_HOP, 0, SEZOO_HOP * sizeof *weight);
}

/* A call whose output, in 16 bits, is quieter than the threshold is silent. */
static void gate(output out)
{
#if SEZOO_GATE
    uint64_t power = 0;
    for (int32_t i = 0; i < SEZOO_SAMPLES_PER_CALL; ++i) {
        const int32_t sample = out.values ? to_sample(out.values[i]) : out.samples[i];
        power += (uint64_t)(sample * sample);
    }
    if (power < SEZOO_GATE_POWER && out.values) {
        memset(out.values, 0, SEZOO_SAMPLES_PER_CALL * sizeof *out.values);
    } else if (power < SEZOO_GATE_POWER) {
        memset(out.samples, 0, SEZOO_SAMPLES_PER_CALL * sizeof *out.samples);
    }
#else
    (void)out;
#endif
}

/* Place for the samples of a new call, behind those that are held. */
static int16_t *new_samples(sezoo_denoiser *denoiser)
{
    const int32_t older = SEZOO_SAMPLES_HELD - SEZOO_SAMPLES_PER_CALL;
    int16_t *samples = denoiser->samples;
    memmove(samples, samples + SEZOO_SAMPLES_PER_CALL, (uint32_t)older * sizeof *samples);
    return samples + older;
}

static int32_t at_a_time(int32_t left) { return left < SEZOO_FRAMES_AT_A_TIME ? left : SEZOO_FRAMES_AT_A_TIME; }

/* A call, whose samples are there already. */
static void process(sezoo_denoiser *denoiser, output out)
{
    int8_t *arena = denoiser->arena;
    float *magnitudes = (float *)(void *)(arena + SEZOO_MAGNITUDES);

    const float gain = input_gain(denoiser);
    for (int32_t t = 0; t < SEZOO_COMPUTED; t += SEZOO_FRAMES_AT_A_TIME) {
        const int32_t count = at_a_time(SEZOO_COMPUTED - t);
        float *z = (float *)(void *)(arena + SEZOO_ANALYSIS);
        sezoo_analyse(denoiser->samples + (SEZOO_FIRST_COMPUTED + t) * SEZOO_HOP, count, z, magnitudes);
        sezoo_measure(z, gain, magnitudes);
        for (int32_t i = 0; i < count; ++i) {
            sezoo_model_enter(arena, (int8_t *)denoiser->history, magnitudes + i * SEZOO_MAGNITUDE_ROW, t + i);
        }
    }
    SEZOO_TRACE(-1);
    sezoo_model_run(arena, (int8_t *)denoiser->history, denoiser->frames);
    if (denoiser->frames < SEZOO_ALL_STARTED) {
        denoiser->frames += SEZOO_FRAMES_PER_CALL;
    }
    for (int32_t t = 0; t < SEZOO_FRAMES_PER_CALL; t += SEZOO_FRAMES_AT_A_TIME) {
        const int32_t count = at_a_time(SEZOO_FRAMES_PER_CALL - t);
        float *z = (float *)(void *)(arena + SEZOO_SYNTHESIS), *mask = (float *)(void *)(arena + SEZOO_MASK);
#if !SEZOO_SPECTRUM_STAYS
        sezoo_analyse(denoiser->samples + (SEZOO_FIRST_KEPT + t) * SEZOO_HOP, count, z, mask);
#endif
        apply_masks(denoiser, t, count, z, mask);
        const float *signals = sezoo_synthesise(z, mask);
        for (int32_t i = 0; i < count; ++i) {
            add_frame(denoiser, signals, i, out, (t + i) * SEZOO_HOP);
        }
    }
    gate(out);
    SEZOO_TRACE(-2);
}

void sezoo_process(sezoo_denoiser *denoiser, const int16_t *in, int16_t *out)
{
    const output to = {out, 0};
    memcpy(new_samples(denoiser), in, SEZOO_SAMPLES_PER_CALL * sizeof *in);
    process(denoiser, to);
}

void sezoo_process_float(sezoo_denoiser *denoiser, const float *in, float *out)
{
    const output to = {0, out};
    int16_t *samples = new_samples(denoiser);
    for (int32_t i = 0; i < SEZOO_SAMPLES_PER_CALL; ++i) {
        samples[i] = to_sample(in[i]);
    }
    process(denoiser, to);
}

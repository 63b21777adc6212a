/* Denoises a WAV file of 16-bit samples, one channel: denoise_wav [NOISY [DENOISED]]. The delay is taken out of the
   result, which is as long as the recording. What a call costs goes into the file figures.txt. */
#include <string.h>

#include "files.h"
#include "sezoo_denoiser.h"

#define HEADER 44
#define MOST_STEPS 512

static sezoo_denoiser denoiser;
static SEZOO_ARENA(arena);
static int16_t in[SEZOO_SAMPLES_PER_CALL], out[SEZOO_SAMPLES_PER_CALL];

/* -- counting ------------------------------------------------------------------------------------------------- */

static uint64_t spectra, steps[MOST_STEPS];
static uint32_t last;
static int32_t most_steps;

#ifdef SEZOO_MEASURE
void sezoo_trace(int32_t step); /* declared in sezoo_model.h too, which only the package's own sources include */

void sezoo_trace(int32_t step)
{
    const uint32_t now = instructions();
    if (step < 0) { /* before the network, and after it */
        spectra += now - last;
    } else if (step < MOST_STEPS) {
        steps[step] += now - last;
        most_steps = step >= most_steps ? step + 1 : most_steps;
    }
    last = instructions();
}
#endif

static char *put_number(char *to, uint64_t number)
{
    char digits[20];
    int count = 0;
    do {
        digits[count++] = (char)('0' + (int)(number % 10));
        number /= 10;
    } while (number > 0);
    while (count > 0) {
        *to++ = digits[--count];
    }
    return to;
}

static void write_figure(int file, const char *name, uint64_t number)
{
    char line[64];
    char *end = line;
    memcpy(end, name, strlen(name));
    end += strlen(name);
    *end++ = ' ';
    end = put_number(end, number);
    *end++ = '\n';
    (void)file_write(file, line, (int32_t)(end - line));
}

static void write_figures(uint64_t total, uint32_t worst, uint32_t calls)
{
    const int file = file_open("figures.txt", "wb");
    if (file < 0) {
        return;
    }
    write_figure(file, "calls", calls);
    write_figure(file, "instructions", total);
    write_figure(file, "worst", worst);
    write_figure(file, "stack", stack_used());
    write_figure(file, "spectra", spectra);
    for (int32_t step = 0; step < most_steps; ++step) {
        write_figure(file, "step", steps[step]);
    }
    file_close(file);
}

/* -- the recording -------------------------------------------------------------------------------------------- */

static uint32_t number_at(const uint8_t *bytes, int32_t count)
{
    uint32_t number = 0;
    for (int32_t i = count - 1; i >= 0; --i) {
        number = number << 8 | bytes[i];
    }
    return number;
}

static void put_at(uint8_t *bytes, uint32_t number)
{
    for (int32_t i = 0; i < 4; ++i, number >>= 8) {
        bytes[i] = (uint8_t)(number & 0xFFU);
    }
}

/* Samples of the file, which is open at the first of them; -1 if it is none that can be denoised. */
static int32_t open_recording(int file)
{
    uint8_t chunk[HEADER];
    if (file_read(file, chunk, 12) != 12 || memcmp(chunk, "RIFF", 4) != 0 || memcmp(chunk + 8, "WAVE", 4) != 0) {
        print("the recording is not a WAV file\n");
        return -1;
    }
    for (;;) {
        if (file_read(file, chunk, 8) != 8) {
            print("the recording has no samples\n");
            return -1;
        }
        const uint32_t size = number_at(chunk + 4, 4);
        if (memcmp(chunk, "data", 4) == 0) {
            return size / 2 > INT32_MAX ? INT32_MAX : (int32_t)(size / 2);
        }
        const int is_format = memcmp(chunk, "fmt ", 4) == 0;
        uint32_t left = size + (size & 1U);
        if (is_format && left >= 16) {
            if (file_read(file, chunk, 16) != 16 || number_at(chunk, 2) != 1 || number_at(chunk + 2, 2) != 1 ||
                number_at(chunk + 4, 4) != SEZOO_SAMPLE_RATE || number_at(chunk + 14, 2) != 16) {
                print("the recording has to have one channel, 16 bits, and the sample rate of the network\n");
                return -1;
            }
            left -= 16;
        }
        while (left > 0) {
            const int32_t some = left < HEADER ? (int32_t)left : HEADER;
            if (file_read(file, chunk, some) != some) {
                print("the recording ends too soon\n");
                return -1;
            }
            left -= (uint32_t)some;
        }
    }
}

static void write_header(int file, int32_t samples)
{
    uint8_t header[HEADER + 1] = "RIFF....WAVEfmt \x10\0\0\0\1\0\1\0........\2\0\x10\0data....";
    put_at(header + 4, (uint32_t)samples * 2 + HEADER - 8);
    put_at(header + 24, SEZOO_SAMPLE_RATE);
    put_at(header + 28, SEZOO_SAMPLE_RATE * 2);
    put_at(header + 40, (uint32_t)samples * 2);
    (void)file_write(file, header, HEADER);
}

int main(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], argv[2]) == 0) {
        print("the recording would be overwritten: name another file\n");
        return 2;
    }
    const int noisy = file_open(argc > 1 ? argv[1] : "noisy.wav", "rb");
    if (noisy < 0) {
        print("there is no recording: noisy.wav\n");
        return 2;
    }
    const int32_t samples = open_recording(noisy);
    if (samples < 0) {
        return 2;
    }
    const int denoised = file_open(argc > 2 ? argv[2] : "denoised.wav", "wb");
    if (denoised < 0) {
        print("cannot write denoised.wav\n");
        return 2;
    }
    write_header(denoised, samples);
    sezoo_init(&denoiser, arena);
    int32_t read = 0, written = 0, late = SEZOO_DELAY;
    uint64_t total = 0;
    uint32_t worst = 0, calls = 0;
    while (written < samples) {
        memset(in, 0, sizeof in);
        const int32_t wanted = samples - read < SEZOO_SAMPLES_PER_CALL ? samples - read : SEZOO_SAMPLES_PER_CALL;
        if (wanted > 0 && file_read(noisy, in, wanted * 2) != wanted * 2) {
            print("the recording ends too soon\n");
            return 2;
        }
        read += wanted;
        const uint32_t before = last = instructions();
        sezoo_process(&denoiser, in, out);
        const uint32_t taken = instructions() - before;
        total += taken;
        worst = taken > worst ? taken : worst;
        ++calls;
        const int32_t dropped = late < SEZOO_SAMPLES_PER_CALL ? late : SEZOO_SAMPLES_PER_CALL;
        late -= dropped;
        int32_t count = SEZOO_SAMPLES_PER_CALL - dropped;
        count = count < samples - written ? count : samples - written;
        if (count > 0 && !file_write(denoised, out + dropped, count * 2)) {
            print("cannot write denoised.wav: no space?\n");
            return 2;
        }
        written += count;
    }
    file_close(denoised);
    file_close(noisy);
    write_figures(total, worst, calls);
    return 0;
}

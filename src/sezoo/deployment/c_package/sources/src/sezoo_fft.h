/* Fourier transforms of four real signals at a time, or of one. */
#ifndef SEZOO_FFT_H
#define SEZOO_FFT_H

#include <stdint.h>

/* Tables for one length, a power of two from 16 on. */
typedef struct {
    int32_t n_fft;
    const float *cosine;     /* (n_fft) cos(2 pi t / n_fft) */
    const uint16_t *reverse; /* (n_fft / 2) t with its bits in reverse order */
} sezoo_fft;

/* Values lie as z[t][real, imaginary][lane].

   Forward: in come the signals, the samples 2 t and 2 t + 1 as the real and imaginary part at reverse[t]. Out come the
   spectra: the bins 1 to n_fft / 2 - 1 at their places, the real bins 0 and n_fft / 2 as the two parts at 0. */
void sezoo_fft_forward(const sezoo_fft *fft, float *z);

/* The other way round, but with the samples 2 t and 2 t + 1 at t; they come out n_fft / 2 times as large. */
void sezoo_fft_inverse(const sezoo_fft *fft, float *z);

/* The same of one signal, in about a third of the time, from n_fft = 32 on: `z` and `work` are n_fft floats each. The
   signal is taken from `z`, and its spectrum is left there: first all real parts, then all imaginary ones, with the bin
   n_fft / 2 as the first of these. The inverse leaves the samples in `work`, n_fft / 2 times as large. */
void sezoo_fft_forward_one(const sezoo_fft *fft, float *z, float *work);
void sezoo_fft_inverse_one(const sezoo_fft *fft, float *z, float *work);

#endif

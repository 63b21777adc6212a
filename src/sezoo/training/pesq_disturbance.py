"""PESQ's disturbance as a function that can be differentiated: ITU-T P.862.2 without time alignment."""

from __future__ import annotations

import math

import torch
from torch import nn

__all__ = ["PesqDisturbance"]

SAMPLE_RATE = 16000

FRAME, HOP = 512, 256
"""Samples of a Hann window, and between two of them: 32 ms, half overlapped."""

LEVEL_BAND = (325.0, 3250.0)
"""Hz between which both waveforms are brought to the same power."""

LEVEL = 1e7
"""That power. The tables below are in its units."""

HIGH_PASS = ((2.740826, -5.4816519, 2.740826), (1.0, -1.9444777, 0.94597794))
"""Numerator and denominator of the wideband input filter, P.862.2."""

BINS_PER_BAND = (
    1, 1, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2,
    3, 3, 3, 3, 4, 3, 4, 5, 4, 5, 6, 6, 7, 8, 9, 9, 12, 12, 15, 16, 18, 21, 25, 20,
)  # fmt: skip
"""Spectral bins of each of the 49 Bark bands; the last bin of the spectrum is in none."""

POWER_CORRECTION = (
    100, 100, 100, 100, 100, 100, 100, 100, 50, 100, 100, 100, 100, 100, 53.047, 110, 117.992, 65, 68.76, 70,
    71.429, 75, 76.843, 80.969, 88.646, 63.864, 68.155, 72.548, 75.585, 58.379, 80.951, 64.136, 54.385, 73.822,
    64.437, 59.176, 65.521, 61.4, 58.144, 57.005, 64.126, 54.311, 61.115, 55.078, 56.849, 55.629, 53.137, 54.986,
    79.547,
)  # fmt: skip
"""Factor of each band's power, for bands that are no whole number of bins wide."""

HEARING_THRESHOLD = (
    77.1, 63.9, 48.5, 36.9, 30.7, 25.9, 20.2, 16.6, 12.5, 9.9, 6.9, 4.9, 2.8, 1.0, -0.1, -1.4, -2.5, -3.4, -4.1, -4.8,
    -5.3, -5.7, -5.9, -6.0, -6.0, -6.0, -6.0, -5.8, -5.4, -5.1, -4.7, -4.3, -4.0, -3.6, -3.3, -3.1, -3.0, -3.0, -2.9,
    -2.8, -2.8, -2.8, -2.9, -3.2, -3.7, -4.3, -4.4, -3.8, -2.7,
)  # fmt: skip
"""Of each band, in dB of power."""

BAND_WIDTH = (0.3184, 4.313e-3, 2.883e-5)
"""Bark: polynomial of the number of the band from 1 on, within 0.2 % of the standard's table."""

POWER_SCALE, LOUDNESS_SCALE = 6.910853e-6, 0.1866055
"""The standard's Sp and Sl: of powers to its units, of loudness to sone."""

LOUDNESS_POWER = 0.23
"""Zwicker's exponent; larger below 4 Bark."""

SYLLABLE = 20
"""Frames over which the largest disturbances count most."""

D_WEIGHT, A_WEIGHT = 0.1, 0.0309
"""Of the disturbance, and of that part of it which adds sound."""

LOUDEST = 45.0
"""No frame disturbs more."""

SILENT_POWER = 1e-12
"""Mean square of a waveform, full scale being 1, that is not made louder any more."""

TINY = 1e-3
"""Disturbance whose power is added before a root is taken, as the slope of a root at 0 is infinite."""


class PesqDisturbance(nn.Module):
    """Disturbance of a signal against its reference as in PESQ: 4.5 minus the raw PESQ score.

    ITU-T P.862 (2001) with the input filter of P.862.2, for waveforms that are aligned in time as they are in training:
    no delays are sought, no intervals realigned, and all frames count, those of silence too. Everything else is the
    standard's: level, loudness, compensations, asymmetry and the norms over bands, syllables and the clip. It
    correlates with the score of the package `pesq` (tests/training/test_pesq_disturbance.py); Martin-Donas et al., "A
    deep learning loss function based on the perceptual evaluation of the speech quality", 2018, train with the like.

    It has no weights; `to` moves its tables.
    """

    def __init__(self):
        super().__init__()
        bands = len(BINS_PER_BAND)
        number = torch.arange(bands)
        band_of_bin = torch.repeat_interleave(number, torch.tensor(BINS_PER_BAND))
        bark_matrix = torch.zeros(bands, FRAME // 2 + 1)
        bark_matrix[band_of_bin, torch.arange(FRAME // 2)] = POWER_SCALE * torch.tensor(POWER_CORRECTION)[band_of_bin]
        bark_matrix[:, 0] = 0.0  # no DC
        hz = torch.arange(FRAME // 2 + 1) * (SAMPLE_RATE / FRAME)
        in_level_band = (hz > LEVEL_BAND[0]) & (hz < LEVEL_BAND[1])
        width = BAND_WIDTH[0] + BAND_WIDTH[1] * (number - 1) + BAND_WIDTH[2] * (number - 1) ** 2
        width[0] = width[1] / 2
        centre = torch.cumsum(width, 0) - width / 2
        exponent = LOUDNESS_POWER * (6 / (centre + 2)).clamp(1, 2) ** 0.15
        exponent = torch.where(centre < 4, exponent, LOUDNESS_POWER)
        # They belong to no snapshot.
        self.register_buffer("window", torch.hann_window(FRAME), persistent=False)
        self.register_buffer("bark_matrix", bark_matrix * _gain(hz), persistent=False)
        self.register_buffer("in_level_band", in_level_band.float(), persistent=False)
        self.register_buffer("width", width[1:], persistent=False)
        self.register_buffer("exponent", exponent[:, None], persistent=False)
        self.register_buffer("threshold", 10 ** (torch.tensor(HEARING_THRESHOLD)[:, None] / 10), persistent=False)

    def forward(self, waveform: torch.Tensor, reference: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """The disturbance of each clip.

        Parameters
        ----------
        waveform, reference : (batch, samples) float32 at 16 kHz, at least 32 ms, of any level.
        lengths : (batch,) of the clips; what lies behind does not count.

        Returns
        -------
        disturbance : (batch,) float32, 0 for a perfect clip, about 1 for a good and 3 for a bad one. A clip
            with a silent reference, or shorter than 32 ms, has 0.
        """
        missing = max(0, FRAME - waveform.shape[-1])
        waveform, reference = (nn.functional.pad(sound, (0, missing)) for sound in (waveform, reference))
        valid = self._valid(lengths, waveform.shape[-1])
        degraded_powers, reference_powers = self._bark_powers(waveform, valid), self._bark_powers(reference, valid)
        reference_powers = reference_powers * self._frequency_response(
            degraded_powers.detach(), reference_powers, valid
        )
        degraded_powers = degraded_powers * self._gain_variations(degraded_powers, reference_powers)
        loud_heard, loud_meant = self._loudness(degraded_powers), self._loudness(reference_powers)
        difference = loud_heard - loud_meant
        masked = 0.25 * torch.minimum(loud_heard, loud_meant)
        disturbance = (difference.abs() - masked).clamp_min(0)
        asymmetry = ((degraded_powers + 50) / (reference_powers + 50)) ** 1.2
        asymmetry = torch.where(asymmetry < 3, 0.0, asymmetry.clamp_max(12))
        width = self.width[:, None]
        power = torch.where(reference_powers > self.threshold, reference_powers, 0.0)[:, 1:].sum(1)
        quiet = ((power + 1e5) / LEVEL) ** 0.04
        symmetric = _root(((disturbance[:, 1:] * width) ** 2).sum(1) * width.sum(), 2)
        added = ((disturbance * asymmetry)[:, 1:] * width).sum(1)
        scored = D_WEIGHT * self._over_time(symmetric / quiet, valid) + A_WEIGHT * self._over_time(added / quiet, valid)
        return torch.where(valid.any(-1)[:, 0] & (reference != 0).any(-1), scored, 0.0)

    def _valid(self, lengths: torch.Tensor, samples: int) -> torch.Tensor:
        """The frames that hold nothing but the clip: (batch, 1, frames) bool."""
        frames = torch.arange((samples - FRAME) // HOP + 1, device=lengths.device)
        return (frames * HOP + FRAME <= lengths[:, None])[:, None]

    def _bark_powers(self, waveform: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """Power by band and frame, (batch, 49, frames), the waveform brought to the standard's level."""
        spectrum = torch.stft(waveform, FRAME, HOP, window=self.window, center=False, return_complex=True)
        power = torch.where(valid, spectrum.real**2 + spectrum.imag**2, 0.0)
        frames = valid.sum(-1, keepdim=True).clamp_min(1)
        # Parseval: of a real waveform, and of squared windows that it was seen through.
        mean = (self.in_level_band @ power).sum(-1)[:, None, None] * 2 / (FRAME * (self.window**2).sum() * frames)
        return self.bark_matrix @ (power * (LEVEL / (mean + SILENT_POWER)))

    def _frequency_response(
        self, degraded_powers: torch.Tensor, reference_powers: torch.Tensor, valid: torch.Tensor
    ) -> torch.Tensor:
        """Return the constant frequency response of the bands, which disturbs little: (batch, 49, 1)."""
        spoken = (
            torch.where(reference_powers > 100 * self.threshold, reference_powers, 0.0)[:, 1:].sum(1, keepdim=True)
            >= 1e7
        )
        frames = valid.sum(-1, keepdim=True).clamp_min(1)

        def mean(power: torch.Tensor) -> torch.Tensor:
            return torch.where(spoken & (power > 100 * self.threshold), power, 0.0).sum(-1, keepdim=True) / frames

        return ((mean(degraded_powers) + 1000) / (mean(reference_powers) + 1000)).clamp(0.01, 100)

    def _gain_variations(self, degraded_powers: torch.Tensor, reference_powers: torch.Tensor) -> torch.Tensor:
        """Factor that brings each frame to the power of its reference, within limits: (batch, 1, frames)."""
        audible = [
            torch.where(power > self.threshold, power, 0.0)[:, 1:].sum(1)
            for power in (degraded_powers, reference_powers)
        ]
        ratio = (audible[1] + 5e3) / (audible[0] + 5e3)
        # The standard's recursion y[t] = 0.2 y[t-1] + 0.8 x[t], which has forgotten all but 6 frames.
        taps = 0.8 * 0.2 ** torch.arange(5, -1, -1, device=ratio.device, dtype=ratio.dtype)
        padded = nn.functional.pad(ratio[:, None], (5, 0), mode="replicate")
        return nn.functional.conv1d(padded, taps[None, None]).clamp(3e-4, 5)

    def _loudness(self, power: torch.Tensor) -> torch.Tensor:
        """Zwicker's, in sone per Bark."""
        above = (power / self.threshold).clamp_min(1)
        return LOUDNESS_SCALE * (self.threshold / 0.5) ** self.exponent * ((0.5 + 0.5 * above) ** self.exponent - 1)

    def _over_time(self, disturbance: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """(batch, frames) to (batch,): the 6th mean over syllables that overlap by half, the 2nd over those."""
        powers = torch.where(valid[:, 0], disturbance.clamp_max(LOUDEST) ** 6, 0.0)
        step = SYLLABLE // 2
        frames = powers.shape[-1]
        syllables = -(-frames // step)
        padded = nn.functional.pad(powers, (0, (syllables - 1) * step + SYLLABLE - frames))
        loud = _root(padded.unfold(-1, SYLLABLE, step).mean(-1), 6)
        starts = torch.arange(syllables, device=valid.device) * step
        counts = starts < valid.sum(-1)
        squares = torch.where(counts, loud**2, 0.0).sum(-1) / counts.sum(-1).clamp_min(1)
        return _root(squares, 2)


def _root(powers: torch.Tensor, order: int) -> torch.Tensor:
    return (powers + TINY**order) ** (1 / order) - TINY


def _gain(hz: torch.Tensor) -> torch.Tensor:
    """Power gain of the input filter at some frequencies."""
    angle = hz * (2 * math.pi / SAMPLE_RATE)
    delay = torch.polar(torch.ones_like(angle), -angle)
    numerator, denominator = (c[0] + c[1] * delay + c[2] * delay**2 for c in HIGH_PASS)
    return (numerator / denominator).abs() ** 2

"""Speech removed by a denoiser, which PESQ underestimates."""

from __future__ import annotations

import numpy as np

from sezoo.metrics.checks import MetricError, check_clips, check_not_silent

__all__ = ["GUARD_BANDS", "speech_guard"]

GUARD_BANDS = {"level_2_4_khz": (2000, 4000), "level_4_6_khz": (4000, 6000), "level_6_8_khz": (6000, 7800)}
"""Bands in Hz, by the name of their figure."""

SPEECH_DB = 5.0
"""Local SNR above which a bin of the noisy spectrum counts as speech."""

FLOOR_DB = 60.0
"""Bins of the clean clip that are further below its loudest one are its own background, not speech."""

CUT_DB = 6.0
"""A bin that has lost more than this is cut."""

FRAME_SECONDS, OVERLAP = 0.032, 2


def speech_guard(clean: np.ndarray, noisy: np.ndarray, denoised: np.ndarray, sample_rate: int) -> dict[str, float]:
    """Measures over the bins dominated by speech: local SNR above 5 dB, at most 60 dB below the loudest.

    The spectra are of 32 ms with a Hann window, half overlapped. What counts as noise is ``noisy - clean``.

    Parameters
    ----------
    clean, noisy, denoised : (samples,) float, as long as each other, with full scale at 1.0.
    sample_rate : in Hz.

    Returns
    -------
    figures : `speech_cut`, the share of those bins, from 0 to 1, whose level the denoised clip has more than 6 dB below
        the clean one; and for each of GUARD_BANDS that the sample rate and the clip have, the change of the level of
        those bins from the clean to the denoised clip in dB.

    Raises
    ------
    MetricError : a silent clean clip, no such bin, clips that are not finite, not 1-D float or of different lengths.
    """
    speech, made = check_clips(clean, denoised)
    _, mixed = check_clips(clean, noisy)
    check_not_silent(speech, "clean")
    length = round(FRAME_SECONDS * sample_rate)
    if len(speech) < length:
        raise MetricError(f"the clip is shorter than a frame of {1000 * FRAME_SECONDS:.0f} ms")
    of_speech, of_noise, of_made = (_powers(waveform, length) for waveform in (speech, mixed - speech, made))
    loud = of_speech > of_speech.max() * 10 ** (-FLOOR_DB / 10)
    is_speech = loud & (of_speech > of_noise * 10 ** (SPEECH_DB / 10))
    if not is_speech.any():
        raise MetricError(f"no bin of the clip has an SNR above {SPEECH_DB:g} dB")
    cut = of_made[is_speech] < of_speech[is_speech] * 10 ** (-CUT_DB / 10)
    figures = {"speech_cut": float(cut.mean())}
    hertz = np.fft.rfftfreq(length, 1 / sample_rate)
    for name, (low, high) in GUARD_BANDS.items():
        chosen = is_speech & ((hertz >= low) & (hertz < high))
        if high <= sample_rate / 2 and chosen.any() and of_made[chosen].any():
            figures[name] = float(10 * np.log10(of_made[chosen].sum() / of_speech[chosen].sum()))
    return figures


def _powers(waveform: np.ndarray, length: int) -> np.ndarray:
    """(frames, bins) of the waveform."""
    frames = np.lib.stride_tricks.sliding_window_view(waveform, length)[:: length // OVERLAP]
    return np.abs(np.fft.rfft(frames * np.hanning(length + 1)[:-1])) ** 2

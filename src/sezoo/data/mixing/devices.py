"""Device effects: microphone response, clipping, mains hum and rumble."""

from __future__ import annotations

import numpy as np

__all__ = ["add_mains_hum", "add_rumble", "apply_microphone_response", "clip_peaks"]

OCTAVES_DB = 4.0
"""Standard deviation of a microphone's response at every octave, in dB."""

LOWEST_OCTAVE, OCTAVES = 62.5, 8
"""Hz of the first octave, and how many there are: up to 8 kHz."""

ROLL_OFF_HERTZ = (20.0, 350.0)
"""Corner below which a microphone falls by 12 dB an octave, drawn uniformly by its logarithm."""

HUM_HERTZ = (50.0, 60.0)
HARMONICS = 20
HUM_DB = (-20.0, 10.0)
"""Of hum above the noise that it is added to."""

RUMBLE_HERTZ = (30.0, 150.0)
"""Above this frequency, drawn uniformly by its logarithm, rumble falls by 12 to 24 dB an octave."""

RUMBLE_DB = (-15.0, 20.0)
"""Of rumble above the noise that it is added to."""

GUSTS_DB, GUSTS_HERTZ = 8.0, 2.0
"""Standard deviation of how loud rumble is from moment to moment, at most, and how many moments a second has."""


def apply_microphone_response(
    waveforms: tuple[np.ndarray, np.ndarray], sample_rate: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Filter both waveforms by one random microphone response: some dB per octave band, and a bass roll-off.

    Parameters
    ----------
    waveforms : (samples,) float32 each, as long as each other.
    random : one number for the roll-off, and one for each octave.
    """
    from scipy import fft

    corner = np.exp(random.uniform(*np.log(ROLL_OFF_HERTZ)))
    octaves = OCTAVES_DB * random.standard_normal(OCTAVES)
    samples = len(waveforms[0])
    padded = fft.next_fast_len(samples + sample_rate // 10, real=True)
    hertz = fft.rfftfreq(padded, 1 / sample_rate)
    with np.errstate(divide="ignore"):
        height = np.log2(hertz / LOWEST_OCTAVE)
    smooth = np.interp(height, np.arange(OCTAVES), octaves - octaves.mean())
    gain = 10 ** (smooth / 20) * hertz**2 / np.sqrt(hertz**4 + corner**4)
    first, second = (fft.irfft(fft.rfft(waveform, padded) * gain, padded)[:samples] for waveform in waveforms)
    return first.astype(np.float32), second.astype(np.float32)


def clip_peaks(waveform: np.ndarray, decibels: float) -> np.ndarray:
    """Clip a waveform at a full scale that is `decibels` below its peak."""
    limit = np.abs(waveform).max() * np.float32(10 ** (-decibels / 20))
    return np.clip(waveform, -limit, limit)


def add_mains_hum(noise: np.ndarray, sample_rate: int, random: np.random.Generator) -> np.ndarray:
    """Add stationary hum to noise: 50 or 60 Hz and harmonics of random phase and level.

    Parameters
    ----------
    noise : (samples,) float32
    random : the mains, the level and the harmonics are drawn from it.
    """
    mains = random.choice(HUM_HERTZ)
    level = random.uniform(*HUM_DB)
    harmonics = mains * np.arange(1, HARMONICS + 1)
    strengths = 10 ** (-random.uniform(0, 40, HARMONICS) / 20)
    phases = random.uniform(0, 2 * np.pi, HARMONICS)
    time = np.arange(len(noise)) / sample_rate
    hum = sum(
        strength * np.sin(2 * np.pi * hertz * time + phase)
        for hertz, strength, phase in zip(harmonics, strengths, phases, strict=True)
        if hertz < sample_rate / 2
    )
    gain = 10 ** (level / 20) * np.sqrt(np.mean(np.square(noise, dtype=np.float64)) / np.mean(hum**2))
    return (noise + gain * hum).astype(np.float32)


def add_rumble(noise: np.ndarray, sample_rate: int, random: np.random.Generator) -> np.ndarray:
    """Add rumble below about 100 Hz to noise, as from wind, handling, engines and traffic.

    Recordings for training often have none, as codecs and editors take it away: a network that never heard it lets it
    pass where a voice has nothing to lose.

    Parameters
    ----------
    noise : (samples,) float32
    random : the level, the spectrum, the gusts and the rumble itself are drawn from it.
    """
    from scipy import fft

    samples = len(noise)
    corner = np.exp(random.uniform(*np.log(RUMBLE_HERTZ)))
    level, order = random.uniform(*RUMBLE_DB), random.uniform(2, 4)
    moments = 2 + int(GUSTS_HERTZ * samples / sample_rate)
    gusts = random.uniform(0, GUSTS_DB) * random.standard_normal(moments)
    padded = fft.next_fast_len(samples, real=True)
    hertz = fft.rfftfreq(padded, 1 / sample_rate)
    spectrum = fft.rfft(random.standard_normal(padded)) / (1 + (hertz / corner) ** order)
    spectrum[0] = 0
    loudness = np.interp(np.linspace(0, moments - 1, samples), np.arange(moments), gusts)
    rumble = fft.irfft(spectrum, padded)[:samples] * 10 ** (loudness / 20)
    gain = 10 ** (level / 20) * np.sqrt(np.mean(np.square(noise, dtype=np.float64)) / np.mean(rumble**2))
    return (noise + gain * rumble).astype(np.float32)

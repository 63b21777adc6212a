"""The demo's noises, made of seeded random numbers; each kind takes (samples, generator), of any level."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tools.demo_recordings.script import BABBLE_LINES
from tools.demo_recordings.speech import SAMPLE_RATE, espeak, frequencies

__all__ = ["NOISES", "distant", "shaped"]


def shaped(n: int, rng: np.random.Generator, gain: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Gaussian noise with the magnitude response `gain(frequencies in Hz)`, RMS 1."""
    spectrum = np.fft.rfft(rng.standard_normal(n)) * gain(frequencies(n))
    spectrum[0] = 0.0
    return _unit(np.fft.irfft(spectrum, n))


def _unit(samples: np.ndarray) -> np.ndarray:
    return samples / np.sqrt(np.mean(np.square(samples)))


def _band(low: float, high: float, order: int = 2) -> Callable[[np.ndarray], np.ndarray]:
    """Response of a band-pass with slopes of 6 dB per octave and order."""

    def gain(f: np.ndarray) -> np.ndarray:
        f = np.maximum(f, 1.0)
        return 1.0 / np.sqrt((1.0 + (low / f) ** (2 * order)) * (1.0 + (f / high) ** (2 * order)))

    return gain


def _slow(n: int, rng: np.random.Generator, hertz: float) -> np.ndarray:
    """A smooth random curve of mean 0 and RMS 1 that changes `hertz` times a second."""
    knots = rng.standard_normal(int(n / SAMPLE_RATE * hertz) + 3)
    at = np.arange(n) * hertz / SAMPLE_RATE + rng.uniform()
    i = at.astype(np.int64)
    t = (1.0 - np.cos(np.pi * (at - i))) / 2.0
    return (1.0 - t) * knots[i] + t * knots[i + 1]


def _pink(n: int, rng: np.random.Generator) -> np.ndarray:
    return shaped(n, rng, lambda f: 1.0 / np.sqrt(np.maximum(f, 30.0)))


def _babble(n: int, rng: np.random.Generator) -> np.ndarray:
    total = np.zeros(n)
    for voice, text in BABBLE_LINES:
        # A fixed voice, at a random place: the sentences are cached, and looped where too short.
        speech = _unit(espeak(text, voice, 165, 50, 60))
        shifted = np.resize(np.roll(speech, int(rng.integers(speech.size))), n)
        total += shifted * 10.0 ** (rng.uniform(-6.0, 0.0) / 20.0)
    far = shaped(n, rng, _band(150.0, 900.0))
    return _unit(total) + 0.25 * far


def _harmonics(n: int, rng: np.random.Generator, pitch: np.ndarray, count: int, slope: float) -> np.ndarray:
    """Sum of `count` partials of `pitch` (Hz, a sample each), falling as 1 / k^slope."""
    phase = 2.0 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    return _unit(
        sum(
            rng.uniform(0.5, 1.0) * k**-slope * np.sin(k * phase + rng.uniform(0.0, 2.0 * np.pi))
            for k in range(1, count + 1)
        )
    )


def _car(n: int, rng: np.random.Generator) -> np.ndarray:
    engine = _harmonics(n, rng, rng.uniform(45.0, 80.0) * (1.0 + 0.03 * _slow(n, rng, 1.0)), 12, 1.0)
    road = shaped(n, rng, lambda f: 1.0 / (1.0 + (f / 120.0) ** 1.2))
    tyres = shaped(n, rng, _band(400.0, 1500.0, 1)) * (1.0 + 0.2 * _slow(n, rng, 2.0))
    return 0.7 * engine + road + 0.25 * tyres


def _strikes(
    n: int,
    rng: np.random.Generator,
    a_second: float,
    low: float,
    high: float,
    decay_s: tuple[float, float],
    partials: int,
) -> np.ndarray:
    """Things being hit: decaying partials between `low` and `high` Hz behind a click."""
    total = np.zeros(n)
    for _ in range(max(2, rng.poisson(a_second * n / SAMPLE_RATE))):
        start = int(rng.integers(n))
        length = min(n - start, SAMPLE_RATE // 2)
        t = np.arange(length) / SAMPLE_RATE
        decay = rng.uniform(*decay_s)
        sound = 0.5 * rng.standard_normal(length) * np.exp(-t / 0.004)
        for _ in range(partials):
            pitch = low * (high / low) ** rng.uniform()
            sound += rng.uniform(0.2, 1.0) / partials * np.sin(2.0 * np.pi * pitch * t) * np.exp(-t / decay)
        total[start : start + length] += sound * 10.0 ** (rng.uniform(-14.0, 0.0) / 20.0)
    return _unit(total)


def _kitchen(n: int, rng: np.random.Generator) -> np.ndarray:
    dishes = _strikes(n, rng, 5.0, 900.0, 5500.0, (0.02, 0.10), 6)
    hood = shaped(n, rng, _band(80.0, 700.0, 1))
    return dishes + 0.7 * hood


def _wind(n: int, rng: np.random.Generator) -> np.ndarray:
    gusts = np.exp(0.8 * _slow(n, rng, 1.5))
    whistle = shaped(n, rng, _band(350.0, 550.0, 3)) * np.maximum(_slow(n, rng, 1.0), 0.0)
    return gusts * shaped(n, rng, _band(20.0, 180.0)) + 0.15 * gusts * whistle


def _fan(n: int, rng: np.random.Generator) -> np.ndarray:
    hum = _harmonics(n, rng, np.full(n, 50.0 if rng.uniform() < 0.5 else 60.0), 9, 0.7)
    blades = _harmonics(n, rng, np.full(n, rng.uniform(110.0, 190.0)), 5, 1.0)
    air = shaped(n, rng, _band(150.0, 1800.0, 1))
    return 0.5 * hum + 0.3 * blades + air


def _rain(n: int, rng: np.random.Generator) -> np.ndarray:
    hiss = shaped(n, rng, _band(700.0, 7000.0, 1)) * (1.0 + 0.15 * _slow(n, rng, 3.0))
    drops = _strikes(n, rng, 40.0, 1200.0, 4500.0, (0.003, 0.012), 2)
    return hiss + 0.5 * drops


def _traffic(n: int, rng: np.random.Generator) -> np.ndarray:
    total = 0.3 * shaped(n, rng, _band(40.0, 500.0, 1))
    t = np.arange(n) / SAMPLE_RATE
    for _ in range(3):
        near = rng.uniform(0.0, n / SAMPLE_RATE)
        passing = 1.0 / (1.0 + ((t - near) / rng.uniform(0.3, 0.8)) ** 2)
        tyres = shaped(n, rng, _band(rng.uniform(80.0, 200.0), rng.uniform(900.0, 1800.0), 1))
        # The Doppler fall of the engine as it goes by.
        pitch = rng.uniform(60.0, 110.0) * (1.0 - 0.05 * np.tanh((t - near) / 0.3))
        total += passing * (tyres + 0.5 * _harmonics(n, rng, pitch, 10, 0.8))
    return total


def _metro(n: int, rng: np.random.Generator) -> np.ndarray:
    rumble = shaped(n, rng, _band(30.0, 350.0, 1)) * (1.0 + 0.2 * _slow(n, rng, 2.0))
    motor = _harmonics(n, rng, rng.uniform(180.0, 320.0) * (1.0 + 0.05 * _slow(n, rng, 0.7)), 6, 1.2)
    # Two axles over each rail joint.
    t = np.arange(n) / SAMPLE_RATE + rng.uniform(0.0, 0.7)
    knock = sum(np.exp(-np.mod(t - late, 0.7) / 0.03) for late in (0.0, 0.13))
    return rumble + 0.25 * motor + 1.2 * knock * shaped(n, rng, _band(200.0, 1400.0))


def _keyboard(n: int, rng: np.random.Generator) -> np.ndarray:
    keys = _strikes(n, rng, 9.0, 700.0, 4000.0, (0.004, 0.015), 4)
    office = shaped(n, rng, _band(100.0, 900.0, 1))
    return keys + 0.6 * office


def distant(noise: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The noise through 6 dB per octave above some hundred Hz: most recorded noise is strongest low down."""
    corner = rng.uniform(250.0, 700.0)
    spectrum = np.fft.rfft(noise) / np.sqrt(1.0 + (frequencies(noise.size) / corner) ** 2)
    return np.fft.irfft(spectrum, noise.size)


NOISES: dict[str, Callable[[int, np.random.Generator], np.ndarray]] = {
    "pink": _pink,
    "babble": _babble,
    "car": _car,
    "kitchen": _kitchen,
    "wind": _wind,
    "fan": _fan,
    "rain": _rain,
    "traffic": _traffic,
    "metro": _metro,
    "keyboard": _keyboard,
}
"""Kinds of noise: (samples, generator) -> float64 noise at 16 kHz of any level."""

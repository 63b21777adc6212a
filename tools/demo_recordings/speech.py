"""The demo's speech: eSpeak NG's voices, made to sound a little like people in rooms."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path

import numpy as np

from sezoo.base.errors import UserError
from tools.demo_recordings.script import DemoClip

__all__ = ["SAMPLE_RATE", "espeak", "frequencies", "speech"]

SAMPLE_RATE = 16_000
MIN_SAMPLES = 2 * SAMPLE_RATE
LONGEST_SPEECH = 27 * SAMPLE_RATE // 10
PAUSE_S = (0.15, 0.30)  # recordings neither start nor end on a syllable


def frequencies(n: int) -> np.ndarray:
    """The frequencies of `np.fft.rfft` of `n` samples, in Hz."""
    return np.fft.rfftfreq(n, 1.0 / SAMPLE_RATE)


@lru_cache(maxsize=64)
def espeak(text: str, voice: str, speed: int, pitch: int, pitch_range: int) -> np.ndarray:
    """eSpeak NG saying `text`, float64 at 16 kHz, at most 1.0.

    `speed` is in words a minute; `pitch` and `pitch_range` are in eSpeak's 0..99, 50 being the voice's own.
    Raises UserError when the program is absent or refuses the voice.
    """
    import soundfile
    from scipy.signal import resample_poly

    program = shutil.which("espeak-ng")
    if program is None:
        raise UserError(
            "espeak-ng is not installed: `apt install espeak-ng` on Debian and Ubuntu, "
            "elsewhere the installer from the releases page of the eSpeak NG project"
        )
    with tempfile.TemporaryDirectory() as folder:
        wave = Path(folder) / "speech.wav"
        # The pitch range has no option of its own, only SSML (-m). Text through stdin, as UTF-8 (-b 1): an
        # argument would pass through the system's code page.
        ssml = f'<speak><prosody range="{pitch_range}">{text}</prosody></speak>'
        command = [program, "-m", "-b", "1", "-v", voice, "-s", str(speed), "-p", str(pitch), "-w", str(wave)]
        done = subprocess.run([*command, "--stdin"], input=ssml.encode("utf-8"), capture_output=True, check=False)
        if done.returncode != 0 or not wave.is_file():
            reason = " ".join(done.stderr.decode("utf-8", "replace").split()) or f"exit {done.returncode}"
            raise UserError(f"espeak-ng cannot speak with voice {voice}: {reason}")
        samples, rate = soundfile.read(wave, dtype="float64")
    samples = np.trim_zeros(samples)
    if samples.size == 0:
        raise UserError(f"espeak-ng gave only silence for voice {voice}")
    divisor = int(np.gcd(SAMPLE_RATE, rate))
    samples = resample_poly(samples, SAMPLE_RATE // divisor, rate // divisor)
    samples.flags.writeable = False  # it is cached
    return samples


def speech(clip: DemoClip, rng: np.random.Generator) -> np.ndarray:
    """The sentence in a room: level not set yet, with a short pause at either end."""
    from scipy.signal import fftconvolve

    speed, pitch = int(rng.integers(150, 195)), int(rng.integers(38, 65))
    pitch_range = int(rng.integers(60, 95))
    dry = espeak(clip.text, clip.voice, speed, pitch, pitch_range)
    if dry.size > LONGEST_SPEECH:  # said faster rather than cut off
        dry = espeak(clip.text, clip.voice, speed * dry.size // LONGEST_SPEECH + 5, pitch, pitch_range)
    dry = _tilted(_wavering(dry, rng), rng.uniform(-1.5, 1.5))
    room = _room_response(rng)
    head, tail = (int(rng.uniform(*PAUSE_S) * SAMPLE_RATE) for _ in range(2))
    wet = fftconvolve(np.pad(dry, (head, tail)), room)[: head + dry.size + tail]
    if wet.size < MIN_SAMPLES:
        wet = np.pad(wet, (0, MIN_SAMPLES - wet.size))
    return wet


def _wavering(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Pitch and pace slowly off by a few percent, as nobody speaks as evenly as eSpeak does."""
    knots = np.arange(0, samples.size + SAMPLE_RATE, SAMPLE_RATE // 8)
    rate = 1.0 + 0.02 * rng.standard_normal(knots.size)
    rate = np.interp(np.arange(samples.size), knots, rate)
    at = np.cumsum(rate)
    at = at[at < samples.size - 1]
    # Cubic (Catmull-Rom) interpolation: linear would dull the upper octave.
    i = at.astype(np.int64)
    t = at - i
    padded = np.pad(samples, (1, 2))
    a, b, c, d = (padded[i + k] for k in range(4))
    return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))


def _tilted(samples: np.ndarray, db_per_octave: float) -> np.ndarray:
    """A gentle slope of the spectrum above 1 kHz, for another microphone each time."""
    spectrum = np.fft.rfft(samples)
    octaves = np.log2(np.maximum(frequencies(samples.size), 1000.0) / 1000.0)
    return np.fft.irfft(spectrum * 10.0 ** (db_per_octave * octaves / 20.0), samples.size)


def _room_response(rng: np.random.Generator) -> np.ndarray:
    """Direct sound and a decaying tail 10 to 16 dB below it: a small furnished room."""
    reverberation_s = rng.uniform(0.15, 0.30)
    n = int(reverberation_s * SAMPLE_RATE)
    tail = rng.standard_normal(n) * 10.0 ** (-3.0 * np.arange(n) / n)
    tail[: int(0.002 * SAMPLE_RATE)] = 0.0  # nothing reflects within 2 ms
    tail *= 10.0 ** (-rng.uniform(10.0, 16.0) / 20.0) / np.linalg.norm(tail)
    tail[0] = 1.0
    return tail

"""Make the demo recordings: 40 pairs of synthesised speech with and without synthesised noise.

    python -m sezoo.demo.make_recordings OUT_DIR

The voices are eSpeak NG's, the noises are made here from seeded random numbers, so the set is free of other
people's recordings. It is laid out and mixed like VoiceBank+DEMAND (Valentini-Botinhao, 2017): 28 training
pairs at 0, 5, 10 and 15 dB, 12 test pairs at 2.5, 7.5, 12.5 and 17.5 dB with other sentences, other noise
excerpts and, in part, other voices and kinds of noise. Each pair depends on its own seed alone and can be
made without the others.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from sezoo.errors import UserError

__all__ = [
    "NOISES",
    "TEST_CLIPS",
    "TRAIN_CLIPS",
    "DemoClip",
    "active_power",
    "make_pair",
    "make_recordings",
]

log = logging.getLogger(__name__)

SAMPLE_RATE = 16_000
SEED = 20240
MIN_SAMPLES = 2 * SAMPLE_RATE
LONGEST_SPEECH = 27 * SAMPLE_RATE // 10
PAUSE_S = (0.15, 0.30)  # recordings neither start nor end on a syllable
LEVEL_DBFS = (-30.0, -20.0)  # RMS of the active speech
PEAK_LIMIT = 0.9  # a pair that would pass it is made quieter as a whole
ROOM_NOISE_DBFS = -75.0  # a recording holds no digital silence; eSpeak's pauses are exact zeros
ACTIVE_FRAME = 320  # 20 ms
ACTIVE_RANGE_DB = 30.0
TRAIN_SNRS = (0.0, 5.0, 10.0, 15.0)
TEST_SNRS = (2.5, 7.5, 12.5, 17.5)


@dataclass(frozen=True)
class DemoClip:
    """One pair of the set: who says what, over which noise, at which SNR (dB)."""

    number: int
    voice: str
    text: str
    noise: str
    snr: float

    @property
    def name(self) -> str:
        """File name of both recordings, such as `en-gb_f3_007.flac`."""
        return f"{self.voice.replace('+', '_')}_{self.number:03d}.flac"


TRAIN_LINES = (
    ("en-gb+f3", "The ferry leaves the harbour at a quarter past nine."),
    ("en-us+m3", "Could you hand me the blue folder on the top shelf?"),
    ("en-gb-scotland+m1", "We walked along the river until the rain came down."),
    ("en-gb-x-rp+f2", "Nobody had told the gardener about the broken gate."),
    ("en-us+f4", "My sister keeps three old radios in the basement."),
    ("de+m5", "Der Zug nach Hamburg hat heute zwanzig Minuten Verspätung."),
    ("fr-fr+f1", "Le marché ouvre à sept heures le samedi matin."),
    ("es+m4", "Mañana vamos a la playa si no hace mucho viento."),
    ("en-us-nyc+m7", "Turn the volume up, I can hardly hear the speaker."),
    ("de+f5", "Kannst du bitte das Fenster in der Küche schließen?"),
    ("en-gb+m2", "A small yellow boat was tied to the wooden bridge."),
    ("fr-fr+m6", "Il faut trois oeufs et un peu de farine pour ce gâteau."),
    ("es+f2", "El perro de mi vecino duerme siempre debajo del árbol."),
    ("en-gb-x-gbcwmd+f1", "They painted the kitchen before the guests arrived."),
    ("en-gb+f3", "Please leave your message after the long tone."),
    ("en-us+m3", "The library closes early on the last Friday of June."),
    ("en-gb-scotland+m1", "Her brother repairs bicycles in a shop near the station."),
    ("en-gb-x-rp+f2", "Six large boxes were waiting in the hall this morning."),
    ("en-us+f4", "What time does the next bus to the airport leave?"),
    ("de+m5", "Im Garten meiner Großmutter wachsen viele rote Tulpen."),
    ("fr-fr+f1", "Nous avons oublié les clés dans la voiture de Paul."),
    ("es+m4", "La reunión empieza a las cuatro en la segunda planta."),
    ("en-us-nyc+m7", "He ordered soup and bread, and a large cup of coffee."),
    ("de+f5", "Wir treffen uns am Abend vor dem alten Rathaus."),
    ("en-gb+m2", "The children built a castle out of wet sand."),
    ("fr-fr+m6", "La petite maison blanche se trouve derrière la colline."),
    ("es+f2", "Compra pan, leche y dos kilos de naranjas, por favor."),
    ("en-gb-x-gbcwmd+f1", "I would rather take the stairs than wait for the lift."),
)
TEST_LINES = (
    ("en-gb-x-gbclan+m5", "Fresh snow covered the fields on both sides of the road."),
    ("en-us+f1", "Can you tell me which platform the train departs from?"),
    ("de+m6", "Am Sonntag backt mein Onkel immer einen Apfelkuchen."),
    ("fr-be+f4", "Le vieux pont sera fermé pendant toute la semaine."),
    ("es-419+m2", "Mi hermana trabaja en un hospital cerca del centro."),
    ("en-gb+f3", "The doctor wrote the number on the back of a card."),
    ("en-us+m3", "We need a longer cable to reach the second lamp."),
    ("en-gb-x-rp+m4", "An empty glass stood beside the open window."),
    ("en-us+f5", "Nine people signed up for the course in March."),
    ("de+f2", "Die Katze schläft am liebsten auf dem warmen Ofen."),
    ("en-gb-scotland+f2", "Tell him the parcel arrived with the morning post."),
    ("en-029+m7", "The old clock in the tower has stopped again."),
)
BABBLE_LINES = (
    ("en-us+m1", "So I told him that we could meet again next week, after the holidays, if he had the time."),
    ("en-gb+f4", "And then the waiter brought the wrong plates, but nobody really seemed to mind at all."),
    ("en-us+f2", "The second half was much better than the first one, at least from where we were sitting."),
    ("de+m2", "Ich habe gestern lange mit ihm geredet, und er wusste auch nicht mehr als wir alle."),
    ("fr-fr+m3", "On a pris le métro, puis on a marché pendant une heure dans les petites rues du quartier."),
    ("es+f4", "Pues yo creo que deberíamos llamar antes, porque el domingo suele estar todo cerrado."),
    ("en-gb-scotland+f5", "They moved to a bigger house last year, with a garden and a view over the bay."),
    ("en-gb-x-rp+m6", "It was rather a long journey, but the food was good and the company even better."),
    ("it+f3", "Abbiamo comprato i biglietti per il concerto, ma i posti migliori erano già finiti."),
    ("nl+m4", "Morgen ga ik met de fiets naar mijn werk, want het wordt eindelijk weer mooi weer."),
)
TRAIN_NOISES = ("pink", "babble", "car", "kitchen", "wind", "fan", "rain", "traffic")
# Two kinds that training does not have (metro, keyboard), as in Valentini's test set.
TEST_NOISES = ("car", "metro", "kitchen", "fan", "keyboard", "babble", "traffic", "rain", "wind", "metro",
               "babble", "pink")  # fmt: skip

# `i // 8` moves every kind of noise on to another SNR each time round.
TRAIN_CLIPS = tuple(
    DemoClip(i + 1, voice, text, TRAIN_NOISES[i % 8], TRAIN_SNRS[(i + i // 8) % 4])
    for i, (voice, text) in enumerate(TRAIN_LINES)
)
TEST_CLIPS = tuple(
    DemoClip(i + 29, voice, text, TEST_NOISES[i], TEST_SNRS[i % 4]) for i, (voice, text) in enumerate(TEST_LINES)
)


# ---- Speech ----


@lru_cache(maxsize=64)
def _espeak(text: str, voice: str, speed: int, pitch: int, pitch_range: int) -> np.ndarray:
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


def _speech(clip: DemoClip, rng: np.random.Generator) -> np.ndarray:
    """The sentence in a room: level not set yet, with a short pause at either end."""
    from scipy.signal import fftconvolve

    speed, pitch = int(rng.integers(150, 195)), int(rng.integers(38, 65))
    pitch_range = int(rng.integers(60, 95))
    dry = _espeak(clip.text, clip.voice, speed, pitch, pitch_range)
    if dry.size > LONGEST_SPEECH:  # said faster rather than cut off
        dry = _espeak(clip.text, clip.voice, speed * dry.size // LONGEST_SPEECH + 5, pitch, pitch_range)
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
    octaves = np.log2(np.maximum(_frequencies(samples.size), 1000.0) / 1000.0)
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


# ---- Noise: each kind takes (samples, generator), its level does not matter ----


def _frequencies(n: int) -> np.ndarray:
    return np.fft.rfftfreq(n, 1.0 / SAMPLE_RATE)


def _shaped(n: int, rng: np.random.Generator, gain: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Gaussian noise with the magnitude response `gain(frequencies in Hz)`, RMS 1."""
    spectrum = np.fft.rfft(rng.standard_normal(n)) * gain(_frequencies(n))
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
    return _shaped(n, rng, lambda f: 1.0 / np.sqrt(np.maximum(f, 30.0)))


def _babble(n: int, rng: np.random.Generator) -> np.ndarray:
    total = np.zeros(n)
    for voice, text in BABBLE_LINES:
        # A fixed voice, at a random place: the sentences are cached, and looped where too short.
        speech = _unit(_espeak(text, voice, 165, 50, 60))
        shifted = np.resize(np.roll(speech, int(rng.integers(speech.size))), n)
        total += shifted * 10.0 ** (rng.uniform(-6.0, 0.0) / 20.0)
    far = _shaped(n, rng, _band(150.0, 900.0))
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
    road = _shaped(n, rng, lambda f: 1.0 / (1.0 + (f / 120.0) ** 1.2))
    tyres = _shaped(n, rng, _band(400.0, 1500.0, 1)) * (1.0 + 0.2 * _slow(n, rng, 2.0))
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
    hood = _shaped(n, rng, _band(80.0, 700.0, 1))
    return dishes + 0.7 * hood


def _wind(n: int, rng: np.random.Generator) -> np.ndarray:
    gusts = np.exp(0.8 * _slow(n, rng, 1.5))
    whistle = _shaped(n, rng, _band(350.0, 550.0, 3)) * np.maximum(_slow(n, rng, 1.0), 0.0)
    return gusts * _shaped(n, rng, _band(20.0, 180.0)) + 0.15 * gusts * whistle


def _fan(n: int, rng: np.random.Generator) -> np.ndarray:
    hum = _harmonics(n, rng, np.full(n, 50.0 if rng.uniform() < 0.5 else 60.0), 9, 0.7)
    blades = _harmonics(n, rng, np.full(n, rng.uniform(110.0, 190.0)), 5, 1.0)
    air = _shaped(n, rng, _band(150.0, 1800.0, 1))
    return 0.5 * hum + 0.3 * blades + air


def _rain(n: int, rng: np.random.Generator) -> np.ndarray:
    hiss = _shaped(n, rng, _band(700.0, 7000.0, 1)) * (1.0 + 0.15 * _slow(n, rng, 3.0))
    drops = _strikes(n, rng, 40.0, 1200.0, 4500.0, (0.003, 0.012), 2)
    return hiss + 0.5 * drops


def _traffic(n: int, rng: np.random.Generator) -> np.ndarray:
    total = 0.3 * _shaped(n, rng, _band(40.0, 500.0, 1))
    t = np.arange(n) / SAMPLE_RATE
    for _ in range(3):
        near = rng.uniform(0.0, n / SAMPLE_RATE)
        passing = 1.0 / (1.0 + ((t - near) / rng.uniform(0.3, 0.8)) ** 2)
        tyres = _shaped(n, rng, _band(rng.uniform(80.0, 200.0), rng.uniform(900.0, 1800.0), 1))
        # The Doppler fall of the engine as it goes by.
        pitch = rng.uniform(60.0, 110.0) * (1.0 - 0.05 * np.tanh((t - near) / 0.3))
        total += passing * (tyres + 0.5 * _harmonics(n, rng, pitch, 10, 0.8))
    return total


def _metro(n: int, rng: np.random.Generator) -> np.ndarray:
    rumble = _shaped(n, rng, _band(30.0, 350.0, 1)) * (1.0 + 0.2 * _slow(n, rng, 2.0))
    motor = _harmonics(n, rng, rng.uniform(180.0, 320.0) * (1.0 + 0.05 * _slow(n, rng, 0.7)), 6, 1.2)
    # Two axles over each rail joint.
    t = np.arange(n) / SAMPLE_RATE + rng.uniform(0.0, 0.7)
    knock = sum(np.exp(-np.mod(t - late, 0.7) / 0.03) for late in (0.0, 0.13))
    return rumble + 0.25 * motor + 1.2 * knock * _shaped(n, rng, _band(200.0, 1400.0))


def _keyboard(n: int, rng: np.random.Generator) -> np.ndarray:
    keys = _strikes(n, rng, 9.0, 700.0, 4000.0, (0.004, 0.015), 4)
    office = _shaped(n, rng, _band(100.0, 900.0, 1))
    return keys + 0.6 * office


def _distant(noise: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The noise through 6 dB per octave above some hundred Hz: most recorded noise is strongest low down."""
    corner = rng.uniform(250.0, 700.0)
    spectrum = np.fft.rfft(noise) / np.sqrt(1.0 + (_frequencies(noise.size) / corner) ** 2)
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


# ---- Mixing ----


def active_power(speech: np.ndarray) -> float:
    """Mean power of the 20 ms frames within 30 dB of the loudest one: the speech without its pauses.

    A plain stand-in for ITU-T P.56's active speech level, which Valentini's SNRs are set by.
    """
    frames = speech[: speech.size // ACTIVE_FRAME * ACTIVE_FRAME].reshape(-1, ACTIVE_FRAME)
    power = np.mean(np.square(frames, dtype=np.float64), axis=1)
    return float(power[power >= power.max() * 10.0 ** (-ACTIVE_RANGE_DB / 10.0)].mean())


def make_pair(clip: DemoClip) -> tuple[np.ndarray, np.ndarray]:
    """Noisy and clean recording of `clip`: int16, 16 kHz, sample-aligned; noisy - clean is the noise.

    Raises UserError when eSpeak NG is absent or does not know the voice.
    """
    rng = np.random.default_rng([SEED, clip.number])
    speech = _speech(clip, rng)
    level = 10.0 ** (rng.uniform(*LEVEL_DBFS) / 20.0)
    speech *= level / np.sqrt(active_power(speech))
    speech += 10.0 ** (ROOM_NOISE_DBFS / 20.0) * _pink_room(speech.size, rng)
    noise = _distant(NOISES[clip.noise](speech.size, rng), rng)
    noise *= np.sqrt(active_power(speech) / np.mean(np.square(noise)) / 10.0 ** (clip.snr / 10.0))
    gain = min(1.0, PEAK_LIMIT / max(np.abs(speech).max(), np.abs(speech + noise).max()))
    clean = np.round(gain * speech * 32768.0).astype(np.int16)
    noisy = clean + np.round(gain * noise * 32768.0).astype(np.int16)
    return noisy, clean


def _pink_room(n: int, rng: np.random.Generator) -> np.ndarray:
    return _shaped(n, rng, lambda f: 1.0 / np.sqrt(np.maximum(f, 100.0)))


def make_recordings(out_dir: Path) -> None:
    """Write all pairs as 16-bit FLAC to `{noisy,clean}_{trainset,testset}` under `out_dir`.

    Files of the same names are replaced. Raises UserError when eSpeak NG is absent or `out_dir` cannot be
    written.
    """
    import soundfile

    for split, clips in (("trainset", TRAIN_CLIPS), ("testset", TEST_CLIPS)):
        for clip in clips:
            for kind, samples in zip(("noisy", "clean"), make_pair(clip), strict=True):
                path = out_dir / f"{kind}_{split}" / clip.name
                try:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    soundfile.write(path, samples, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
                except (OSError, soundfile.SoundFileError) as error:
                    raise UserError(f"{path}: cannot be written: {error}") from error
            log.info("%s: %s at %g dB", clip.name, clip.noise, clip.snr)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: one argument, the folder to write to. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m sezoo.demo.make_recordings", description=__doc__)
    parser.add_argument("out_dir", type=Path, metavar="OUT_DIR", help="folder for the four sets")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        make_recordings(parser.parse_args(arguments).out_dir)
    except UserError as error:
        log.error("%s", error)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

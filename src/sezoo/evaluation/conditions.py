"""Conditions that a test clip can be played in: levels, rooms, bands, clipping, no noise, other SNRs, babble.

Each is a plain function (noisy, clean) -> (noisy, clean) on waveforms (samples,) float32 with full scale at 1.0, where
clean is what a perfect denoiser would give. What is random is drawn from a generator whose seed depends on the clip's
name alone, so that a clip is always the same.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from sezoo.audio.clip import BadClipError
from sezoo.data.mixing.band_limit import limit_band
from sezoo.data.mixing.devices import clip_peaks
from sezoo.data.mixing.mixture import active_power, mix_at_snr
from sezoo.data.mixing.rooms import convolve_with_room, exponential_response
from sezoo.data.pairs import Pair

__all__ = ["AS_RECORDED", "CLEAN", "CONDITIONS", "ChangedPair", "Condition", "conditions_for"]

Waves = tuple[np.ndarray, np.ndarray]
Change = Callable[[np.ndarray, np.ndarray, int, np.random.Generator], Waves]

AS_RECORDED, CLEAN = "as_recorded", "clean"

REVERBERATION_SECONDS = (0.3, 0.7)
CLIPPED_DB = 6.0
"""Below the clip's peak."""

VOICES = 6
SPEEDS = (0.8, 1.25)
"""Of the voices of a babble, slowest and fastest."""


@dataclass(frozen=True)
class Condition:
    """A condition.

    Attributes
    ----------
    name : in files.
    label : for people.
    change : (noisy, clean, sample_rate, random) to (noisy, clean).
    highest : Hz that the recordings must have for it to change anything.
    """

    name: str
    label: str
    change: Change
    highest: float = 0.0


def unchanged(noisy: np.ndarray, clean: np.ndarray, sample_rate: int, random: np.random.Generator) -> Waves:
    """The pair as it is."""
    return noisy, clean


def set_level(
    noisy: np.ndarray, clean: np.ndarray, sample_rate: int, random: np.random.Generator, *, dbfs: float
) -> Waves:
    """The pair with its speech, pauses left out, at the given RMS in dBFS."""
    return _scale_pair(noisy, clean, 10 ** (dbfs / 20) / np.sqrt(active_power(clean, sample_rate)))


def set_peak(
    noisy: np.ndarray, clean: np.ndarray, sample_rate: int, random: np.random.Generator, *, dbfs: float
) -> Waves:
    """The pair with the noisy clip's peak at the given level in dBFS."""
    return _scale_pair(noisy, clean, 10 ** (dbfs / 20) / np.abs(noisy).max())


def add_reverberation(noisy: np.ndarray, clean: np.ndarray, sample_rate: int, random: np.random.Generator) -> Waves:
    """The speech in a room with the noise as it is; the direct sound is the reference."""
    response = exponential_response(sample_rate, random.uniform(*REVERBERATION_SECONDS), random)
    spoken, direct = convolve_with_room(clean, response, 0)
    return _limit_to_full_scale(spoken + (noisy - clean), direct)


def limit_bandwidth(
    noisy: np.ndarray, clean: np.ndarray, sample_rate: int, random: np.random.Generator, *, highest: float
) -> Waves:
    """Both without what is above a frequency in Hz."""
    noisy, clean = limit_band((noisy, clean), sample_rate, highest, random)
    return _limit_to_full_scale(noisy.astype(np.float32), clean.astype(np.float32))


def clip_noisy(noisy: np.ndarray, clean: np.ndarray, sample_rate: int, random: np.random.Generator) -> Waves:
    """The noisy clip clipped 6 dB below its peak; the speech as it was is the reference."""
    return clip_peaks(noisy, CLIPPED_DB), clean


def remove_noise(noisy: np.ndarray, clean: np.ndarray, sample_rate: int, random: np.random.Generator) -> Waves:
    """The clean clip itself."""
    return clean, clean


def set_snr(
    noisy: np.ndarray, clean: np.ndarray, sample_rate: int, random: np.random.Generator, *, decibels: float
) -> Waves:
    """Scale the noise to the given SNR in dB, measured without the pauses of the speech."""
    noise = noisy - clean
    if not noise.any():
        raise ValueError("it has no noise that could be louder or quieter")
    level = 10 * np.log10(active_power(clean, sample_rate))
    return mix_at_snr(clean, noise, sample_rate, snr=decibels, level=level)


def add_babble(
    noisy: np.ndarray, clean: np.ndarray, sample_rate: int, random: np.random.Generator, *, decibels: float
) -> Waves:
    """Voices at the given SNR in dB, in place of the noise.

    They say what the clip says, each from another place on and faster or slower, which makes other speakers of them:
    any test set has them.
    """
    if not clean.any():
        raise ValueError("it is silent: no voices can be made of it")
    voices = np.zeros(len(clean))
    for speed, start in zip(
        np.geomspace(*SPEEDS, VOICES), random.permutation(VOICES) + random.uniform(0.25, 0.75, VOICES), strict=True
    ):
        places = start * len(clean) / VOICES + speed * np.arange(len(clean))
        voices += np.interp(places, np.arange(len(clean)), clean, period=len(clean))
    level = 10 * np.log10(active_power(clean, sample_rate))
    return mix_at_snr(clean, voices.astype(np.float32), sample_rate, snr=decibels, level=level)


def _scale_pair(noisy: np.ndarray, clean: np.ndarray, gain: float) -> Waves:
    return _limit_to_full_scale(noisy * np.float32(gain), clean * np.float32(gain))


def _limit_to_full_scale(noisy: np.ndarray, clean: np.ndarray) -> Waves:
    """Both quieter where the noisy clip would go beyond full scale."""
    peak = np.float32(max(1.0, np.abs(noisy).max()))
    return noisy / peak, clean / peak


CONDITIONS: dict[str, Condition] = {
    condition.name: condition
    for condition in (
        Condition(AS_RECORDED, "as recorded", unchanged),
        *(Condition(f"level_{-db}", f"{db} dBFS", partial(set_level, dbfs=db)) for db in (-65, -45, -25)),
        Condition("peak_6", "-6 dBFS (peak)", partial(set_peak, dbfs=-6)),
        Condition("reverberant", "reverberant", add_reverberation),
        *(
            Condition(f"band_{hertz}", f"up to {hertz / 1000:g} kHz", partial(limit_bandwidth, highest=hertz), hertz)
            for hertz in (3400, 5500, 7000)
        ),
        Condition("clipped", "clipped", clip_noisy),
        Condition(CLEAN, "clean speech", remove_noise),
        *(Condition(f"snr_{db}", f"SNR {db} dB", partial(set_snr, decibels=db)) for db in (0, 5, 10, 15, 20)),
        Condition("babble", "babble, SNR 5 dB", partial(add_babble, decibels=5)),
    )
}
"""All of them by name, in the order in which they are shown."""


def conditions_for(sample_rate: int) -> list[Condition]:
    """Return the conditions that have an effect at a sample rate, including the unchanged pair."""
    return [condition for condition in CONDITIONS.values() if condition.highest < sample_rate / 2]


@dataclass(frozen=True)
class ChangedPair(Pair):
    """A pair in a condition, by the condition's name, which is small to send to worker processes."""

    condition: str = AS_RECORDED

    def apply(self, noisy: np.ndarray, clean: np.ndarray, sample_rate: int) -> Waves:
        """The waveforms of the pair, (samples,) float32 each, in its condition.

        Raises
        ------
        BadClipError : they cannot be had in it.
        """
        random = np.random.default_rng(zlib.crc32(f"{self.condition}/{self.name}".encode("utf-8", "replace")))
        try:
            noisy, clean = CONDITIONS[self.condition].change(noisy, clean, sample_rate, random)
        except ValueError as error:
            raise BadClipError(self.noisy, str(error)) from error
        return noisy.astype(np.float32), clean.astype(np.float32)

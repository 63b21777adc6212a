"""Examples of speech with noise, drawn again in each epoch, reproducibly."""

from __future__ import annotations

import numpy as np

from sezoo.audio.board_input import input_gain, to_int16
from sezoo.audio.clip import BadClipError
from sezoo.data.dataset import bad_clip_error
from sezoo.data.mixing.augmentation import Augmentation
from sezoo.data.mixing.band_limit import limit_band
from sezoo.data.mixing.devices import add_mains_hum, add_rumble, apply_microphone_response, clip_peaks
from sezoo.data.mixing.mixture import HIGHEST_PEAK, active_power, mix_at_snr
from sezoo.data.mixing.random_eq import apply_random_eq
from sezoo.data.mixing.recordings import Recordings
from sezoo.data.pairs import normalize_pair

__all__ = ["MixedExamples"]

TRIES = 10
"""So often another part is drawn instead of one that is silent."""

SILENT_DB = 20.0
"""A part whose peak is so far below that of its recording is a pause."""

PATCH_SECONDS = 0.6
"""Of what ST's application takes the peak of: 58 frames."""

BABBLE_SPEAKERS = (3, 8)
"""Fewest and most voices of a babble."""

NOTHING = Augmentation()


class MixedExamples:
    """Clips of clean speech with noise, mixed again in each epoch.

    All that is random depends on the seed, the epoch and the index of an example alone.

    Parameters
    ----------
    speech, noise : to draw from.
    count : examples in an epoch.
    samples : length of an example.
    snr_range : lowest and highest SNR in dB, drawn uniformly; `sezoo.data.mixing.mixture.mix_at_snr` defines the SNR.
    level_range : lowest and highest level of the speech in dBFS, drawn uniformly.
    peak_normalize : scale both clips so that the noisy one has a peak of 1.
    always_the_same : every epoch has the examples of the first, as validation needs them.
    by_length : draw long recordings more often than short ones, each second as likely as any other.
    random_filters : colour the speech and the noise of each example, differently; see `apply_random_eq`.
    bandwidth_range : lowest and highest frequency in Hz above which an example is cut, drawn uniformly; None cuts
        none. See `limit_band`.
    augmentation : what else may happen to an example.
    """

    def __init__(
        self, speech: Recordings, noise: Recordings, *, count: int, samples: int, snr_range: tuple[float, float],
        level_range: tuple[float, float], seed: int, peak_normalize: bool = False, always_the_same: bool = False,
        by_length: bool = False, random_filters: bool = False,
        bandwidth_range: tuple[float, float] | None = None, augmentation: Augmentation = NOTHING,
    ):  # fmt: skip
        self.recordings = (speech, noise)
        self.count, self.samples, self.seed = count, samples, seed
        self.snr_range, self.level_range = snr_range, level_range
        self.peak_normalize, self.always_the_same = peak_normalize, always_the_same
        self.random_filters, self.bandwidth_range = random_filters, bandwidth_range
        self.augmentation = augmentation
        # Of each recording and all before it.
        self.ends = [np.cumsum(of.lengths) if by_length else np.arange(1, len(of) + 1) for of in self.recordings]

    def __len__(self) -> int:
        return self.count

    def example(self, epoch: int, index: int) -> tuple[np.ndarray, np.ndarray]:
        """noisy, clean mixed for this epoch: (samples,) float32 each.

        Raises
        ------
        UserError : a recording that cannot be used.
        """
        seeds = [self.seed, 0 if self.always_the_same else epoch, index]
        random = np.random.default_rng(seeds)
        more = np.random.default_rng([*seeds, 1])  # what an example has besides does not change its parts
        chosen = self.augmentation.draw(more)
        try:
            spoken = _part(self.recordings[0], self.ends[0], self.samples, random)
            around = self._noise(random)
            if chosen.babble:
                around = self._babble(more)
        except BadClipError as bad:
            raise bad_clip_error(bad) from bad
        if self.random_filters:
            spoken, around = apply_random_eq(spoken, random), apply_random_eq(around, random)
        rate, target = self.recordings[0].sample_rate, None
        if chosen.hum:
            around = add_mains_hum(around, rate, more)
        if chosen.rumble:
            around = add_rumble(around, rate, more)
        if chosen.reverberation:
            spoken, target = self.augmentation.rooms.reverberate(spoken, rate, more)
        snr, level = random.uniform(*self.snr_range), random.uniform(*self.level_range)
        if chosen.content == "high_snr":
            snr = more.uniform(*self.augmentation.high_snr_range)
        if chosen.content == "clean":
            snr = np.inf
        noisy, clean = mix_at_snr(spoken, around, rate, snr=snr, level=level, target=target)
        if chosen.content == "noise":
            noisy, clean = _at_level(around, level - snr), np.zeros_like(clean)
        if chosen.microphone:
            noisy, clean = apply_microphone_response((noisy, clean), rate, more)
        if self.bandwidth_range is not None:
            cutoff = random.uniform(*self.bandwidth_range)
            noisy, clean = limit_band((noisy, clean), rate, cutoff, random)
        if chosen.clipping:
            noisy = clip_peaks(noisy, more.uniform(*self.augmentation.clipping_range))
        if self.augmentation.board_gain:
            start = int(more.integers(max(0, self.samples - round(PATCH_SECONDS * rate)) + 1))
            gain = input_gain(to_int16(noisy[start : start + round(PATCH_SECONDS * rate)]))
            noisy, clean = noisy * gain, clean * gain
        return normalize_pair(noisy, clean) if self.peak_normalize else (noisy, clean)

    def _noise(self, random: np.random.Generator) -> np.ndarray:
        """Concatenate noises until they are long enough: looping one would add a rhythm."""
        around = np.zeros(0, np.float32)
        while (missing := self.samples - len(around)) > 0:
            around = np.concatenate([around, _part(self.recordings[1], self.ends[1], missing, random, cut=True)])
        return around

    def _babble(self, random: np.random.Generator) -> np.ndarray:
        """Sum several speech recordings of equal level."""
        speech = self.recordings[0]
        voices = [
            _part(speech, self.ends[0], self.samples, random)
            for _ in range(random.integers(BABBLE_SPEAKERS[0], BABBLE_SPEAKERS[1] + 1))
        ]
        return sum(voice / np.float32(np.sqrt(active_power(voice, speech.sample_rate))) for voice in voices)


def _at_level(noise: np.ndarray, level: float) -> np.ndarray:
    """Noise whose RMS is `level` dBFS, or less where it would clip."""
    gain = 10 ** (level / 20) / np.sqrt(np.mean(np.square(noise, dtype=np.float64)))
    return noise * np.float32(min(gain, HIGHEST_PEAK / np.abs(noise).max()))


def _part(
    recordings: Recordings, ends: np.ndarray, samples: int, random: np.random.Generator, *, cut: bool = False
) -> np.ndarray:
    """A random part of a random recording that is no pause; after some tries, the part around the loudest sample.

    Parameters
    ----------
    ends : of the ranges of a random number that stand for the recordings.
    cut : a recording that is shorter is given as it is. Else it is somewhere in the part, with zeros around it.
    """
    for _ in range(TRIES):
        index = int(np.searchsorted(ends, random.integers(ends[-1]), side="right"))
        length, (loudest, peak) = recordings.length(index), recordings.loudest(index)
        wanted = min(length, samples) if cut else samples
        start = int(random.integers(min(0, length - wanted), max(0, length - wanted) + 1))
        part = recordings.segment(index, start, wanted)
        if np.abs(part).max() > peak * 10 ** (-SILENT_DB / 20):
            return part
    return recordings.segment(index, min(max(0, loudest - wanted // 2), length - wanted), wanted)

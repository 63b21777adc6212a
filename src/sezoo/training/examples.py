"""What the network is trained and validated on: pairs as they were recorded, or speech and noise mixed anew."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from sezoo.audio import BadClipError
from sezoo.config.sections import Config, Dataset
from sezoo.dataset import Pair, refused, sample, tell_left_out, training_pairs
from sezoo.errors import UserError
from sezoo.pairs import common_length
from sezoo.spectrum import stft_of
from sezoo.training.mixing import mixed
from sezoo.training.recordings import Memory, Recordings, recordings_under
from sezoo.wording import counted

__all__ = ["ExampleSource", "MixedExamples", "PairExamples", "example_sources"]

HELD_OUT = 0.05
"""Share of the recordings to mix that are kept for validation."""

SHORTEST_SECONDS = 0.1
"""Of a recording to mix: speech and noise of less are hardly any."""

TRIES = 10
"""So often another part is drawn instead of one that is silent."""

SILENT_DB = 20.0
"""A part whose peak is so far below that of its recording is a pause."""


class ExampleSource(Protocol):
    """Examples to train on or to validate with, by epoch and index.

    Attributes
    ----------
    recordings : that the examples are made of.
    """

    recordings: tuple[Recordings, ...]

    def __len__(self) -> int:
        """Examples in an epoch."""

    def example(self, epoch: int, index: int) -> tuple[np.ndarray, np.ndarray]:
        """noisy, clean: (samples,) float32 each, as long as each other; the same at every call.

        Raises
        ------
        UserError : a recording that cannot be used.
        """


class PairExamples:
    """Recorded pairs, each read whole, the same in every epoch.

    Parameters
    ----------
    noisy, clean : of each pair.
    hop_length : by how much they may differ in length, in samples; the end of the longer one is left out.
    peak_normalize : scale both clips so that the noisy one has a peak of 1.
    """

    def __init__(self, noisy: Recordings, clean: Recordings, *, hop_length: int, peak_normalize: bool = False):
        self.recordings = (noisy, clean)
        self.hop_length, self.peak_normalize = hop_length, peak_normalize

    def __len__(self) -> int:
        return len(self.recordings[0])

    def example(self, epoch: int, index: int) -> tuple[np.ndarray, np.ndarray]:
        """noisy, clean of a pair; see `ExampleSource`."""
        recorded = self.recordings[0]
        try:
            noisy, clean = (recordings.samples(index) for recordings in self.recordings)
            pair = Pair(*(recordings.paths[index] for recordings in self.recordings))
            samples = common_length(pair, len(noisy), len(clean), recorded.sample_rate, self.hop_length)
        except BadClipError as bad:
            raise refused(bad) from bad
        noisy, clean = noisy[:samples], clean[:samples]
        return _peak_normalized(noisy, clean) if self.peak_normalize else (noisy, clean)


class MixedExamples:
    """Clips of clean speech with noise, mixed anew in every epoch.

    All that is random depends on the seed, the epoch and the index of an example alone.

    Parameters
    ----------
    speech, noise : to draw from.
    count : examples in an epoch.
    samples : length of an example.
    snr_range : lowest and highest, in dB, drawn uniformly; see `sezoo.training.mixing.mixed` for what is measured.
    level_range : of the speech, in dBFS, likewise.
    peak_normalize : scale both clips so that the noisy one has a peak of 1.
    always_the_same : every epoch has the examples of the first, as validation needs them.
    """

    def __init__(
        self, speech: Recordings, noise: Recordings, *, count: int, samples: int, snr_range: tuple[float, float],
        level_range: tuple[float, float], seed: int, peak_normalize: bool = False, always_the_same: bool = False,
    ):  # fmt: skip
        self.recordings = (speech, noise)
        self.count, self.samples, self.seed = count, samples, seed
        self.snr_range, self.level_range = snr_range, level_range
        self.peak_normalize, self.always_the_same = peak_normalize, always_the_same

    def __len__(self) -> int:
        return self.count

    def example(self, epoch: int, index: int) -> tuple[np.ndarray, np.ndarray]:
        """noisy, clean mixed for this epoch; see `ExampleSource`."""
        random = np.random.default_rng([self.seed, 0 if self.always_the_same else epoch, index])
        speech, noise = self.recordings
        try:
            spoken = _part(speech, self.samples, random)
            # The shorter noises are joined until they are long enough: a loop of one would be a rhythm.
            around = np.zeros(0, np.float32)
            while len(around) < self.samples:
                around = np.concatenate([around, _part(noise, self.samples - len(around), random, cut=True)])
        except BadClipError as bad:
            raise refused(bad) from bad
        noisy, clean = mixed(
            spoken, around, speech.sample_rate,
            snr=random.uniform(*self.snr_range), level=random.uniform(*self.level_range),
        )  # fmt: skip
        return _peak_normalized(noisy, clean) if self.peak_normalize else (noisy, clean)


def _part(recordings: Recordings, samples: int, random: np.random.Generator, *, cut: bool = False) -> np.ndarray:
    """A random part of a random recording that is no pause; after some tries, the part around the loudest sample.

    Parameters
    ----------
    cut : a recording that is shorter is given as it is. Else it is somewhere in the part, with zeros around it.
    """
    for _ in range(TRIES):
        index = int(random.integers(len(recordings)))
        length, (loudest, peak) = recordings.length(index), recordings.loudest(index)
        wanted = min(length, samples) if cut else samples
        start = int(random.integers(min(0, length - wanted), max(0, length - wanted) + 1))
        part = recordings.segment(index, start, wanted)
        if np.abs(part).max() > peak * 10 ** (-SILENT_DB / 20):
            return part
    return recordings.segment(index, min(max(0, loudest - wanted // 2), length - wanted), wanted)


def _peak_normalized(noisy: np.ndarray, clean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both scaled alike, so that the mask from one to the other stays what it was."""
    peak = np.abs(noisy).max()
    return noisy / peak, clean / peak


# -- from the configuration ---------------------------------------------------------------------------


def example_sources(config: Config) -> tuple[ExampleSource, ExampleSource]:
    """The examples to train on, and those to validate with, which have no recording in common.

    All recordings are looked at first: their headers, or, where bad ones are to be left out
    (`dataset.skip_bad_files`), all that is in them. What is left out is told once and never trained on.

    Raises
    ------
    UserError : a folder that is not set, missing or empty; recordings that cannot be used or do not match; too few
        of them.
    """
    build = _mixed_sources if config.dataset.name == "mix" else _pair_sources
    training, validation = build(config, Memory(_cache_bytes(config.dataset)))
    if len(training) < config.training.batch_size:
        raise UserError(
            f"training.batch_size: found {config.training.batch_size}, but there are only "
            f"{counted(len(training), 'clip')} to train on, besides {len(validation)} for validation"
        )
    return training, validation


def _cache_bytes(dataset: Dataset) -> int:
    return round(dataset.cache_gigabytes * 1e9) if dataset.cache else 0


def _pair_sources(config: Config, memory: Memory) -> tuple[PairExamples, PairExamples]:
    dataset, stft, rate = config.dataset, stft_of(config.preprocessing), config.preprocessing.sample_rate
    pairs = training_pairs(dataset)
    noisy, clean = (
        Recordings([getattr(pair, kind) for pair in pairs], rate, memory, stft.min_samples)
        for kind in ("noisy", "clean")
    )
    lengths = zip(*(recordings.check(thorough=dataset.skip_bad_files) for recordings in (noisy, clean)), strict=True)
    checked = [_checked(pair, *found, rate, stft.hop_length) for pair, found in zip(pairs, lengths, strict=True)]
    usable = _usable(checked, dataset.skip_bad_files)

    key, amount = "dataset.num_validation_samples", dataset.num_validation_samples
    if _count(amount, len(usable)) >= len(usable):
        raise UserError(
            f"{key}: found {amount}, but the training set has {counted(len(usable), 'clip')}: none would be left to "
            "train on"
        )
    position = {pairs[index]: index for index in usable}
    held = sample(list(position), amount, dataset.random_seed, key)
    rest = [pair for pair in position if pair not in set(held)]
    rest = sample(rest, dataset.num_training_samples, dataset.random_seed, "dataset.num_training_samples")

    def examples(chosen: Sequence[Pair]) -> PairExamples:
        indices = [position[pair] for pair in chosen]
        return PairExamples(
            noisy.subset(indices), clean.subset(indices),
            hop_length=stft.hop_length, peak_normalize=config.preprocessing.peak_normalize,
        )  # fmt: skip

    return examples(rest), examples(held)


def _checked(
    pair: Pair, noisy: int | BadClipError, clean: int | BadClipError, sample_rate: int, hop_length: int
) -> int | BadClipError:
    """Length of a pair, or why it cannot be used."""
    for found in (noisy, clean):
        if isinstance(found, BadClipError):
            return found
    try:
        return common_length(pair, noisy, clean, sample_rate, hop_length)
    except BadClipError as bad:
        return bad


def _usable(checked: Sequence[int | BadClipError], skip_bad: bool) -> list[int]:
    """Indices of those that can be used."""
    bad = [found for found in checked if isinstance(found, BadClipError)]
    if bad and not skip_bad:
        raise refused(bad[0]) from bad[0]
    tell_left_out(bad, len(checked))
    return [index for index, found in enumerate(checked) if not isinstance(found, BadClipError)]


def _count(amount: int | float, of: int) -> int:
    """Clips that a number or a share of them stands for."""
    return max(1, round(amount * of)) if isinstance(amount, float) else amount


def _mixed_sources(config: Config, memory: Memory) -> tuple[MixedExamples, MixedExamples]:
    dataset, stft, rate = config.dataset, stft_of(config.preprocessing), config.preprocessing.sample_rate
    samples = round(dataset.clip_seconds * rate)
    if samples < stft.min_samples:
        raise UserError(
            f"dataset.clip_seconds: found {dataset.clip_seconds}, which is {counted(samples, 'sample')} at {rate} Hz; "
            f"the spectrum needs {stft.min_samples}"
        )
    speech_folder, noise_folder = dataset.speech_path.resolve(), dataset.noise_path.resolve()
    if speech_folder.is_relative_to(noise_folder) or noise_folder.is_relative_to(speech_folder):
        raise UserError(
            f"dataset.noise_path: {dataset.noise_path} and dataset.speech_path, {dataset.speech_path}, have recordings "
            "in common"
        )
    speech, noise = (
        _halves(path, key, dataset, rate, memory)
        for path, key in ((dataset.speech_path, "dataset.speech_path"), (dataset.noise_path, "dataset.noise_path"))
    )
    recordings_of_speech = len(speech[0])
    count = dataset.num_training_samples
    count = recordings_of_speech if count is None else _count(count, recordings_of_speech)
    counts = count, _count(dataset.num_validation_samples, count)
    training, validation = (
        MixedExamples(
            speech[half], noise[half], count=counts[half], samples=samples, snr_range=dataset.snr_range,
            level_range=dataset.level_range, seed=dataset.random_seed,
            peak_normalize=config.preprocessing.peak_normalize, always_the_same=half == 1,
        )
        for half in (0, 1)
    )  # fmt: skip
    return training, validation


def _halves(folder: Path, key: str, dataset: Dataset, rate: int, memory: Memory) -> tuple[Recordings, Recordings]:
    """The recordings in a folder for training and, by a hash of their names, those held out of it."""
    paths = recordings_under(folder, key)
    recordings = Recordings(paths, rate, memory, max(1, round(SHORTEST_SECONDS * rate)))
    usable = _usable(recordings.check(thorough=dataset.skip_bad_files), dataset.skip_bad_files)
    if len(usable) < 2:
        raise UserError(
            f"{key}: one recording in {folder} that can be used; two are needed, one of them to validate with"
        )
    names = [paths[index].relative_to(folder).as_posix() for index in usable]
    held = set(sample(names, HELD_OUT, dataset.random_seed, key))
    training = [index for index, name in zip(usable, names, strict=True) if name not in held]
    validation = [index for index, name in zip(usable, names, strict=True) if name in held]
    return recordings.subset(training), recordings.subset(validation)

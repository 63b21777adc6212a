"""Training and validation examples: recorded pairs, or speech mixed with noise."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sezoo.audio.clip import BadClipError
from sezoo.audio.stft import stft_of
from sezoo.base.errors import UserError
from sezoo.base.text import pluralize, there_are_only
from sezoo.config.sections import Config, Dataset
from sezoo.data.dataset import bad_clip_error, clip_count, sample, training_pairs, validation_pairs
from sezoo.data.mixing.decoded import Memory
from sezoo.data.mixing.mixed_examples import MixedExamples
from sezoo.data.mixing.recordings import Recordings
from sezoo.data.mixing.recordings_found import usable_indices
from sezoo.data.mixing.train_holdout import make_mixed_examples, train_holdout_split
from sezoo.data.pairs import Pair, common_length, normalize_pair
from sezoo.run.run import ClipCount
from sezoo.training.variety import variety_problem

__all__ = ["ExampleSource", "PairExamples", "count_recordings", "example_sources"]

log = logging.getLogger(__name__)

VALIDATION_KEY = "dataset.num_validation_samples"

AT_MOST_OF = 4
"""Every Nth clip is held out of a small set of pairs, where the default number would be more."""


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
            raise bad_clip_error(bad) from bad
        noisy, clean = noisy[:samples], clean[:samples]
        return normalize_pair(noisy, clean) if self.peak_normalize else (noisy, clean)


def count_recordings(source: ExampleSource) -> dict[str, ClipCount]:
    """Return the number and the total seconds of the recordings of the training examples."""
    kinds = ("training_speech", "training_noise") if isinstance(source, MixedExamples) else ("training_pairs",)
    return {
        kind: ClipCount(len(recordings), sum(recordings.lengths) / recordings.sample_rate)
        for kind, recordings in zip(kinds, source.recordings, strict=False)
    }


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
    speech, noise = validation.recordings if config.dataset.name == "mix" else (validation.recordings[1], None)
    if (few := variety_problem(speech.paths, noise and noise.paths)) is not None:
        log.warning("%s", few)
    if len(training) < config.training.batch_size:
        log.warning(
            "training.batch_size: found %d, but %s to train on: each batch is all of them",
            config.training.batch_size, there_are_only(len(training), "clip"),
        )  # fmt: skip
    return training, validation


def _cache_bytes(dataset: Dataset) -> int:
    return round(dataset.cache_gigabytes * 1e9) if dataset.cache else 0


def _pair_sources(config: Config, memory: Memory) -> tuple[PairExamples, PairExamples]:
    dataset = config.dataset
    every = _usable_pairs(training_pairs(dataset), config, memory)
    separate = validation_pairs(dataset)
    if separate is None:
        held = sample(every.pairs, _holdout_amount(dataset, len(every.pairs)), dataset.random_seed, VALIDATION_KEY)
        validation = every.examples(held)
    else:
        others = _usable_pairs(separate, config, memory)
        amount = dataset.num_validation_samples if "num_validation_samples" in dataset.model_fields_set else None
        held, validation = [], others.examples(sample(others.pairs, amount, dataset.random_seed, VALIDATION_KEY))
    rest = [pair for pair in every.pairs if pair not in set(held)]
    rest = sample(rest, dataset.num_training_samples, dataset.random_seed, "dataset.num_training_samples")
    return every.examples(rest), validation


def _holdout_amount(dataset: Dataset, clips: int) -> int | float:
    """Return the number or the share of a training set's clips that are held out for validation."""
    amount, few = dataset.num_validation_samples, max(1, clips // AT_MOST_OF)
    if "num_validation_samples" not in dataset.model_fields_set and amount > few:
        log.info("%s: not set; %d of %s held out, not %d", VALIDATION_KEY, few, pluralize(clips, "clip"), amount)
        amount = few
    if clip_count(amount, clips) >= clips:
        raise UserError(
            f"{VALIDATION_KEY}: found {amount}, but the training set has {pluralize(clips, 'clip')}: none would be "
            f"left to train on{f'; {few} would do' if few < clips else ''}"
        )
    return amount


@dataclass(frozen=True)
class _UsablePairs:
    """Pairs whose recordings have been looked at, by their position among these."""

    position: dict[Pair, int]
    noisy: Recordings
    clean: Recordings
    hop_length: int
    peak_normalize: bool

    @property
    def pairs(self) -> list[Pair]:
        return list(self.position)

    def examples(self, chosen: Sequence[Pair]) -> PairExamples:
        indices = [self.position[pair] for pair in chosen]
        return PairExamples(
            self.noisy.subset(indices), self.clean.subset(indices),
            hop_length=self.hop_length, peak_normalize=self.peak_normalize,
        )  # fmt: skip


def _usable_pairs(pairs: Sequence[Pair], config: Config, memory: Memory) -> _UsablePairs:
    dataset, stft, rate = config.dataset, stft_of(config.preprocessing), config.preprocessing.sample_rate
    noisy, clean = (
        Recordings([getattr(pair, kind) for pair in pairs], rate, memory, stft.min_samples)
        for kind in ("noisy", "clean")
    )
    lengths = zip(*(recordings.check(thorough=dataset.skip_bad_files) for recordings in (noisy, clean)), strict=True)
    checked = [_check_pair(pair, *found, rate, stft.hop_length) for pair, found in zip(pairs, lengths, strict=True)]
    position = {pairs[index]: index for index in usable_indices(checked, dataset.skip_bad_files)}
    return _UsablePairs(position, noisy, clean, stft.hop_length, config.preprocessing.peak_normalize)


def _check_pair(
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


def _mixed_sources(config: Config, memory: Memory) -> tuple[MixedExamples, MixedExamples]:
    dataset = config.dataset
    training, held_out = train_holdout_split(config, memory)
    speech = len(training.speech)
    count = speech if dataset.num_training_samples is None else clip_count(dataset.num_training_samples, speech)
    validating = clip_count(dataset.num_validation_samples, count)
    return (
        make_mixed_examples(config, training, count=count, seed=dataset.random_seed, to_train=True),
        make_mixed_examples(config, held_out, count=validating, seed=dataset.random_seed, always_the_same=True),
    )

"""Split the configured speech and noise into recordings to train on and a hold-out for validation."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from sezoo.audio.stft import stft_of
from sezoo.base.errors import UserError
from sezoo.base.text import pluralize
from sezoo.config.sections import Config, Dataset
from sezoo.data.dataset import sample
from sezoo.data.mixing.augmentation import Augmentation
from sezoo.data.mixing.decoded import Memory
from sezoo.data.mixing.mixed_examples import NOTHING, MixedExamples
from sezoo.data.mixing.recordings import Recordings
from sezoo.data.mixing.recordings_found import recordings_under, usable_indices
from sezoo.data.mixing.rooms import (
    Rooms,
    check_image_responses,
    exponential_response,
    image_response,
    recorded_response,
)

__all__ = ["MixRecordings", "check_mix", "make_mixed_examples", "train_holdout_split"]

HELD_OUT = 0.05
"""Share of the recordings to mix that are kept for validation."""

RESPONSES = "dataset.impulse_responses_path"
RESPONSES_BYTES = 200_000_000
"""Most memory for a user's own impulse responses: some thousand."""

SHORTEST_SECONDS = 0.1
"""Of a recording to mix: speech and noise of less are hardly any."""


class MixRecordings(NamedTuple):
    """Speech and noise recordings that are mixed with each other."""

    speech: Recordings
    noise: Recordings


def check_mix(config: Config) -> None:
    """Check what can be checked before recordings are opened.

    Raises
    ------
    UserError : a clip that is too short, a folder that is missing or empty, folders that have recordings in common,
        rooms that need a package which is not there.
    """
    _clip_samples(config)
    bandwidths, half_the_rate = config.dataset.bandwidth_range, config.preprocessing.sample_rate / 2
    if bandwidths is not None and bandwidths[0] >= half_the_rate:
        raise UserError(
            f"dataset.bandwidth_range: found {list(bandwidths)}; no clip would be cut, as half the sample rate is "
            f"{half_the_rate:g} Hz"
        )
    if config.dataset.reverberation_share:
        if config.dataset.impulse_responses_path is not None:
            recordings_under(config.dataset.impulse_responses_path, RESPONSES)
        elif config.dataset.rooms == "image":
            check_image_responses()
    _recordings_of(config.dataset)


def train_holdout_split(config: Config, memory: Memory | None = None) -> tuple[MixRecordings, MixRecordings]:
    """Split recordings into a training set and, by a hash of their names, a hold-out for validation.

    All recordings are looked at first: their headers, or, where bad ones are to be left out
    (`dataset.skip_bad_files`), all that is in them.

    Parameters
    ----------
    memory : for those that are kept decoded; None keeps none but the last.

    Raises
    ------
    UserError : what `check_mix` finds; recordings that cannot be used, or too few that can.
    """
    check_mix(config)
    memory = memory or Memory()
    speech, noise = (
        _split_recordings(folder, key, paths, config, memory) for key, folder, paths in _recordings_of(config.dataset)
    )
    training, held_out = (MixRecordings(*half) for half in zip(speech, noise, strict=True))
    return training, held_out


def make_mixed_examples(
    config: Config, half: MixRecordings, *, count: int, seed: int, always_the_same: bool = False, to_train: bool = False
) -> MixedExamples:
    """Mixed examples of one part's recordings, as `dataset` configures them; see `MixedExamples`.

    Parameters
    ----------
    to_train : draw and colour them as the data set wants those to be that a network is trained on.
    """
    dataset = config.dataset
    return MixedExamples(
        half.speech, half.noise, count=count, samples=_clip_samples(config), snr_range=dataset.snr_range,
        level_range=dataset.level_range, seed=seed, peak_normalize=config.preprocessing.peak_normalize,
        always_the_same=always_the_same, by_length=to_train and dataset.draw_by == "second",
        random_filters=to_train and dataset.random_filters,
        bandwidth_range=dataset.bandwidth_range if to_train else None,
        augmentation=_augmentation(config) if to_train else NOTHING,
    )  # fmt: skip


def _augmentation(config: Config) -> Augmentation:
    """Augmentation that `dataset` configures."""
    dataset = config.dataset
    rooms = None
    if dataset.reverberation_share:
        make = {"exponential": exponential_response, "image": image_response}[dataset.rooms]
        if dataset.impulse_responses_path is not None:
            make = recorded_response(_responses(config))
        rooms = Rooms(make, dataset.reverberation_seconds, dataset.early_milliseconds / 1000)
    return Augmentation(
        clean=dataset.clean_share, noise=dataset.noise_share,
        high_snr=dataset.high_snr_share, high_snr_range=dataset.high_snr_range,
        babble=dataset.babble_share, hum=dataset.hum_share, rumble=dataset.rumble_share,
        reverberation=dataset.reverberation_share, rooms=rooms,
        microphone=dataset.microphone_share,
        clipping=dataset.clipping_share, clipping_range=dataset.clipping_range,
        board_gain=dataset.board_gain,
    )  # fmt: skip


def _responses(config: Config) -> Recordings:
    """Load all of the user's impulse responses and check that none is silent."""
    paths = recordings_under(config.dataset.impulse_responses_path, RESPONSES)
    responses = Recordings(paths, config.preprocessing.sample_rate, Memory(RESPONSES_BYTES))
    try:
        return responses.subset(usable_indices(responses.check(thorough=True), config.dataset.skip_bad_files))
    except UserError as error:
        raise UserError(f"{RESPONSES}: {error}") from error


def _clip_samples(config: Config) -> int:
    seconds, rate = config.dataset.clip_seconds, config.preprocessing.sample_rate
    samples, needed = round(seconds * rate), stft_of(config.preprocessing).min_samples
    if samples < needed:
        raise UserError(
            f"dataset.clip_seconds: found {seconds}, which is {pluralize(samples, 'sample')} at {rate} Hz; "
            f"the spectrum needs {needed}"
        )
    return samples


def _recordings_of(dataset: Dataset) -> list[tuple[str, Path, list[Path]]]:
    """Key, folder and recordings of the speech and of the noise."""
    speech, noise = dataset.speech_path, dataset.noise_path
    if speech.resolve().is_relative_to(noise.resolve()) or noise.resolve().is_relative_to(speech.resolve()):
        raise UserError(f"dataset.noise_path: {noise} and dataset.speech_path, {speech}, have recordings in common")
    folders = {"dataset.speech_path": speech, "dataset.noise_path": noise}
    return [(key, folder, recordings_under(folder, key)) for key, folder in folders.items()]


def _split_recordings(
    folder: Path, key: str, paths: list[Path], config: Config, memory: Memory
) -> tuple[Recordings, Recordings]:
    dataset, rate = config.dataset, config.preprocessing.sample_rate
    recordings = Recordings(paths, rate, memory, max(1, round(SHORTEST_SECONDS * rate)))
    good = usable_indices(recordings.check(thorough=dataset.skip_bad_files), dataset.skip_bad_files)
    if len(good) < 2:
        raise UserError(
            f"{key}: one recording in {folder} that can be used; two are needed, one of them to validate with"
        )
    names = [paths[index].relative_to(folder).as_posix() for index in good]
    held = set(sample(names, HELD_OUT, dataset.random_seed, key))
    training = [index for index, name in zip(good, names, strict=True) if name not in held]
    validation = [index for index, name in zip(good, names, strict=True) if name in held]
    return recordings.subset(training), recordings.subset(validation)

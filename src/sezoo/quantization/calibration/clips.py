"""The noisy clips that a model is calibrated on: recordings, or speech and noise mixed by seed."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from sezoo.audio.clip import read_clip
from sezoo.audio.stft import stft_of
from sezoo.base.text import pluralize
from sezoo.config.sections import Config, Preprocessing
from sezoo.data.dataset import clip_count, sample, training_noisy_clips
from sezoo.data.folders import clips_in
from sezoo.data.mixing.mixed_examples import MixedExamples
from sezoo.data.mixing.train_holdout import check_mix, make_mixed_examples, train_holdout_split
from sezoo.denoising import normalize_peak

__all__ = ["CalibrationClips", "calibration_clips", "check_calibration_clips"]

log = logging.getLogger(__name__)


class CalibrationClips(Protocol):
    """Clips by their index, each read or mixed when it is asked for, and the same ones each time.

    They are fit for pickle, and may be read by several threads at once.
    """

    def __len__(self) -> int:
        """Clips, bad ones included."""

    def read(self, index: int) -> tuple[str, np.ndarray]:
        """Return the name of a clip and its waveform (samples,) float32, normalized if configured.

        Raises
        ------
        BadClipError : a recording that cannot be used.
        UserError : the same, of recordings to mix, where the other clips have been mixed of it too.
        """


def calibration_clips(config: Config) -> CalibrationClips:
    """The configured clips, limited to the configured number.

    Raises
    ------
    UserError : what `check_calibration_clips` finds; recordings to mix that cannot be used.
    """
    return _mixed_clips(config) if _are_mixed(config) else RecordedClips(config.preprocessing, _recordings(config))


def check_calibration_clips(config: Config) -> None:
    """Check what can be checked before recordings are opened.

    Raises
    ------
    UserError : a folder that is not set, missing or empty; folders that do not match.
    """
    if _are_mixed(config):
        check_mix(config)
    else:
        _recordings(config)


def _are_mixed(config: Config) -> bool:
    own_clips = config.quantization.noisy_quantization_files_path is not None
    return not own_clips and config.dataset.name == "mix"


def _seed(config: Config) -> int | None:
    if config.quantization.random_seed is None and config.dataset is not None:
        return config.dataset.random_seed
    return config.quantization.random_seed


# -- recordings of noisy speech -----------------------------------------------------------------------


@dataclass(frozen=True)
class RecordedClips:
    """Noisy recordings, each a clip; see `CalibrationClips`."""

    spectrum: Preprocessing
    paths: list[Path]

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, index: int) -> tuple[str, np.ndarray]:
        """A recording."""
        spectrum, path = self.spectrum, self.paths[index]
        waveform = read_clip(path, spectrum.sample_rate, min_samples=stft_of(spectrum).min_samples)
        return str(path), normalize_peak(waveform) if spectrum.peak_normalize else waveform


def _recordings(config: Config) -> list[Path]:
    settings, dataset = config.quantization, config.dataset
    if settings.noisy_quantization_files_path is not None:
        extension = dataset.file_extension if dataset else ".wav"
        key = "quantization.noisy_quantization_files_path"
        clips = clips_in(settings.noisy_quantization_files_path, key, extension, below=True)
    else:
        clips = training_noisy_clips(dataset)
    amount = settings.num_quantization_samples
    if "num_quantization_samples" not in settings.model_fields_set:  # nobody asked for more than there are
        amount = min(amount, len(clips))
    return sample(clips, amount, _seed(config), "quantization.num_quantization_samples")


# -- speech and noise ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class MixedClips:
    """The examples of one epoch; see `CalibrationClips`."""

    examples: MixedExamples

    def __len__(self) -> int:
        return len(self.examples)

    def read(self, index: int) -> tuple[str, np.ndarray]:
        """An example."""
        return f"mixed clip {index + 1}", self.examples.example(0, index)[0]


def _mixed_clips(config: Config) -> MixedClips:
    """Return clips mixed from the training recordings; held-out ones are reserved for validation."""
    training, _ = train_holdout_split(config)
    amount, speech = config.quantization.num_quantization_samples, len(training.speech)
    count = speech if amount is None else clip_count(amount, speech)
    log.info("clips are mixed of %s of speech and %d of noise", pluralize(speech, "recording"), len(training.noise))
    return MixedClips(make_mixed_examples(config, training, count=count, seed=_seed(config)))

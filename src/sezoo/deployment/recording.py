"""The recording that a deployed model is tested on."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from sezoo.audio.clip import BadClipError
from sezoo.audio.stft import Stft, stft_of
from sezoo.config.sections import Config, Dataset
from sezoo.data.dataset import bad_clip_error, test_pairs
from sezoo.data.pairs import read_pair
from sezoo.denoising.silence_gate import count_muted_frames, gate_warning
from sezoo.results.run_record import SILENCE_GATE

__all__ = ["Recording", "patches_of", "recording_of", "report_gated_clips"]

log = logging.getLogger(__name__)

MOST_SECONDS = 10
"""Longest recording: an emulator takes some seconds per second of audio."""

MOST_FRAMES = 1000
"""Most frames, 10 s at a hop of 10 ms: a recurrent network takes milliseconds per frame in numpy."""


@dataclass(frozen=True, eq=False)
class Recording:
    """A noisy clip and its clean speech, if known: (samples,) float32 each.

    Attributes
    ----------
    name : name of the noisy file.
    origin : the data set it belongs to, as a phrase for messages.
    """

    noisy: np.ndarray
    clean: np.ndarray | None
    name: str
    origin: str

    @property
    def display_name(self) -> str:
        """Name and origin, for messages."""
        return f"{self.name} {self.origin}"


def recording_of(config: Config) -> Recording:
    """Return the first test clip of the configured data set, or of the recordings that come with sezoo.

    It is cut to 10 s and 1000 frames at most.

    Raises
    ------
    UserError : the data set's test split cannot be used.
    """
    dataset = config.dataset if _has_test_clips(config.dataset) else Dataset(name="demo")
    pair = min(test_pairs(dataset), key=lambda each: each.name)
    rate, stft = config.preprocessing.sample_rate, stft_of(config.preprocessing)
    try:
        noisy, clean = read_pair(pair, rate, stft)
    except BadClipError as error:
        raise bad_clip_error(error) from error
    most = min(MOST_SECONDS * rate, MOST_FRAMES * stft.hop_length)
    origin = "of the recordings that come with sezoo" if dataset.name == "demo" else f"of dataset {dataset.name}"
    return Recording(noisy[:most], None if clean is None else clean[:most], pair.name, origin)


def _has_test_clips(dataset: Dataset | None) -> bool:
    if dataset is None:
        return False
    if dataset.name == "valentini":
        return dataset.root_folder is not None
    return dataset.name not in ("custom", "mix") or dataset.noisy_test_files_path is not None


def report_gated_clips(denoised: np.ndarray, recording: Recording, stft: Stft, threshold: float | None) -> None:
    """Log a warning about the silence gate, if any, with the share of the recording's speech that it mutes.

    Parameters
    ----------
    denoised : the recording after the gate, (samples,) float32
    threshold : threshold of the gate in dBFS; None for no gate.
    """
    if threshold is not None:
        muted = count_muted_frames(denoised, recording.clean, stft.hop_length)
        log.warning("%s", gate_warning(threshold, muted, recording.display_name), extra={"about": SILENCE_GATE})


def patches_of(recording: Recording, stft: Stft, frames: int, *, of_spectra: bool = False) -> list[np.ndarray]:
    """Return two patches of magnitudes or spectra, (bins, frames) each, from the beginning and from the middle."""
    spectrum = stft.analyse(recording.noisy)
    given = spectrum if of_spectra else stft.magnitude(spectrum)
    starts = (0, given.shape[1] // 2)
    patches = (np.take(given, np.arange(start, start + frames), axis=1, mode="wrap") for start in starts)
    return [np.ascontiguousarray(patch) for patch in patches]

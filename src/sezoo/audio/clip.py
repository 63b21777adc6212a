"""Reading and writing recordings: any format soundfile knows, mixed down, resampled, checked."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr

from sezoo.audio.file import BadClipError, blocks_of, open_recording, part_of
from sezoo.base.files import atomic_write

__all__ = ["BadClipError", "Resampler", "read_clip", "read_part", "write_clip"]

CANCELLED = 1e-6
"""Share of the channels' energy that is left in their average, below which they cancel each other: -60 dB."""

LONGEST_SECONDS = 12 * 3600
"""Of a recording that is read whole: at 16 kHz this is 2.8 GB."""


def read_clip(path: Path, sample_rate: int, *, min_samples: int = 1) -> np.ndarray:
    """Read a recording as one channel at `sample_rate`.

    Channels are averaged and other rates converted by soxr's high quality resampler, which is what
    ``librosa.load(path, sr=sample_rate)`` does.

    Parameters
    ----------
    path : file in any format that libsndfile reads (WAV, FLAC, Ogg Vorbis and Opus, MP3, AIFF ...).
    sample_rate : of the result, in Hz.
    min_samples : length of the shortest usable clip, in samples at `sample_rate`.

    Returns
    -------
    waveform : (samples,) float32, full scale is 1.

    Raises
    ------
    BadClipError : unreadable, truncated, empty, shorter than `min_samples`, NaN or infinite samples, silent, an
        impossible sample rate or level.
    """
    with open_recording(path) as file:
        if file.frames > LONGEST_SECONDS * file.samplerate:
            hours = [seconds / 3600 for seconds in (file.frames / file.samplerate, LONGEST_SECONDS)]
            raise BadClipError(path, "it is {:.1f} hours long, {:g} at most fit in memory; cut it up".format(*hours))
        mono = _MonoMixdown(blocks_of(file))
        waveform = np.concatenate([np.zeros(0, np.float32), *_resample(mono, file.samplerate, sample_rate)])
    if waveform.size == 0:
        raise BadClipError(path, "it has no samples")
    if waveform.size < min_samples:
        raise BadClipError(
            path, f"it is {waveform.size} samples long at {sample_rate} Hz, shorter than the {min_samples} needed"
        )
    if mono.cancels:
        raise BadClipError(path, "its channels cancel each other: their average, which is what is used, is silent")
    if not waveform.any():
        raise BadClipError(path, "it is silent (every sample is zero)")
    return waveform


def read_part(path: Path, sample_rate: int, start: int, samples: int) -> np.ndarray | None:
    """Read a part of a recording by seeking; the samples equal those of `read_clip`.

    Returns
    -------
    part : (samples,) float32; None where that cannot be done exactly: at another rate, or in a format such as MP3.

    Raises
    ------
    BadClipError : what goes wrong while it is read.
    """
    with open_recording(path) as file:
        part = part_of(file, start, samples) if file.samplerate == sample_rate else None
    if part is None or part.shape[1] == 1:
        return None if part is None else part[:, 0]
    return part.mean(axis=1)


class _MonoMixdown:
    """Mix channels down block by block, and measure the energy that remains."""

    def __init__(self, blocks: Iterator[np.ndarray]):
        self.blocks = blocks
        self.before = self.after = 0.0

    def __iter__(self) -> Iterator[np.ndarray]:
        for block in self.blocks:
            if block.shape[1] == 1:
                yield block[:, 0]
                continue
            average = block.mean(axis=1)
            self.before += float(np.vdot(block, block)) / block.shape[1]
            self.after += float(np.vdot(average, average))
            yield average

    @property
    def cancels(self) -> bool:
        """Return whether the channels are in antiphase, up to rounding."""
        return self.after < CANCELLED * self.before


def _resample(blocks: Iterable[np.ndarray], from_rate: int, to_rate: int) -> Iterator[np.ndarray]:
    resampler = Resampler(from_rate, to_rate, 1)
    for block in blocks:
        yield resampler.push(block[:, np.newaxis])[:, 0]
    yield resampler.finish()[:, 0]


class Resampler:
    """Streaming resampler (soxr, high quality).

    The result has librosa's length, ``ceil(samples * to_rate / from_rate)``, and is aligned with the input.
    """

    def __init__(self, from_rate: int, to_rate: int, channels: int):
        self.ratio, self.channels = to_rate / from_rate, channels
        self.stream = None
        if from_rate != to_rate:
            self.stream = soxr.ResampleStream(from_rate, to_rate, channels, dtype="float32", quality="HQ")
        self.taken = self.given = 0

    def push(self, block: np.ndarray) -> np.ndarray:
        """Push samples (n, channels) float32; return those that are ready: (m, channels) float32."""
        if self.stream is None:
            return block
        self.taken += len(block)
        resampled = self._resample(block, last=False)
        self.given += len(resampled)
        return resampled

    def finish(self) -> np.ndarray:
        """Return the remaining samples."""
        if self.stream is None:
            return np.zeros((0, self.channels), np.float32)
        rest = self._resample(np.zeros((0, self.channels), np.float32), last=True)
        missing = int(np.ceil(self.taken * self.ratio)) - self.given - len(rest)  # soxr may give a sample less
        return np.pad(rest, [(0, max(0, missing)), (0, 0)])

    def _resample(self, block: np.ndarray, *, last: bool) -> np.ndarray:
        # soxr wants one dimension for one channel
        samples = np.ascontiguousarray(block[:, 0] if self.channels == 1 else block)
        return self.stream.resample_chunk(samples, last=last).reshape(-1, self.channels)


def write_clip(path: Path, waveform: np.ndarray, sample_rate: int, *, subtype: str = "PCM_16") -> None:
    """Write a waveform; the file extension determines the format.

    Parameters
    ----------
    waveform : (samples,) float, full scale is 1; what lies beyond is clipped, as every player would.
    """
    encoded = io.BytesIO()  # a full disk has a reason in Python's errors, none in libsndfile's
    soundfile.write(encoded, np.clip(waveform, -1, 1), sample_rate, format=path.suffix[1:], subtype=subtype)
    with atomic_write(path) as temporary:
        temporary.write_bytes(encoded.getbuffer())

"""Reading and writing recordings: any format soundfile knows, mixed down, resampled, checked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr

from sezoo.files import written_aside

__all__ = ["BadClipError", "read_clip", "write_clip"]

BLOCK_SECONDS = 30
"""A file is decoded and resampled in blocks of this length, so that hours of 48 kHz stereo fit in memory."""

STREAMED_WAV_SIZES = (0, 0x7FFFFFFF)
"""A WAV written to a pipe cannot know its length: 0, or this and above, stand in the header instead."""


class BadClipError(Exception):
    """A recording that cannot be used; the message is the reason, `path` says which."""

    def __init__(self, path: Path, reason: str):
        super().__init__(reason)
        self.path = path
        self.reason = reason

    def __reduce__(self):  # pickled as it is made, so that worker processes can raise it
        return type(self), (self.path, self.reason)


def read_clip(path: Path, sample_rate: int, *, min_samples: int = 1) -> np.ndarray:
    """Read a recording as one channel at `sample_rate`.

    Channels are averaged and other rates converted by soxr's high quality resampler, which is what
    ``librosa.load(path, sr=sample_rate)`` does.

    Parameters
    ----------
    path : file in any format that libsndfile reads (WAV, FLAC, Ogg Vorbis and Opus, MP3, AIFF ...).
    sample_rate : of the result, in Hz.
    min_samples : shortest clip that is of use, in samples at `sample_rate`.

    Returns
    -------
    wave : (samples,) float32, full scale is 1.

    Raises
    ------
    BadClipError : unreadable, truncated, empty, shorter than `min_samples`, NaN or infinite samples, or silent.
    """
    if not path.is_file():
        raise BadClipError(path, "no such file")
    if path.stat().st_size == 0:
        raise BadClipError(path, "the file has 0 bytes")
    try:
        with soundfile.SoundFile(path) as file:
            wave = np.concatenate([np.zeros(0, np.float32), *_resampled(_mono_blocks(file), file, sample_rate)])
    except soundfile.LibsndfileError as error:
        reason = error.error_string.rstrip(".") or "the data is damaged or cut off"
        raise BadClipError(path, f"not readable as audio ({reason})") from error
    if wave.size == 0:
        raise BadClipError(path, "it has no samples")
    if not np.isfinite(wave).all():
        count = int(np.count_nonzero(~np.isfinite(wave)))
        raise BadClipError(path, f"{count} of its {wave.size} samples are NaN or infinite")
    if wave.size < min_samples:
        raise BadClipError(
            path, f"it is {wave.size} samples long at {sample_rate} Hz, shorter than the {min_samples} needed"
        )
    if not wave.any():
        raise BadClipError(path, "it is silent (every sample is zero)")
    return wave


def _mono_blocks(file: soundfile.SoundFile) -> Iterator[np.ndarray]:
    """The file's samples, mixed down to one channel, block by block; all of them or LibsndfileError."""
    missing = _missing_by_header(file)
    if missing:
        raise BadClipError(Path(file.name), missing)
    promised, found = file.frames, 0
    for block in file.blocks(BLOCK_SECONDS * file.samplerate, dtype="float32"):
        found += len(block)
        yield block if block.ndim == 1 else block.mean(axis=1)
    if found < promised:
        raise BadClipError(Path(file.name), f"truncated: {found} of {promised} sample frames are there")


def _missing_by_header(file: soundfile.SoundFile) -> str:
    """What the header promises and the file does not hold; libsndfile tells it in its log only."""
    log = file.extra_info
    wav_data = re.search(r"^data : (\d+) \(should be (\d+)\)", log, re.MULTILINE)
    if wav_data:
        promised, there = map(int, wav_data.groups())
        if promised not in STREAMED_WAV_SIZES and promised < STREAMED_WAV_SIZES[1] and there < promised:
            return f"truncated: {there} of {promised} bytes of audio are there"
    if "lacks an end-of-stream bit" in log:
        return "truncated: the Ogg stream has no end"
    return ""


def _resampled(blocks: Iterator[np.ndarray], file: soundfile.SoundFile, sample_rate: int) -> Iterator[np.ndarray]:
    if file.samplerate == sample_rate:
        yield from blocks
        return
    resampler = soxr.ResampleStream(file.samplerate, sample_rate, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield resampler.resample_chunk(np.ascontiguousarray(block))
    yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)


def write_clip(path: Path, wave: np.ndarray, sample_rate: int, *, subtype: str = "PCM_16") -> None:
    """Write a wave; the format follows from the file's ending.

    Parameters
    ----------
    wave : (samples,) float, full scale is 1; what lies beyond is clipped, as every player would.
    """
    with written_aside(path) as aside:
        soundfile.write(aside, np.clip(wave, -1, 1), sample_rate, subtype=subtype)

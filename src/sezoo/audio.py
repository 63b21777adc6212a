"""Reading and writing recordings: any format soundfile knows, mixed down, resampled, checked."""

from __future__ import annotations

import io
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

STREAMED_WAV_SIZE = 0x7FFFFFFF
"""A WAV written to a pipe cannot know its length: this and above stand in the header instead."""

OGG_TAIL = 2**17
"""Where the last page of an Ogg file is looked for: pages have up to 65307 bytes, tags may follow."""


LOWEST_RATE = 2000
"""In Hz. Below it a header is damaged; to believe it would stretch a second of audio to hours."""

HIGHEST_PEAK = 100
"""Files of float samples may go beyond full scale, but not so far: they were written as integers, say."""


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
    BadClipError : unreadable, truncated, empty, shorter than `min_samples`, NaN or infinite samples, silent, an
        impossible sample rate or level.
    """
    if not path.is_file():
        raise BadClipError(path, "no such file")
    if path.stat().st_size == 0:
        raise BadClipError(path, "the file has 0 bytes")
    try:
        with soundfile.SoundFile(path) as file:
            if file.samplerate < LOWEST_RATE:
                raise BadClipError(path, f"its header says {file.samplerate} Hz; speech needs {LOWEST_RATE} or more")
            wave = np.concatenate([np.zeros(0, np.float32), *_resampled(_mono_blocks(file), file, sample_rate)])
    except UnicodeEncodeError as error:
        raise BadClipError(path, "its name cannot be written in this system's encoding; rename it") from error
    except soundfile.LibsndfileError as error:
        reason = error.error_string.rstrip(".") or "the data is damaged or cut off"
        raise BadClipError(path, f"not readable as audio ({reason})") from error
    if wave.size == 0:
        raise BadClipError(path, "it has no samples")
    if not np.isfinite(wave).all():
        count = int(np.count_nonzero(~np.isfinite(wave)))
        raise BadClipError(path, f"{count} of its {wave.size} samples are NaN or infinite")
    if (peak := max(wave.max(), -wave.min())) > HIGHEST_PEAK:
        raise BadClipError(path, f"its samples reach {peak:.3g}, but full scale is 1 in a file of float samples")
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
        if there < promised < STREAMED_WAV_SIZE:
            return f"truncated: {there} of {promised} bytes of audio are there"
    if file.format == "OGG" and not _ogg_ends(Path(file.name)):
        return "truncated: the Ogg stream has no end"
    return ""


def _ogg_ends(path: Path) -> bool:
    """Whether the last page is whole and marked as the last; what libsndfile lacks of it, it leaves out unsaid."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - OGG_TAIL))
        tail = file.read()
    page = tail[max(tail.rfind(b"OggS"), 0) :]
    if len(page) < 27:
        return False
    flags, segments = page[5], page[26]
    return bool(flags & 4) and len(page) >= 27 + segments + sum(page[27 : 27 + segments])


def _resampled(blocks: Iterator[np.ndarray], file: soundfile.SoundFile, sample_rate: int) -> Iterator[np.ndarray]:
    if file.samplerate == sample_rate:
        yield from blocks
        return
    resampler = soxr.ResampleStream(file.samplerate, sample_rate, 1, dtype="float32", quality="HQ")
    taken = given = 0
    for block in blocks:
        taken += len(block)
        resampled = resampler.resample_chunk(np.ascontiguousarray(block))
        given += len(resampled)
        yield resampled
    rest = resampler.resample_chunk(np.zeros(0, np.float32), last=True)
    length = int(np.ceil(taken * (sample_rate / file.samplerate)))  # librosa's; soxr may give a sample less
    yield np.pad(rest, (0, max(0, length - given - len(rest))))


def write_clip(path: Path, wave: np.ndarray, sample_rate: int, *, subtype: str = "PCM_16") -> None:
    """Write a wave; the format follows from the file's ending.

    Parameters
    ----------
    wave : (samples,) float, full scale is 1; what lies beyond is clipped, as every player would.
    """
    encoded = io.BytesIO()  # a full disk has a reason in Python's errors, none in libsndfile's
    soundfile.write(encoded, np.clip(wave, -1, 1), sample_rate, format=path.suffix[1:], subtype=subtype)
    with written_aside(path) as aside:
        aside.write_bytes(encoded.getbuffer())

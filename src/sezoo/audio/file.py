"""Read recordings in any format of libsndfile, block by block; damage is reported."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
import soundfile

from sezoo.audio.container import declared_audio
from sezoo.audio.mp3_length import declares_length, seconds_of_frames
from sezoo.audio.shard import Member, ShardError, member_of
from sezoo.base.git_lfs import LFS_POINTER, is_lfs_pointer

__all__ = ["BadClipError", "blocks_of", "name_for_soundfile", "open_recording", "part_of"]

BLOCK_SECONDS = 30
"""A file is decoded in blocks of this length, so that hours of 48 kHz stereo fit in memory."""

OGG_TAIL = 2**17
"""Where the last page of an Ogg file is looked for: pages have up to 65307 bytes, tags may follow."""

UNREAD_SECONDS = 0.2
"""Of an MP3 that are less than what its tags and its last frames make of a guess."""

LOWEST_RATE, HIGHEST_RATE = 2000, 1_000_000
"""In Hz. Beyond them a header is damaged; to believe it would stretch a second of audio to hours, or hours to nothing.
Converters go up to 768 kHz."""

SPARSE_BYTES, SPARSE_SHARE = 2**30, 1000
"""A file of this many bytes that takes less than a thousandth of them on the disk holds nothing but zeros: an
interrupted download, say. To find that out by reading takes minutes."""

SOUGHT_EXACTLY = {"WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "FLAC"}
"""Formats in which each sample can be had without the ones before it."""

_paths: WeakKeyDictionary[soundfile.SoundFile, Path] = WeakKeyDictionary()
"""Of the recordings that are open, for messages."""

HIGHEST_PEAK = 100
"""Files of float samples may go beyond full scale, but not so far: they were written as integers, say."""


class BadClipError(Exception):
    """A recording that cannot be used: the message is the reason, `path` the file."""

    def __init__(self, path: Path, reason: str):
        super().__init__(reason)
        self.path = path
        self.reason = reason

    def __reduce__(self):  # pickled as it is made, so that worker processes can raise it
        return type(self), (self.path, self.reason)


def name_for_soundfile(path: Path) -> str | bytes:
    """Path in the form that soundfile opens, UTF-8 or not."""
    return os.fsencode(path) if os.name == "posix" else str(path)


@contextmanager
def open_recording(path: Path) -> Iterator[soundfile.SoundFile]:
    """Open a recording for reading; damage is found here or in `blocks_of`.

    Raises
    ------
    BadClipError : no such file, no audio, an impossible sample rate, a file that ends before the audio does that its
        header promises; also for what goes wrong while it is read.
    """
    source = _source(path)
    _check_file(source, path)
    opened = False
    try:
        with soundfile.SoundFile(source.open("rb") if isinstance(source, Member) else name_for_soundfile(path)) as file:
            opened = True
            _check_header(file, source, path)
            _paths[file] = path
            yield file
    except UnicodeEncodeError as error:
        raise BadClipError(path, "its name cannot be written in this system's encoding; rename it") from error
    except soundfile.LibsndfileError as error:
        raise BadClipError(path, f"not readable as audio ({_reason(error, opened)})") from error


def _source(path: Path) -> Path | Member:
    """The file, or the member of the shard that it is in."""
    try:
        return member_of(path) or path
    except (ShardError, OSError) as error:
        missing = isinstance(error, FileNotFoundError)
        raise BadClipError(path, "no such member" if missing else str(error)) from error


def _path_of(file: soundfile.SoundFile) -> Path:
    return _paths.get(file) or Path(os.fsdecode(file.name))


def _check_file(source: Path | Member, path: Path) -> None:
    """Check what can be checked before the file is opened as audio."""
    if not source.is_file():
        raise BadClipError(path, "no such file")
    facts = source.stat()
    if facts.st_size == 0:
        raise BadClipError(path, "the file has 0 bytes")
    on_disk = getattr(facts, "st_blocks", 0) * 512  # 0 where the system does not say
    if facts.st_size >= SPARSE_BYTES and 0 < on_disk < facts.st_size // SPARSE_SHARE:
        raise BadClipError(
            path, f"only {on_disk} of its {facts.st_size} bytes are on the disk, the rest was never written"
        )
    try:
        if is_lfs_pointer(source):
            raise BadClipError(path, LFS_POINTER)
        if path.suffix.lower() == ".raw":
            raise BadClipError(path, "a .raw file has no header that says its rate and format; convert it to WAV")
        promise = declared_audio(source)
    except OSError as error:
        raise BadClipError(path, f"it cannot be read: {error.strerror or error}") from error
    if promise is not None and promise[1] < promise[0]:
        raise BadClipError(path, f"truncated: {promise[1]} of {promise[0]} bytes of audio are there")


def _check_header(file: soundfile.SoundFile, source: Path | Member, path: Path) -> None:
    if not LOWEST_RATE <= file.samplerate <= HIGHEST_RATE:
        limit = f"{LOWEST_RATE} or more" if file.samplerate < LOWEST_RATE else f"no more than {HIGHEST_RATE}"
        raise BadClipError(path, f"its header says {file.samplerate} Hz; speech needs {limit}")
    if file.format == "OGG" and not _ogg_ends(source):
        raise BadClipError(path, "truncated: the Ogg stream has no end")
    if file.format == "MP3" and not declares_length(source):
        readable, there = file.frames / file.samplerate, seconds_of_frames(source)
        if there > readable + UNREAD_SECONDS:
            raise BadClipError(
                path,
                f"only {readable:.1f} of its {there:.1f} seconds can be read, as it does not say how long it is "
                "and its bit rate varies; convert it to WAV",
            )


def _reason(error: soundfile.LibsndfileError, opened: bool) -> str:
    """Return libsndfile's error message for an existing file, if it is meaningful."""
    reason = error.error_string.removeprefix("Error : ").rstrip(".")
    if not reason or "does not exist" in reason:
        return "the data is damaged or cut off"
    if "SF_INFO" in reason:  # a rate of 0 or beyond 2^31 - 1, or no channels
        return "its header has an impossible sample rate or number of channels"
    return f"the data is damaged or cut off: {reason}" if opened else reason


def blocks_of(file: soundfile.SoundFile, seconds: float | None = None) -> Iterator[np.ndarray]:
    """All of a file's samples, (n, channels) float32 a block.

    Parameters
    ----------
    seconds : length of a block; None for `BLOCK_SECONDS`.

    Raises
    ------
    BadClipError : truncated, NaN or infinite samples, an impossible level.
    LibsndfileError : damaged data; `open_recording` makes a BadClipError of it.
    """
    path = _path_of(file)
    size = max(1, round((seconds or BLOCK_SECONDS) * file.samplerate))
    promised, found = file.frames, 0
    while found < promised:
        # not `file.blocks`: it needs a file that can be sought, and pads one that ends early with whatever there is
        block = file.read(min(size, promised - found), dtype="float32", always_2d=True)
        if not len(block):
            break
        found += len(block)
        _check_samples(block, path)
        yield block
    if file.format == "MP3":  # a count in an MP3's header may be out by a frame; without one there is a guess only
        frame = 1152 if file.samplerate >= 32000 else 576
        promised = promised - frame if declares_length(_source(path)) else found
    if found < promised:
        raise BadClipError(path, f"truncated: {found} of {promised} sample frames are there")


def part_of(file: soundfile.SoundFile, start: int, samples: int) -> np.ndarray | None:
    """Some of a file's samples, without decoding those before them: (samples, channels) float32.

    Returns
    -------
    part : None for formats where what is found after seeking depends on what was decoded before it.

    Raises
    ------
    BadClipError : truncated, NaN or infinite samples, an impossible level.
    """
    if file.format not in SOUGHT_EXACTLY or not file.seekable():
        return None
    path = _path_of(file)
    file.seek(start)
    part = file.read(samples, dtype="float32", always_2d=True)
    if len(part) < samples:
        raise BadClipError(path, f"truncated: {start + len(part)} of {start + samples} sample frames are there")
    _check_samples(part, path)
    return part


def _check_samples(block: np.ndarray, path: Path) -> None:
    if not block.size:
        return
    peak = max(block.max(), -block.min())  # NaN if there is one
    if not np.isfinite(peak):
        count = int(np.count_nonzero(~np.isfinite(block)))
        raise BadClipError(path, f"{count} of its samples are NaN or infinite")
    if peak > HIGHEST_PEAK:
        raise BadClipError(path, f"its samples reach {peak:.3g}, but full scale is 1 in a file of float samples")


def _ogg_ends(path: Path | Member) -> bool:
    """Whether the last page is whole and marked as the last; what libsndfile lacks of it, it leaves out unsaid."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - OGG_TAIL))
        tail = file.read()
    page = tail[max(tail.rfind(b"OggS"), 0) :]
    if len(page) < 27:
        return False
    flags, segments = page[5], page[26]
    return bool(flags & 4) and len(page) >= 27 + segments + sum(page[27 : 27 + segments])

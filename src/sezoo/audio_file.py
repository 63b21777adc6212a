"""Opening a recording: any format that libsndfile reads, in blocks; every way in which it can be damaged is told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile

__all__ = ["BadClipError", "blocks_of", "open_recording"]

BLOCK_SECONDS = 30
"""A file is decoded in blocks of this length, so that hours of 48 kHz stereo fit in memory."""

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


@contextmanager
def open_recording(path: Path) -> Iterator[soundfile.SoundFile]:
    """Open a recording for reading.

    Raises
    ------
    BadClipError : no such file, no audio, an impossible sample rate; also for what goes wrong while it is read.
    """
    if not path.is_file():
        raise BadClipError(path, "no such file")
    if path.stat().st_size == 0:
        raise BadClipError(path, "the file has 0 bytes")
    try:
        with soundfile.SoundFile(path) as file:
            if file.samplerate < LOWEST_RATE:
                raise BadClipError(path, f"its header says {file.samplerate} Hz; speech needs {LOWEST_RATE} or more")
            yield file
    except UnicodeEncodeError as error:
        raise BadClipError(path, "its name cannot be written in this system's encoding; rename it") from error
    except soundfile.LibsndfileError as error:
        reason = error.error_string.rstrip(".") or "the data is damaged or cut off"
        raise BadClipError(path, f"not readable as audio ({reason})") from error


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
    path = Path(file.name)
    if missing := _missing_by_header(file):
        raise BadClipError(path, missing)
    promised, found = file.frames, 0
    for block in file.blocks(
        max(1, round((seconds or BLOCK_SECONDS) * file.samplerate)), dtype="float32", always_2d=True
    ):
        found += len(block)
        _check_samples(block, path)
        yield block
    if found < promised:
        raise BadClipError(path, f"truncated: {found} of {promised} sample frames are there")


def _check_samples(block: np.ndarray, path: Path) -> None:
    if not block.size:
        return
    peak = max(block.max(), -block.min())  # NaN if there is one
    if not np.isfinite(peak):
        count = int(np.count_nonzero(~np.isfinite(block)))
        raise BadClipError(path, f"{count} of its samples are NaN or infinite")
    if peak > HIGHEST_PEAK:
        raise BadClipError(path, f"its samples reach {peak:.3g}, but full scale is 1 in a file of float samples")


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

"""Number of audio bytes that the header of a recording declares, if the container has such a field.

libsndfile reads files that end early without a word, or with one in its log. These are the containers that hold their
audio in one chunk whose length is written before it: WAV and its relatives RF64, BW64 and Wave64; AIFF; AU; CAF.
Where the length was not known when the header was written, as to a pipe, there is no promise.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

__all__ = ["declared_audio"]

STREAMED_SIZE = 0x7FFFFFFF
"""A WAV or an AIFF written to a pipe cannot know its length: this and above stand in the header instead."""

LARGEST_CHUNK = 2**40
"""Bytes of a chunk before the audio; a larger one is damage."""

MOST_CHUNKS = 10_000
"""Before the audio; more of them are in no recording."""

W64_RIFF = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"
W64_AUDIO = b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"

DeclaredAudio = tuple[int, int]
"""Where the audio begins, and its length, in bytes."""


def declared_audio(path: Path) -> tuple[int, int] | None:
    """Audio bytes that the header declares, and those that the file contains.

    Returns
    -------
    promised, there : None where there is no promise.
    """
    with path.open("rb") as file:
        start = file.read(16)
        reader = next((reader for magic, reader in READERS.items() if start.startswith(magic)), None)
        try:
            promise = None if reader is None else reader(file)
        except struct.error:  # the file ends in its header
            return None
        if promise is None:
            return None
        position, length = promise
        return length, max(0, min(length, path.stat().st_size - position))


def _chunks(file: BinaryIO, head: struct.Struct, *, alignment: int, counts_head: bool = False) -> Iterator[tuple]:
    """The names and lengths of chunks, one after the other; the file stands at the content of each."""
    for _ in range(MOST_CHUNKS):
        name, size = head.unpack(file.read(head.size))
        if counts_head:
            size -= head.size
        position = file.tell()
        yield name, size
        if not 0 <= size < LARGEST_CHUNK:
            return
        file.seek(position + size + -size % alignment)


def _riff(file: BinaryIO, order: str = "<") -> DeclaredAudio | None:
    file.seek(12)
    long_size = None
    for name, size in _chunks(file, struct.Struct(f"{order}4sI"), alignment=2):
        if name == b"ds64":
            long_size = struct.unpack("<QQ", file.read(16))[1]
        elif name == b"data":
            if size == 0xFFFFFFFF and long_size is not None:
                return (file.tell(), long_size) if 0 < long_size < 2**63 else None
            return (file.tell(), size) if size < STREAMED_SIZE else None
    return None


def _aiff(file: BinaryIO) -> DeclaredAudio | None:
    file.seek(12)
    for name, size in _chunks(file, struct.Struct(">4sI"), alignment=2):
        if name == b"SSND":  # an offset and a block size come first
            return (file.tell() + 8, size - 8) if 8 <= size < STREAMED_SIZE else None
    return None


def _au(file: BinaryIO, order: str = ">") -> DeclaredAudio | None:
    file.seek(4)
    position, size = struct.unpack(f"{order}II", file.read(8))
    return (position, size) if size < STREAMED_SIZE else None


def _w64(file: BinaryIO) -> DeclaredAudio | None:
    file.seek(40)
    for name, size in _chunks(file, struct.Struct("<16sq"), alignment=8, counts_head=True):
        if name == W64_AUDIO:
            return (file.tell(), size) if size > 0 else None
    return None


def _caf(file: BinaryIO) -> DeclaredAudio | None:
    file.seek(8)
    for name, size in _chunks(file, struct.Struct(">4sq"), alignment=1):
        if name == b"data":
            return (file.tell(), size) if size > 0 else None
    return None


READERS: dict[bytes, Callable[[BinaryIO], DeclaredAudio | None]] = {
    b"RIFF": _riff,
    b"RF64": _riff,
    b"BW64": _riff,
    b"RIFX": lambda file: _riff(file, ">"),
    b"FORM": _aiff,
    b".snd": _au,
    b"dns.": lambda file: _au(file, "<"),
    W64_RIFF: _w64,
    b"caff": _caf,
}
"""By what a file begins with."""

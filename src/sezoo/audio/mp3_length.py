"""Length of MP3 files whose header does not declare it; libsndfile guesses it from the first frame's bit rate."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

__all__ = ["declares_length", "seconds_of_frames"]

HEAD = 4096
"""Bytes from the first frame on in which the length is, if anywhere."""

BIT_RATES = {
    True: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""In kbit/s, of layer III by the index in a frame's header from 1 on; of MPEG 1 and of MPEG 2 and 2.5."""

SAMPLE_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
"""In Hz, by the version's two bits."""


def declares_length(path: Path) -> bool:
    """Return whether the first frame of an MP3 declares the number of frames."""
    with path.open("rb") as file:
        head = file.read(HEAD)
        if start := _tag_bytes(head):
            file.seek(start)
            head = file.read(HEAD)
    return any(name in head for name in (b"Xing", b"Info", b"VBRI"))


def seconds_of_frames(path: Path) -> float:
    """The length of all frames of an MP3, one by one as their headers say."""
    return sum(samples / rate for samples, rate in _frames(path.read_bytes()))


def _frames(data: bytes) -> Iterator[tuple[int, int]]:
    """Samples and sample rate of each frame."""
    position = _tag_bytes(data)
    while position + 4 <= len(data):
        size, samples, rate = _frame(data[position : position + 4])
        if size:
            yield samples, rate
            position += size
        elif (position := data.find(b"\xff", position + 1)) < 0:  # a tag, damage
            return


def _frame(header: bytes) -> tuple[int, int, int]:
    """Bytes, samples and sample rate of the frame that begins with these four bytes; no bytes where it is none."""
    version, layer = header[1] >> 3 & 3, header[1] >> 1 & 3
    rate, bits = header[2] >> 2 & 3, header[2] >> 4
    if header[0] != 0xFF or header[1] < 0xE0 or layer != 1 or version == 1 or rate == 3 or not 1 <= bits <= 14:
        return 0, 0, 1
    hertz, first = SAMPLE_RATES[version][rate], version == 3
    samples = 1152 if first else 576
    return samples // 8 * BIT_RATES[first][bits - 1] * 1000 // hertz + (header[2] >> 1 & 1), samples, hertz


def _tag_bytes(head: bytes) -> int:
    """Bytes of the tag before the first frame, with a picture perhaps."""
    if not head.startswith(b"ID3") or len(head) < 10:
        return 0
    return 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))

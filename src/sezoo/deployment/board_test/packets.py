"""Packets over a serial line: a kind, a number and data, with a CRC-32, in COBS; see examples/board_test.c.

COBS (Cheshire and Baker, "Consistent Overhead Byte Stuffing", 1999) leaves no zero byte inside a packet, so that a zero
ends it, and the receiver resynchronizes at the next packet after any loss.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Decoder", "Packet"]

HEAD = struct.Struct("<cI")
CRC_BYTES = 4
BLOCK = 254


@dataclass(frozen=True)
class Packet:
    """A packet: its kind (one letter), a 32-bit number, and data."""

    kind: bytes
    number: int = 0
    data: bytes = b""

    def encode(self) -> bytes:
        """Return the bytes to transmit; the leading zero terminates an incomplete packet before it."""
        body = HEAD.pack(self.kind, self.number) + self.data
        return b"\0" + _stuff(body + zlib.crc32(body).to_bytes(CRC_BYTES, "little")) + b"\0"


class Decoder:
    """Extracts packets from received bytes.

    Attributes
    ----------
    received, damaged : number of bytes, and of damaged packets.
    """

    def __init__(self) -> None:
        self.received = self.damaged = 0
        self._rest = b""

    def packets(self, data: bytes) -> Iterator[Packet]:
        """Yield the packets that these bytes complete."""
        self.received += len(data)
        *ended, self._rest = (self._rest + data).split(b"\0")
        for stuffed in filter(None, ended):
            packet = _packet(stuffed)
            if packet is None:
                self.damaged += 1
            else:
                yield packet


def _packet(stuffed: bytes) -> Packet | None:
    body = _unstuff(stuffed)
    if body is None or len(body) < HEAD.size + CRC_BYTES:
        return None
    content, crc = body[:-CRC_BYTES], body[-CRC_BYTES:]
    if zlib.crc32(content) != int.from_bytes(crc, "little"):
        return None
    return Packet(*HEAD.unpack_from(content), content[HEAD.size :])


def _stuff(body: bytes) -> bytes:
    blocks = []
    for part in body.split(b"\0"):
        while len(part) >= BLOCK:
            blocks.append(b"\xff" + part[:BLOCK])
            part = part[BLOCK:]
        blocks.append(bytes([len(part) + 1]) + part)
    return b"".join(blocks)


def _unstuff(stuffed: bytes) -> bytes | None:
    """Return the decoded bytes, or None if a block is incomplete."""
    found, place = [], 0
    while place < len(stuffed):
        length = stuffed[place]
        end = place + length
        if end > len(stuffed):
            return None
        found.append(stuffed[place + 1 : end])
        if length <= BLOCK and end < len(stuffed):
            found.append(b"\0")
        place = end
    return b"".join(found)

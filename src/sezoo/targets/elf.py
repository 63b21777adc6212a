"""Memory of a linked program, read from its ELF file."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from sezoo.base.errors import UserError

__all__ = ["ProgramSize", "size_of"]

PROGBITS, NOBITS = 1, 8
WRITE, ALLOC = 1, 2


@dataclass(frozen=True)
class ProgramSize:
    """Bytes.

    Attributes
    ----------
    flash : code, constants, and the values that variables begin with.
    ram : variables; the stack is not among them.
    """

    flash: int
    ram: int


def size_of(path: Path) -> ProgramSize:
    """Add up the sections of a 32-bit little-endian ELF file (Tool Interface Standard, "ELF specification", 1995).

    Raises
    ------
    UserError : it is no such file.
    """
    content = path.read_bytes()
    if content[:6] != b"\x7fELF\x01\x01":
        raise UserError(f"{path} is not a 32-bit little-endian ELF file")
    (table,) = struct.unpack_from("<I", content, 32)
    entry, count = struct.unpack_from("<HH", content, 46)
    flash = ram = 0
    for index in range(count):
        _, kind, flags, _, _, size = struct.unpack_from("<6I", content, table + index * entry)
        if flags & ALLOC:
            flash += size if kind != NOBITS else 0
            ram += size if flags & WRITE else 0
    return ProgramSize(flash, ram)

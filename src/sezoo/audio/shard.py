"""Recordings in WebDataset tar files; the path of a member is that of its tar file plus its name."""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO, NamedTuple

__all__ = ["SHARD", "Member", "ShardError", "member_of", "members_of"]

SHARD = ".tar"
"""The ending of such a file."""

CUT_OFF = "it is cut off: it ends in the middle of a member"


class ShardError(Exception):
    """A tar file that cannot be read; the message is the reason."""


class MemberLocation(NamedTuple):
    """Location of a member's bytes in its tar file."""

    offset: int
    size: int


@dataclass(frozen=True)
class Member:
    """A member that has been read, with the interface of a file's path.

    Attributes
    ----------
    path : of the tar file, with the member's name behind it.
    """

    path: Path
    content: bytes

    @property
    def suffix(self) -> str:
        """File extension of the member."""
        return self.path.suffix

    def is_file(self) -> bool:
        """Return True: a member that was read is a file."""
        return True

    def stat(self) -> SimpleNamespace:
        """Its size."""
        return SimpleNamespace(st_size=len(self.content))

    def open(self, mode: str) -> BinaryIO:
        """Its bytes, for reading."""
        return io.BytesIO(self.content)

    def read_bytes(self) -> bytes:
        """All of them."""
        return self.content


def members_of(shard: Path) -> dict[str, MemberLocation]:
    """The files in a tar file by their names, in its order.

    They are found by its headers alone, one after the other; the bytes themselves are sought later.

    Raises
    ------
    ShardError : no tar file, a compressed one, or one that is cut off.
    """
    try:
        facts = shard.stat()
        return _members(shard, facts.st_size, facts.st_mtime_ns)
    except OSError as error:
        raise ShardError(f"it cannot be read: {error.strerror or error}") from error


@lru_cache(maxsize=4096)
def _members(shard: Path, size: int, changed: int) -> dict[str, MemberLocation]:
    with shard.open("rb") as file:
        if file.read(2) == b"\x1f\x8b":
            raise ShardError("it is compressed, and nothing in it can be sought; unpack it with gunzip")
    try:
        with tarfile.open(shard, "r:") as tar:
            found = {each.name: MemberLocation(each.offset_data, each.size) for each in tar if each.isreg()}
            end = tar.offset
    except (tarfile.TarError, EOFError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ShardError(CUT_OFF if "unexpected end" in reason else f"not a tar file ({reason})") from error
    if size < end or any(place.offset + place.size > size for place in found.values()):
        raise ShardError(CUT_OFF)
    return found


def member_of(path: Path) -> Member | None:
    """The member of a tar file that a path leads to; None for a path that leads into none.

    Raises
    ------
    ShardError : the tar file cannot be read.
    FileNotFoundError : it has no such member.
    """
    shard = next((folder for folder in path.parents if folder.suffix == SHARD and folder.is_file()), None)
    if shard is None:
        return None
    place = members_of(shard).get(path.relative_to(shard).as_posix())
    if place is None:
        raise FileNotFoundError(path)
    with shard.open("rb") as file:
        file.seek(place.offset)
        return Member(path, file.read(place.size))

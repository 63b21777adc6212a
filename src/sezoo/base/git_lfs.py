"""Detect Git LFS pointer files: text files that stand in for content that has not been fetched."""

from __future__ import annotations

from pathlib import Path

__all__ = ["LFS_POINTER", "is_lfs_pointer"]

MAGIC = b"version https://git-lfs.github.com/spec/"

LFS_POINTER = "it is a Git LFS pointer, not the file itself; `git lfs pull` fetches it"
"""What to say of one."""


def is_lfs_pointer(path: Path) -> bool:
    """Return whether a file is a Git LFS pointer.

    Raises
    ------
    OSError : it cannot be read.
    """
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC

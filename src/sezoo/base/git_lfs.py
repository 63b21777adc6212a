"""Files that Git LFS has not fetched: what is there is a text that names them."""

from __future__ import annotations

from pathlib import Path

__all__ = ["LFS_POINTER", "is_lfs_pointer"]

MAGIC = b"version https://git-lfs.github.com/spec/"

LFS_POINTER = "it is a Git LFS pointer, not the file itself; `git lfs pull` fetches it"
"""What to say of one."""


def is_lfs_pointer(path: Path) -> bool:
    """Whether a file is such a text.

    Raises
    ------
    OSError : it cannot be read.
    """
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC

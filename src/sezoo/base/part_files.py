"""Temporary paths for atomic writes, and the removal of those that terminated processes left behind."""

from __future__ import annotations

import logging
import os
import re
import shutil
import time
import zlib
from contextlib import suppress
from functools import cache
from itertools import count
from pathlib import Path

__all__ = ["is_gone", "owner", "part_path", "remove_leftovers"]

log = logging.getLogger(__name__)

OWNER = re.compile(r"(?P<place>[0-9a-f]{8})-(?P<pid>\d+)-(?P<process>[0-9a-f]{8})")
NAME = re.compile(rf"\..*\.(?P<owner>{OWNER.pattern})-\d+\.part(\..*)?", re.DOTALL)
LONGEST_STEM = 40
"""Characters of the name that are kept: a target's name may be as long as the file system allows."""

ABANDONED_SECONDS = 24 * 3600
"""Without a change, after which nobody is writing any more where that cannot be known otherwise."""

_process = os.urandom(4).hex()
_numbers = count()
_cleaned: set[Path] = set()


def owner() -> str:
    """Return an identifier of this process, unique across machines and containers."""
    return f"{_process_namespace()}-{os.getpid()}-{_process}"


def is_gone(other: str, path: Path) -> bool:
    """Whether the process with that `owner` has ended.

    A process number means something among the processes of one system or container only, and is given to a new
    process after some time: where it may still be running it has ended if nothing has changed in `path`, a file or
    folder of its, for a day.
    """
    found = OWNER.fullmatch(other)
    if found is None or found["process"] == _process:
        return False
    if found["place"] == _process_namespace():
        pid = int(found["pid"])
        if pid == os.getpid() or not _is_running(pid):
            return True
    return time.time() - _last_change(path) > ABANDONED_SECONDS


def part_path(path: Path) -> Path:
    """A path beside `path` that no other process, thread, container or machine uses, with the same ending."""
    return path.with_name(f".{path.stem[:LONGEST_STEM]}.{owner()}-{next(_numbers)}.part{path.suffix}")


def remove_leftovers(folder: Path, *, again: bool = False) -> None:
    """Remove files of `part_path` that terminated processes have left in a folder.

    It is done once per process and folder, unless it is asked for `again`: after workers of our own were ended.
    """
    if folder in _cleaned and not again:
        return
    _cleaned.add(folder)
    with suppress(OSError):  # a folder that is not there yet
        for path in folder.iterdir():
            part = NAME.fullmatch(path.name)
            if part is not None and is_gone(part["owner"], path):
                # Of our own workers, after Ctrl-C, it is no news.
                level = logging.DEBUG if again else logging.INFO
                log.log(level, "removed %s, left by a process that was terminated", path.name)
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def _is_running(pid: int) -> bool:
    """Return whether a process of that number may exist."""
    if os.name != "posix":  # Windows would send it a signal
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # somebody else's
        pass
    return True


def _last_change(path: Path) -> float:
    return max(each.lstat().st_mtime for each in (path, *path.rglob("*")))


@cache
def _process_namespace() -> str:
    """Return what process numbers are unique in: this boot of this system, and the container in it."""
    import platform  # takes longer to import than all the rest here

    facts = [platform.node()]
    with suppress(OSError):
        facts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8"))
    with suppress(OSError):
        facts.append(str(Path("/proc/self/ns/pid").readlink()))
    return f"{zlib.crc32(chr(10).join(facts).encode()):08x}"

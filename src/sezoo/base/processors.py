"""Number of processors that this process may use, by the system, its affinity and the container's quota."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path, PurePosixPath

__all__ = ["MOST_PROCESSES", "available_processors"]

MOST_PROCESSES = 61 if sys.platform == "win32" else sys.maxsize
"""Worker processes that one pool can have: Windows waits for no more handles at once (`ProcessPoolExecutor`)."""

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")


def available_processors() -> int:
    """Number of processors that this process may use, at least 1.

    The smallest of three counts: those of the system (or what ``PYTHON_CPU_COUNT`` says in their place, as it does for
    Python itself from 3.13 on), those that the process is pinned to, and the CPU quota of its control group, which
    is how a container is given two processors of 64; a part of one counts as one.
    """
    given = os.environ.get("PYTHON_CPU_COUNT", "")
    counts = [int(given) if given.isdecimal() and int(given) else os.cpu_count() or 1]
    if hasattr(os, "sched_getaffinity"):  # not on Windows and macOS
        counts.append(len(os.sched_getaffinity(0)))
    if (quota := _quota()) is not None:
        counts.append(math.ceil(quota))
    return max(1, min(counts))


def _quota() -> float | None:
    """Processors that the control groups of this process may use, versions 1 and 2; None where nothing limits them."""
    try:
        lines = OWN_CGROUP.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):  # no Linux
        return None
    quotas = []
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            quotas += [_quota_v2(folder) for folder in _with_parents(CGROUPS, path)]
        elif "cpu" in controllers.split(","):
            for mount in {controllers, "cpu"}:
                quotas += [_quota_v1(folder) for folder in _with_parents(CGROUPS / mount, path)]
    return min((quota for quota in quotas if quota is not None), default=None)


def _with_parents(root: Path, path: str) -> list[Path]:
    """The folder of a control group and of those it is in, each of which may limit it.

    A container may see the path that its group has outside of it, and its own group as the root: folders that are
    not there limit nothing.
    """
    parts = [part for part in PurePosixPath(path).parts if part not in ("/", "..")]
    return [root.joinpath(*parts[:length]) for length in range(len(parts) + 1)]


def _quota_v2(folder: Path) -> float | None:
    quota, period = [*_words(folder / "cpu.max"), "max", "max"][:2]
    return _share(quota, period)


def _quota_v1(folder: Path) -> float | None:
    quota, period = ([*_words(folder / f"cpu.cfs_{name}_us"), "-1"][0] for name in ("quota", "period"))
    return _share(quota, period)


def _words(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError):
        return []


def _share(quota: str, period: str) -> float | None:
    """Convert a quota and a period in microseconds to processors; "max" and -1 mean no limit."""
    if not (quota.isdecimal() and period.isdecimal()) or not int(quota) or not int(period):
        return None
    return int(quota) / int(period)

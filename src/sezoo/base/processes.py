"""Rank of this process when `torchrun` has started several for one training.

The first of them is the run: it has the folder, the log, the validation and the later services of a chain. The
others help it to train, and leave nothing behind.
"""

from __future__ import annotations

import os

__all__ = ["is_helper", "local_rank", "process_count", "rank"]

STARTED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""The environment variables that `torchrun` sets, and that a process group is made from."""


def process_count() -> int:
    """Number of processes that train together, on all machines; 1 without `torchrun`."""
    return _number("WORLD_SIZE", 1)


def rank() -> int:
    """Rank of this process, from 0."""
    return _number("RANK", 0)


def local_rank() -> int:
    """Rank of this process on this machine, which is the index of its GPU."""
    return _number("LOCAL_RANK", rank())


def is_helper() -> bool:
    """Return whether this process is not rank 0, which owns the run."""
    return rank() > 0


def _number(variable: str, default: int) -> int:
    started = all(name in os.environ for name in STARTED)
    return int(os.environ.get(variable, default)) if started else default

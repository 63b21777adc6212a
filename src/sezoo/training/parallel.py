"""Training in several processes: their shared state, and the tasks of only the first one."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
import torch.distributed
from torch import nn

from sezoo.base import processes
from sezoo.base.errors import UserError

__all__ = ["Parallel", "is_lost_connection", "parallel"]

T = TypeVar("T")

LONGEST_WAIT = datetime.timedelta(hours=2)
"""For the first process, which validates and writes while the others wait."""


class Parallel:
    """The processes of a training; this base class is a single process.

    Attributes
    ----------
    count : of the processes.
    rank : of this one.
    """

    count, rank = 1, 0

    @property
    def is_first(self) -> bool:
        """Whether this process validates, writes files and logs."""
        return self.rank == 0

    def wrapped(self, network: nn.Module) -> nn.Module:
        """The network to train with: its gradients are the means of all processes'."""
        return network

    def mean(self, value: float) -> float:
        """The mean of all processes' values."""
        return value

    def across(self, count: torch.Tensor) -> torch.Tensor:
        """The mean of all processes' tensors, which has no gradient."""
        return count

    def from_first(self, make: Callable[[], T]) -> T:
        """Call `make` in the first process only, and return its result in all processes."""
        return make()

    def check_alike(self, what: str, found: str) -> None:
        """Check that all processes have found the same.

        Parameters
        ----------
        what : they have looked at, for the message.
        found : in words.

        Raises
        ------
        UserError : in all processes, if one has found something else than the first one.
        """


class _Several(Parallel):
    """Processes of a `torch.distributed` group."""

    def __init__(self, device: torch.device):
        self.count, self.rank, self.device = processes.process_count(), processes.rank(), device

    def wrapped(self, network: nn.Module) -> nn.Module:
        devices = [self.device] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(network, device_ids=devices)

    def mean(self, value: float) -> float:
        summed = torch.tensor(value, dtype=torch.float64, device=self.device)
        torch.distributed.all_reduce(summed)
        return summed.item() / self.count

    def across(self, count: torch.Tensor) -> torch.Tensor:
        summed = count.detach().clone()
        torch.distributed.all_reduce(summed)
        return summed / self.count

    def from_first(self, make: Callable[[], T]) -> T:
        things = [make() if self.is_first else None]
        torch.distributed.broadcast_object_list(things, src=0, device=self.device)
        return things[0]

    def check_alike(self, what: str, found: str) -> None:
        every = [""] * self.count
        torch.distributed.all_gather_object(every, found)
        other = next((rank for rank, theirs in enumerate(every) if theirs != every[0]), None)
        if other is not None:
            raise UserError(
                f"{what}: process {other} of {self.count} has {every[other]}, process 0 has {every[0]}; processes that "
                "train together need the same on every machine"
            )


@contextmanager
def parallel(device: torch.device) -> Iterator[Parallel]:
    """Join the processes that `torchrun` has started for this training, if it has.

    Parameters
    ----------
    device : of this process: GPUs talk over NCCL, CPUs over Gloo.

    Raises
    ------
    UserError : another process has ended before its time.
    """
    if processes.process_count() == 1:
        yield Parallel()
        return
    backend = "nccl" if device.type == "cuda" else "gloo"
    torch.distributed.init_process_group(backend, timeout=LONGEST_WAIT)
    try:
        yield _Several(device)
    except RuntimeError as error:
        if not is_lost_connection(error):
            raise
        raise UserError(
            f"process {processes.rank()} of {processes.process_count()} has lost the others: one of them has ended, "
            "and said why if it could"
        ) from error
    finally:
        torch.distributed.destroy_process_group()


def is_lost_connection(error: Exception) -> bool:
    """Return whether an error is caused by the loss of another process of the training."""
    # Gloo's errors are of no class of their own.
    words = str(error).lower()
    gone = isinstance(error, RuntimeError) and any(name in words for name in ("gloo", "connection"))
    return processes.process_count() > 1 and (isinstance(error, torch.distributed.DistError) or gone)

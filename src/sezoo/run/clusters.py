"""Executors of clusters, Dask's and Ray's, in the sense of `concurrent.futures`."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import Any, TypeVar

from sezoo.base.errors import UserError
from sezoo.base.foreign_text import to_one_line

__all__ = ["KEY", "dask_executor", "lost_errors", "ray_executor"]

KEY = "general.executor"
SECONDS_TO_CONNECT = 10

Result = TypeVar("Result")


@contextmanager
def dask_executor(address: str) -> Iterator[tuple[Executor, int]]:
    """The executor of a Dask scheduler, and how many processes it has."""
    try:
        from distributed import Client
    except ImportError as error:
        raise UserError(f"{KEY}: dask needs a package: pip install 'sezoo[dask]'") from error
    try:
        client = Client(address, timeout=SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UserError(f"{KEY}: no Dask scheduler answers at {to_one_line(address)}") from error
    with client, client.get_executor(pure=False, retries=0) as pool:
        yield pool, max(1, sum(client.nthreads().values()))


class _RayExecutor(Executor):
    """Ray's tasks as an executor."""

    def __init__(self, ray: Any):
        self._do = ray.remote(_call)

    def submit(self, fn: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Future[Result]:
        """A task on the cluster."""
        return self._do.remote(fn, args, kwargs).future()


def _call(function: Callable[..., Result], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Result:
    return function(*args, **kwargs)


@contextmanager
def ray_executor(address: str) -> Iterator[tuple[Executor, int]]:
    """An executor of Ray, and how many processes it has."""
    try:
        import ray
    except ImportError as error:
        raise UserError(f"{KEY}: ray needs a package: pip install 'sezoo[ray]'") from error
    is_ours = not ray.is_initialized()
    try:
        if is_ours:
            _check_answers(address)
            ray.init(address or None, log_to_driver=False, configure_logging=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"{KEY}: no Ray cluster answers at {to_one_line(address)}") from error
    try:
        yield _RayExecutor(ray), max(1, int(ray.cluster_resources().get("CPU", 1)))
    finally:
        if is_ours:
            ray.shutdown()


def _check_answers(address: str) -> None:
    """Check that somebody listens at HOST:PORT; Ray itself would try for many minutes.

    Raises
    ------
    OSError : nobody does.
    """
    host, _, port = address.rpartition("//")[2].rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), SECONDS_TO_CONNECT).close()


def lost_errors(name: str) -> tuple[type[BaseException], ...]:
    """What a cluster's library raises when workers or the scheduler are gone."""
    kind = name.partition(":")[0]
    if kind == "dask":
        from distributed import KilledWorker
        from distributed.client import FutureCancelledError
        from distributed.comm import CommClosedError

        return KilledWorker, FutureCancelledError, CommClosedError
    if kind == "ray":
        from ray.exceptions import NodeDiedError, RaySystemError, TaskCancelledError, WorkerCrashedError

        return NodeDiedError, RaySystemError, TaskCancelledError, WorkerCrashedError
    return ()

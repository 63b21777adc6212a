"""Executors of clusters, Dask's, Ray's or a user's own, in the sense of `concurrent.futures`."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from sezoo.base.errors import UserError
from sezoo.base.foreign_text import to_one_line
from sezoo.base.processors import available_processors
from sezoo.base.user_code import exception_line, load_object

__all__ = ["KEY", "Cluster", "lost_errors", "open_executor"]

KEY = "general.executor"
SECONDS_TO_CONNECT = 10

log = logging.getLogger(__name__)

Result = TypeVar("Result")


@dataclass(frozen=True)
class Cluster:
    """An executor, how many workers it has, and what sends them something that many tasks need."""

    pool: Executor
    workers: int
    send: Callable[[bytes], Any]


def _as_it_is(packed: bytes) -> bytes:
    """Sent with every task."""
    return packed


@contextmanager
def open_executor(name: str) -> Iterator[Cluster]:
    """The executor of a name: `dask:ADDRESS`, `ray`, `ray:ADDRESS` or `module:function`.

    Raises
    ------
    UserError : a package that is not installed, a scheduler that does not answer, a function that is not there.
    """
    kind, _, address = name.partition(":")
    opened = {"dask": _dask_executor, "ray": _ray_executor}.get(kind)
    with opened(address) if opened else _of_function(name) as found:
        yield found


@contextmanager
def _of_function(name: str) -> Iterator[Cluster]:
    function = load_object(name, KEY, "function")
    try:
        made = function()
    except (Exception, SystemExit) as error:  # the user's own code
        raise UserError(f"{KEY}: {to_one_line(name)}: {exception_line(error)}") from error
    if not isinstance(made, Executor):
        raise UserError(
            f"{KEY}: {to_one_line(name)} gives no executor of concurrent.futures, but {type(made).__name__}"
        )
    try:
        pool = made.__enter__()
    except (Exception, SystemExit) as error:
        raise UserError(f"{KEY}: {to_one_line(name)} cannot be entered: {exception_line(error)}") from error
    workers = getattr(pool, "_max_workers", None)
    try:
        yield Cluster(pool, workers if isinstance(workers, int) and workers > 0 else available_processors(), _as_it_is)
    finally:
        try:
            made.__exit__(None, None, None)
        except (Exception, SystemExit) as error:  # all that it had to do is done
            log.warning("%s: %s cannot be closed: %s", KEY, to_one_line(name), exception_line(error))


@contextmanager
def _dask_executor(address: str) -> Iterator[Cluster]:
    """The executor of a Dask scheduler."""
    try:
        from distributed import Client
    except ImportError as error:
        raise UserError(f"{KEY}: dask needs a package: pip install 'sezoo[dask]'") from error
    try:
        client = Client(address, timeout=SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UserError(f"{KEY}: no Dask scheduler answers at {to_one_line(address)}") from error
    with _silent_logs(), client, client.get_executor(pure=False, retries=0) as pool:
        threads = sum(client.nthreads().values())  # none yet, where the cluster grows with its tasks
        yield Cluster(pool, max(1, threads), partial(client.scatter, broadcast=True) if threads else _as_it_is)


@contextmanager
def _silent_logs() -> Iterator[None]:
    """Suppress tracebacks of Dask and tornado on the terminal; errors are raised and reported in one line."""
    loggers = [
        logging.getLogger(name) for name in ("distributed", "distributed.client", "tornado", "tornado.application")
    ]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


class _RayExecutor(Executor):
    """Ray's tasks as an executor."""

    def __init__(self, ray: Any):
        self._do = ray.remote(_call)

    def submit(self, fn: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Future[Result]:
        """A task on the cluster."""
        return self._do.remote(fn, *args, **kwargs).future()


def _call(function: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
    return function(*args, **kwargs)


@contextmanager
def _ray_executor(address: str) -> Iterator[Cluster]:
    """An executor of Ray."""
    try:
        import ray
    except ImportError as error:
        raise UserError(f"{KEY}: ray needs a package: pip install 'sezoo[ray]'") from error
    is_ours = not ray.is_initialized()
    if is_ours:
        where = (
            f"no Ray cluster answers at {to_one_line(address)}" if address else "no Ray cluster could be started here"
        )
        try:
            _check_answers(address)
            ray.init(address or None, log_to_driver=False, configure_logging=False)
        except Exception as error:  # Ray raises nothing more special for a node that does not start in time
            raise UserError(f"{KEY}: {where} ({to_one_line(str(error)) or type(error).__name__})") from error
    try:
        yield Cluster(_RayExecutor(ray), max(1, int(ray.cluster_resources().get("CPU", 1))), ray.put)
    finally:
        if is_ours:
            ray.shutdown()


def _check_answers(address: str) -> None:
    """Check that a server listens at HOST:PORT; Ray itself would try for many minutes.

    Raises
    ------
    OSError : nobody does.
    """
    host, _, port = address.rpartition("//")[2].rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), SECONDS_TO_CONNECT).close()


def lost_errors(name: str) -> tuple[type[BaseException], ...]:
    """Return the exceptions of a cluster's library for lost workers or a lost scheduler."""
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

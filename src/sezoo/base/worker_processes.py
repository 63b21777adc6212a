"""Start worker processes. Nothing heavy is imported here, so that they can be started first."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext

from sezoo.base.quiet_start import quiet_context

__all__ = ["follow_parent", "preload_fork_server", "worker_context"]

THREAD_COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
"""A worker has one thread: more of them would only wait for each other."""


@contextmanager
def worker_context(preload: Sequence[str]) -> Iterator[BaseContext]:
    """Multiprocessing context in which workers use one thread each.

    A fork server where there is one: libraries are loaded once, and no thread of ours is forked. Else spawn.

    Parameters
    ----------
    preload : modules that the fork server loads.
    """
    with _single_thread():
        context = _context(preload)
        _ensure_server(context)
        yield context


def preload_fork_server(preload: Sequence[str]) -> None:
    """Let the fork server load its libraries while this process loads its own."""
    with _single_thread():
        _ensure_server(_context(preload))


def follow_parent(until_closed: Connection | None = None) -> None:
    """Call in a worker: ignore Ctrl-C, which the main process handles, and exit when the main process ends.

    Parameters
    ----------
    until_closed : the other end of what the main process closes when nobody waits for the work any more.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(until_closed,), daemon=True).start()


def _end_with_parent(until_closed: Connection | None) -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel] if until_closed is None else [parent.sentinel, until_closed])
        os._exit(1)


def _ensure_server(context: BaseContext) -> None:
    """Start the fork server, where there is one, so that Ctrl-C while it loads its libraries is not its business."""
    if context.get_start_method() != "forkserver":
        return
    from multiprocessing.forkserver import ensure_running

    if threading.current_thread() is not threading.main_thread():  # others may not touch signals
        ensure_running()
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)  # is inherited
    try:
        ensure_running()
    finally:
        signal.signal(signal.SIGINT, handler)


def _context(preload: Sequence[str]) -> BaseContext:
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return quiet_context("spawn")
    context = quiet_context("forkserver")
    context.set_forkserver_preload(list(preload))
    return context


@contextmanager
def _single_thread() -> Iterator[None]:
    """Let processes that are started in this context use one thread for linear algebra."""
    before = {name: os.environ.get(name) for name in THREAD_COUNTS}
    os.environ.update(dict.fromkeys(THREAD_COUNTS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value

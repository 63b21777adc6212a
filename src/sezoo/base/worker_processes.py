"""How worker processes are started. It imports nothing heavy, so that they can be started before anything else is."""

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

__all__ = ["follow_parent", "start_early", "worker_context"]

THREAD_COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
"""A worker has one thread: more of them would only wait for each other."""


@contextmanager
def worker_context(preload: Sequence[str]) -> Iterator[BaseContext]:
    """What to start workers with, which get one thread each as long as this context lasts.

    A fork server where there is one: libraries are loaded once, and no thread of ours is forked. Else spawn.

    Parameters
    ----------
    preload : modules that the fork server loads.
    """
    with _one_thread_each():
        context = _context(preload)
        _ensure_server(context)
        yield context


def start_early(preload: Sequence[str]) -> None:
    """Let the fork server, where there is one, load its libraries while this process loads its own."""
    with _one_thread_each():
        _ensure_server(_context(preload))


def follow_parent(until_closed: Connection | None = None) -> None:
    """In a worker: leave Ctrl-C to the main process, and end with it when it is killed, not wait for it for ever.

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
def _one_thread_each() -> Iterator[None]:
    """Processes that are started meanwhile use one thread for linear algebra."""
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

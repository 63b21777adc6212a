"""Executors of work on many clips: this machine, a Dask or Ray cluster, or a user's executor.

All of them are one thing to the rest, an executor in the sense of `concurrent.futures` that takes a task and gives a
future, and so are their results: the same ones, whatever did the work.
"""

from __future__ import annotations

import hashlib
import logging
import pickle
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, Generic, TypeVar

from sezoo.base.errors import UserError
from sezoo.base.foreign_text import to_one_line
from sezoo.base.interrupts import defer_interrupts
from sezoo.base.processors import MOST_PROCESSES, available_processors
from sezoo.base.user_code import exception_line
from sezoo.base.worker_processes import follow_parent, worker_context
from sezoo.run.clusters import KEY, Cluster, lost_errors, open_executor

__all__ = ["KEY", "LOCAL", "ConnectionLostError", "Result", "Work", "results_of"]

LOCAL = "local"

IN_FLIGHT = 4
"""Tasks for each worker that are handed over at a time: all of 100,000 at once would take the memory for them."""

IN_FLIGHT_HERE = 2
"""The same for threads of this process, which wait for nothing but the next task."""

MOST_IN_TASK, TASKS_PER_WORKER = 8, 64
"""Items of a cluster's task: several where there are many, as a scheduler takes about 4 ms for each task."""

SENT_ONCE_BYTES = 2**20
"""From here on, what the work needs is sent to a cluster once and not with every task."""

log = logging.getLogger(__name__)

Shared = TypeVar("Shared")
Item = TypeVar("Item")
Result = TypeVar("Result")


class ConnectionLostError(UserError):
    """Workers or their scheduler are lost."""


@dataclass(frozen=True)
class Work(Generic[Shared, Item, Result]):
    """The function applied to each item.

    Attributes
    ----------
    prepare : a function of a module: from `shared` to the function that does one item. It is called once in each
        worker, with the first item, where what it raises finds its way back.
    shared : what it needs, models by their paths for example; it has to be fit for pickle.
    """

    prepare: Callable[[Shared], Callable[[Item], Result]]
    shared: Shared


def results_of(
    work: Work[Shared, Item, Result],
    items: Sequence[Item],
    *,
    executor: str = LOCAL,
    workers: int | None = None,
    workers_key: str = "the number of workers",
    preload: Sequence[str] = (),
    in_threads: bool = False,
    in_order: bool = False,
) -> Iterator[tuple[int, Result]]:
    """Do work on items, and give the results in the order in which they are ready, or in that of the items.

    Parameters
    ----------
    items : each has to be fit for pickle; those that take longest first, unless `in_order`.
    executor : `local`, `dask:ADDRESS`, `ray`, `ray:ADDRESS`, or `module:function` of a function that gives an executor
        of `concurrent.futures`. Workers elsewhere read the same paths: models and recordings in a shared folder.
    workers : processes of this machine; None for one a processor that may be used. With one, all is done here.
    workers_key : of the configuration, which says how many.
    preload : modules that local workers need, loaded once for all of them where the system allows it.
    in_threads : local workers are threads of this process, which start at once, on every system: for work that lets
        other threads run most of the time, as onnxruntime, libsndfile and numpy's transforms do.
    in_order : give the results in the order of the items; no more of them wait than are handed over at a time.

    Yields
    ------
    index, result : of an item in `items`.

    Raises
    ------
    ConnectionLostError : a worker was killed, the scheduler is gone.
    UserError : the executor cannot be had; or what the work raised.
    """
    if executor == LOCAL:
        count = min(workers or available_processors(), len(items), MOST_PROCESSES)
        if count <= 1:
            do = work.prepare(work.shared)
            yield from ((index, do(item)) for index, item in enumerate(items))
            return
        local = _in_threads if in_threads else partial(_in_processes, workers_key=workers_key, preload=preload)
        yield from local(work, items, count, in_order=in_order)
        return
    packed = pickle.dumps((work.prepare, work.shared))
    digest = hashlib.sha256(packed).hexdigest()
    with open_executor(executor) as cluster:
        try:
            sent = cluster.send(packed) if len(packed) >= SENT_ONCE_BYTES else packed
            submit, ahead = partial(_submitted, cluster, digest, sent), IN_FLIGHT * cluster.workers
            size = min(MOST_IN_TASK, max(1, len(items) // (TASKS_PER_WORKER * cluster.workers)))
            tasks = [items[start : start + size] for start in range(0, len(items), size)]
            for index, done in _results(submit, tasks, ahead, in_order=in_order):
                if not isinstance(done, _Done):
                    raise UserError(
                        f"{KEY}: {to_one_line(executor)}: a task has given {type(done).__name__}, not its result"
                    )
                yield from enumerate(done.results, index * size)
        except (BrokenExecutor, CancelledError, OSError, *lost_errors(executor)) as error:
            if isinstance(error, OSError) and error.filename is not None:
                raise  # a file's, and no connection's
            reason = to_one_line(str(error)) or type(error).__name__
            raise ConnectionLostError(f"{KEY}: {executor}: workers or their scheduler were lost ({reason})") from error


def _submitted(cluster: Cluster, digest: str, sent: Any, items: Any) -> Future[Any]:
    try:
        future = cluster.pool.submit(_do, digest, sent, items)
    except UserError:  # of a task that was done at once
        raise
    except RuntimeError as error:  # as executors of Python raise it that have been shut down
        raise BrokenExecutor(str(error)) from error
    except (Exception, SystemExit) as error:  # the user's own code, or a cluster's
        raise BrokenExecutor(exception_line(error)) from error
    if not isinstance(future, Future):
        raise UserError(f"{KEY}: submit of {type(cluster.pool).__name__} gives no future, but {type(future).__name__}")
    return future


def _results(
    submit: Callable[[Item], Future[Result]], items: Sequence[Item], ahead: int, *, in_order: bool
) -> Iterator[tuple[int, Result]]:
    """Results as they come or in order, with at most `ahead` tasks submitted at a time."""
    todo = iter(enumerate(items))
    running: dict[Future[Result], int] = {}
    try:
        while True:
            while len(running) < ahead and (task := next(todo, None)) is not None:
                running[submit(task[1])] = task[0]
            if not running:
                return
            first = [next(iter(running))]  # a dictionary keeps the order
            for future in first if in_order else wait(running, return_when=FIRST_COMPLETED).done:
                result = future.result()
                yield running.pop(future), result
                del future, result  # it may be large, and the next one is waited for here
    finally:
        for future in running:
            future.cancel()


# -- threads and processes of this machine ---------------------------------------------------------------


def _in_threads(
    work: Work[Shared, Item, Result], items: Sequence[Item], workers: int, *, in_order: bool
) -> Iterator[tuple[int, Result]]:
    do = work.prepare(work.shared)
    pool = ThreadPoolExecutor(workers)
    results = _results(partial(pool.submit, do), items, IN_FLIGHT_HERE * workers, in_order=in_order)
    try:
        yield from results
    finally:
        results.close()
        pool.shutdown(cancel_futures=True)


def _in_processes(
    work: Work[Shared, Item, Result],
    items: Sequence[Item],
    workers: int,
    *,
    in_order: bool,
    workers_key: str,
    preload: Sequence[str],
) -> Iterator[tuple[int, Result]]:
    with worker_context(preload) as context:
        until_closed, stop = context.Pipe(duplex=False)
        pool = ProcessPoolExecutor(workers, context, _begin, (work.prepare, work.shared, until_closed))
        submit = partial(pool.submit, _do_prepared)
        results = _results(submit, items, IN_FLIGHT * workers, in_order=in_order)
        try:
            with defer_interrupts():  # a worker that is half started would print what it misses
                pool.submit(_noop)  # starts them all
            yield from results
        except (GeneratorExit, KeyboardInterrupt):
            stop.close()  # nobody waits for what is being done
            raise
        except BrokenExecutor as error:
            raise ConnectionLostError(
                f"a worker process was ended from outside before all was done (is there enough memory? {workers_key}: "
                f"{max(1, workers // 2)} needs less)"
            ) from error
        finally:
            results.close()
            pool.shutdown(cancel_futures=True)


_done_here: Callable[[Any], Any] | None = None
_to_prepare: tuple[Callable[[Any], Callable[[Any], Any]], Any] | None = None


def _noop() -> None:
    """A task that starts the workers."""


def _begin(prepare: Callable[[Any], Callable[[Any], Any]], shared: Any, until_closed: Connection) -> None:
    """Set a worker up. What the work needs is loaded with the first item, where an error finds its way back."""
    global _to_prepare
    follow_parent(until_closed)
    _to_prepare = prepare, shared


def _do_prepared(item: Any) -> Any:
    global _done_here
    if _done_here is None:
        prepare, shared = _to_prepare
        _done_here = prepare(shared)
    return _done_here(item)


# -- elsewhere -------------------------------------------------------------------------------------------

_prepared: dict[str, Callable[[Any], Any]] = {}
_preparing = threading.Lock()


@dataclass(frozen=True)
class _Done:
    """Results of a task, which distinguishes them from other objects."""

    results: list[Any]


def _do(digest: str, packed: bytes, items: Sequence[Any]) -> _Done:
    """Do some items, in whichever process and thread; what was prepared last is kept."""
    with _preparing:
        if digest not in _prepared:
            prepare, shared = pickle.loads(packed)  # our own, from the process that submits
            _prepared.clear()
            _prepared[digest] = prepare(shared)
        do = _prepared[digest]
    return _Done([do(item) for item in items])

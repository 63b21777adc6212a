"""Where work on many clips is done: processes of this machine, a Dask or Ray cluster, or a user's own executor.

All of them are one thing to the rest, an executor in the sense of `concurrent.futures` that takes a task and gives a
future, and so are their results: the same ones, whatever did the work.
"""

from __future__ import annotations

import hashlib
import importlib
import pickle
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Generic, TypeVar

from sezoo.base.errors import UserError
from sezoo.base.foreign_text import to_one_line
from sezoo.base.interrupts import defer_interrupts
from sezoo.base.processors import MOST_PROCESSES, available_processors
from sezoo.base.worker_processes import follow_parent, worker_context
from sezoo.run.clusters import KEY, dask_executor, lost_errors, ray_executor

__all__ = ["KEY", "LOCAL", "Lost", "Result", "Work", "results_of"]


LOCAL = "local"


IN_FLIGHT = 4
"""Tasks for each worker that are handed over at a time: all of 100,000 at once would take the memory for them."""


Shared = TypeVar("Shared")


Item = TypeVar("Item")


Result = TypeVar("Result")


class Lost(UserError):  # noqa: N818 - what happened, as for the other errors of a user
    """Workers, or the scheduler that has them, are gone."""


@dataclass(frozen=True)
class Work(Generic[Shared, Item, Result]):
    """What is done with each item.

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
) -> Iterator[tuple[int, Result]]:
    """Do work on items, and give the results in the order in which they are ready.

    Parameters
    ----------
    items : those that take longest first. Each has to be fit for pickle.
    executor : `local`, `dask:ADDRESS`, `ray`, `ray:ADDRESS`, or `module:function` of a function that gives an executor
        of `concurrent.futures`. Workers elsewhere read the same paths: models and recordings in a shared folder.
    workers : processes of this machine; None for one a processor that may be used. With one, all is done here.
    workers_key : of the configuration, which says how many.
    preload : modules that local workers need, loaded once for all of them where the system allows it.

    Yields
    ------
    index, result : of an item in `items`.

    Raises
    ------
    Lost : a worker was killed, the scheduler is gone.
    UserError : the executor cannot be had; or what the work raised.
    """
    if executor == LOCAL:
        count = min(workers or available_processors(), len(items), MOST_PROCESSES)
        if count <= 1:
            do = work.prepare(work.shared)
            yield from ((index, do(item)) for index, item in enumerate(items))
            return
        yield from _in_processes(work, items, count, workers_key, preload)
        return
    packed = pickle.dumps((work.prepare, work.shared))
    digest = hashlib.sha256(packed).hexdigest()
    with _opened(executor) as (pool, width):
        try:
            yield from _as_ready(lambda item: pool.submit(_do, digest, packed, item), items, width)
        except (BrokenExecutor, CancelledError, *lost_errors(executor)) as error:
            reason = to_one_line(str(error)) or type(error).__name__
            raise Lost(f"{KEY}: {executor}: workers or their scheduler were lost ({reason})") from error


def _as_ready(
    submit: Callable[[Item], Future[Result]], items: Sequence[Item], width: int
) -> Iterator[tuple[int, Result]]:
    """Results as they come, with a few tasks waiting for each of so many workers."""
    todo = iter(enumerate(items))
    running: dict[Future[Result], int] = {}
    try:
        while True:
            while len(running) < IN_FLIGHT * width and (task := next(todo, None)) is not None:
                running[submit(task[1])] = task[0]
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                index = running.pop(future)
                yield index, future.result()
    finally:
        for future in running:
            future.cancel()


def _in_processes(
    work: Work[Shared, Item, Result], items: Sequence[Item], workers: int, workers_key: str, preload: Sequence[str]
) -> Iterator[tuple[int, Result]]:
    with worker_context(preload) as context:
        until_closed, stop = context.Pipe(duplex=False)
        pool = ProcessPoolExecutor(workers, context, _begin, (work.prepare, work.shared, until_closed))
        results = _as_ready(lambda item: pool.submit(_do_prepared, item), items, workers)
        try:
            with defer_interrupts():  # a worker that is half started would print what it misses
                pool.submit(_nothing)  # starts them all
            yield from results
        except (GeneratorExit, KeyboardInterrupt):
            stop.close()  # nobody waits for what is being done
            raise
        except BrokenExecutor as error:
            raise Lost(
                f"a worker process was ended from outside before all was done (is there enough memory? {workers_key}: "
                f"{max(1, workers // 2)} needs less)"
            ) from error
        finally:
            results.close()
            pool.shutdown(cancel_futures=True)


_done_here: Callable[[Any], Any] | None = None


_to_prepare: tuple[Callable[[Any], Callable[[Any], Any]], Any] | None = None


def _nothing() -> None:
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


_prepared: dict[str, Callable[[Any], Any]] = {}


_preparing = threading.Lock()


def _do(digest: str, packed: bytes, item: Any) -> Any:
    """Do one item, in whichever process and thread; what was prepared last is kept."""
    with _preparing:
        if digest not in _prepared:
            prepare, shared = pickle.loads(packed)  # our own, from the process that submits
            _prepared.clear()
            _prepared[digest] = prepare(shared)
        do = _prepared[digest]
    return do(item)


@contextmanager
def _opened(name: str) -> Iterator[tuple[Executor, int]]:
    """The executor of that name, and how many workers it has.

    Raises
    ------
    UserError : a package that is not installed, a scheduler that does not answer, a function that is not there.
    """
    kind, _, address = name.partition(":")
    opened = {"dask": dask_executor, "ray": ray_executor}.get(kind)
    with opened(address) if opened else _of_function(name) as found:
        yield found


@contextmanager
def _of_function(name: str) -> Iterator[tuple[Executor, int]]:
    module, _, function = name.rpartition(":")
    try:
        made = getattr(importlib.import_module(module), function)()
    except (ImportError, AttributeError) as error:
        raise UserError(f"{KEY}: {to_one_line(name)}: {to_one_line(str(error))}") from error
    if not isinstance(made, Executor):
        raise UserError(
            f"{KEY}: {to_one_line(name)} gives no executor of concurrent.futures, but {type(made).__name__}"
        )
    with made as pool:
        yield pool, getattr(pool, "_max_workers", None) or available_processors()

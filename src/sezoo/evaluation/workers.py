"""Clips spread over worker processes: the same results whatever their number, and no hang whatever happens to one."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection, wait

from sezoo.audio.clip import BadClipError
from sezoo.base.errors import UserError
from sezoo.base.interrupts import interrupt_deferred
from sezoo.base.processors import MOST_PROCESSES, usable_processors
from sezoo.data.dataset import Pair
from sezoo.evaluation.scoring import ClipScorer, Scoring
from sezoo.evaluation.worker_context import worker_context
from sezoo.results.scores import ClipScores

__all__ = ["score_clips"]


def score_clips(
    scoring: Scoring, pairs: Sequence[Pair], workers: int | None
) -> Iterator[tuple[int, ClipScores | BadClipError]]:
    """Score pairs, in the order in which they are ready.

    Parameters
    ----------
    workers : processes; None for one a processor that may be used. With one, all is done here.

    Yields
    ------
    index, scores : of a pair in `pairs`; or, for a clip that cannot be used, the error that says why.

    Raises
    ------
    UserError : a model cannot be loaded or run, a worker was killed.
    """
    workers = min(workers or usable_processors(), len(pairs), MOST_PROCESSES)
    if workers == 1:
        scorer = ClipScorer(scoring)
        yield from ((index, _outcome(scorer, pair)) for index, pair in enumerate(pairs))
        return
    with worker_context(scoring.metrics) as context:
        until_closed, stop = context.Pipe(duplex=False)
        executor = ProcessPoolExecutor(workers, context, _begin, (scoring, until_closed))
        try:
            longest_first = sorted(range(len(pairs)), key=lambda index: -_size(pairs[index]))
            with interrupt_deferred():  # a worker that is half started would print what it misses
                tasks = {executor.submit(_score, pairs[index]): index for index in longest_first}
            for task in as_completed(tasks):
                yield tasks[task], task.result()
        except (GeneratorExit, KeyboardInterrupt):
            stop.close()  # nobody waits for clips that are being scored
            raise
        except BrokenProcessPool as error:
            raise UserError(
                "a worker process was ended from outside while it scored clips (is there enough memory? "
                f"evaluation.num_workers: {max(1, workers // 2)} needs less); no scores are written"
            ) from error
        finally:
            executor.shutdown(cancel_futures=True)


def _size(pair: Pair) -> int:
    try:
        return pair.noisy.stat().st_size
    except OSError:  # reading it tells
        return 0


# -- in the worker ---------------------------------------------------------------------------------------

_scoring: Scoring | None = None
_scorer: ClipScorer | None = None


def _begin(scoring: Scoring, until_closed: Connection) -> None:
    """Set a worker up. The models are loaded with the first clip, where an error finds its way back."""
    global _scoring
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process ends the run
    threading.Thread(target=_end_with_parent, args=(until_closed,), daemon=True).start()
    _scoring = scoring


def _end_with_parent(until_closed: Connection) -> None:
    """End at once when the main process says so by closing its end, or was killed: a worker would wait for ever."""
    wait([multiprocessing.parent_process().sentinel, until_closed])
    os._exit(1)


def _score(pair: Pair) -> ClipScores | BadClipError:
    global _scorer
    if _scorer is None:
        _scorer = ClipScorer(_scoring)
    return _outcome(_scorer, pair)


def _outcome(scorer: ClipScorer, pair: Pair) -> ClipScores | BadClipError:
    try:
        return scorer.score(pair)
    except BadClipError as bad:
        return bad

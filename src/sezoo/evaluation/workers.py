"""Distribution of clips over workers: scores do not depend on the workers, and a lost worker causes no hang."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from sezoo.audio.clip import BadClipError
from sezoo.data.pairs import Pair
from sezoo.denoising.function import FunctionSource
from sezoo.evaluation.preloaded import modules_to_score
from sezoo.evaluation.scoring import ClipScorer, Scoring
from sezoo.results.scores import ClipScores
from sezoo.run.executors import LOCAL, Work, results_of

__all__ = ["score_clips"]

log = logging.getLogger(__name__)


def score_clips(
    scoring: Scoring, pairs: Sequence[Pair], workers: int | None, executor: str = LOCAL
) -> Iterator[tuple[int, ClipScores | BadClipError]]:
    """Score pairs, in the order in which they are ready.

    Parameters
    ----------
    workers : processes; None for one a processor that may be used. With one, all is done here.
    executor : where, as `sezoo.run.executors` has it.

    Yields
    ------
    index, scores : of a pair in `pairs`; or, for a clip that cannot be used, the error that says why.

    Raises
    ------
    UserError : a model cannot be loaded or run, a worker was killed.
    """
    if _must_run_locally(scoring, executor):
        workers, executor = 1, LOCAL
    longest_first = sorted(range(len(pairs)), key=lambda index: -_size(pairs[index]))
    found = results_of(
        Work(_scorer, scoring),
        [pairs[index] for index in longest_first],
        executor=executor,
        workers=workers,
        workers_key="evaluation.num_workers",
        preload=modules_to_score(scoring.metrics),
    )
    try:
        for index, outcome in found:
            yield longest_first[index], outcome
    finally:
        found.close()


def _must_run_locally(scoring: Scoring, executor: str) -> bool:
    """Whether there is a function that cannot be sent to other processes."""
    for version in scoring.versions:
        if isinstance(version.source, FunctionSource) and not version.source.can_be_sent:
            message = f"{version.label} is in no module that other processes could import: one process scores"
            if executor == LOCAL:
                log.info("%s", message)
            else:
                log.warning("general.executor: %s is not used; %s", executor, message)
            return True
    return False


def _size(pair: Pair) -> int:
    try:
        return pair.noisy.stat().st_size
    except OSError:  # reading it tells
        return 0


def _scorer(scoring: Scoring) -> Callable[[Pair], ClipScores | BadClipError]:
    return partial(_outcome, ClipScorer(scoring))


def _outcome(scorer: ClipScorer, pair: Pair) -> ClipScores | BadClipError:
    try:
        return scorer.score(pair)
    except BadClipError as bad:
        return bad

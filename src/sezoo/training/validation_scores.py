"""Validation examples scored in worker processes, while the network denoises the next ones. It imports no torch."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress

import numpy as np

from sezoo.base.errors import UserError
from sezoo.base.processors import MOST_PROCESSES, available_processors
from sezoo.base.worker_processes import follow_parent, worker_context
from sezoo.metrics import MetricError, score_clip, speech_guard

__all__ = ["Clip", "Scorers"]

Clip = tuple[np.ndarray, np.ndarray, np.ndarray]
"""noisy, clean, denoised: (samples,) float32 each."""

Scores = dict[str, float]

FEW = 8
"""So few examples are scored here: workers would take longer to start."""

WAITING = 4
"""Examples for each worker that are denoised before their scores are waited for; what bounds the memory."""


class Scorers:
    """Scores clips, in processes that are started with the first ones and last until `close`.

    Parameters
    ----------
    workers : processes; None for one a processor that may be used. With one, all is done here.
    """

    def __init__(self, workers: int | None = None):
        self.workers = min(workers or available_processors(), MOST_PROCESSES)
        self.executor: ProcessPoolExecutor | None = None

    def scores(self, clips: Iterable[Clip], count: int, sample_rate: int, metrics: Sequence[str]) -> Iterator[Scores]:
        """The scores of each clip, in their order; a metric that cannot score it is not there.

        Parameters
        ----------
        clips : made one after the other, as they are asked for.
        count : of them.

        Raises
        ------
        UserError : a worker was ended from outside.
        """
        if self.workers == 1 or count <= FEW:
            yield from (_scores(clip, sample_rate, metrics) for clip in clips)
            return
        waiting: deque[Future[Scores]] = deque()
        try:
            with worker_context([__name__]) as context:  # workers are started as clips come
                if self.executor is None:
                    self.executor = ProcessPoolExecutor(min(self.workers, count), context, follow_parent)
                for clip in clips:
                    waiting.append(self.executor.submit(_scores, clip, sample_rate, metrics))
                    if len(waiting) > WAITING * self.workers:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
        except BrokenProcessPool as error:
            self.close()
            raise UserError(
                "a worker process was ended from outside while it scored validation clips (is there enough memory? "
                f"training.num_validation_workers: {max(1, self.workers // 2)} needs less)"
            ) from error

    def close(self) -> None:
        """End the processes."""
        if self.executor is not None:
            self.executor.shutdown(cancel_futures=True)
            self.executor = None


def _scores(clip: Clip, sample_rate: int, metrics: Sequence[str]) -> Scores:
    noisy, clean, made = clip
    scores, _ = score_clip(clean, made, sample_rate, tuple(metrics))
    with suppress(MetricError):  # no speech: the other clips have some
        scores = scores | speech_guard(clean, noisy, made, sample_rate)
    return scores

"""Batches of examples from worker processes; they do not depend on the number of workers."""

from __future__ import annotations

import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler, get_worker_info

from sezoo.audio.clip import BadClipError
from sezoo.base.errors import UserError
from sezoo.base.quiet_start import quiet_context
from sezoo.base.worker_processes import follow_parent
from sezoo.data.dataset import bad_clip_error
from sezoo.training.examples import ExampleSource

__all__ = ["Batch", "Loader"]

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""noisy, clean: (batch, samples) float32; lengths: (batch,) int64, in samples."""

START_METHOD = "fork" if sys.platform == "linux" else "spawn"
"""Forked workers share the recordings that are kept in memory. Elsewhere a fork is not safe, or there is none."""


class Loader:
    """Batches of examples, epoch by epoch, in an order that depends only on the seed and the epoch.

    Recordings that there is room for are decoded before the workers start, which then share them. Spawned workers
    share the room instead: each keeps what it decodes itself.

    Parameters
    ----------
    source : of the examples.
    seed : of the order.
    batch_size : examples in a batch.
    shuffle : another order in every epoch; else it is that of the source.
    strategy : pad with zeros to the longest example of a batch, or trim to the shortest.
    workers : processes that make examples; with 0 they are made here.
    share : number and count of the processes that train together. Each makes its share of every batch; a last batch
        that is too small for all of them is left out.
    drop_last : leave out a last batch that is smaller than the others.
    start_method : of the workers: fork, spawn or forkserver; None for what suits the system.

    Raises
    ------
    UserError : a recording that cannot be used.
    """

    def __init__(
        self, source: ExampleSource, *, seed: int, batch_size: int, shuffle: bool, strategy: Literal["pad", "trim"],
        workers: int, share: tuple[int, int] = (0, 1), drop_last: bool = False, start_method: str | None = None,
    ):  # fmt: skip
        self.order = _Order(len(source), batch_size, seed, shuffle=shuffle, share=share, drop_last=drop_last)
        self.workers = min(workers, len(self.order))
        start_method = (start_method or START_METHOD) if self.workers else None
        if start_method in (None, "fork"):
            _fill_memory(source)
        with warnings.catch_warnings():
            # More workers than cores are the user's choice: they may wait for a network drive.
            warnings.filterwarnings("ignore", message="This DataLoader will create")
            self.batches = DataLoader(
                _Examples(source),
                batch_sampler=self.order,
                num_workers=self.workers,
                collate_fn=partial(_batch, strategy=strategy),
                worker_init_fn=partial(_begin, workers=self.workers) if self.workers else None,
                multiprocessing_context=start_method and quiet_context(start_method),
                persistent_workers=self.workers > 0,
                generator=torch.Generator(),  # its own: the network's dropout draws from the common one
            )

    def __len__(self) -> int:
        return len(self.order)

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of an epoch.

        Raises
        ------
        UserError : a recording that cannot be used, a worker was killed.
        """
        self.order.epoch = number
        with _report_killed_workers(self.workers):
            batches = iter(self.batches)
            with _report_immediately(self.workers):
                try:
                    for batch in batches:
                        if isinstance(batch, UserError):
                            # Not `batch` itself: it would hold this frame, which holds it and the workers.
                            raise UserError(str(batch)) from batch
                        yield _tensors(*batch)
                except RuntimeError:
                    if self.workers:  # torch would tell of a dead one again, at the end of any process
                        batches._shutdown_workers()
                    raise


def _fill_memory(source: ExampleSource) -> None:
    try:
        for recordings in source.recordings:
            recordings.fill_memory()
    except BadClipError as bad:
        raise bad_clip_error(bad) from bad


class _Order(Sampler[list[tuple[int, int]]]):
    """Assignment of examples to batches, with the epoch of each example, which persistent workers do not know."""

    def __init__(
        self, count: int, batch_size: int, seed: int, *, shuffle: bool, share: tuple[int, int], drop_last: bool
    ):
        self.count, self.batch_size, self.seed = count, batch_size, seed
        self.shuffle, self.share = shuffle, share
        self.least = batch_size if drop_last else share[1]
        self.epoch = 0

    def __len__(self) -> int:
        whole, rest = divmod(self.count, self.batch_size)
        return whole + (rest >= self.least)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        random = np.random.default_rng([self.seed, self.epoch])
        indices = random.permutation(self.count) if self.shuffle else np.arange(self.count)
        for first in range(0, len(self) * self.batch_size, self.batch_size):
            batch = indices[first : first + self.batch_size]
            yield [(self.epoch, int(index)) for index in batch[self.share[0] :: self.share[1]]]


# -- in the worker ------------------------------------------------------------------------------------


class _Examples(Dataset):
    """Examples by epoch and index; one that cannot be made is the error, which torch would lose the form of."""

    def __init__(self, source: ExampleSource):
        self.source = source

    def __getitem__(self, key: tuple[int, int]) -> tuple[np.ndarray, np.ndarray] | UserError:
        try:
            return self.source.example(*key)
        except UserError as error:
            return error


def _batch(examples: Sequence[Any], strategy: str) -> tuple[np.ndarray, np.ndarray] | UserError:
    """The waveforms (2, batch, samples) and the lengths.

    They leave the worker as arrays, by its pipe. Tensors would go by shared memory, of which a container has 64 MB,
    and the error for a worker that died before its tensor was fetched would be any.
    """
    for example in examples:
        if isinstance(example, UserError):
            return example
    lengths = [len(noisy) for noisy, _ in examples]
    samples = max(lengths) if strategy == "pad" else min(lengths)
    waveforms = np.zeros((2, len(examples), samples), np.float32)
    for index, example in enumerate(examples):
        for kind, waveform in enumerate(example):
            waveforms[kind, index, : len(waveform)] = waveform[:samples]
    return waveforms, np.array([min(length, samples) for length in lengths], np.int64)


def _tensors(waveforms: np.ndarray, lengths: np.ndarray) -> Batch:
    noisy, clean = (torch.from_numpy(kind) for kind in waveforms)
    if torch.cuda.is_available():  # copied to the GPU while it works
        noisy, clean = noisy.pin_memory(), clean.pin_memory()
    return noisy, clean, torch.from_numpy(lengths)


def _begin(worker: int, workers: int) -> None:
    """Set a worker up; torch has given it one thread."""
    follow_parent()
    for memory in {recordings.memory for recordings in get_worker_info().dataset.source.recordings}:
        memory.left //= workers


# -- killed workers -----------------------------------------------------------------------------------


@contextmanager
def _report_killed_workers(workers: int) -> Iterator[None]:
    """Report torch's error for a lost worker in one line."""
    try:
        yield
    except RuntimeError as error:
        if "DataLoader worker (pid" not in str(error):
            raise
        raise UserError(
            f"a worker process was ended from outside while it read clips (is there enough memory? "
            f"training.num_dataloader_workers: {workers // 2} needs less)"
        ) from error


@contextmanager
def _report_immediately(workers: int) -> Iterator[None]:
    """Torch's signal handler, which notices a worker's end wherever the main thread is, raises our error too."""
    if not workers or not hasattr(signal, "SIGCHLD") or threading.current_thread() is not threading.main_thread():
        yield
        return
    noticed = signal.getsignal(signal.SIGCHLD)

    def tell(number: int, frame: Any) -> None:
        with _report_killed_workers(workers):
            noticed(number, frame)

    if callable(noticed):
        signal.signal(signal.SIGCHLD, tell)
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, noticed)

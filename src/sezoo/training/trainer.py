"""The loop over epochs: train, validate, note, keep; stopped at any moment, it goes on as if it had not been."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import median
from typing import Any, Protocol

import torch
from torch import nn

from sezoo.base.errors import UserError
from sezoo.base.files import atomic_write, display_path
from sezoo.base.interrupts import defer_interrupts
from sezoo.results.training import TrainingSummary, write_noisy
from sezoo.training.history import SCORE, History, Row, is_better, save_curves
from sezoo.training.learner import Batch, Learner
from sezoo.training.selection import Selection
from sezoo.training.snapshot import Snapshot, changed_names, on_cpu, random_states, save_snapshot, set_random_states
from sezoo.training.training_files import TrainingFiles

__all__ = ["Batches", "TrainedNetworks", "Trainer"]

log = logging.getLogger(__name__)


SECONDS_A_PICTURE = 30
"""The curves are drawn anew so often while the training goes on, and at its end."""


class Batches(Protocol):
    """The training examples in batches, epoch by epoch."""

    def __len__(self) -> int:
        """Number of batches per epoch."""

    def epoch(self, number: int) -> Iterable[Batch]:
        """Return the batches of an epoch."""


@dataclass(frozen=True)
class TrainedNetworks:
    """The state dicts of the last and of the best epoch; the averages, where weights are averaged."""

    last: Mapping[str, torch.Tensor]
    best: Mapping[str, torch.Tensor]
    best_epoch: int


@dataclass
class Trainer:
    """All that a training owns.

    Attributes
    ----------
    learner : the network, and what changes its weights.
    batches : of the training examples.
    validate : scores the network on the validation examples: a number, or None, by column of the history.
    settings : of the configuration, by key, that a snapshot must share with the training that resumes it.
    each_epoch : is called with the network and the row of the history of each finished epoch.
    validate_noisy : scores the validation examples as they are.
    data : what the batches are made of; a training that is resumed with other data says so.
    """

    learner: Learner
    batches: Batches
    validate: Callable[[nn.Module], Mapping[str, float | None]]
    files: TrainingFiles
    settings: dict[str, Any]
    progress: Callable[[Iterable, int, str], Iterable]
    each_epoch: Callable[[nn.Module, Mapping[str, Any]], None] = lambda network, row: None
    validate_noisy: Callable[[], Mapping[str, float | None]] = dict
    data: dict[str, Any] = field(default_factory=dict)
    history: History = field(init=False)
    best: dict[str, Any] = field(default_factory=lambda: {"epoch": 0, "value": None, "network": None})
    epoch: int = 0
    finished: Snapshot | None = None
    durations: list[float] = field(default_factory=list)
    drawn: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.training, self.parallel = self.learner.training, self.learner.parallel
        self.selection = Selection.of(self.training)
        self.history = self._history()

    @cached_property
    def noisy(self) -> Mapping[str, float | None]:
        """Metrics of the noisy clips, the baseline in the curves."""
        return self.validate_noisy()

    def _history(self, rows: Sequence[Row] = ()) -> History:
        score = () if self.selection.is_plain else (SCORE,)
        return History(rows, (*self.selection.metrics, *score))

    def resume(self, snapshot: Snapshot) -> None:
        """Take up the state of a snapshot.

        Raises
        ------
        UserError : the snapshot does not fit the network or the optimizer; other data with `training.resume: own`.
        """
        try:
            self.learner.load(snapshot)
            set_random_states(snapshot.random_states)
        except (RuntimeError, ValueError, LookupError, TypeError, AttributeError) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise UserError(f"training.snapshot_path: it does not fit this configuration: {reason}") from error
        self.epoch, self.best, self.finished = snapshot.epoch, dict(snapshot.best), snapshot
        self.history = self._history(snapshot.history)
        log.info("resuming after epoch %d of %d", self.epoch, self.training.epochs)
        if other := changed_names(snapshot.data, self.data):
            changes = "; ".join(f"{name} was {snapshot.data[name]}, is {self.data[name]}" for name in other)
            if self.training.resume == "own":
                raise UserError(
                    f"the training so far had other data: {changes}; go on with the same, with training.resume: auto, "
                    "or train in another folder"
                )
            log.warning("the training so far had other data: %s", changes)
            self._rescore_best()

    def fit(self) -> TrainedNetworks:
        """Train until the last epoch, or until the reference metric has not improved for long enough.

        Raises
        ------
        UserError : the loss becomes NaN or infinite; the reference metric cannot be measured.
        KeyboardInterrupt, RuntimeError : after the state of the last finished epoch was saved.
        """
        if self.parallel.is_first:
            self._log_noisy_scores()
        try:
            while self.epoch < self.training.epochs and not self._is_patience_over():
                self._one_epoch(self.epoch + 1)
            self._save()
        except (KeyboardInterrupt, RuntimeError):  # Ctrl-C; no memory, another process of the training gone
            self._keep_finished()
            raise
        except UserError as error:
            if self.finished is not None:
                self._keep_finished()
            if not self.parallel.is_first:  # what it has met, such as a torn recording, the first one may not meet
                log.error("process %d: %s", self.parallel.rank, error)
            raise
        if self.parallel.is_first:
            save_curves(self.files.curves, self.history, self.best["epoch"], self.noisy)
        return TrainedNetworks(on_cpu(self.learner.result.state_dict()), self.best["network"], self.best["epoch"])

    def _log_noisy_scores(self) -> None:
        scores = ", ".join(f"{name} {value:.4g}" for name, value in self.noisy.items() if value is not None)
        if scores:
            log.info("the noisy validation clips: %s", scores)

    def _one_epoch(self, epoch: int) -> None:
        start = time.monotonic()
        batches = self.progress(self.batches.epoch(epoch), len(self.batches), f"epoch {epoch}")
        train_loss = self.learner.one_pass(batches, epoch, self._last_good())
        measured = self.parallel.from_first(lambda: self.validate(self.learner.result))
        with defer_interrupts():  # all of it is of the same epoch
            self.epoch = epoch
            rate = self.learner.learning_rate
            self.history.add({"epoch": epoch, "train_loss": train_loss, **measured, "learning_rate": rate})
            self._note_best(epoch)
            self.learner.step_epoch(self.history.rows[-1])
            self.finished = self._snapshot()
        self.durations.append(time.monotonic() - start)
        if not self.parallel.is_first:
            return
        self.history.save(self.files.history)
        write_noisy(self.files.logs, self.noisy)
        self._summary().write(self.files.logs, again=True)
        scores = ", ".join(f"{name} {value:.4g}" for name, value in self.history.rows[-1].items() if value is not None)
        log.info("%s%s", scores, " (the best so far)" if self.best["epoch"] == epoch else "")
        self.each_epoch(self.learner.result, self.history.rows[-1])
        if epoch % self.training.save_every == 0:
            self._save()

    def _summary(self) -> TrainingSummary:
        best = self.best if self.best["epoch"] else {"epoch": None, "value": None}
        return TrainingSummary(
            epochs=self.epoch, metric=self.selection.name, best_epoch=best["epoch"], best_value=best["value"],
            seconds_an_epoch=round(median(self.durations), 3) if self.durations else None,
        )  # fmt: skip

    def _note_best(self, epoch: int) -> None:
        row, selection = self.history.rows[-1], self.selection
        if (metric := selection.missing(row)) is not None:
            raise UserError(
                f"{selection.key(metric)}: {metric} could not be measured on a single validation clip; choose "
                "train_loss or wave_mse, or longer validation clips"
            )
        held = self.best.get("held") or {}
        if (why := selection.rejection_reason(row, held)) is not None:
            row[SCORE] = None
            log.info("epoch %d cannot be the best (training.guards): %s", epoch, why)
            return
        value = row[selection.reference] if selection.is_plain else selection.score(row)
        if not selection.is_plain:
            row[SCORE] = value
        if is_better(value, self.best["value"], selection.name):
            held = selection.guard_values(row, held)
            self.best = {
                "epoch": epoch,
                "value": value,
                "network": on_cpu(self.learner.result.state_dict()),
                "held": held,
            }

    def _rescore_best(self) -> None:
        """The best epoch so far by the validation examples that there are now, which the next ones are held against."""
        selection = self.selection
        if "train_loss" in selection.metrics or self.best["network"] is None:
            return
        network = copy.deepcopy(self.learner.result)
        network.load_state_dict(self.best["network"])
        row = self.parallel.from_first(lambda: self.validate(network))
        if selection.missing(row) is None:
            value = row[selection.reference] if selection.is_plain else selection.score(row)
            log.info("the best so far, epoch %d, has a %s of %.4g on them", self.best["epoch"], selection.name, value)
            self.best |= {"value": value, "held": selection.guard_values(row, {})}

    def _is_patience_over(self) -> bool:
        waited = self.epoch - self.best["epoch"]
        over = self.training.early_stopping and self.epoch > 0 and waited >= self.training.early_stopping_patience
        if over:
            metric = self.selection.name
            log.info(
                "stopped: %s has not improved since epoch %d (training.early_stopping_patience: %d)",
                metric, self.best["epoch"], self.training.early_stopping_patience,
            )  # fmt: skip
        return over

    def _snapshot(self) -> Snapshot:
        return Snapshot(
            settings=self.settings,
            epoch=self.epoch,
            **self.learner.states(),
            best=self.best,
            history=copy.deepcopy(self.history.rows),
            random_states=random_states(),
            data=self.data,
        )

    def _save(self) -> None:
        """Write the snapshot, the weights and the picture of the last finished epoch."""
        if not self.parallel.is_first:
            return
        with defer_interrupts():  # a second Ctrl-C, or a SIGTERM after it, would lose the epochs since the last save
            with atomic_write(self.files.checkpoints / f"epoch_{self.epoch:04d}.pth") as temporary:
                average = self.finished.average
                torch.save(self.finished.network if average is None else average["network"], temporary)
            with atomic_write(self.files.checkpoints / "best.pth") as temporary:
                torch.save(self.best["network"], temporary)
            self.history.save(self.files.history)
            # The last: a training that is killed before it does this epoch again, one that is killed after it has all.
            save_snapshot(self.finished, self.files.snapshot)
        if time.monotonic() - self.drawn > SECONDS_A_PICTURE:  # it takes longer than a short epoch
            save_curves(self.files.curves, self.history, self.best["epoch"], self.noisy)
            self.drawn = time.monotonic()

    def _keep_finished(self) -> None:
        """Save the last finished epoch, whatever became of the one after it, and say how to go on."""
        if self.finished is None:
            log.warning("no epoch was finished: there is nothing to go on from")
            return
        with defer_interrupts():
            self._save()
            log.warning(
                "to resume: the same command with --resume; a run of a YAML file with training.snapshot_path=%s",
                display_path(self.files.snapshot),
            )

    def _last_good(self) -> str:
        if self.finished is None:
            return "no epoch was finished before it"
        return f"the snapshot of epoch {self.finished.epoch} is {display_path(self.files.snapshot)}"

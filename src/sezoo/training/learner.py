"""A network and all that changes its weights: loss, optimizer, learning rate, average; a pass over the examples."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from sezoo.base.errors import UserError
from sezoo.base.user_code import exception_line
from sezoo.config.sections import Training
from sezoo.models.torch.mask_model import computes_bfloat16
from sezoo.training.batch import SpectralBatch, spectral_batch
from sezoo.training.parallel import Parallel, is_lost_connection
from sezoo.training.regularization import ActivationPenalty, clip_weights_
from sezoo.training.scheduler import StepInterval
from sezoo.training.snapshot import Snapshot, on_cpu
from sezoo.training.torch_stft import TorchStft
from sezoo.training.weight_average import WeightAverage

__all__ = ["Batch", "Learner"]

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""noisy, clean (batch, samples) float32 and lengths (batch,)."""


STATEFUL = ("network", "optimizer", "schedule", "average")


@dataclass
class Learner:
    """A network, its loss, and what changes its weights.

    Attributes
    ----------
    network : on `device`.
    loss : of a batch and the network's mask.
    optimizer : of the network's weights.
    schedule : of the learning rate; None leaves it as it is.
    schedule_each : how often the schedule is stepped.
    parallel : the processes that train together.
    average : of the weights, which follows each step; None has none.
    """

    network: nn.Module
    loss: Callable[[SpectralBatch, torch.Tensor], torch.Tensor]
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler | None
    torch_stft: TorchStft
    device: torch.device
    training: Training
    schedule_each: StepInterval = "step"
    parallel: Parallel = field(default_factory=Parallel)

    def __post_init__(self) -> None:
        decay = self.training.weight_averaging
        self.average = WeightAverage(self.network, decay) if decay is not None else None
        self._wrapped = self.parallel.wrapped(self.network)  # the same weights

    @property
    def result(self) -> nn.Module:
        """The network that is validated and written."""
        return self.network if self.average is None else self.average.network

    @property
    def learning_rate(self) -> float:
        """That of the next step."""
        return float(self.optimizer.param_groups[0]["lr"])

    def states(self) -> dict[str, Any]:
        """A copy of what `load` takes up, on the CPU: the states of the network, optimizer, schedule and average."""
        parts = {name: getattr(self, name) for name in STATEFUL}
        return {name: on_cpu(part.state_dict()) if part is not None else None for name, part in parts.items()}

    def load(self, snapshot: Snapshot) -> None:
        """Take up the states in a snapshot; errors are those of torch's `load_state_dict`."""
        for name in STATEFUL:
            part, state = getattr(self, name), getattr(snapshot, name)
            if part is not None and (state is not None or name != "schedule"):
                part.load_state_dict(state)

    def step_epoch(self, row: Mapping[str, Any]) -> None:
        """Step a schedule that goes by epochs, or by a metric in the row of the epoch."""
        if self.schedule is None or self.schedule_each == "step":
            return
        if self.schedule_each == "metric":
            self.schedule.step(row[self.training.reference_metric])
        else:
            self.schedule.step()

    def one_pass(self, batches: Iterable[Batch], epoch: int, last_good: str) -> float:
        """Take a step for each batch, and return the mean loss of the steps, without the penalty.

        Raises
        ------
        UserError : the loss becomes NaN or infinite; `last_good` says what there is to go on from.
        """
        self.network.train()
        total, steps = 0.0, 0
        with self._penalty() as penalty:
            for batch in batches:
                steps += 1
                value = self._step(batch, penalty)
                if not math.isfinite(value):
                    raise UserError(
                        f"training.loss: it became {value} in epoch {epoch}, step {steps}; {last_good}; a smaller "
                        "optimizer_arguments.lr or gradient_clipping may help"
                    )
                total += value
        return total / steps

    def _penalty(self) -> AbstractContextManager[ActivationPenalty | None]:
        """Return the penalty on large activations, if configured."""
        regularization = self.training.regularization
        if regularization.activation_regularization is None:
            return nullcontext()
        return ActivationPenalty(
            self.network,
            regularization.act_reg_layer_types,
            regularization.act_reg_threshold,
            regularization.penalty_type,
        )

    def _step(self, batch: Batch, penalty: ActivationPenalty | None) -> float:
        """The loss of a batch; where it is finite, the weights have moved."""
        noisy, clean, lengths = batch
        spectral = spectral_batch(
            noisy.to(self.device, non_blocking=True), clean.to(self.device, non_blocking=True),
            lengths.to(self.device), self.torch_stft, self.parallel.across,
        )  # fmt: skip
        magnitude = self.torch_stft.magnitude(spectral.noisy_spectrum)
        rounds = self.training.quantization_aware  # bfloat16 does not hold an int8 tensor's values
        half = self.training.mixed_precision and not rounds and computes_bfloat16(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            mask = self._mask(magnitude)
        loss = self.loss(spectral, mask.float())
        value = self.parallel.mean(float(loss.detach()))
        if not math.isfinite(value):
            return value
        if penalty is not None:
            loss = loss + self.training.regularization.activation_regularization * penalty.value()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._move()
        return value

    def _mask(self, magnitude: torch.Tensor) -> torch.Tensor:
        try:
            return self._wrapped(magnitude)
        except Exception as error:  # a user's own network raises what it likes, at some lengths only
            if is_lost_connection(error):
                raise
            shape = tuple(magnitude.shape)
            raise UserError(f"the network cannot be run on shape {shape}: {exception_line(error)}") from error

    def _move(self) -> None:
        """Change the weights by their gradients, and whatever follows them."""
        if self.training.gradient_clipping is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.training.gradient_clipping)
        self.optimizer.step()
        if self.schedule is not None and self.schedule_each == "step":
            self.schedule.step()
        if self.training.regularization.weight_clipping_max is not None:
            clip_weights_(self.network, self.training.regularization.weight_clipping_max)
        if self.average is not None:
            self.average.update(self.network)

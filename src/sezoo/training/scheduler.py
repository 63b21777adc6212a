"""Learning rate schedulers of torch, by the name of their class: `training.lr_scheduler`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from sezoo.base.errors import UserError
from sezoo.base.text import closest_match
from sezoo.base.user_code import exception_line
from sezoo.config.sections import Scheduler
from sezoo.training.history import LOWER_IS_BETTER

__all__ = ["SCHEDULERS", "StepInterval", "build_scheduler", "step_interval"]

KEY = "training.lr_scheduler"
OF_FUNCTIONS = {"LambdaLR", "MultiplicativeLR", "SequentialLR", "ChainedScheduler"}
"""They are made of functions or of other schedulers, which no YAML file holds."""

EACH_STEP = {"OneCycleLR", "CyclicLR"}
"""Those that torch documents to be stepped after every batch; the others are after every epoch."""

StepInterval = Literal["step", "epoch", "metric"]
"""How often a scheduler is stepped; `metric` is after every epoch, with the reference metric."""

SCHEDULERS: dict[str, type[LRScheduler]] = {
    name: cls
    for name, cls in sorted(vars(torch.optim.lr_scheduler).items())
    if inspect.isclass(cls)
    and issubclass(cls, LRScheduler | ReduceLROnPlateau)
    and cls is not LRScheduler
    and not name.startswith("_")
    and name not in OF_FUNCTIONS
}


def build_scheduler(settings: Scheduler, optimizer: Optimizer, *, total_steps: int, metric: str) -> LRScheduler | None:
    """The scheduler that is configured; None if none is.

    Parameters
    ----------
    total_steps : of the whole training: what OneCycleLR has where its arguments say nothing of it.
    metric : the reference metric, which ReduceLROnPlateau follows, up or down as it gets better.

    Raises
    ------
    UserError : torch has no such scheduler, or it does not take these arguments.
    """
    name = settings.scheduler
    if name is None:
        if settings.scheduler_arguments:
            raise UserError(f"{KEY}.scheduler: not set, but {KEY}.scheduler_arguments is")
        return None
    if name not in SCHEDULERS:
        near = closest_match(name, SCHEDULERS)
        raise UserError(
            f"{KEY}.scheduler: found {name!r}; "
            + (f"did you mean {near}?" if near and name not in OF_FUNCTIONS else f"allowed: {', '.join(SCHEDULERS)}")
        )
    cls, arguments = SCHEDULERS[name], _with_defaults(name, settings.scheduler_arguments, total_steps, metric)
    if problem := _problem(cls, arguments, optimizer):
        takes = ", ".join(list(inspect.signature(cls).parameters)[1:])
        raise UserError(f"{KEY}.scheduler_arguments: {problem}; {name} takes {takes}")
    return cls(optimizer, **arguments)


def step_interval(scheduler: LRScheduler) -> StepInterval:
    """Return the interval of a scheduler's steps."""
    if isinstance(scheduler, ReduceLROnPlateau):
        return "metric"
    return "step" if type(scheduler).__name__ in EACH_STEP else "epoch"


def _with_defaults(name: str, arguments: Mapping[str, Any], total_steps: int, metric: str) -> dict[str, Any]:
    if name == "OneCycleLR" and not {"total_steps", "epochs", "steps_per_epoch"} & set(arguments):
        return {"total_steps": total_steps, **arguments}
    if name == "ReduceLROnPlateau":
        return {"mode": "min" if metric in LOWER_IS_BETTER else "max", **arguments}
    return dict(arguments)


def _problem(cls: Callable[..., LRScheduler], arguments: Mapping[str, Any], optimizer: Optimizer) -> str | None:
    """Why the scheduler cannot be made or stepped, which is tried on an optimizer of no network."""
    groups = [{**group, "params": [torch.zeros(1, requires_grad=True)]} for group in optimizer.param_groups]
    try:
        trial = type(optimizer)(groups)
        scheduler = cls(trial, **arguments)
        trial.step()
        scheduler.step(1.0) if isinstance(scheduler, ReduceLROnPlateau) else scheduler.step()
        if not all(group["lr"] >= 0 for group in trial.param_groups):
            return f"the learning rate becomes {trial.param_groups[0]['lr']:g}"
    except Exception as error:  # torch raises what it likes
        return exception_line(error)
    return None

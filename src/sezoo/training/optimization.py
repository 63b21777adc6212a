"""The optimizer of a training, and its learning rate over the steps."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from sezoo.base.errors import UserError
from sezoo.base.text import closest_match
from sezoo.base.user_code import exception_line

__all__ = ["SCHEDULES", "build_optimizer", "build_schedule"]

OPTIMIZERS: dict[str, type[Optimizer]] = {
    name: cls
    for name, cls in sorted(vars(torch.optim).items())
    if inspect.isclass(cls) and issubclass(cls, Optimizer) and cls is not Optimizer
}

LAST_FACTOR = 0.01
"""What a schedule leaves of the learning rate."""

WARM_UP = 0.1
"""Share of the steps in which `one_cycle` rises."""


def build_optimizer(name: str, arguments: Mapping[str, Any], parameters: Iterable[torch.nn.Parameter]) -> Optimizer:
    """The optimizer of torch.optim of that name.

    Parameters
    ----------
    name : of the class, exactly.
    arguments : its keyword arguments.
    parameters : of the network.

    Raises
    ------
    UserError : torch has no such optimizer, it cannot train this network (it needs sparse gradients, or several
        losses a step, as LBFGS does), or it does not take these arguments.
    """
    if name not in OPTIMIZERS:
        near = closest_match(name, OPTIMIZERS)
        raise UserError(
            f"training.optimizer: found {name!r}; "
            + (f"did you mean {near}?" if near else f"allowed: {', '.join(OPTIMIZERS)}")
        )
    cls, parameters = OPTIMIZERS[name], list(parameters)
    closure = inspect.signature(cls.step).parameters.get("closure")
    if closure is not None and closure.default is closure.empty:
        raise UserError(f"training.optimizer: {name} computes the loss several times a step, which is not done here")
    if problem := _problem(cls, {}, parameters):
        raise UserError(f"training.optimizer: {name} cannot train this network: {problem}")
    if problem := _problem(cls, arguments, parameters):
        takes = ", ".join(list(inspect.signature(cls).parameters)[1:])
        texts = "".join(f"; {key} is the text {value!r}" for key, value in arguments.items() if isinstance(value, str))
        raise UserError(f"training.optimizer_arguments: {problem}{texts}; {name} takes {takes}")
    return cls(parameters, **arguments)


def _problem(cls: type[Optimizer], arguments: Mapping[str, Any], parameters: list[torch.nn.Parameter]) -> str | None:
    """Why this optimizer cannot be made or cannot do a step, which is tried on a weight of no network."""
    try:
        cls(parameters, **arguments)
        trial = torch.zeros_like(parameters[0], requires_grad=True)
        trial.grad = torch.zeros_like(trial)
        cls([trial], **arguments).step()  # a wrong `betas` is found out only here
    except Exception as error:  # torch raises what it likes
        return exception_line(error)
    return None


def build_schedule(name: str, optimizer: Optimizer, total_steps: int) -> LambdaLR | None:
    """The learning rate over a training, to be stepped after every step of the optimizer; None for "constant".

    Parameters
    ----------
    name : "constant" or a key of `SCHEDULES`.
    optimizer : its learning rate is the largest of the schedule.
    total_steps : of the whole training: the last one is done at 1/100 of that rate, and so are any after it.

    To resume, build both anew, then load both state dicts.
    """
    if name == "constant":
        return None
    factor, last = SCHEDULES[name], max(total_steps - 1, 1)
    return LambdaLR(optimizer, lambda step: factor(min(step, last), last))


def one_cycle(step: int, last: int) -> float:
    """Rises in a straight line from 1/100 in the first tenth of the steps, then falls as `cosine` does.

    Smith and Topin, "Super-convergence: very fast training of neural networks using large learning rates", 2018.
    """
    peak = round(WARM_UP * last)
    return LAST_FACTOR + (1 - LAST_FACTOR) * step / peak if step < peak else cosine(step - peak, last - peak)


def cosine(step: int, last: int) -> float:
    """Falls along half a cosine. Loshchilov and Hutter, "SGDR: stochastic gradient descent with restarts", 2017."""
    return LAST_FACTOR + (1 - LAST_FACTOR) * (1 + math.cos(math.pi * step / last)) / 2


def exponential(step: int, last: int) -> float:
    """Falls by the same share in every step."""
    return LAST_FACTOR ** (step / last)


SCHEDULES: dict[str, Callable[[int, int], float]] = {
    "one_cycle": one_cycle,
    "cosine": cosine,
    "exponential": exponential,
}
"""The factor of the learning rate at a step, of 0 .. last."""

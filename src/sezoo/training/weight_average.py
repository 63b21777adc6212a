"""The weights of a network averaged over the steps of its training."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

__all__ = ["WeightAverage"]


class WeightAverage:
    """A network whose weights are the exponential moving average of another's, batch norms' statistics included.

    At a learning rate that is not small yet, the weights of a single step are noisy; their average is about what they
    would settle at (Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992). The first
    steps, which are far from it, are forgotten sooner: step n has a decay of at most ``(1 + n) / (10 + n)``.

    Parameters
    ----------
    network : is copied.
    decay : share of the average that a step leaves: 0.999 averages over about a thousand steps.
    """

    def __init__(self, network: nn.Module, decay: float):
        self.network = copy.deepcopy(network)
        self.decay, self.steps = decay, 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take the weights after a step into the average."""
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        current = network.state_dict()
        for name, average in self.network.state_dict().items():
            if average.is_floating_point():
                average.lerp_(current[name], 1 - decay)
            else:  # a count
                average.copy_(current[name])

    def state_dict(self) -> dict[str, Any]:
        """Return the state for `load_state_dict`."""
        return {"network": self.network.state_dict(), "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state of `state_dict`."""
        self.network.load_state_dict(state["network"])
        self.steps = state["steps"]

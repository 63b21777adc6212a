"""A network that another program than the C package computes, as TensorFlow Lite Micro does."""

from __future__ import annotations

from dataclasses import dataclass

from sezoo.deployment.engine.tensor import Tensor

__all__ = ["ExternalNetwork", "ExternalState"]


@dataclass(frozen=True, eq=False)
class ExternalState:
    """A state of an external network: rows of earlier frames, which the network receives and returns updated.

    Attributes
    ----------
    lag : number of frames by which the newest of these rows lags behind the newest frame of the stream.
    """

    tensor: Tensor
    rows: int
    lag: int

    @property
    def bytes(self) -> int:
        """Size in bytes of all rows, without gaps."""
        return self.rows * self.tensor.items

    @property
    def warmup_calls(self) -> int:
        """Number of calls of one frame after which some rows still belong to frames before the clip."""
        return self.rows - 1 + self.lag


@dataclass(frozen=True, eq=False)
class ExternalNetwork:
    """A network that another program computes, from the integers of all frames to the integers of all frames.

    Attributes
    ----------
    after : number of frames by which a stream's output lags behind its inputs.
    states : states that a stream passes from call to call.
    """

    name: str
    inputs: tuple[Tensor, ...]
    output: Tensor
    after: int = 0
    states: tuple[ExternalState, ...] = ()
    kind = "Outside"
    macs = 0

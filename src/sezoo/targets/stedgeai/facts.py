"""ST Edge AI's report on a model on a board."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Layer", "MemoryPool", "StEdgeAiResult"]


@dataclass(frozen=True)
class Layer:
    """A node of the network as the tool compiled it; None where it does not say."""

    name: str
    macs: int | None
    milliseconds: float | None


@dataclass(frozen=True)
class MemoryPool:
    """A memory of the board, how many bytes of it the network takes, and what may be done with it (as ACC_WRITE)."""

    name: str
    used_bytes: int
    rights: str | None


@dataclass(frozen=True)
class StEdgeAiResult:
    """Memory, work and time of a model; None where the tool does not say.

    Attributes
    ----------
    obtained : how: "cloud benchmark", "cloud analyze", "local generate" or "local analyze".
    tool_version : of ST Edge AI, as it names itself.
    flash_bytes : weights, and the kernels' code where that is known.
    ram_bytes : activations, inputs and outputs, and the kernels' own where that is known.
    weights_bytes : only the weights.
    macs : multiply-accumulates of one call.
    cycles, milliseconds : of one call on the board; only a benchmark has them.
    layers : in the order of execution; empty where the tool does not list them.
    pools : empty where the tool does not list them.
    """

    obtained: str
    tool_version: str | None
    flash_bytes: int
    ram_bytes: int
    weights_bytes: int
    macs: int | None
    cycles: int | None
    milliseconds: float | None
    layers: tuple[Layer, ...] = ()
    pools: tuple[MemoryPool, ...] = ()

"""The history: what a program keeps from call to call, in one block of memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sezoo.deployment.c_package.schedule import Schedule
from sezoo.deployment.engine.external import ExternalNetwork
from sezoo.deployment.engine.tensor import padded

__all__ = ["History", "history_of"]


@dataclass(frozen=True)
class History:
    """Offsets in bytes by name: integers first, then the floats of a stream's front end.

    Attributes
    ----------
    rows : of the rows of earlier frames of each tensor that has any.
    states : of the states of loops.
    external : of the states of an external network, which has no other history.
    floats : of the earlier frames in the window of each `peak` step, with their sizes, by the name of its output. A
        patch starts with zeros, and has its floats in the arena.
    bytes : size of all of it.
    """

    rows: Mapping[str, int]
    states: Mapping[str, int]
    external: Mapping[str, int]
    floats: Mapping[str, tuple[int, int]]
    bytes: int


def history_of(schedule: Schedule) -> History:
    """Lay out the history of a schedule."""
    graph = schedule.graph
    sizes = (
        {tensor.name: schedule.history_rows(tensor) * tensor.row_bytes for tensor in graph.tensors},
        {state.before.name: state.before.row_bytes for loop in graph.loops for state in loop.states},
        {
            state.tensor.name: padded(state.bytes)
            for network in schedule.steps
            if isinstance(network, ExternalNetwork)
            for state in network.states
        },
        dict(schedule.window_bytes) if schedule.stream else {},
    )
    offsets: list[dict[str, int]] = []
    end = 0
    for group in sizes:
        offsets.append({})
        for name, size in group.items():
            if size:
                offsets[-1][name] = end
                end += size
    rows, states, external, floats = offsets
    return History(rows, states, external, {name: (start, sizes[3][name]) for name, start in floats.items()}, end)

"""The program of the generated C: the schedule of a process() call, and the places of all that it works on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from sezoo.deployment.c_package.arena import plan_arena
from sezoo.deployment.c_package.history import History, history_of
from sezoo.deployment.c_package.schedule import FLOAT, Schedule
from sezoo.deployment.engine.memory_plan import MemoryPlan
from sezoo.deployment.engine.tensor import ROW

__all__ = ["Program"]


@dataclass(frozen=True, eq=False)
class Program(Schedule):
    """A schedule with the layout of all buffers."""

    @cached_property
    def history(self) -> History:
        """The places of what is kept between calls."""
        return history_of(self)

    @cached_property
    def memory(self) -> MemoryPlan:
        """Offsets of tensors, scratch memory, spectra and magnitudes in the arena."""
        return plan_arena(self, self.history.states)

    @property
    def arena_bytes(self) -> int:
        """Size of the working memory of a call in bytes; kernels read up to 15 integers beyond the end of a row."""
        bits = max(tensor.bits for tensor in (*self.graph.inputs, *(operator.output for operator in self.steps)))
        return self.memory.size + ROW * bits // 8

    @property
    def state_bytes(self) -> int:
        """Size in bytes of the state between calls: buffered samples, the output ring, and the history."""
        samples = 2 * (self.stft.win_length + (self.engine.frames_buffered - 1) * self.stft.hop_length)
        return samples + 2 * FLOAT * self.stft.win_length + self.history.bytes

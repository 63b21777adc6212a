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

HEAD = 16
"""Bytes of `sezoo_denoiser` before its samples: the arena's address, frames, dry share and bypass."""


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
        """Size in bytes of the state between calls: that of the struct `sezoo_denoiser` on a 32-bit core."""
        samples = 4 * -(-self.samples_held // 2)  # of 16 bits, in whole words
        return HEAD + samples + 2 * FLOAT * self.stft.win_length + self.history_bytes

    @property
    def samples_held(self) -> int:
        """Number of samples that are buffered between calls."""
        return self.stft.win_length + (self.engine.frames_buffered - 1) * self.stft.hop_length

    @property
    def history_bytes(self) -> int:
        """Size in bytes of the history's array in C, which has no arrays of nothing."""
        return max(16, self.history.bytes)

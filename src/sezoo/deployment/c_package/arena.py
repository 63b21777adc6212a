"""The arena: the working memory of a process() call, and the places of all buffers in it."""

from __future__ import annotations

from collections.abc import Collection

from sezoo.deployment.c_package.schedule import FLOAT, Schedule
from sezoo.deployment.engine.memory_plan import Buffer, MemoryPlan, plan_memory
from sezoo.deployment.engine.operators import Elementwise, LookupTable, Loop, Sweep, unroll

__all__ = ["LANES", "magnitude_row", "plan_arena"]

LANES = 4
"""Number of frames that one Fourier transform processes in parallel, if a call computes more than one."""


def magnitude_row(values: int) -> int:
    """Return the stride in floats between the rows of two frames' magnitudes, or real and imaginary parts."""
    return -(-values // LANES) * LANES


def plan_arena(schedule: Schedule, states: Collection[str]) -> MemoryPlan:
    """Place tensors, scratch memory, spectra and magnitudes in the arena; tensors in `states` lie in the history.

    Lifetimes are counted in steps: step 0 quantizes the input, step i + 1 runs operator i of the schedule's steps, and
    the last step computes samples.
    """
    graph, stft, last = schedule.graph, schedule.stft, len(schedule.steps) + 1
    first_step, last_step = _lifetimes(schedule, last)
    shared = _in_place(schedule, last_step)
    places: dict[str, Buffer] = {}
    tensors = {tensor.name: tensor for tensor in schedule.tensors}
    for tensor in tensors.values():
        if tensor.name in states:
            continue
        first = shared.get(tensor.name, tensor.name)
        is_row = tensor.name in schedule.in_loops
        rows = 1 if is_row else schedule.history_rows(tensor) + schedule.engine.frames_computed
        places[first] = Buffer(f"tensor {first}", rows * tensor.row_bytes, first_step[first], last_step[tensor.name])
    row = magnitude_row(graph.values)
    # The transform of one frame works in the memory of its magnitudes (forward) and of its mask (inverse).
    spectra, magnitudes, mask = (
        (stft.n_fft,) * 3 if schedule.is_one_frame else (stft.n_fft * LANES, LANES * row, graph.values)
    )
    windows = {} if schedule.stream else schedule.window_bytes
    buffers = [
        *places.values(),
        *(Buffer(f"scratch {i}", schedule.scratch_bytes(each), i + 1, i + 1) for i, each in enumerate(schedule.steps)),
        Buffer("analysis", spectra * FLOAT, 0, last if schedule.spectrum_stays else 0),
        Buffer("magnitudes", max(magnitudes, row) * FLOAT, 0, 0),
        *(Buffer(f"row {name}", size * FLOAT, 0, 0) for name, size in schedule.float_rows.items()),
        *(Buffer(f"window {name}", size, 0, 0) for name, size in windows.items()),
        Buffer("synthesis", 0 if schedule.spectrum_stays else spectra * FLOAT, last, last),
        Buffer("mask", max(mask, graph.values) * FLOAT, last, last),
    ]
    plan = plan_memory(buffer for buffer in buffers if buffer.size)
    offsets = plan.offsets | {f"tensor {name}": plan.offsets[f"tensor {first}"] for name, first in shared.items()}
    return MemoryPlan(offsets, plan.size)


def _lifetimes(schedule: Schedule, last: int) -> tuple[dict[str, int], dict[str, int]]:
    """Return the first and the last step that need each tensor, by the tensor's name.

    Inputs and outputs of a loop or a sweep live from its first step to its last step.
    """
    first_step = {tensor.name: 0 for tensor in schedule.graph.inputs}
    place = {id(operator): index + 1 for index, operator in enumerate(schedule.steps)}
    for operator in schedule.steps:
        first_step.setdefault(operator.output.name, place[id(operator)])
    last_step = dict(first_step)
    for operator in schedule.steps:
        for tensor in operator.inputs:
            last_step[tensor.name] = place[id(operator)]
    for loop in (operator for operator in schedule.steps if isinstance(operator, Loop | Sweep)):
        first, end = place[id(next(unroll(loop.operators)))], place[id(loop)]
        first_step[loop.output.name] = first
        live = [*loop.inputs, *(state.after for state in loop.states)]
        if isinstance(loop, Sweep):
            first_step |= dict.fromkeys((tensor.name for tensor in loop.given), first)
            live += [loop.part, *loop.given]
        for tensor in (loop.output, *live):
            last_step[tensor.name] = max(last_step.get(tensor.name, 0), end)
    last_step[schedule.graph.output.name] = last
    return first_step, last_step


def _in_place(schedule: Schedule, last_step: dict[str, int]) -> dict[str, str]:
    """Return the outputs computed in place of their input, each with the tensor that first used the memory.

    An operator on single integers can overwrite an input that no later step reads. Streams have none, as rows
    start at different offsets in their buffers.
    """
    shared: dict[str, str] = {}
    if schedule.engine.is_stream:
        return shared
    for index, operator in enumerate(schedule.graph.operators):
        if isinstance(operator, Elementwise | LookupTable):
            for tensor in operator.inputs:
                is_last = last_step[tensor.name] == index + 1
                if is_last and tensor.row_bytes == operator.output.row_bytes:
                    shared[operator.output.name] = shared.get(tensor.name, tensor.name)
                    break
    return shared

"""Test vectors of a .tflite file: inputs, and the outputs expected from TensorFlow Lite Micro, in integers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sezoo.deployment.c_package.program import Program
from sezoo.deployment.engine.interpreter import run_tensors
from sezoo.deployment.engine.prologue import run_prologue
from sezoo.deployment.engine.stream_plan import stream_integers, stream_plan
from sezoo.deployment.engine.tflite_arithmetic import TFLITE
from sezoo.deployment.tflite.lowering import LoweredGraph, StateTensor

__all__ = ["Vectors", "run_calls", "vectors_of"]


@dataclass(frozen=True, eq=False)
class Vectors:
    """Consecutive calls of a network; a stream starts with its first call.

    Attributes
    ----------
    inputs : for each call, the integers of all inputs, (frames, items) int8 each.
    outputs : for each call, the integers of the output, (frames, items) int8.
    first_output : first call with a valid output; the output of earlier calls belongs to frames before the clip.
    newest : for each call of a stream, the newest row of each state, (items,) int8 each.
    """

    inputs: tuple[tuple[np.ndarray, ...], ...]
    outputs: tuple[np.ndarray, ...]
    first_output: int
    newest: tuple[tuple[np.ndarray, ...], ...] = ()

    def write(self, folder: Path) -> None:
        """Write all calls to `input_0.i8` ..., `output.i8` and, for streams, `states.i8` with the newest rows."""
        for number in range(len(self.inputs[0])):
            integers = np.concatenate([call[number].ravel() for call in self.inputs])
            (folder / f"input_{number}.i8").write_bytes(integers.tobytes())
        (folder / "output.i8").write_bytes(np.concatenate([each.ravel() for each in self.outputs]).tobytes())
        if any(self.newest):
            (folder / "states.i8").write_bytes(b"".join(row.tobytes() for call in self.newest for row in call))


def vectors_of(program: Program, calls: Sequence[np.ndarray]) -> Vectors:
    """Compute the integers of calls.

    Parameters
    ----------
    calls : magnitudes, (bins, frames that a call computes) float32 each.
    """
    graph = program.graph
    newest: tuple[tuple[np.ndarray, ...], ...] = ()
    if program.engine.is_stream:
        kept = stream_plan(graph).history_rows
        found = list(stream_integers(graph, np.concatenate(calls, axis=1), program.engine.new, TFLITE))
        first = -(-program.engine.lookahead // program.engine.new)
        newest = tuple(
            tuple(made[tensor.name][-1] for tensor in graph.tensors if kept[tensor.name]) for made, _ in found
        )
    else:
        entries = [run_prologue(graph.prologue, np.ascontiguousarray(call.T)) for call in calls]
        found = [(each, run_tensors(graph, each, TFLITE)[graph.output.name]) for each in entries]
        first = 0
    inputs = tuple(tuple(entries[tensor.name] for tensor in graph.inputs) for entries, _ in found)
    return Vectors(inputs, tuple(output for _, output in found), first, newest)


def run_calls(
    run: Callable[[list[np.ndarray]], list[np.ndarray]], low: LoweredGraph, vectors: Vectors
) -> Iterator[np.ndarray]:
    """Yield the integers of an interpreter's output for each call of the vectors, passing the states from call to call.

    Parameters
    ----------
    run : function of the integers of the file's inputs, in their shapes, that returns those of its outputs.
    """
    shapes = [low.file.tensors[index].shape for index in low.file.inputs]
    states = [np.full(state.shape, state.tensor.zero_point, np.int8) for state in low.states]
    for call, (entries, expected) in enumerate(zip(vectors.inputs, vectors.outputs, strict=True)):
        given = [integers.reshape(shape) for integers, shape in zip((*entries, *states), shapes, strict=True)]
        made, *kept = run(given)
        states = [_clear_rows_before_clip(state, rows, call) for state, rows in zip(low.states, kept, strict=True)]
        yield made.reshape(expected.shape)


def _clear_rows_before_clip(state: StateTensor, rows: np.ndarray, call: int) -> np.ndarray:
    """Return the rows of a state after a call of one frame, with zeros for frames before the clip."""
    before = min(state.rows, max(0, state.rows - 1 + state.lag - call))
    rows = rows.copy()
    rows[:, :before] = state.tensor.zero_point
    return rows

"""Running a network frame by frame: how far every tensor lags behind the newest frame, and what is kept of it.

A convolution that looks ahead waits for what comes, so that its output lags behind its input; an addition waits for the
slower of its operands. What earlier frames are needed for, by a convolution that looks back or by an addition that
waits, is kept from call to call. Every frame is computed once, where patches compute their context again and again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from sezoo.deployment.engine.arithmetic import ONNXRUNTIME, Arithmetic
from sezoo.deployment.engine.conv import Conv
from sezoo.deployment.engine.integer_graph import IntegerGraph
from sezoo.deployment.engine.interpreter import first_states, mask_of, run_loop, run_operator
from sezoo.deployment.engine.operators import ExternalNetwork, Loop, Operator
from sezoo.deployment.engine.prologue import rows_of, run_prologue
from sezoo.deployment.engine.tensor import Tensor

__all__ = ["StreamPlan", "frames_behind_a_mask", "stream_integers", "stream_masks", "stream_plan"]


@dataclass(frozen=True)
class StreamPlan:
    """Frames by the tensors' names.

    Attributes
    ----------
    lag : from the newest frame of magnitudes to the newest row of the tensor.
    kept : earlier rows that its readers need.
    """

    lag: Mapping[str, int]
    kept: Mapping[str, int]

    def first_row(self, operator: Operator, operand: int) -> int:
        """The row that an operator begins to read at, counted from the first row that is kept."""
        tensor = operator.inputs[operand]
        return self.kept[tensor.name] - _needed(self.lag, operator, tensor)


def stream_plan(graph: IntegerGraph) -> StreamPlan:
    """Lags and kept rows of all tensors."""
    lag = {tensor.name: 0 for tensor in graph.entries}
    for operator in graph.operators:
        latest = max(lag[tensor.name] for tensor in operator.inputs)
        lag[operator.output.name] = latest + (operator.after if isinstance(operator, Conv | ExternalNetwork) else 0)
    kept = dict.fromkeys(lag, 0)
    for operator in graph.operators:
        for tensor in operator.inputs:
            kept[tensor.name] = max(kept[tensor.name], _needed(lag, operator, tensor))
    return StreamPlan(lag, kept)


def frames_behind_a_mask(graph: IntegerGraph) -> int:
    """Frames before the newest one that a stream's mask depends on, those of what it waits for among them.

    What a loop hands from frame to frame has no end, and is not counted. Nor is what a prologue keeps of all frames up
    to now (its highest): after the first of equal frames it is what it stays.
    """
    lag = stream_plan(graph).lag
    depth = {tensor.name: 0 for tensor in graph.entries}
    for operator in graph.operators:
        output = operator.output.name
        after = operator.after if isinstance(operator, Conv) else 0
        span = operator.span if isinstance(operator, Conv) else 0
        waits = {tensor.name: lag[output] - after - lag[tensor.name] for tensor in operator.inputs}
        depth[output] = max(depth[name] + wait for name, wait in waits.items()) + span
    return depth[graph.result.name]


def _needed(lag: Mapping[str, int], operator: Operator, tensor: Tensor) -> int:
    """Rows before the newest ones that an operator reads."""
    if isinstance(operator, Conv):
        return operator.span
    if isinstance(operator, ExternalNetwork):
        return 0
    return lag[operator.output.name] - lag[tensor.name]


def stream_masks(
    graph: IntegerGraph, magnitude: np.ndarray, frames: int, arithmetic: Arithmetic = ONNXRUNTIME
) -> Iterator[np.ndarray]:
    """The masks of a clip as the stream engine computes them.

    Parameters
    ----------
    magnitude : (bins, n) float32, or complex64; n a multiple of `frames`
    frames : of a call.

    Yields
    ------
    mask : (bins, frames) float32 of each call, whose first frame is that of the call minus the result's lag.
        Frames before the clip have no meaning.
    """
    for _, result in stream_integers(graph, magnitude, frames, arithmetic):
        yield mask_of(graph, result)


def stream_integers(
    graph: IntegerGraph, magnitude: np.ndarray, frames: int, arithmetic: Arithmetic = ONNXRUNTIME
) -> Iterator[tuple[Mapping[str, np.ndarray], np.ndarray]]:
    """The integers of a stream, as `stream_masks`.

    Yields
    ------
    made, result : (frames, items) of each tensor outside loops by its name, and of the graph's result, of each call.
    """
    plan = stream_plan(graph)
    history = {
        tensor.name: np.full((plan.kept[tensor.name], tensor.items), tensor.zero_point, tensor.dtype)
        for tensor in graph.tensors
    }
    rows: dict[str, np.ndarray] = {}
    kept_floats: dict[str, np.ndarray] = {}
    states = {loop.name: first_states(loop) for loop in graph.loops}

    def run(operator: Operator, inputs: list[np.ndarray], done: int) -> np.ndarray:
        """New rows of an operator; a loop begins with the first frame of the clip, not with those before it."""
        if not isinstance(operator, Loop):
            return run_operator(operator, inputs, lambda _, there: there, arithmetic)
        before = min(max(0, plan.lag[operator.output.name] - done), frames)
        made = run_loop(operator, [rows_of[before:] for rows_of in inputs], states[operator.name])
        return np.concatenate([np.zeros((before, operator.output.items), made.dtype), made])

    def arrived(tensor: Tensor, new: np.ndarray, done: int) -> None:
        """New rows behind those that are kept; what is of frames before the clip is zero."""
        before = min(max(0, plan.lag[tensor.name] - done), len(new))
        new[:before] = tensor.zero_point
        rows[tensor.name] = np.concatenate([history[tensor.name], new])
        history[tensor.name] = rows[tensor.name][frames:]

    for done in range(0, magnitude.shape[1], frames):
        entries = run_prologue(graph.prologue, rows_of(magnitude[:, done : done + frames]), kept_floats)
        for tensor in graph.entries:
            arrived(tensor, entries[tensor.name], done)
        for operator in graph.operators:
            inputs = []
            for operand, tensor in enumerate(operator.inputs):
                first = plan.first_row(operator, operand)
                span = operator.span if isinstance(operator, Conv) else 0
                inputs.append(rows[tensor.name][first : first + frames + span])
            arrived(operator.output, np.array(run(operator, inputs, done)), done)
        made = {tensor.name: rows[tensor.name][plan.kept[tensor.name] :] for tensor in graph.tensors}
        yield made, made[graph.result.name]

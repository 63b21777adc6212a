"""Streaming inference: the lag of each tensor behind the newest frame, and the history of earlier frames.

The output of a convolution with lookahead lags behind its input; an addition waits for the operand with the larger
lag. Rows of earlier frames that a convolution or a waiting addition still needs are kept from call to call as the
history. A stream computes each frame once, whereas patches recompute their context in every call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from sezoo.deployment.engine.arithmetic import ONNXRUNTIME, Arithmetic
from sezoo.deployment.engine.conv import Conv
from sezoo.deployment.engine.external import ExternalNetwork
from sezoo.deployment.engine.integer_graph import IntegerGraph
from sezoo.deployment.engine.interpreter import initial_states, mask_of, run_loop, run_operator
from sezoo.deployment.engine.operators import Loop, Operator
from sezoo.deployment.engine.prologue import rows_of, run_prologue
from sezoo.deployment.engine.tensor import Tensor

__all__ = ["StreamPlan", "frames_behind_a_mask", "stream_integers", "stream_masks", "stream_plan"]


@dataclass(frozen=True)
class StreamPlan:
    """Lags and history of the tensors, by name.

    Attributes
    ----------
    lag : number of frames by which the newest row of a tensor lags behind the newest input frame.
    history_rows : number of earlier rows that the readers of a tensor need.
    """

    lag: Mapping[str, int]
    history_rows: Mapping[str, int]

    def first_row(self, operator: Operator, operand: int) -> int:
        """Return the first row that an operator reads, counted from the oldest history row."""
        tensor = operator.inputs[operand]
        return self.history_rows[tensor.name] - _rows_before(self.lag, operator, tensor)


def stream_plan(graph: IntegerGraph) -> StreamPlan:
    """Compute the lags and history rows of all tensors."""
    lag = {tensor.name: 0 for tensor in graph.inputs}
    for operator in graph.operators:
        latest = max(lag[tensor.name] for tensor in operator.inputs)
        lag[operator.output.name] = latest + (operator.after if isinstance(operator, Conv | ExternalNetwork) else 0)
    history_rows = dict.fromkeys(lag, 0)
    for operator in graph.operators:
        for tensor in operator.inputs:
            history_rows[tensor.name] = max(history_rows[tensor.name], _rows_before(lag, operator, tensor))
    return StreamPlan(lag, history_rows)


def frames_behind_a_mask(graph: IntegerGraph) -> int:
    """Return the number of frames before the newest one that a stream's mask depends on, including its lag.

    The states of loops, which depend on all earlier frames, are not counted. Neither is the running maximum of the
    front end, which is constant from the first of equal frames on.
    """
    lag = stream_plan(graph).lag
    depth = {tensor.name: 0 for tensor in graph.inputs}
    for operator in graph.operators:
        output = operator.output.name
        after = operator.after if isinstance(operator, Conv) else 0
        span = operator.span if isinstance(operator, Conv) else 0
        waits = {tensor.name: lag[output] - after - lag[tensor.name] for tensor in operator.inputs}
        depth[output] = max(depth[name] + wait for name, wait in waits.items()) + span
    return depth[graph.output.name]


def _rows_before(lag: Mapping[str, int], operator: Operator, tensor: Tensor) -> int:
    """Return the number of rows before the newest ones that an operator reads."""
    if isinstance(operator, Conv):
        return operator.span
    if isinstance(operator, ExternalNetwork):
        return 0
    return lag[operator.output.name] - lag[tensor.name]


def stream_masks(
    graph: IntegerGraph, magnitude: np.ndarray, frames: int, arithmetic: Arithmetic = ONNXRUNTIME
) -> Iterator[np.ndarray]:
    """Yield the masks of a clip as the stream engine computes them.

    Parameters
    ----------
    magnitude : (bins, n) float32, or complex64; n a multiple of `frames`
    frames : number of frames per call.

    Yields
    ------
    mask : (bins, frames) float32 of each call; its first frame is the call's first frame minus the lag of the result.
        Masks of frames before the clip have no meaning.
    """
    for _, result in stream_integers(graph, magnitude, frames, arithmetic):
        yield mask_of(graph, result)


def stream_integers(
    graph: IntegerGraph, magnitude: np.ndarray, frames: int, arithmetic: Arithmetic = ONNXRUNTIME
) -> Iterator[tuple[Mapping[str, np.ndarray], np.ndarray]]:
    """Yield the integers of a stream, with the arguments of `stream_masks`.

    Yields
    ------
    rows, result : for each call, (frames, items) of every tensor outside loops by name, and of the graph's result.
    """
    plan = stream_plan(graph)
    history = {
        tensor.name: np.full((plan.history_rows[tensor.name], tensor.items), tensor.zero_point, tensor.dtype)
        for tensor in graph.tensors
    }
    rows: dict[str, np.ndarray] = {}
    float_history: dict[str, np.ndarray] = {}
    states = {loop.name: initial_states(loop) for loop in graph.loops}

    def run(operator: Operator, inputs: list[np.ndarray], done: int) -> np.ndarray:
        """Compute the new rows of an operator; a loop starts at the first frame of the clip, not before it."""
        if not isinstance(operator, Loop):
            return run_operator(operator, inputs, lambda _, there: there, arithmetic)
        before = min(max(0, plan.lag[operator.output.name] - done), frames)
        made = run_loop(operator, [rows_of[before:] for rows_of in inputs], states[operator.name])
        return np.concatenate([np.zeros((before, operator.output.items), made.dtype), made])

    def store_rows(tensor: Tensor, new: np.ndarray, done: int) -> None:
        """Append new rows to the history, with zeros for frames before the clip."""
        before = min(max(0, plan.lag[tensor.name] - done), len(new))
        new[:before] = tensor.zero_point
        rows[tensor.name] = np.concatenate([history[tensor.name], new])
        history[tensor.name] = rows[tensor.name][frames:]

    for done in range(0, magnitude.shape[1], frames):
        entries = run_prologue(graph.prologue, rows_of(magnitude[:, done : done + frames]), float_history)
        for tensor in graph.inputs:
            store_rows(tensor, entries[tensor.name], done)
        for operator in graph.operators:
            inputs = []
            for operand, tensor in enumerate(operator.inputs):
                first = plan.first_row(operator, operand)
                span = operator.span if isinstance(operator, Conv) else 0
                inputs.append(rows[tensor.name][first : first + frames + span])
            store_rows(operator.output, np.array(run(operator, inputs, done)), done)
        made = {tensor.name: rows[tensor.name][plan.history_rows[tensor.name] :] for tensor in graph.tensors}
        yield made, made[graph.output.name]

"""Comparison of the integer operators with onnxruntime, each operator fed onnxruntime's integers.

Without graph optimizations, onnxruntime computes a QDQ graph in float and rounds at each quantizer. It is the reference
here because it provides the integers of every layer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper

from sezoo.deployment.engine.integer_graph import IntegerGraph, TensorLocation
from sezoo.deployment.engine.interpreter import initial_states, mask_of, run_graph, run_loop, run_operator
from sezoo.deployment.engine.operators import Operator
from sezoo.deployment.engine.prologue import rows_of, run_prologue
from sezoo.models.onnx_graph import copy_model
from sezoo.models.onnx_session import open_session
from sezoo.models.state_loop import StateLoop, split_into_steps
from sezoo.models.states import magnitude_input, mask_output, states_of
from sezoo.results.deployment import OperatorAgreement

__all__ = ["Agreement", "agreement"]


@dataclass(frozen=True)
class Agreement:
    """Agreement of all operators, and of the mask end to end.

    Attributes
    ----------
    mean_mask_difference : mean absolute difference of the whole network's masks.
    """

    operators: tuple[OperatorAgreement, ...]
    mean_mask_difference: float

    @property
    def share(self) -> float:
        """Share of all integers that differ."""
        return sum(each.differing for each in self.operators) / max(1, sum(each.values for each in self.operators))

    @property
    def largest(self) -> int:
        """The largest difference in steps."""
        return max((each.largest for each in self.operators), default=0)


def agreement(graph: IntegerGraph, model: onnx.ModelProto, patches: Sequence[np.ndarray]) -> Agreement:
    """Compare the operators with onnxruntime on patches, each (bins, frames) float32 or complex64.

    For a stateful one-frame model a patch may have any number of frames, which run in sequence with onnxruntime's
    states.
    """
    whole, states = copy_model(model), states_of(model)
    rows = {site.name: site for site in graph.sites}
    mask = mask_output(model).name
    there = {value.name for value in model.graph.output}
    whole.graph.output.extend(helper.make_empty_tensor_value_info(site) for site in rows if site not in there)
    session, source = open_session(whole, optimization="none"), magnitude_input(model).name
    names = [mask, *(site for site in rows if site != mask)]
    operators = graph.operators if graph.frame_loop is None else graph.frame_loop.operators
    counts = {operator.output.name: [0, 0, 0] for operator in operators}
    distances = []
    for patch in patches:
        run, own = StateLoop(session, source, states, names), _mask_function(graph)
        for call in split_into_steps([patch[np.newaxis]], graph.frames):
            found = dict(zip(names, run(call), strict=True))
            distances.append(np.abs(run.layout.taken(found[mask])[0] - own(call[0])).mean())
            _compare(operators, _onnxruntime_rows(rows, found, graph.frames), counts)
    return Agreement(
        tuple(OperatorAgreement(name, *count) for name, count in counts.items()), float(np.mean(distances))
    )


def _mask_function(graph: IntegerGraph) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function that computes the masks of a clip call by call, each (bins, frames) float32."""
    loop, float_history = graph.frame_loop, {}
    if loop is None:
        return lambda magnitude: run_graph(graph, magnitude, float_history=float_history)
    states = initial_states(loop)

    def run(magnitude: np.ndarray) -> np.ndarray:
        entries = run_prologue(graph.prologue, rows_of(magnitude), float_history)
        return mask_of(graph, run_loop(loop, [entries[tensor.name] for tensor in loop.inputs], states))

    return run


def _onnxruntime_rows(
    rows: Mapping[str, TensorLocation], found: Mapping[str, np.ndarray], frames: int
) -> dict[str, np.ndarray]:
    """Return onnxruntime's integers as rows, by the names of the tensors."""
    theirs: dict[str, np.ndarray] = {}
    for name, site in rows.items():
        row = _rows_of(site, found[name], frames)
        if row is not None:
            theirs.setdefault(site.tensor.name, row)
    return theirs


def _compare(operators: Sequence[Operator], theirs: dict[str, np.ndarray], counts: Mapping[str, list[int]]) -> None:
    """Count the integers that differ, operator by operator, each fed onnxruntime's integers."""
    for operator in operators:
        if any(tensor.name not in theirs for tensor in operator.inputs):
            continue
        made = run_operator(operator, [theirs[tensor.name] for tensor in operator.inputs])
        expected = theirs.setdefault(operator.output.name, made)  # a Permute has no tensor in onnxruntime
        difference = np.abs(made.astype(np.int32) - expected.astype(np.int32))
        count = counts[operator.output.name]
        count[0] += int(np.count_nonzero(difference))
        count[1] += difference.size
        count[2] = max(count[2], int(difference.max()))


def _rows_of(site: TensorLocation, integers: np.ndarray, frames: int) -> np.ndarray | None:
    """Return onnxruntime's integers as rows, (frames, items) int8 or int16; None if onnxruntime has only a part."""
    size = frames * site.tensor.items
    items = site.items.ravel()
    there = items < size  # padding may make a convolution compute more frames than are used
    row, is_known = np.zeros(size, site.tensor.dtype), np.zeros(size, bool)
    row[items[there]] = integers.ravel()[there].astype(np.int32) - site.offset
    is_known[items[there]] = True
    return row.reshape(frames, -1) if is_known.all() else None

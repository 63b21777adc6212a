"""How near the integer operators come to onnxruntime, each fed onnxruntime's own integers.

onnxruntime computes a QDQ graph in float when it is not allowed to merge operators, and rounds where the graph says so.
That is what is compared with, as it gives the integers of every layer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper

from sezoo.deployment.engine.integer_graph import IntegerGraph, TensorLocation
from sezoo.deployment.engine.interpreter import first_states, mask_of, run_graph, run_loop, run_operator
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
    """All operators, and the mask from end to end.

    Attributes
    ----------
    mean_mask_difference : of the whole network's, without a sign.
    """

    operators: tuple[OperatorAgreement, ...]
    mean_mask_difference: float

    @property
    def share(self) -> float:
        """Of all integers, how many differ."""
        return sum(each.differing for each in self.operators) / max(1, sum(each.values for each in self.operators))

    @property
    def largest(self) -> int:
        """The largest difference in steps."""
        return max((each.largest for each in self.operators), default=0)


def agreement(graph: IntegerGraph, model: onnx.ModelProto, patches: Sequence[np.ndarray]) -> Agreement:
    """Compare with onnxruntime on patches of magnitudes, each (bins, frames) float32 or complex64.

    Of a model of one frame with states a patch has any number of frames, which are run one after the other, with
    onnxruntime's states.
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
        run, own = StateLoop(session, source, states, names), _own_masks(graph)
        for call in split_into_steps([patch[np.newaxis]], graph.frames):
            found = dict(zip(names, run(call), strict=True))
            distances.append(np.abs(run.layout.taken(found[mask])[0] - own(call[0])).mean())
            _compare(operators, _theirs(rows, found, graph.frames), counts)
    return Agreement(
        tuple(OperatorAgreement(name, *count) for name, count in counts.items()), float(np.mean(distances))
    )


def _own_masks(graph: IntegerGraph) -> Callable[[np.ndarray], np.ndarray]:
    """What gives the masks of call after call of a clip, each (bins, frames) float32."""
    loop, kept = graph.frame_loop, {}
    if loop is None:
        return lambda magnitude: run_graph(graph, magnitude, kept=kept)
    states = first_states(loop)

    def run(magnitude: np.ndarray) -> np.ndarray:
        entries = run_prologue(graph.prologue, rows_of(magnitude), kept)
        return mask_of(graph, run_loop(loop, [entries[tensor.name] for tensor in loop.inputs], states))

    return run


def _theirs(rows: Mapping[str, TensorLocation], found: Mapping[str, np.ndarray], frames: int) -> dict[str, np.ndarray]:
    """onnxruntime's integers as rows, by the names of the tensors."""
    theirs: dict[str, np.ndarray] = {}
    for name, site in rows.items():
        row = _rows_of(site, found[name], frames)
        if row is not None:
            theirs.setdefault(site.tensor.name, row)
    return theirs


def _compare(operators: Sequence[Operator], theirs: dict[str, np.ndarray], counts: Mapping[str, list[int]]) -> None:
    """Count the integers that differ, operator by operator, each fed onnxruntime's own."""
    for operator in operators:
        if any(tensor.name not in theirs for tensor in operator.inputs):
            continue
        made = run_operator(operator, [theirs[tensor.name] for tensor in operator.inputs])
        expected = theirs.setdefault(operator.output.name, made)  # a rearrangement is no tensor of theirs
        difference = np.abs(made.astype(np.int32) - expected.astype(np.int32))
        count = counts[operator.output.name]
        count[0] += int(np.count_nonzero(difference))
        count[1] += difference.size
        count[2] = max(count[2], int(difference.max()))


def _rows_of(site: TensorLocation, integers: np.ndarray, frames: int) -> np.ndarray | None:
    """onnxruntime's integers as rows: (frames, items) int8 or int16; None where onnxruntime has only a part of them."""
    size = frames * site.tensor.items
    items = site.items.ravel()
    there = items < size  # a convolution that is padded for more frames than are kept makes them all
    row, is_known = np.zeros(size, site.tensor.dtype), np.zeros(size, bool)
    row[items[there]] = integers.ravel()[there].astype(np.int32) - site.offset
    is_known[items[there]] = True
    return row.reshape(frames, -1) if is_known.all() else None

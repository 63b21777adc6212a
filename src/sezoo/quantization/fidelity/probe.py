"""Looking into a model while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper

from sezoo.models.onnx_graph import copy_model, keep_needed
from sezoo.models.onnx_session import open_session
from sezoo.models.state_loop import StateLoop, split_into_steps
from sezoo.models.states import frames_of, magnitude_input, states_of

__all__ = ["tensors_of"]

Calls = Iterator[tuple[np.ndarray, list[np.ndarray]]]


def tensors_of(model: onnx.ModelProto, names: Sequence[str]) -> Callable[[np.ndarray], Calls]:
    """A function that runs the model on a clip's magnitudes (1, bins, frames) and gives the tensors of these names.

    It gives them call by call, with the call's magnitudes: one for the whole clip, or as many as a model of fixed
    length needs, with its states fed back. A name may be there several times. An int8 model is run as it is
    written, its layers in float between rounded tensors: what is looked at exists, and the integers are the same.
    """
    looked_into, states = copy_model(model), states_of(model)
    distinct, kept = list(dict.fromkeys(names)), set(states.values())
    outputs = [value for value in model.graph.output if value.name in kept]
    del looked_into.graph.output[:]
    looked_into.graph.output.extend(outputs)
    for index, name in enumerate(distinct):  # by an Identity, since an input cannot be an output too
        looked_into.graph.node.append(helper.make_node("Identity", [name], [f"looked_at/{index}"]))
        looked_into.graph.output.append(helper.make_tensor_value_info(f"looked_at/{index}", TensorProto.FLOAT, None))
    keep_needed(looked_into.graph)  # first layers need not wait for the last ones
    session = open_session(looked_into, optimization="none") if distinct else None
    source, wanted = magnitude_input(model), [f"looked_at/{index}" for index in range(len(distinct))]
    length, where = frames_of(model), [distinct.index(name) for name in names]

    def run(magnitude: np.ndarray) -> Calls:
        loop = StateLoop(session, source.name, states, wanted)
        for call in split_into_steps([magnitude], length if isinstance(length, int) else None):
            values = loop(call) if wanted else []
            yield call, [values[index] for index in where]

    return run

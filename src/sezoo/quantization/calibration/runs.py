"""Running a float model on calibration clips: more outputs, states that are fed back, and numbers that are none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper

from sezoo.base.errors import UserError
from sezoo.models.onnx_graph import copy_model
from sezoo.models.onnx_session import open_session
from sezoo.models.state_loop import StateLoop, split_into_steps
from sezoo.models.states import frames_of, magnitude_input, states_of

__all__ = ["NotFiniteError", "check_finite", "runner", "with_states_as_outputs", "with_tensors_as_outputs"]


class NotFiniteError(UserError):
    """An activation of the float model became NaN or infinite."""


def with_tensors_as_outputs(model: onnx.ModelProto, tensors: Sequence[str]) -> tuple[onnx.ModelProto, list[str]]:
    """The model giving the tensors themselves, and their names; an Identity, since an input cannot be an output too."""
    extended = copy_model(model)
    inputs = {value.name for value in model.graph.input}
    del extended.graph.output[:]
    for index, name in enumerate(tensors):
        output = name
        if name in inputs:
            output = f"calibration/{index}"
            extended.graph.node.append(helper.make_node("Identity", [name], [output]))
        extended.graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, None))
    return with_states_as_outputs(extended, model)


def with_states_as_outputs(extended: onnx.ModelProto, model: onnx.ModelProto) -> tuple[onnx.ModelProto, list[str]]:
    """A model of other outputs giving its states as well, and the names of those others."""
    names = [value.name for value in extended.graph.output]
    states = set(states_of(model).values()) - set(names)
    extended.graph.output.extend(value for value in model.graph.output if value.name in states)
    return extended, names


def runner(
    model: onnx.ModelProto, outputs: Sequence[str], call_frames: int | None
) -> Callable[[Iterable[np.ndarray]], Iterator[list[np.ndarray]]]:
    """Return a function that yields a model's outputs for the pieces of a clip, call by call; states start at zero."""
    session, states, source = open_session(model), states_of(model), magnitude_input(model)
    own = frames_of(model)
    frames = own if isinstance(own, int) else call_frames if states else None

    def run(pieces: Iterable[np.ndarray]) -> Iterator[list[np.ndarray]]:
        call = StateLoop(session, source.name, states, outputs)
        return (call(magnitude) for magnitude in split_into_steps(pieces, frames))

    return run


def check_finite(tensors: Sequence[str], *numbers: np.ndarray) -> None:
    """Check numbers of each tensor.

    Raises
    ------
    NotFiniteError : the first tensor that has some that are none.
    """
    bad = ~np.isfinite(numbers).all(axis=0)
    if bad.any():
        raise NotFiniteError(f"the float model's tensor '{tensors[int(np.argmax(bad))]}' becomes NaN or infinite")

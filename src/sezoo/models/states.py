"""States of a model: outputs of a call that are inputs of the next one.

The pairs, state input to state output, are carried in the ONNX file itself, in its metadata under the key "states".
Whatever reads a model finds them there, and the configuration (`quantization.states`) is needed for files without.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx

from sezoo.base.errors import UserError
from sezoo.base.text import closest_match
from sezoo.models.onnx_file import graph_inputs
from sezoo.models.onnx_graph import axes_of, axes_text, copy_model, metadata_of, set_metadata, type_name
from sezoo.models.spectra import MAGNITUDES, Layout, layout_of

__all__ = [
    "STATES_KEY",
    "batch_of_one",
    "bins_of",
    "can_be_of_one_shape",
    "check_states",
    "fix_lengths",
    "frames_of",
    "input_layout",
    "inputs_besides_states",
    "magnitude_input",
    "mask_output",
    "outputs_besides_states",
    "parse_states",
    "states_of",
    "states_text",
    "with_states",
]

STATES_KEY = "states"
"""Of the metadata; the value is a JSON object of output names by input names."""


CONFIG_KEY = "quantization.states"


def states_of(model: onnx.ModelProto) -> dict[str, str]:
    """The state outputs by the state inputs that take them in the next call; empty where the model carries none."""
    return parse_states(metadata_of(model))


def parse_states(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return the state pairs in a model's metadata; values of other tools under the same key are ignored."""
    try:
        states = json.loads(metadata.get(STATES_KEY, "{}"))
    except (ValueError, RecursionError):  # the second: nested thousands of levels deep
        return {}
    is_ours = isinstance(states, dict) and all(isinstance(value, str) for value in states.values())
    return states if is_ours else {}


def with_states(model: onnx.ModelProto, states: Mapping[str, str]) -> onnx.ModelProto:
    """The model carrying these pairs. With none it is the argument itself, whatever it carries already."""
    if not states:
        return model
    carrying = copy_model(model)
    set_metadata(carrying, STATES_KEY, json.dumps(dict(states)))
    return carrying


def states_text(states: Mapping[str, str]) -> str:
    """`{h: h_new, c: c_new}`, as one would write it in the YAML file."""
    return "{" + ", ".join(f"{source}: {target}" for source, target in states.items()) + "}"


def inputs_besides_states(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """The inputs that are no states; of a mask model one."""
    states = states_of(model)
    return [value for value in graph_inputs(model) if value.name not in states]


def outputs_besides_states(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """The outputs that are no states; of a mask model one."""
    targets = states_of(model).values()
    return [value for value in model.graph.output if value.name not in targets]


def magnitude_input(model: onnx.ModelProto) -> onnx.ValueInfoProto:
    """The input that is no state, of a model whose states have been checked: magnitudes, or a complex spectrum."""
    return inputs_besides_states(model)[0]


def mask_output(model: onnx.ModelProto) -> onnx.ValueInfoProto:
    """The output that is no state, of a model whose states have been checked."""
    return outputs_besides_states(model)[0]


def input_layout(model: onnx.ModelProto) -> Layout:
    """Return the layout of the input that is not a state."""
    return layout_of(axes_of(magnitude_input(model))) or MAGNITUDES


def frames_of(model: onnx.ModelProto) -> str | int:
    """The frames of a call, or the name of that axis where any number will do."""
    return axes_of(magnitude_input(model))[input_layout(model).frames]


def bins_of(model: onnx.ModelProto) -> str | int:
    """The bins of a spectrum, or the name of that axis."""
    return axes_of(magnitude_input(model))[input_layout(model).bins]


def fix_lengths(model: onnx.ModelProto, value: onnx.ValueInfoProto, batch: int | None, frames: int | None) -> None:
    """Fix the axes of one of a model's two ends to these lengths, in place; None leaves an axis as it is."""
    dims = value.type.tensor_type.shape.dim
    for place, length in ((0, batch), (input_layout(model).frames, frames)):
        if length is not None:
            dims[place].dim_value = length


def check_states(model: onnx.ModelProto, path: Path) -> None:
    """Check that every pair of `states_of` is an input and an output of the graph that fit each other.

    Both are float32 and of one shape, whose axes are fixed but for one, which is the batch.

    Raises
    ------
    UserError : the key, what was found, and what is allowed.
    """
    states = states_of(model)
    ends = {"input": graph_inputs(model), "output": list(model.graph.output)}
    for source, target in states.items():
        key = f"{CONFIG_KEY}.{source}"
        start, end = _find_end(ends, "input", source, key, path), _find_end(ends, "output", target, key, path)
        for kind, value in (("input", start), ("output", end)):
            if value.type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
                found = type_name(value.type.tensor_type.elem_type)
                raise UserError(f"{key}: {kind} '{value.name}' of {path} is {found}; a state is float32")
        axes = axes_of(start)
        if axes is None or sum(not isinstance(axis, int) for axis in axes) > 1:
            found = "an unknown shape" if axes is None else f"the shape {axes_text(axes)}"
            raise UserError(
                f"{key}: input '{source}' of {path} has {found}; a state has fixed axes, but for one, the batch: "
                "re-export it so"
            )
        if not can_be_of_one_shape(start, end):
            fitting = [value.name for value in ends["output"] if can_be_of_one_shape(start, value)]
            remedy = f"name {' or '.join(fitting)}" if fitting else "no output has it: export one that does"
            raise UserError(
                f"{key}: input '{source}' of {path} is {axes_text(axes)}, output '{target}' "
                f"{axes_text(axes_of(end))}; a state and what takes its place have one shape: {remedy}"
            )
    twice = [target for target in states.values() if list(states.values()).count(target) > 1]
    if twice:
        raise UserError(f"{CONFIG_KEY}: output '{twice[0]}' is named for more than one input; each has its own")


def _find_end(
    ends: Mapping[str, Sequence[onnx.ValueInfoProto]], kind: str, name: str, key: str, path: Path
) -> onnx.ValueInfoProto:
    names = [value.name for value in ends[kind]]
    if name in names:
        return ends[kind][names.index(name)]
    near = closest_match(name, names)
    hint = f" (did you mean {near}?)" if near else ""
    raise UserError(f"{key}: {path} has no {kind} '{name}'; its {kind}s are {', '.join(names)}{hint}")


def can_be_of_one_shape(one: onnx.ValueInfoProto, other: onnx.ValueInfoProto) -> bool:
    """Whether two tensors can have one shape; what is not declared shows when the model runs."""
    axes, others = axes_of(one), axes_of(other)
    if axes is None or others is None:
        return axes is not None
    return len(axes) == len(others) and all(
        axis == other_axis or not (isinstance(axis, int) and isinstance(other_axis, int))
        for axis, other_axis in zip(axes, others, strict=True)
    )


def batch_of_one(model: onnx.ModelProto) -> None:
    """Fix the batch to 1 in the states of a model, in place."""
    states = states_of(model)
    inputs = {value.name: value for value in graph_inputs(model)}
    outputs = {value.name: value for value in model.graph.output}
    for source, target in states.items():
        axes = [axis if isinstance(axis, int) else 1 for axis in axes_of(inputs[source])]
        for value in (inputs[source], outputs[target]):
            del value.type.tensor_type.shape.dim[:]
            for axis in axes:
                value.type.tensor_type.shape.dim.add(dim_value=axis)

"""States that are fed back: what a call of a model leaves for the next one, in tensors of their own.

The pairs, state input to state output, are carried in the ONNX file itself, in its metadata under the key "states".
Whatever reads a model finds them there, and the configuration (`quantization.states`) is needed for files without.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx

from sezoo.base.errors import UserError
from sezoo.base.text import closest_match
from sezoo.models.onnx_file import axes_of, graph_inputs
from sezoo.models.spectra import MAGNITUDES, Layout, layout_of

if TYPE_CHECKING:
    import onnxruntime

__all__ = [
    "STATES_KEY",
    "StateLoop",
    "batch_of_one",
    "bins_of",
    "check_states",
    "fix_lengths",
    "frames_of",
    "in_calls",
    "layout_in",
    "likely_states",
    "magnitude_input",
    "mask_output",
    "parsed_states",
    "states_of",
    "states_text",
    "with_states",
    "without_partner",
]

STATES_KEY = "states"
"""Of the metadata; the value is a JSON object of output names by input names."""

CONFIG_KEY = "quantization.states"


# -- the pairs, in a model's metadata ---------------------------------------------------------------------


def states_of(model: onnx.ModelProto) -> dict[str, str]:
    """The state outputs by the state inputs that take them in the next call; empty where the model carries none."""
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    return parsed_states(metadata)


def parsed_states(metadata: Mapping[str, str]) -> dict[str, str]:
    """The pairs in a model's metadata. Another tool may use the key for something else: that is none of ours."""
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
    carrying = onnx.ModelProto()
    carrying.CopyFrom(model)
    others = [entry for entry in model.metadata_props if entry.key != STATES_KEY]
    del carrying.metadata_props[:]
    carrying.metadata_props.extend(others)
    carrying.metadata_props.add(key=STATES_KEY, value=json.dumps(dict(states)))
    return carrying


def states_text(states: Mapping[str, str]) -> str:
    """`{h: h_new, c: c_new}`, as one would write it in the YAML file."""
    return "{" + ", ".join(f"{source}: {target}" for source, target in states.items()) + "}"


def magnitude_input(model: onnx.ModelProto) -> onnx.ValueInfoProto:
    """The input that is no state, of a model whose states have been checked: magnitudes, or a complex spectrum."""
    states = states_of(model)
    return next(value for value in graph_inputs(model) if value.name not in states)


def mask_output(model: onnx.ModelProto) -> onnx.ValueInfoProto:
    """The output that is no state, of a model whose states have been checked."""
    targets = states_of(model).values()
    return next(value for value in model.graph.output if value.name not in targets)


def layout_in(model: onnx.ModelProto) -> Layout:
    """Where the input that is no state has its axes."""
    return layout_of(axes_of(magnitude_input(model))) or MAGNITUDES


def frames_of(model: onnx.ModelProto) -> str | int:
    """The frames of a call, or the name of that axis where any number will do."""
    return axes_of(magnitude_input(model))[layout_in(model).frames]


def bins_of(model: onnx.ModelProto) -> str | int:
    """The bins of a spectrum, or the name of that axis."""
    return axes_of(magnitude_input(model))[layout_in(model).bins]


def fix_lengths(model: onnx.ModelProto, value: onnx.ValueInfoProto, batch: int | None, frames: int | None) -> None:
    """Fix the axes of one of a model's two ends to these lengths, in place; None leaves an axis as it is."""
    dims = value.type.tensor_type.shape.dim
    for place, length in ((0, batch), (layout_in(model).frames, frames)):
        if length is not None:
            dims[place].dim_value = length


# -- checking and guessing them --------------------------------------------------------------------------


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
        start, end = _found(ends, "input", source, key, path), _found(ends, "output", target, key, path)
        for kind, value in (("input", start), ("output", end)):
            if value.type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
                element = onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower()
                raise UserError(f"{key}: {kind} '{value.name}' of {path} is {element}; a state is float32")
        axes = axes_of(start)
        if axes is None or sum(not isinstance(axis, int) for axis in axes) > 1:
            found = "an unknown shape" if axes is None else f"the shape {_axes_text(axes)}"
            raise UserError(
                f"{key}: input '{source}' of {path} has {found}; a state has fixed axes, but for one, the batch: "
                "re-export it so"
            )
        if not _one_shape(start, end):
            raise UserError(
                f"{key}: input '{source}' of {path} is {_axes_text(axes)}, output '{target}' "
                f"{_axes_text(axes_of(end))}; a state and what takes its place have one shape"
            )
    twice = [target for target in states.values() if list(states.values()).count(target) > 1]
    if twice:
        raise UserError(f"{CONFIG_KEY}: output '{twice[0]}' is named for more than one input; each has its own")


def _found(
    ends: Mapping[str, Sequence[onnx.ValueInfoProto]], kind: str, name: str, key: str, path: Path
) -> onnx.ValueInfoProto:
    names = [value.name for value in ends[kind]]
    if name in names:
        return ends[kind][names.index(name)]
    near = closest_match(name, names)
    hint = f" (did you mean {near}?)" if near else ""
    raise UserError(f"{key}: {path} has no {kind} '{name}'; its {kind}s are {', '.join(names)}{hint}")


def likely_states(model: onnx.ModelProto) -> dict[str, str]:
    """The pairs that a model seems to have: those that it carries, and what is left of one shape.

    The spectrum is taken to be the first input of its axes (see `layout_of`), one whose frames are dynamic before
    others; names decide where shapes do not.
    """
    states = states_of(model)
    inputs = [value for value in graph_inputs(model) if value.name not in states]
    outputs = [value for value in model.graph.output if value.name not in states.values()]
    if len(inputs) < 2:
        return states
    magnitudes = _likely_spectrum(inputs)
    mask = max((value for value in outputs if _one_shape(magnitudes, value)), key=_says_mask, default=None)
    pairs = [
        (-_alike(source.name, target.name), place, source.name, target.name)
        for place, source in enumerate(inputs)
        for target in outputs
        if source is not magnitudes and target is not mask and _one_shape(source, target)
    ]
    found: dict[str, str] = {}
    for _, _, source, target in sorted(pairs):
        if source not in found and target not in found.values():
            found[source] = target
    in_order = {value.name: found[value.name] for value in inputs if value.name in found}
    return {**states, **in_order}


def without_partner(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """Inputs, besides the one that is likely to be the spectrum, for which no output of their shape is left."""
    likely = likely_states(model)
    left = [value for value in graph_inputs(model) if value.name not in likely]
    return [value for value in left if value is not _likely_spectrum(left)]


def _likely_spectrum(inputs: Sequence[onnx.ValueInfoProto]) -> onnx.ValueInfoProto:
    spectra = [value for value in inputs if layout_of(axes_of(value)) is not None]
    return min(spectra or inputs, key=_likely_place)


def _likely_place(value: onnx.ValueInfoProto) -> tuple[bool, bool]:
    """What comes first is likely to be the spectrum: dynamic frames, then real and imaginary parts."""
    axes = axes_of(value) or [0]
    layout = layout_of(axes)
    return isinstance(axes[-1 if layout is None else layout.frames], int), layout is None or not layout.is_complex


def _says_mask(value: onnx.ValueInfoProto) -> bool:
    return "mask" in value.name.lower()


def _alike(one: str, other: str) -> float:
    import difflib  # needed for guesses only

    return difflib.SequenceMatcher(None, one.lower(), other.lower()).ratio()


def _one_shape(one: onnx.ValueInfoProto, other: onnx.ValueInfoProto) -> bool:
    """Whether two tensors can have one shape; what is not declared shows when the model runs."""
    axes, others = axes_of(one), axes_of(other)
    if axes is None or others is None:
        return axes is not None
    return len(axes) == len(others) and all(
        axis == other_axis or not (isinstance(axis, int) and isinstance(other_axis, int))
        for axis, other_axis in zip(axes, others, strict=True)
    )


def _axes_text(axes: list[str | int] | None) -> str:
    return "(" + ", ".join(str(axis) if axis != "" else "?" for axis in axes or ()) + ")"


# -- running ---------------------------------------------------------------------------------------------


class StateLoop:
    """A session that is run call after call of one clip: the states begin with zeros and are fed back.

    Parameters
    ----------
    source : name of the input for the magnitudes.
    states : state outputs by state inputs; with none every call stands alone.
    outputs : names of what a call gives.
    """

    def __init__(
        self, session: onnxruntime.InferenceSession, source: str, states: Mapping[str, str], outputs: Sequence[str]
    ):
        self.session, self.source, self.states, self.outputs = session, source, states, outputs
        self.fetched = list(dict.fromkeys([*outputs, *states.values()]))  # a state may be asked for as well
        self.values: dict[str, np.ndarray] | None = None if states else {}  # by state input, for the next call

    @cached_property
    def layout(self) -> Layout:
        """Where the model has the axes of a spectrum."""
        shapes = {value.name: value.shape for value in self.session.get_inputs()}
        return layout_of(shapes.get(self.source)) or MAGNITUDES

    def __call__(self, magnitude: np.ndarray) -> list[np.ndarray]:
        """Run one call on what the model sees, (batch, bins, frames), and keep its states for the next.

        The outputs are as the model gives them: one that is a spectrum has the model's own axes (`layout`).
        """
        if self.values is None:
            self.values = self._zeros(len(magnitude))
        given = self.session.run(self.fetched, {self.source: self.layout.given(magnitude), **self.values})
        by_name = dict(zip(self.fetched, given, strict=True))
        for name, target in self.states.items():
            if by_name[target].shape != self.values[name].shape:
                raise ValueError(
                    f"the state '{name}' has shape {self.values[name].shape}, but {by_name[target].shape} afterwards; "
                    f"let output '{target}' keep its length, by a Slice of its last frames for example"
                )
            self.values[name] = by_name[target]
        return [by_name[name] for name in self.outputs]

    def _zeros(self, batch: int) -> dict[str, np.ndarray]:
        shapes = {value.name: value.shape for value in self.session.get_inputs()}
        return {
            name: np.zeros([axis if isinstance(axis, int) else batch for axis in shapes[name]], np.float32)
            for name in self.states
        }


def in_calls(pieces: Iterable[np.ndarray], frames: int | None) -> Iterator[np.ndarray]:
    """A clip's magnitudes as a model of fixed length takes them, call by call, the last filled up with zeros.

    Parameters
    ----------
    pieces : (batch, bins, any number of frames), one after the other.
    frames : of a call; None gives the pieces as they are.
    """
    if frames is None:
        yield from pieces
        return
    rest = None
    for piece in pieces:
        rest = piece if rest is None else np.concatenate([rest, piece], axis=2)
        whole = rest.shape[2] // frames * frames
        yield from (rest[:, :, start : start + frames] for start in range(0, whole, frames))
        rest = rest[:, :, whole:]
    if rest is not None and rest.shape[2]:
        yield np.pad(rest, [(0, 0), (0, 0), (0, frames - rest.shape[2])])


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

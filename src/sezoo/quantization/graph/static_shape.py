"""The static model for the board: every axis of every tensor a number."""

from __future__ import annotations

import logging
from pathlib import Path

import onnx

from sezoo.base.errors import UserError
from sezoo.base.files import display_path
from sezoo.base.text import pluralize
from sezoo.config.sections import Config
from sezoo.denoising.patch_lengths import needed_lookahead, patch_lengths
from sezoo.models.contract import Contract
from sezoo.models.onnx_file import graph_inputs
from sezoo.models.onnx_graph import axes_of, copy_model, node_label, producers
from sezoo.models.receptive_field import receptive_field_of
from sezoo.models.states import batch_of_one, bins_of, frames_of, input_layout, magnitude_input, mask_output, states_of
from sezoo.quantization.graph.preparation import fold_constants, with_known_shapes
from sezoo.quantization.graph.shape_folding import with_folded_shapes
from sezoo.quantization.recurrent.one_frame import with_bodies_in_place

__all__ = [
    "check_axis_name",
    "choose_static_length",
    "dynamic_axes",
    "static_length",
    "with_static_shape",
]

log = logging.getLogger(__name__)


log = logging.getLogger(__name__)


def check_axis_name(name: str, contract: Contract, path: Path) -> None:
    """Check that `quantization.static_axis_name` is no other axis than that of the frames.

    The frames are the last axis, whatever exporters call it (`time`, `T`, `unk__9`).

    Raises
    ------
    UserError : it is the name of the batch axis.
    """
    if isinstance(contract.frames, int) or contract.frames in (name, ""):
        return
    if name == contract.batch:
        raise UserError(
            f"quantization.static_axis_name: found '{name}', which is the batch axis of input '{contract.input}' of "
            f"{path}; its frames axis is named '{contract.frames}'"
        )
    log.debug("the frames axis of %s is named '%s' (quantization.static_axis_name: %s)", path, contract.frames, name)


def static_length(model: onnx.ModelProto, configured: int) -> int:
    """Return the number of frames of the static model: the configured one, or the model's own fixed number."""
    frames = frames_of(model)
    return frames if isinstance(frames, int) else configured


def choose_static_length(model: onnx.ModelProto, path: Path, config: Config, multiple: int = 1) -> int:
    """Frames of the static model: its own if they are fixed, else as configured, else what the network needs.

    Parameters
    ----------
    path : for messages.
    multiple : of which the number has to be one.

    Raises
    ------
    UserError : settings that do not fit together; a configured number that is no such multiple.
    """
    configured, own = config.quantization.static_sequence_length, frames_of(model)
    if isinstance(own, int):
        if configured not in (None, own):
            log.info(
                "a call of %s is fixed to %s: quantization.static_sequence_length does not apply",
                display_path(path), pluralize(own, "frame"),
            )  # fmt: skip
        return own
    if configured is not None:
        if configured % multiple:
            below, above = configured // multiple * multiple, -(-configured // multiple) * multiple
            raise UserError(
                f"quantization.static_sequence_length: found {configured}; the network of {path} needs a multiple of "
                f"{multiple}: {f'{below} or ' if below else ''}{above}"
            )
        return configured
    stateful = bool(states_of(model))
    needed = needed_lookahead(None if stateful else receptive_field_of(model, path))
    new, lookahead = patch_lengths(config, None, needed=needed, stateful=stateful)
    new += -(new + 2 * lookahead) % multiple
    log.debug(
        "static model of %s: %d new ones and 2 x %d of look-ahead%s", pluralize(new + 2 * lookahead, "frame"), new,
        lookahead, ", as the network's receptive field needs" if lookahead == needed else "",
    )  # fmt: skip
    return new + 2 * lookahead


def with_static_shape(model: onnx.ModelProto, frames: int) -> onnx.ModelProto:
    """The model fixed to magnitudes of (1, bins, `frames`), and its states to a batch of 1.

    The argument is not changed.

    Raises
    ------
    UserError : an axis that cannot be known before the model runs.
    """
    static = copy_model(model)
    batch_of_one(static)
    axes = input_layout(model).axes(1, bins_of(model), frames)
    for value in (magnitude_input(static), mask_output(static)):
        for dim, length in zip(value.type.tensor_type.shape.dim, axes, strict=True):
            dim.dim_value = length
    if frames == 1:
        static = with_bodies_in_place(static)
    static = with_folded_shapes(with_known_shapes(static))
    if dynamic_axes(static) or any(node.op_type == "Shape" for node in static.graph.node):
        static = with_known_shapes(fold_constants(static))
    if remaining := dynamic_axes(static):
        maker = producers(static.graph).get(remaining[0])
        made_by = "" if maker is None else f", made by {node_label(maker)},"
        raise UserError(
            f"the model cannot be made static: the shape of tensor '{remaining[0]}'{made_by} depends on more than the "
            "input's; export the network without loops, branches and selections that depend on data"
        )
    return static


def dynamic_axes(model: onnx.ModelProto) -> list[str]:
    """Names of the tensors that have an axis of unknown length, or no known shape at all."""
    values = [*model.graph.input, *model.graph.value_info, *model.graph.output]
    known = {value.name: axes_of(value) for value in values}
    weights = {weight.name for weight in model.graph.initializer}
    made = [name for node in model.graph.node for name in node.output if name]
    return [
        name
        for name in dict.fromkeys([*(value.name for value in graph_inputs(model)), *made])
        if name not in weights
        and (known.get(name) is None or not all(isinstance(axis, int) and axis > 0 for axis in known[name]))
    ]

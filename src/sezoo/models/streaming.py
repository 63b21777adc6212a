"""Forms of a model of whole clips for streams, with states: made, and checked against the whole clip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

from sezoo.base.errors import UserError
from sezoo.base.files import atomic_write, check_new
from sezoo.base.text import pluralize
from sezoo.models.axes import with_dynamic_axes, with_dynamic_frames
from sezoo.models.contract import check_contract, declared_contract
from sezoo.models.frame_axes import trace_frames
from sezoo.models.mask_model import MaskModel
from sezoo.models.one_frame import one_frame
from sezoo.models.onnx_file import load_onnx, quantized_nodes
from sezoo.models.onnx_graph import opset_of
from sezoo.models.spectra import random_input
from sezoo.models.states import bins_of, frames_of, input_layout, states_of

__all__ = ["streaming", "write_streaming"]

OPSET = 11
"""From this one on Pad and Slice have their numbers as inputs."""


def write_streaming(path: Path, target: Path) -> str:
    """Write the one-frame form of a float or an int8 model, and say what states it has.

    Raises
    ------
    UserError : the file is no mask model; it cannot be run frame by frame; `target` exists.
    """
    check_new(target)
    model = streaming(load_onnx(path), path)
    with atomic_write(target) as temporary:
        onnx.save(model, temporary, format="protobuf")
    count = len(states_of(model))
    return f"{target}: one frame a call, with {pluralize(count, 'state')}: {', '.join(states_of(model)) or 'none'}"


def streaming(model: onnx.ModelProto, path: Path, frames: int | None = 1) -> onnx.ModelProto:
    """The form of a model of whole clips that takes them in pieces, carrying its states' names.

    Parameters
    ----------
    model : float, or int8 in QDQ form, whose masks then are the same integers.
    path : for messages.
    frames : of a piece; None is any number of frames in each call.

    Raises
    ------
    UserError : the node for which it cannot be made, and what would help.
    """
    if states_of(model):
        raise UserError(f"{path} has states of its own already; give the model of whole clips that it was made from")
    is_int8 = bool(quantized_nodes(model))
    if is_int8 and isinstance(frames_of(model), int):
        model = with_dynamic_axes(model, axes=("frames",)) or model
    model = with_dynamic_frames(model, path)
    contract = (declared_contract if is_int8 else check_contract)(model, path)
    if isinstance(contract.frames, int):
        raise UserError(f"{path}: its graph works for {contract.frames} frames only; re-export it with dynamic axes")
    opset = opset_of(model)
    if opset < OPSET:
        raise UserError(f"{path} has opset {opset}; {OPSET} or later is needed: re-export it so")
    try:
        made = one_frame(model, trace_frames(model), frames)
    except UserError as error:
        raise UserError(f"{path} cannot be run frame by frame: {error}") from error
    _check_equal(model, made, path)
    return made


def _check_equal(model: onnx.ModelProto, made: onnx.ModelProto, path: Path) -> None:
    """Check that piece by piece the model gives what it does on a whole clip; what was not foreseen shows here."""
    clip = random_input(5, (1, bins_of(model), 60), input_layout(model))
    exact, found = MaskModel(model, path)(clip), MaskModel(made, path).whole(clip)
    largest = max(1e-6, float(np.abs(exact).max()))
    if quantized_nodes(model):  # a float sum of another order may be rounded to the next integer, here and there
        is_equal = float(np.mean(np.abs(found - exact))) < 1e-3 * largest
    else:
        is_equal = np.allclose(found, exact, rtol=1e-3, atol=1e-4 * largest)
    if not is_equal:
        raise UserError(
            f"{path} cannot be run frame by frame: what it gives then is not what it gives on a whole clip; its layers "
            "have to look back only, and to begin with zeros"
        )

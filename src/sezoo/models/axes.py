"""Dynamic axes for models that were exported with fixed ones."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx

from sezoo.base.errors import UserError
from sezoo.base.files import atomic_write, check_new
from sezoo.models.mask_model import MaskModel
from sezoo.models.onnx_file import graph_inputs, load_onnx, quantized_nodes
from sezoo.models.onnx_graph import axes_of, copy_model
from sezoo.models.spectra import layout_of, random_input

__all__ = ["AXIS_NAMES", "fix_axes", "with_dynamic_axes", "with_dynamic_frames"]

log = logging.getLogger(__name__)

AXIS_NAMES = {"batch": "batch", "frames": "seq_len"}
"""The names that dynamic axes get: those of the reference's exporter and of `quantization.static_axis_name`."""

TOLERANCE = 1e-4


def fix_axes(path: Path, target: Path) -> str:
    """Write a copy of a float model with dynamic batch and frames axes, and say what was done.

    Raises
    ------
    UserError : the file is no float model of a spectrum; the graph hard-codes one of the axes; `target` exists.
    """
    model = load_onnx(path)
    if quantized_nodes(model):
        raise UserError(f"{path} is quantized; fix the axes of the float model")
    check_new(target)
    inputs = graph_inputs(model)
    if len(inputs) != 1:
        raise UserError(f"{path}: one input is needed, it has {len(inputs)}")
    axes = axes_of(inputs[0])
    layout = layout_of(axes)
    if layout is None:
        raise UserError(
            f"{path}: input '{inputs[0].name}' has axes {axes}; (batch, bins, frames) are needed, or "
            "(batch, bins, frames, 2) or (batch, 2, bins, frames) with a fixed number of bins"
        )
    if not isinstance(axes[layout.bins], int):
        raise UserError(f"{path}: axis 1 (bins) of input '{inputs[0].name}' must be fixed to n_fft//2+1; it is dynamic")
    if inputs[0].type.tensor_type.elem_type != onnx.TensorProto.FLOAT or len(model.graph.output) != 1:
        raise UserError(f"{path}: one float32 input and one output are needed; re-export the model")
    batch, bins, frames = axes[0], axes[layout.bins], axes[layout.frames]
    sizes = [axis if isinstance(axis, int) else default for axis, default in ((batch, 1), (bins, bins), (frames, 24))]
    MaskModel(model, path)(random_input(0, tuple(sizes), layout))  # what else is wrong is told here
    dynamic = with_dynamic_axes(model, axes=("batch", "frames"))
    if dynamic is None:
        raise UserError(
            f"{path}: the graph itself hard-codes the batch or the number of frames, in a Reshape for example; "
            "re-export it with dynamic axes (torch.onnx.export(..., dynamic_axes=...))"
        )
    with atomic_write(target) as temporary:
        onnx.save(dynamic, temporary, format="protobuf")
    before = ", ".join(str(axis or "?") for axis in axes)
    if [batch, frames] == list(AXIS_NAMES.values()):
        return f"{target}: a copy; the axes ({before}) were dynamic already"
    after = ", ".join(str(axis) for axis in layout.axes(AXIS_NAMES["batch"], bins, AXIS_NAMES["frames"]))
    return f"{target}: ({before}) is now ({after})"


def with_dynamic_frames(model: onnx.ModelProto, path: Path) -> onnx.ModelProto:
    """A float model whose fixed frames axis is dynamic, if its graph allows that; else, and otherwise, as it is.

    Parameters
    ----------
    path : for messages.
    """
    inputs = graph_inputs(model)
    axes = axes_of(inputs[0]) if len(inputs) == len(model.graph.output) == 1 else None
    layout = layout_of(axes)
    if layout is None or not isinstance(axes[layout.bins], int) or not isinstance(axes[layout.frames], int):
        return model
    if inputs[0].type.tensor_type.elem_type != onnx.TensorProto.FLOAT or quantized_nodes(model):
        return model
    dynamic = with_dynamic_axes(model, axes=("frames",))
    if dynamic is None:
        return model
    log.info("%s: its frames axis, fixed to %d, is made dynamic", path, axes[layout.frames])
    return dynamic


def with_dynamic_axes(model: onnx.ModelProto, *, axes: Sequence[str]) -> onnx.ModelProto | None:
    """The model with these axes ("batch", "frames") dynamic and named, or None where the graph does not allow it.

    Whether it does is tried out: two clips in one batch must get the masks that they get one by one, and
    another number of frames must be accepted.
    """
    dynamic = copy_model(model)
    del dynamic.graph.value_info[:]  # shapes inferred for the fixed axes
    source = graph_inputs(dynamic)[0]
    declared = axes_of(graph_inputs(model)[0])
    layout = layout_of(declared)
    if layout is None:
        return None
    fixed, bins, frames = declared[0], declared[layout.bins], declared[layout.frames]
    for value in (source, dynamic.graph.output[0]):
        dims = value.type.tensor_type.shape.dim
        for index, name in ((0, "batch"), (layout.frames, "frames")):
            if name in axes and len(dims) == len(declared):
                dims[index].dim_param = AXIS_NAMES[name]
    batch = 2 if "batch" in axes else 1
    length = frames if isinstance(frames, int) else 24
    lengths = (length, length + 13) if "frames" in axes or not isinstance(frames, int) else (length,)
    try:
        changed, original = MaskModel(dynamic), MaskModel(model)
        for count in lengths:
            clips = random_input(count, (batch, bins, count), layout)
            masks = changed(clips)
            one_by_one = np.concatenate([changed(clips[[index]]) for index in range(batch)])
            if not np.allclose(masks, one_by_one, atol=TOLERANCE):
                return None
            as_before = np.repeat(clips[:1], fixed if isinstance(fixed, int) else 1, axis=0)
            if count == length and not np.allclose(changed(as_before), original(as_before), atol=TOLERANCE):
                return None
    except UserError:
        return None
    return dynamic

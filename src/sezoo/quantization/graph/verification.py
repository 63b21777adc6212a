"""The written models put to the test before the service says that it is done."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

from sezoo.base.errors import UserError
from sezoo.models.mask_model import MaskModel
from sezoo.models.onnx_file import load_onnx, quantized_nodes
from sezoo.models.onnx_graph import initializers, nested_graphs, producers
from sezoo.models.onnx_session import open_session
from sezoo.models.state_loop import StateLoop, split_into_steps
from sezoo.models.states import frames_of, magnitude_input, mask_output, states_of
from sezoo.quantization.graph.static_shape import dynamic_axes

__all__ = ["VERIFIED_CALLS", "verify"]

AGREEMENT = 1e-5
"""Largest difference of the two models' masks on a patch, run without onnxruntime's optimisations.

Of models that hand something on from frame to frame, in most frames, and a step of the mask more: there a sum that is
rounded the other way, for a last bit, is heard of for some frames more, or for all where a state has come to rest.
"""

VERIFIED_CALLS = 8
"""Of the static model, on which both are verified: one patch says little, and the first of states begins with zeros."""


def verify(dynamic_path: Path, static_path: Path, patch: np.ndarray) -> None:
    """Load both int8 files as any user would, run them, and see that they say the same.

    Parameters
    ----------
    patch : (1, bins, frames) of a real clip as the model sees it, several times the static model's frames.

    Raises
    ------
    UserError : a file that does not load or run, holds no quantized node, is not static on every axis,
        or a pair whose masks differ.
    """
    models = {path: load_onnx(path) for path in (dynamic_path, static_path)}
    for path, model in models.items():
        onnx.checker.check_model(model)
        if not quantized_nodes(model):
            raise UserError(f"{path}: the written model holds no quantized node")
        MaskModel(path).whole(patch)
    if unknown := dynamic_axes(models[static_path]):
        raise UserError(f"{static_path}: tensor '{unknown[0]}' is not static on every axis")
    # Optimised graphs may round halves differently where shapes allow other kernels: compare the files as written.
    frames = frames_of(models[static_path])
    masks = [_run_as_written(model, patch, frames) for model in models.values()]
    in_frames = np.abs(masks[0] - masks[1]).max(axis=(0, 1))
    is_recurrent = _is_recurrent(models[static_path])
    difference = float(np.median(in_frames) if is_recurrent else in_frames.max())
    if difference > (AGREEMENT + _mask_step(models[static_path]) if is_recurrent else AGREEMENT):
        raise UserError(f"{static_path}: its mask differs from {dynamic_path.name}'s by {difference:.2g} on a patch")


def _mask_step(model: onnx.ModelProto) -> float:
    """The scale of the integers that a mask stands for; 0 where it comes from no integers."""
    made_by = producers(model.graph).get(mask_output(model).name)
    scale = initializers(model.graph).get(made_by.input[1]) if made_by is not None and len(made_by.input) > 1 else None
    is_scale = scale is not None and made_by.op_type == "DequantizeLinear" and scale.size == 1
    return float(scale.item()) if is_scale else 0.0


def _is_recurrent(model: onnx.ModelProto) -> bool:
    """Whether the model hands something on from frame to frame."""
    return bool(states_of(model)) or any(True for node in model.graph.node for _ in nested_graphs(node))


def _run_as_written(model: onnx.ModelProto, patch: np.ndarray, frames: int) -> np.ndarray:
    """The mask of the patch, in calls of `frames` frames."""
    session = open_session(model, optimization="none")
    call = StateLoop(session, magnitude_input(model).name, states_of(model), [mask_output(model).name])
    return np.concatenate(
        [call.layout.taken(call(magnitude)[0]) for magnitude in split_into_steps([patch], frames)], axis=2
    )

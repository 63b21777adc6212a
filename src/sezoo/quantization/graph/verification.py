"""Verification of the written models before the service completes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

from sezoo.base.errors import UserError
from sezoo.models.mask_model import MaskModel
from sezoo.models.nested_graphs import nested_graphs
from sezoo.models.onnx_file import load_onnx, quantized_nodes
from sezoo.models.onnx_session import open_session
from sezoo.models.state_loop import StateLoop, split_into_steps
from sezoo.models.states import frames_of, states_of
from sezoo.quantization.graph.static_shape import dynamic_axes

__all__ = ["VERIFIED_CALLS", "verify"]

AGREEMENT = 1e-5
"""Largest difference of the two models' masks on a patch, run without onnxruntime's optimizations."""

AGREEMENT_OF_RECURRENT = 1e-4
"""The same of models that hand something on from frame to frame: power of the difference as a share of the mask's.

There a sum that is rounded the other way, for a last bit, changes the states of the frames after it, so that the two
drift a step or two of the mask apart (-48 dB was the most of the networks tried); a graph that is wrong is far off.
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
    difference = np.abs(masks[0] - masks[1])  # masks may be complex
    largest = float(difference.max())
    if _is_recurrent(models[static_path]):
        agree = np.square(difference).sum() <= AGREEMENT_OF_RECURRENT * np.square(np.abs(masks[0])).sum()
    else:
        agree = largest <= AGREEMENT
    if not agree:
        raise UserError(f"{static_path}: its mask differs from {dynamic_path.name}'s by {largest:.2g} on a patch")


def _is_recurrent(model: onnx.ModelProto) -> bool:
    """Return whether the model has a state from frame to frame."""
    return bool(states_of(model)) or any(True for node in model.graph.node for _ in nested_graphs(node))


def _run_as_written(model: onnx.ModelProto, patch: np.ndarray, frames: int) -> np.ndarray:
    """The mask of the patch, in calls of `frames` frames."""
    session = open_session(model, optimization="none")
    call = StateLoop.of_masks(session, model)
    return np.concatenate(
        [call.layout.taken(call(magnitude)[0]) for magnitude in split_into_steps([patch], frames)], axis=2
    )

"""The written models put to the test before the service says that it is done."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

from sezoo.errors import UserError
from sezoo.mask_model import MaskModel, open_session
from sezoo.onnx_file import load_onnx, quantized_nodes
from sezoo.quantization.static_shape import dynamic_axes

__all__ = ["verify"]

AGREEMENT = 1e-5
"""Largest difference of the two models' masks on a patch, run without onnxruntime's optimisations."""


def verify(dynamic_path: Path, static_path: Path, patch: np.ndarray) -> None:
    """Load both int8 files as any user would, run them, and see that they say the same.

    Parameters
    ----------
    patch : (1, bins, static frames) float32 magnitudes of a real clip.

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
        MaskModel(path)(patch)
    if unknown := dynamic_axes(models[static_path]):
        raise UserError(f"{static_path}: tensor '{unknown[0]}' is not static on every axis")
    # Optimised graphs may round halves differently where shapes allow other kernels: compare the files as written.
    masks = [_run_as_written(model, patch) for model in models.values()]
    difference = float(np.abs(masks[0] - masks[1]).max())
    if difference > AGREEMENT:
        raise UserError(f"{static_path}: its mask differs from {dynamic_path.name}'s by {difference:.2g} on a patch")


def _run_as_written(model: onnx.ModelProto, patch: np.ndarray) -> np.ndarray:
    session = open_session(model, optimise=False)
    return session.run(None, {session.get_inputs()[0].name: patch})[0]

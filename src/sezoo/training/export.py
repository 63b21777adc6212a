"""Export of the trained torch network to the float ONNX model that the other services use."""

from __future__ import annotations

import copy
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

from sezoo.base.errors import UserError
from sezoo.base.files import atomic_write, display_path
from sezoo.models.axes import AXIS_NAMES
from sezoo.models.constant_shapes import with_constant_shapes
from sezoo.models.mask_model import MaskModel
from sezoo.models.spectra import TRIAL_SHAPES, trial_magnitudes
from sezoo.training.merged_pads import with_merged_pads

__all__ = ["export_onnx", "mask_differences"]

log = logging.getLogger(__name__)

INPUT, OUTPUT = "input", "mask"
FRAMES = 40  # of the example that the exporter traces the network with
AGREEMENT = 1e-4
"""Largest difference between torch's mask and onnxruntime's: batch norms are folded, and sums ordered otherwise."""


def export_onnx(network: nn.Module, path: Path, *, bins: int, opset: int, warns: bool = False) -> None:
    """Write the network as float32 ONNX with dynamic batch and frames, after comparing it with torch on two shapes.

    Batch norms are folded into the convolutions before them.

    Parameters
    ----------
    network : maps (batch, bins, frames) to a mask of that shape; it is left as it is.
    warns : log the lines of its class that decide by the input, which the exported model cannot.

    Raises
    ------
    UserError : the network cannot be exported in that opset, or gives other masks in onnxruntime.
    """
    network = copy.deepcopy(network).cpu().float().eval()
    model, decisions = _export_model(network, bins, opset)
    session = MaskModel(model, path)
    for difference in mask_differences(network, session, bins):
        largest = float(difference.max())
        if not largest <= AGREEMENT:
            raise UserError(
                f"the exported model's mask differs from torch's by {largest:.2g} for {difference.shape[-1]} frames: "
                "the network does something that depends on the length of the example it was traced with"
            )
    if decisions and warns:
        log.warning(
            "%s: a decision that depends on the input; the exported model always takes the branch that is right for "
            "random magnitudes of %d frames (its masks are torch's for %s frames too)",
            "; ".join(decisions), FRAMES, " and ".join(str(frames) for _, frames in TRIAL_SHAPES),
        )  # fmt: skip
    with atomic_write(path) as temporary:
        onnx.save(model, temporary)


def mask_differences(network: nn.Module, model: MaskModel, bins: int) -> Iterator[np.ndarray]:
    """By how much a model's masks of a few random magnitudes differ from the network's, (batch, bins, frames) each."""
    for magnitude in trial_magnitudes(bins):
        with torch.inference_mode():
            expected = network(torch.from_numpy(magnitude)).numpy()
        yield np.abs(model(magnitude) - expected)


def _export_model(network: nn.Module, bins: int, opset: int) -> tuple[onnx.ModelProto, list[str]]:
    """The model, and the lines of the user's own code that decide by the input."""
    names = {0: AXIS_NAMES["batch"], 2: AXIS_NAMES["frames"]}
    file = io.BytesIO()
    try:
        with warnings.catch_warnings(record=True) as said:
            # The exporter that traces: the new one needs another package, and gives the same graph of such networks.
            warnings.simplefilter("always")
            torch.onnx.export(
                network, (torch.rand(1, bins, FRAMES),), file, dynamo=False, opset_version=opset,
                input_names=[INPUT], output_names=[OUTPUT], dynamic_axes={INPUT: names, OUTPUT: names},
            )  # fmt: skip
    except Exception as error:  # the exporter raises what it likes
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(f"training.opset_version: the network cannot be exported in opset {opset}: {reason}") from error
    model = with_merged_pads(with_constant_shapes(onnx.load_from_string(file.getvalue())))
    # The exporter gives axes that it has not followed through the graph a name of its own.
    model.graph.output[0].type.CopyFrom(model.graph.input[0].type)
    return model, _decisions(said)


def _decisions(said: list[warnings.WarningMessage]) -> list[str]:
    """The lines that decide by the input, file by file; torch's own layers check shapes, which changes nothing."""
    lines: dict[Path, list[int]] = {}
    for warning in said:
        file = Path(warning.filename)
        is_decision = issubclass(warning.category, torch.jit.TracerWarning) and "Python boolean" in str(warning.message)
        if is_decision and not file.is_relative_to(Path(torch.__file__).parent):
            lines.setdefault(file, []).append(warning.lineno)
    return [
        f"{display_path(file)}, line {', '.join(str(line) for line in sorted(set(found)))}"
        for file, found in lines.items()
    ]

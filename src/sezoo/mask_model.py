"""The model: magnitudes (batch, bins, frames) in, a mask of the same shape out; its contract, and running it."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import onnx
import onnxruntime

from sezoo.errors import UserError
from sezoo.input_quantizer import InputQuantizer, input_quantizer_of
from sezoo.onnx_file import axes_of, graph_inputs, load_onnx, quantized_nodes

__all__ = [
    "Contract",
    "MaskFunction",
    "MaskModel",
    "check_contract",
    "checked_mask",
    "declared_contract",
    "open_session",
]

log = logging.getLogger(__name__)

FIX_AXES = "re-export it with dynamic axes, or try `sezoo model {path} --fix-axes`"


@dataclass(frozen=True)
class Contract:
    """What a model that fits the contract calls its ends and axes.

    `batch` and `frames` are the names of the dynamic axes ("" where they have none), or the fixed length.
    """

    input: str
    output: str
    bins: int
    batch: str | int
    frames: str | int


def check_contract(model: onnx.ModelProto, path: Path, *, n_fft: int | None = None) -> Contract:
    """Check that a float model maps magnitudes (batch, bins, frames) to a mask of the same shape.

    The graph's declarations are checked, then the model is run on two small shapes.

    Parameters
    ----------
    path : for messages.
    n_fft : of the configuration, which makes ``n_fft // 2 + 1`` bins; None takes the model's own number.

    Raises
    ------
    UserError : what was found, what is expected, and how to mend it.
    """
    if quantized_nodes(model):
        raise UserError(f"{path} is quantized already; give the float model that it was made from")
    contract = declared_contract(model, path, n_fft=n_fft)
    if isinstance(contract.frames, int):
        raise UserError(
            f"{path}: the frames axis of input '{contract.input}' is fixed to {contract.frames}; a dynamic one is "
            f"needed, the static model is made from it: {FIX_AXES.format(path=path)}"
        )
    if isinstance(contract.batch, int) and contract.batch != 1:
        raise UserError(
            f"{path}: the batch axis of input '{contract.input}' is fixed to {contract.batch}; a dynamic one (or 1) "
            f"is needed: {FIX_AXES.format(path=path)}"
        )
    if contract.batch == 1:
        log.warning("%s: the batch axis is fixed to 1; it is made dynamic if the graph allows it", path)
    _try_out(model, path, contract)
    return contract


def declared_contract(model: onnx.ModelProto, path: Path, *, n_fft: int | None = None) -> Contract:
    """Check what a float or int8 model's graph declares; parameters and errors as for `check_contract`."""
    inputs, outputs = graph_inputs(model), list(model.graph.output)
    for kind, values in (("input", inputs), ("output", outputs)):
        if len(values) != 1:
            names = ", ".join(value.name for value in values)
            raise UserError(
                f"{path} has {len(values)} {kind}s ({names}); the contract is one: magnitudes (batch, bins, frames) "
                "in, a mask of the same shape out"
            )
    source, target = inputs[0], outputs[0]
    for kind, value in (("input", source), ("output", target)):
        if value.type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
            found = onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower()
            raise UserError(f"{path}: {kind} '{value.name}' is {found}, float32 is needed; re-export the model")
    axes = axes_of(source)
    if axes is None or len(axes) != 3:
        found = "an unknown shape" if axes is None else f"{len(axes)} axes {_axes_text(axes)}"
        raise UserError(f"{path}: input '{source.name}' has {found}; (batch, bins, frames) is needed")
    batch, model_bins, frames = axes
    if n_fft is not None and model_bins != n_fft // 2 + 1:
        mend = (
            f"set preprocessing.n_fft: {2 * (model_bins - 1)} if it was trained so"
            if isinstance(model_bins, int) and model_bins > 1
            else "re-export it with that axis fixed"
        )
        raise UserError(
            f"{path}: axis 1 of input '{source.name}' is {model_bins or 'dynamic'}, but "
            f"preprocessing.n_fft: {n_fft} makes {n_fft // 2 + 1} bins; {mend}"
        )
    if not isinstance(model_bins, int):
        raise UserError(f"{path}: axis 1 (bins) of input '{source.name}' is dynamic; it must be fixed to n_fft//2+1")
    mask_axes = axes_of(target)
    if mask_axes is not None and not _may_be_mask(mask_axes, model_bins):
        raise UserError(
            f"{path}: output '{target.name}' is {_axes_text(mask_axes)}, not of the input's shape {_axes_text(axes)}"
        )
    return Contract(source.name, target.name, model_bins, batch, frames)


def _may_be_mask(axes: list[str | int], bins: int) -> bool:
    """Whether declared axes allow (batch, bins, frames); what is not declared shows when the model runs."""
    return len(axes) == 3 and (not isinstance(axes[1], int) or axes[1] == bins)


def _axes_text(axes: list[str | int]) -> str:
    return "(" + ", ".join(str(axis) if axis != "" else "?" for axis in axes) + ")"


def _try_out(model: onnx.ModelProto, path: Path, contract: Contract) -> None:
    """Run the model on two shapes: what a graph declares is not always what it does."""
    mask_model = MaskModel(model, path)
    for batch, frames in ((1, 24), (1 if contract.batch == 1 else 2, 37)):
        magnitude = np.random.default_rng(frames).random((batch, contract.bins, frames), np.float32)
        try:
            mask_model(magnitude)
        except _ShapeError as error:
            raise UserError(
                f"{error}; the graph hard-codes an axis that it declares dynamic: re-export it with dynamic axes"
            ) from error


def open_session(model: onnx.ModelProto | Path, *, optimise: bool = True) -> onnxruntime.InferenceSession:
    """An onnxruntime session on one CPU thread.

    One thread, because work is spread over clips; no memory pattern, because every clip has another
    length and a pattern would be kept for each.

    Parameters
    ----------
    optimise : False runs the graph as it is written, so that every tensor of it exists.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_mem_pattern = False
    options.log_severity_level = 4  # what goes wrong is raised, and need not be on the terminal as well
    if not optimise:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    source = str(model) if isinstance(model, Path) else model.SerializeToString()
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


class _ShapeError(UserError):
    """A model that does not work, or gives no mask, for magnitudes of some shape."""


def checked_mask(mask: np.ndarray, magnitude: np.ndarray, path: Path) -> np.ndarray:
    """The mask, if it is finite and has the shape of the magnitudes; else a `UserError`."""
    if mask.shape != magnitude.shape:
        raise _ShapeError(f"{path}: the mask has shape {mask.shape}, the magnitudes {magnitude.shape}")
    if not np.isfinite(mask).all():
        raise UserError(f"{path}: the mask has NaN or infinite values")
    return mask


class MaskFunction(Protocol):
    """What makes masks, be it in onnxruntime or in torch.

    Attributes
    ----------
    path : of its file, for messages.
    batch, frames : the length of a fixed axis; None where it is dynamic.
    input_quantizer : how its input is rounded to integers; None where it is not.
    """

    path: Path
    batch: int | None
    frames: int | None
    input_quantizer: InputQuantizer | None

    def __call__(self, magnitude: np.ndarray) -> np.ndarray:
        """Magnitudes (batch, bins, frames) float32 to a mask of the same shape."""


class MaskModel:
    """A mask model in onnxruntime, a `MaskFunction`.

    Parameters
    ----------
    model : the file, or the model as read from it.
    path : for messages, where `model` is no path.

    Raises
    ------
    UserError : onnxruntime cannot load or run it, or what comes out is no mask.
    """

    def __init__(self, model: onnx.ModelProto | Path, path: Path | None = None):
        self.path = path or model
        try:
            self.session = open_session(model)
        except Exception as error:  # onnxruntime's exceptions have no base class of their own
            raise UserError(f"{self.path}: onnxruntime cannot load it: {_reason(error)}") from error
        source = self.session.get_inputs()[0]
        self.input = source.name
        batch, _, frames = source.shape if len(source.shape) == 3 else (None, None, None)
        self.batch: int | None = batch if isinstance(batch, int) else None
        self.frames: int | None = frames if isinstance(frames, int) else None
        self._model = model

    def __call__(self, magnitude: np.ndarray) -> np.ndarray:
        """Magnitudes (batch, bins, frames) float32 to a mask of the same shape."""
        try:
            (mask,) = self.session.run(None, {self.input: magnitude})
        except Exception as error:
            raise _ShapeError(f"{self.path}: cannot be run on shape {magnitude.shape}: {_reason(error)}") from error
        return checked_mask(mask, magnitude, self.path)

    @cached_property
    def input_quantizer(self) -> InputQuantizer | None:
        """How the graph rounds its input to integers; None where it does not."""
        return input_quantizer_of(load_onnx(self._model) if isinstance(self._model, Path) else self._model)


def _reason(error: Exception) -> str:
    """The sentence in an onnxruntime message, without its source locations."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    sentence = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", lines[0])
    sentence = re.sub(r"\S+\.(?:h|cc|cpp):\d+ (?:\S+ )?[\w:~<>]+\([^)]*\) ", "", sentence)
    return sentence if len(sentence) <= 300 else sentence[:297] + "..."

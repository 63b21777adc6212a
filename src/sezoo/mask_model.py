"""The model: magnitudes (batch, bins, frames) in, a mask of the same shape out; its contract, and running it.

A model may have states besides (see `sezoo.model_states`): inputs that take in a call what outputs gave in the last.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import onnx

from sezoo.errors import UserError
from sezoo.input_quantizer import InputQuantizer, input_quantizer_of
from sezoo.model_states import (
    StateLoop,
    check_states,
    in_calls,
    likely_states,
    parsed_states,
    states_of,
    states_text,
    with_states,
)
from sezoo.onnx_file import axes_of, graph_inputs, load_onnx, quantized_nodes
from sezoo.onnx_session import open_session
from sezoo.wording import counted

__all__ = [
    "Contract",
    "MaskFunction",
    "MaskModel",
    "check_contract",
    "checked_mask",
    "declared_contract",
]

log = logging.getLogger(__name__)

FIX_AXES = "re-export it with dynamic axes, or try `sezoo model {path} --fix-axes`"


@dataclass(frozen=True)
class Contract:
    """What a model that fits the contract calls its ends and axes.

    `batch` and `frames` are the names of the dynamic axes ("" where they have none), or the fixed length.
    `states` are the names of state outputs by those of the state inputs; most models have none.
    """

    input: str
    output: str
    bins: int
    batch: str | int
    frames: str | int
    states: Mapping[str, str] = field(default_factory=dict)


def check_contract(model: onnx.ModelProto, path: Path, *, n_fft: int | None = None) -> Contract:
    """Check that a float model maps magnitudes (batch, bins, frames) to a mask of the same shape.

    The graph's declarations are checked, then the model is run on two small shapes. Of a model with states
    the frames axis may be fixed: it is run call by call.

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
    if isinstance(contract.frames, int) and not contract.states:
        raise UserError(
            f"{path}: the frames axis of input '{contract.input}' is fixed to {contract.frames}; a dynamic one is "
            f"needed, the static model is made from it: {FIX_AXES.format(path=path)}"
        )
    if isinstance(contract.batch, int) and contract.batch != 1:
        raise UserError(
            f"{path}: the batch axis of input '{contract.input}' is fixed to {contract.batch}; a dynamic one (or 1) "
            f"is needed: {'re-export it so' if contract.states else FIX_AXES.format(path=path)}"
        )
    if contract.batch == 1 and not contract.states:
        log.warning("%s: the batch axis is fixed to 1; it is made dynamic if the graph allows it", path)
    _try_out(model, path, contract)
    return contract


def declared_contract(model: onnx.ModelProto, path: Path, *, n_fft: int | None = None) -> Contract:
    """Check what a float or int8 model's graph declares, the states that it carries among that.

    Parameters and errors are those of `check_contract`.
    """
    check_states(model, path)
    states = states_of(model)
    inputs = [value for value in graph_inputs(model) if value.name not in states]
    outputs = [value for value in model.graph.output if value.name not in states.values()]
    for kind, values in (("input", inputs), ("output", outputs)):
        if len(values) != 1:
            names = ", ".join(value.name for value in values) or "none"
            besides = f" besides {counted(len(states), 'state')}" if states else ""
            raise UserError(
                f"{path} has {len(values)} {kind}s{besides} ({names}); the contract is one: magnitudes (batch, bins, "
                f"frames) in, a mask of the same shape out{_states_hint(model)}"
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
    return Contract(source.name, target.name, model_bins, batch, frames, states)


def _states_hint(model: onnx.ModelProto) -> str:
    """What to add to the complaint about several inputs or outputs; nothing where they cannot be states."""
    if len(graph_inputs(model)) < 2:
        return ""
    named, likely = states_of(model), likely_states(model)
    if likely != named:
        named_so = f"quantization.states: {states_text(likely)}"
        return f"; states, which are fed back from call to call, have to be named: {named_so}"
    return "" if named else "; states, which are fed back from call to call, would be in pairs of one shape"


def _may_be_mask(axes: list[str | int], bins: int) -> bool:
    """Whether declared axes allow (batch, bins, frames); what is not declared shows when the model runs."""
    return len(axes) == 3 and (not isinstance(axes[1], int) or axes[1] == bins)


def _axes_text(axes: list[str | int]) -> str:
    return "(" + ", ".join(str(axis) if axis != "" else "?" for axis in axes) + ")"


def _try_out(model: onnx.ModelProto, path: Path, contract: Contract) -> None:
    """Run the model on two shapes, with states two calls each: what a graph declares is not always what it does."""
    mask_model = MaskModel(model, path)
    lengths = (contract.frames, contract.frames) if isinstance(contract.frames, int) else (24, 37)
    # Clips of models with states are run one by one: that one batches is of no importance.
    for batch, frames in ((1, lengths[0]), (1 if contract.batch == 1 or contract.states else 2, lengths[1])):
        magnitude = np.random.default_rng(frames).random((batch, contract.bins, frames), np.float32)
        try:
            run = mask_model.fresh()
            for _ in range(2 if contract.states else 1):
                run(magnitude)
        except _ShapeError as error:
            raise UserError(
                f"{error}; the graph hard-codes an axis that it declares dynamic: re-export it with dynamic axes"
            ) from error


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
    stateful : it has states that are fed back. A clip is then what `fresh` gives a callable for, which takes the
        frames in order and each of them once, in calls of `frames` where that is fixed. A model without states
        needs no `fresh`: every call stands alone.
    """

    path: Path
    batch: int | None
    frames: int | None
    input_quantizer: InputQuantizer | None
    stateful: bool

    def __call__(self, magnitude: np.ndarray) -> np.ndarray:
        """Magnitudes (batch, bins, frames) float32 to a mask of the same shape; of a stateful model a whole clip."""


class MaskModel:
    """A mask model in onnxruntime, a `MaskFunction`.

    Parameters
    ----------
    model : the file, or the model as read from it.
    path : for messages, where `model` is no path.
    states : state outputs by state inputs; those that the model carries where it is None or empty.

    Raises
    ------
    UserError : onnxruntime cannot load or run it, or what comes out is no mask.
    """

    def __init__(
        self, model: onnx.ModelProto | Path, path: Path | None = None, states: Mapping[str, str] | None = None
    ):
        self.path = path or model
        try:
            self.session = open_session(model)
        except Exception as error:  # onnxruntime's exceptions have no base class of their own
            raise UserError(f"{self.path}: onnxruntime cannot load it: {_reason(error)}") from error
        self.states = dict(states or parsed_states(self.session.get_modelmeta().custom_metadata_map))
        sources = [value for value in self.session.get_inputs() if value.name not in self.states]
        masks = [value.name for value in self.session.get_outputs() if value.name not in self.states.values()]
        if len(sources) != 1 or len(masks) != 1:
            raise UserError(f"{self.path}: one input and one output besides states are needed; see `sezoo model`")
        (source,), (self.mask,) = sources, masks
        self.input = source.name
        batch, _, frames = source.shape if len(source.shape) == 3 else (None, None, None)
        self.batch: int | None = batch if isinstance(batch, int) else None
        self.frames: int | None = frames if isinstance(frames, int) else None
        self._model = model

    @property
    def stateful(self) -> bool:
        """Whether states are fed back from call to call."""
        return bool(self.states)

    def __call__(self, magnitude: np.ndarray) -> np.ndarray:
        """Magnitudes (batch, bins, frames) float32 to a mask of the same shape.

        With states they are a clip from its beginning; a length of the model's own is kept to, call by call.
        """
        run = self.fresh()
        if not self.stateful:
            return run(magnitude)
        masks = [run(call) for call in in_calls([magnitude], self.frames)]
        return np.concatenate(masks, axis=2)[:, :, : magnitude.shape[2]]

    def fresh(self) -> Callable[[np.ndarray], np.ndarray]:
        """The model at the beginning of a clip: calls of it have states of their own, which begin with zeros."""
        loop = StateLoop(self.session, self.input, self.states, [self.mask])

        def run(magnitude: np.ndarray) -> np.ndarray:
            try:
                (mask,) = loop(magnitude)
            except Exception as error:
                raise _ShapeError(f"{self.path}: cannot be run on shape {magnitude.shape}: {_reason(error)}") from error
            return checked_mask(mask, magnitude, self.path)

        return run

    @cached_property
    def input_quantizer(self) -> InputQuantizer | None:
        """How the graph rounds its input to integers; None where it does not."""
        model = load_onnx(self._model) if isinstance(self._model, Path) else self._model
        return input_quantizer_of(with_states(model, self.states))


def _reason(error: Exception) -> str:
    """The sentence in an onnxruntime message, without its source locations."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    sentence = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", lines[0])
    sentence = re.sub(r"\S+\.(?:h|cc|cpp):\d+ (?:\S+ )?[\w:~<>]+\([^)]*\) ", "", sentence)
    return sentence if len(sentence) <= 300 else sentence[:297] + "..."

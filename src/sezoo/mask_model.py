"""The model: magnitudes (batch, bins, frames) in, a mask of the same shape out; its contract, and running it.

A model may have states besides (see `sezoo.model_states`): inputs that take in a call what outputs gave in the last.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import onnx

from sezoo.errors import UserError
from sezoo.foreign_text import short_list
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
from sezoo.onnx_graph import described
from sezoo.onnx_session import open_session
from sezoo.wording import counted

__all__ = [
    "Contract",
    "MaskFunction",
    "MaskModel",
    "check_contract",
    "checked_mask",
    "declared_contract",
    "mask_among",
]

log = logging.getLogger(__name__)

MULTIPLES = (2, 3, 4, 5, 6, 8, 10, 12, 16, 32, 64)
"""Of frames, that networks which halve them again and again ask for; tried where a number of frames is refused."""

FIX_AXES = "re-export it with dynamic axes, or try `sezoo model {path} --fix-axes`"


@dataclass(frozen=True)
class Contract:
    """What a model that fits the contract calls its ends and axes.

    `batch` and `frames` are the names of the dynamic axes ("" where they have none), or the fixed length.
    `states` are the names of state outputs by those of the state inputs; most models have none.
    `multiple` is what the number of frames has to be a multiple of, as networks that halve them have it.
    """

    input: str
    output: str
    bins: int
    batch: str | int
    frames: str | int
    states: Mapping[str, str] = field(default_factory=dict)
    multiple: int = 1


def check_contract(model: onnx.ModelProto, path: Path, *, n_fft: int | None = None) -> Contract:
    """Check that a float model maps magnitudes (batch, bins, frames) to a mask of the same shape.

    The graph's declarations are checked, then the model is run on two small shapes. Where the frames axis is fixed it
    is run call by call.

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
    _check_inference_mode(model, path)
    if isinstance(contract.batch, int) and contract.batch != 1:
        raise UserError(
            f"{path}: the batch axis of input '{contract.input}' is fixed to {contract.batch}; a dynamic one (or 1) "
            f"is needed: {'re-export it so' if contract.states else FIX_AXES.format(path=path)}"
        )
    if contract.batch == 1 and not contract.states:
        log.warning("%s: the batch axis is fixed to 1; it is made dynamic if the graph allows it", path)
    if isinstance(contract.frames, int) and not contract.states:
        log.warning(
            "%s: the graph works for %d frames only: so do the int8 models, and clips are cut into pieces of as many",
            path, contract.frames,
        )  # fmt: skip
    mask_model = MaskModel(model, path)
    _try_out(mask_model, contract)
    if mask_model.multiple > 1:
        log.info(
            "%s: the number of frames has to be a multiple of %d; clips are filled up with zeros",
            path, mask_model.multiple,
        )  # fmt: skip
    if _scales_with_input(mask_model, contract):
        log.warning(
            "%s: twice the magnitudes give twice the output: does it make magnitudes instead of a mask? The output is "
            "multiplied with the noisy spectrum here",
            path,
        )
    return replace(contract, multiple=mask_model.multiple)


def declared_contract(model: onnx.ModelProto, path: Path, *, n_fft: int | None = None) -> Contract:
    """Check what a float or int8 model's graph declares, the states that it carries among that.

    Parameters and errors are those of `check_contract`.
    """
    check_states(model, path)
    states = states_of(model)
    inputs = [value for value in graph_inputs(model) if value.name not in states]
    outputs = [value for value in model.graph.output if value.name not in states.values()]
    others = []
    if len(outputs) > 1 and len(inputs) == 1 and not states:
        of_input = axes_of(inputs[0]) or []
        bins = of_input[1] if len(of_input) == 3 else None
        mask = mask_among({value.name: axes_of(value) for value in outputs}, bins)
        others = [value for value in outputs if mask is not None and value.name != mask]
        outputs = [value for value in outputs if value not in others]
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
    if others:
        names = short_list(value.name for value in others)
        log.info("%s: output '%s' is the mask; left aside: %s", path, target.name, names)
    return Contract(source.name, target.name, model_bins, batch, frames, states)


def mask_among(outputs: Mapping[str, Sequence[str | int | None] | None], bins: int | str | None) -> str | None:
    """Which of several outputs is the mask: the only one, else the only one of the input's shape, or so by name.

    Parameters
    ----------
    outputs : axes by name; None where they are not declared.
    bins : of the input.
    """
    if len(outputs) == 1:
        return next(iter(outputs))
    fitting = [name for name, axes in outputs.items() if axes is not None and len(axes) == 3 and axes[1] == bins]
    named = [name for name in fitting or outputs if "mask" in name.lower()]
    found = fitting if len(fitting) == 1 else named
    return found[0] if len(found) == 1 else None


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


def _try_out(mask_model: MaskModel, contract: Contract) -> None:
    """Run the model on two shapes, with states two calls each: what a graph declares is not always what it does."""
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
    while (seen := mask_model.multiple) > 1:  # 40 frames are a multiple of 4, and of 8
        mask_model(np.ones((1, contract.bins, 9 * seen), np.float32))
        if mask_model.multiple == seen:
            break


def _scales_with_input(mask_model: MaskModel, contract: Contract) -> bool:
    """Whether f(2x) = 2 f(x), which is so of magnitudes, and of no mask that follows the signal."""
    frames = contract.frames if isinstance(contract.frames, int) else 24
    magnitude = np.random.default_rng(2).random((1, contract.bins, frames), np.float32)
    once, twice = mask_model.fresh()(magnitude), mask_model.fresh()(2 * magnitude)
    largest = np.abs(once).max()
    return bool(largest > 0 and np.abs(twice - 2 * once).max() < 1e-3 * largest)


def _check_inference_mode(model: onnx.ModelProto, path: Path) -> None:
    """Refuse a network that was exported while it was training: its masks depend on what else is in the batch."""
    constants = {weight.name: weight for weight in model.graph.initializer}
    for node in model.graph.node:
        trains = any(entry.name == "training_mode" and entry.i for entry in node.attribute)
        if node.op_type == "Dropout" and len(node.input) > 2 and node.input[2] in constants:
            trains = bool(onnx.numpy_helper.to_array(constants[node.input[2]]).any())
        if trains:
            raise UserError(
                f"{path}: it was exported in training mode ({described(node)} normalizes or drops by chance): call "
                "network.eval() before torch.onnx.export"
            )


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

    Attributes
    ----------
    multiple : what the number of frames has to be a multiple of, as far as that has been seen; what lacks is filled up
        with zeros.

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
        outputs = {
            value.name: list(value.shape) for value in self.session.get_outputs()
            if value.name not in self.states.values()
        }  # fmt: skip
        mask = mask_among(outputs, sources[0].shape[1] if sources and len(sources[0].shape) == 3 else None)
        if len(sources) != 1 or mask is None:
            raise UserError(f"{self.path}: one input and one output besides states are needed; see `sezoo model`")
        (source,), self.mask = sources, mask
        self.input = source.name
        batch, _, frames = source.shape if len(source.shape) == 3 else (None, None, None)
        self.batch: int | None = batch if isinstance(batch, int) else None
        self.frames: int | None = frames if isinstance(frames, int) else None
        self.multiple = 1
        self._model = model

    @property
    def stateful(self) -> bool:
        """Whether states are fed back from call to call."""
        return bool(self.states)

    def __call__(self, magnitude: np.ndarray) -> np.ndarray:
        """Magnitudes (batch, bins, frames) float32 to a mask of the same shape.

        With states they are a clip from its beginning; a length of the model's own is kept to, call by call.
        """
        return self.whole(magnitude) if self.stateful else self.fresh()(magnitude)

    def whole(self, magnitude: np.ndarray) -> np.ndarray:
        """The same for a clip of any length, which is cut into calls where the model has a length of its own."""
        run = self.fresh()
        if self.frames is None and not self.stateful:
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

        def filled_up(magnitude: np.ndarray, multiple: int) -> np.ndarray:
            frames = magnitude.shape[2]
            rest = -frames % multiple
            return run(np.pad(magnitude, [(0, 0), (0, 0), (0, rest)]))[:, :, :frames] if rest else run(magnitude)

        def run_any(magnitude: np.ndarray) -> np.ndarray:
            try:
                return filled_up(magnitude, self.multiple)
            except _ShapeError:
                for multiple in MULTIPLES:
                    if multiple > self.multiple and magnitude.shape[2] % multiple:
                        try:
                            mask = filled_up(magnitude, multiple)
                        except _ShapeError:
                            continue
                        self.multiple = multiple
                        return mask
                raise

        return run if self.stateful or self.frames is not None else run_any

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

"""Running a model: magnitudes, (batch, bins, frames) float32, or complex spectra, complex64, in; the same shape out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import onnx

from sezoo.base.errors import UserError
from sezoo.models.input_quantizer import InputQuantizer, input_quantizer_of
from sezoo.models.onnx_file import load_onnx
from sezoo.models.onnx_session import open_session
from sezoo.models.spectra import (
    COMPLEX_MASK,
    COMPLEX_SPECTRUM,
    LOUDER,
    MAGNITUDE_MASK,
    MAGNITUDES,
    grows_with,
    kind_by_name,
    kind_problem,
    layout_of,
    parse_kind,
    random_input,
)
from sezoo.models.state_loop import StateLoop, split_into_steps
from sezoo.models.states import parse_states, with_states

__all__ = ["NOT_FINITE_REMEDY", "MaskFunction", "MaskModel", "ShapeError", "checked_mask", "kind_of", "mask_among"]

MULTIPLES = (2, 3, 4, 5, 6, 8, 10, 12, 16, 32, 64)
"""Of frames, that networks which halve them again and again ask for; tried where a number of frames is refused."""

NOT_FINITE_REMEDY = (
    "where the network takes a logarithm or divides, add a small number, 1e-7 or more "
    "(torch.onnx.export(dynamo=True) drops smaller ones)"
)
"""Of NaN and infinite values. The optimizer of PyTorch's exporter takes an addition of 1e-8 or less for one of nothing
(torch 2.13 with onnxscript 0.7), and the logarithm of a silent frame is infinite then."""


class ShapeError(UserError):
    """A model that does not work, or gives no mask, for magnitudes of some shape."""


def mask_among(outputs: Mapping[str, Sequence[str | int | None] | None], bins: int | str | None) -> str | None:
    """Return the output that is the mask: the only one, the only one of the input's shape, or the one so named.

    Parameters
    ----------
    outputs : axes by name; None where they are not declared.
    bins : of the input.
    """
    if len(outputs) == 1:
        return next(iter(outputs))
    layouts = {name: layout_of(axes) for name, axes in outputs.items()}
    fitting = [name for name, layout in layouts.items() if layout is not None and outputs[name][layout.bins] == bins]
    named = [name for name in fitting or outputs if "mask" in name.lower()]
    found = fitting if len(fitting) == 1 else named
    return found[0] if len(found) == 1 else None


def checked_mask(mask: np.ndarray, magnitude: np.ndarray, path: Path) -> np.ndarray:
    """The mask, if it is finite and has the shape of the magnitudes; else a `UserError`."""
    if mask.shape != magnitude.shape:
        raise ShapeError(f"{path}: the mask has shape {mask.shape}, the magnitudes {magnitude.shape}")
    if not np.isfinite(mask).all():
        remedy = "" if magnitude.all() else f"; {NOT_FINITE_REMEDY}"
        raise UserError(f"{path}: the mask has NaN or infinite values{remedy}")
    return mask


class MaskFunction(Protocol):
    """A function that computes masks, in onnxruntime or in torch.

    Attributes
    ----------
    path : of its file, for messages.
    batch, frames : the length of a fixed axis; None where it is dynamic.
    input_quantizer : how its input is rounded to integers; None where it is not.
    kind : what it makes of what; `magnitude_mask` where it does not say (see `sezoo.models.spectra`).
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


def kind_of(model: object) -> str:
    """Return the kind of a model's output; that of a plain function is a mask of magnitudes."""
    return getattr(model, "kind", MAGNITUDE_MASK)


class MaskModel:
    """A mask model in onnxruntime, a `MaskFunction`.

    Parameters
    ----------
    model : the file, or the model as read from it.
    path : for messages, where `model` is no path.
    states : state outputs by state inputs; those that the model carries where it is None or empty.
    kind : what it makes, see `sezoo.models.spectra`; what the model carries where it is None.

    Attributes
    ----------
    multiple : what the number of frames has to be a multiple of, as far as that has been seen; what lacks is filled up
        with zeros.

    Raises
    ------
    UserError : onnxruntime cannot load or run it, or what comes out is no mask.
    """

    def __init__(
        self,
        model: onnx.ModelProto | Path,
        path: Path | None = None,
        states: Mapping[str, str] | None = None,
        kind: str | None = None,
    ):
        self.path = path or model
        try:
            self.session = open_session(model)
        except Exception as error:  # onnxruntime's exceptions have no base class of their own
            raise UserError(f"{self.path}: onnxruntime cannot load it: {_reason(error)}") from error
        metadata = self.session.get_modelmeta().custom_metadata_map
        self.states, self._kind = dict(states or parse_states(metadata)), kind or parse_kind(metadata)
        sources = [value for value in self.session.get_inputs() if value.name not in self.states]
        outputs = {
            value.name: list(value.shape) for value in self.session.get_outputs()
            if value.name not in self.states.values()
        }  # fmt: skip
        layout = layout_of(sources[0].shape) if sources else None
        self.layout = layout or MAGNITUDES
        mask = mask_among(outputs, sources[0].shape[layout.bins] if layout else None)
        if len(sources) != 1 or mask is None:
            raise UserError(f"{self.path}: one input and one output besides states are needed; see `sezoo model`")
        (source,), self.mask = sources, mask
        self.input = source.name
        if (problem := kind_problem(self._kind, self.layout, source.name, self.path)) is not None:
            raise UserError(problem)
        batch, frames = (source.shape[0], source.shape[layout.frames]) if layout else (None, None)
        self.batch: int | None = batch if isinstance(batch, int) else None
        self.frames: int | None = frames if isinstance(frames, int) else None
        self.multiple = 1
        self._model = model

    @cached_property
    def kind(self) -> str:
        """Kind of output: given by the model or the caller, else by the output's name, else by the response to a louder
        spectrum."""
        if not self.layout.is_complex:
            return MAGNITUDE_MASK
        return self._kind or kind_by_name(self.mask) or self._kind_by_trial()

    def _kind_by_trial(self) -> str:
        bins = next(value.shape for value in self.session.get_inputs() if value.name == self.input)[self.layout.bins]
        spectrum = random_input(0, (1, bins, self.frames or 24), self.layout)
        quiet, loud = (self.fresh()(level * spectrum) for level in (np.float32(1), np.float32(LOUDER)))
        return COMPLEX_SPECTRUM if grows_with(quiet, loud) else COMPLEX_MASK

    @property
    def stateful(self) -> bool:
        """Whether states are fed back from call to call."""
        return bool(self.states)

    def __call__(self, magnitude: np.ndarray) -> np.ndarray:
        """Run the model on its input (batch, bins, frames) float32 or complex64; the output has the same shape.

        With states they are a clip from its beginning; a length of the model's own is kept to, call by call.
        """
        return self.whole(magnitude) if self.stateful else self.fresh()(magnitude)

    def whole(self, magnitude: np.ndarray) -> np.ndarray:
        """Run the model on a clip of any length, which is split into calls if the model has a fixed length."""
        run = self.fresh()
        if self.frames is None and not self.stateful:
            return run(magnitude)
        masks = [run(call) for call in split_into_steps([magnitude], self.frames)]
        return np.concatenate(masks, axis=2)[:, :, : magnitude.shape[2]]

    def fresh(self) -> Callable[[np.ndarray], np.ndarray]:
        """The model at the beginning of a clip: calls of it have states of their own, which begin with zeros."""
        loop = StateLoop(self.session, self.input, self.states, [self.mask])

        def run(magnitude: np.ndarray) -> np.ndarray:
            try:
                (mask,) = loop(magnitude)
            except Exception as error:
                raise ShapeError(f"{self.path}: cannot be run on shape {magnitude.shape}: {_reason(error)}") from error
            return checked_mask(self.layout.taken(mask), magnitude, self.path)

        def pad_to_multiple(magnitude: np.ndarray, multiple: int) -> np.ndarray:
            frames = magnitude.shape[2]
            rest = -frames % multiple
            return run(np.pad(magnitude, [(0, 0), (0, 0), (0, rest)]))[:, :, :frames] if rest else run(magnitude)

        def run_any(magnitude: np.ndarray) -> np.ndarray:
            try:
                return pad_to_multiple(magnitude, self.multiple)
            except ShapeError:
                for multiple in MULTIPLES:
                    if multiple > self.multiple and magnitude.shape[2] % multiple:
                        try:
                            mask = pad_to_multiple(magnitude, multiple)
                        except ShapeError:
                            continue
                        self.multiple = multiple
                        return mask
                raise

        return run if self.stateful or self.frames is not None else run_any

    @cached_property
    def input_quantizer(self) -> InputQuantizer | None:
        """The input quantizer of the graph; None if it has none."""
        model = load_onnx(self._model) if isinstance(self._model, Path) else self._model
        return input_quantizer_of(with_states(model, self.states))


def _reason(error: Exception) -> str:
    """The sentence in an onnxruntime message, without its source locations."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    sentence = re.sub(r"\[ONNXRuntimeError\] : \d+ : \w+ : ", "", lines[0])
    sentence = re.sub(r"\S+\.(?:h|cc|cpp):\d+ (?:\S+ )?[\w:~<>]+\([^)]*\) ", "", sentence)
    return sentence if len(sentence) <= 300 else sentence[:297] + "..."

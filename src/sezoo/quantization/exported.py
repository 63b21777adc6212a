"""A model in the form that another runtime takes: floats of 16 bits, axes fixed or dynamic, one frame a call."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx

from sezoo.base.errors import UserError
from sezoo.base.files import atomic_write, check_new
from sezoo.base.text import pluralize
from sezoo.models.axes import with_dynamic_frames
from sezoo.models.contract import check_contract
from sezoo.models.mask_model import MaskModel
from sezoo.models.onnx_file import load_onnx, quantized_nodes
from sezoo.models.onnx_graph import copy_model
from sezoo.models.spectra import random_input
from sezoo.models.states import bins_of, frames_of, input_layout, states_of
from sezoo.models.streaming import streaming
from sezoo.quantization.analysis.sqnr import energy, sqnr
from sezoo.quantization.graph.static_shape import with_static_shape

__all__ = ["default_name", "export"]

TRIED_FRAMES = 60


def default_name(path: Path, *, fp16: bool = False, frames: int | None = None, stream: bool = False) -> str:
    """Return the default file name: MODEL_fp16.onnx, MODEL_30_frames.onnx, MODEL_dynamic.onnx ..."""
    words = ("streaming" * stream, f"{frames}_frames" * (frames is not None), "fp16" * fp16)
    return f"{path.stem}_{'_'.join(filter(None, words)) or 'dynamic'}.onnx"


def export(path: Path, target: Path, *, fp16: bool = False, frames: int | None = None, stream: bool = False) -> str:
    """Write a model in another form, checked against the original with onnxruntime, and say what it is.

    Inputs and outputs stay float32 in every form.

    Parameters
    ----------
    fp16 : weights and activations in floats of 16 bits; of float models.
    frames : of a call, fixed; None leaves the axes of the frames and of the batch dynamic.
    stream : one frame a call, with states as inputs and outputs; of models of whole clips.

    Raises
    ------
    UserError : the model has no such form, or computes no numbers in it; `target` exists.
    """
    check_new(target)
    original = load_onnx(path)
    is_int8 = bool(quantized_nodes(original))
    if is_int8 and fp16:
        raise UserError(f"{path}: --fp16: it is quantized; give the float model")
    if stream and frames not in (None, 1):
        raise UserError(f"--frames: found {frames}; allowed: 1 with --streaming")
    model = original
    if stream:
        model = streaming(original, path)
    elif not is_int8:
        model = with_dynamic_frames(original, path)
        check_contract(model, path)
    own = frames_of(model)
    if frames is not None and own != frames:
        if isinstance(own, int):
            raise UserError(f"--frames: found {frames}; {path} is fixed to {own}: give the model with dynamic axes")
        model = with_static_shape(model, frames)
    if fp16:
        model = _to_fp16(model, path)
    agreement = _check_equal(original, model, path, target)
    with atomic_write(target) as temporary:
        onnx.save(model, temporary, format="protobuf")
    return f"{target}: {_form(model, is_int8, fp16)}; {agreement}"


def _to_fp16(model: onnx.ModelProto, path: Path) -> onnx.ModelProto:
    """Convert to float16 with onnxruntime's converter, which clips values outside of its range."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    copy = copy_model(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of constants that are limited: the check below says what that costs
        try:
            return convert_float_to_float16(copy, keep_io_types=True)
        except (ValueError, RuntimeError, KeyError) as error:
            raise UserError(f"{path} cannot be written in floats of 16 bits: {error}") from error


def _check_equal(original: onnx.ModelProto, model: onnx.ModelProto, path: Path, target: Path) -> str:
    """Compare the outputs of both models on noise."""
    lengths = (own for own in (frames_of(model), frames_of(original)) if isinstance(own, int))
    frames = next((own for own in lengths if own > 1), TRIED_FRAMES)
    clip = random_input(5, (1, bins_of(original), frames), input_layout(original))
    exact, found = (MaskModel(each, where).whole(clip) for each, where in ((original, path), (model, target)))
    if not np.isfinite(found).all():
        raise UserError(f"{path}: in this form its output is not finite: what it computes does not fit 16 bits")
    near = sqnr(energy(np.abs(exact)), energy(np.abs(found - exact)))
    return "equal to the original" if near is None else f"SQNR against the original, for noise: {near:.0f} dB"


def _form(model: onnx.ModelProto, is_int8: bool, fp16: bool) -> str:
    kind = "int8 (QDQ)" if is_int8 else "floats of 16 bits, float32 outside" if fp16 else "float32"
    own = frames_of(model)
    length = f"{own} frame{'s' * (own != 1)} a call" if isinstance(own, int) else "any number of frames"
    states = states_of(model)
    return f"{kind}, {length}" + (f", {pluralize(len(states), 'state')}" if states else "")

"""The contract of a model: inputs and outputs of its graph, whether it is a mask model, and whether it runs.

A model may have states besides (see `sezoo.models.states`): inputs that take in a call what outputs gave in the last.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import onnx

from sezoo.base.errors import UserError
from sezoo.base.foreign_text import short_list
from sezoo.base.text import pluralize
from sezoo.models.contract_trial import KEPT_LENGTH, try_model
from sezoo.models.frames_last import is_made_frames_last
from sezoo.models.likely_states import guess_states, unpaired_inputs
from sezoo.models.mask_model import MaskFunction, MaskModel, mask_among
from sezoo.models.onnx_file import graph_inputs, quantized_nodes
from sezoo.models.onnx_graph import axes_of, axes_text, metadata_of, node_label, type_name
from sezoo.models.silence import problem_with_silence
from sezoo.models.spectra import MAGNITUDE_MASK, kind_problem, layout_of, parse_kind
from sezoo.models.states import check_states, inputs_besides_states, outputs_besides_states, states_of, states_text

__all__ = ["Contract", "check_contract", "check_magnitudes", "check_power", "declared_contract", "warn_of_magnitudes"]

log = logging.getLogger(__name__)

FIX_AXES = "re-export it with dynamic axes, or try `sezoo model {path} --fix-axes`"


@dataclass(frozen=True)
class Contract:
    """Names of the inputs, outputs and axes of a model that fits the contract.

    `batch` and `frames` are the names of the dynamic axes ("" where they have none), or the fixed length.
    `kind` is what it makes of what (see `sezoo.models.spectra`), "" as long as nothing but a trial can say that.
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
    kind: str = MAGNITUDE_MASK


def check_contract(model: onnx.ModelProto, path: Path, *, n_fft: int | None = None) -> Contract:
    """Check that a float model maps magnitudes (batch, bins, frames), or a complex spectrum, to what has its shape.

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
    if isinstance(contract.frames, int) and not contract.states:
        log.warning(
            "%s: the graph works for %d frames only, and so do models made from it: clips are cut into pieces of that "
            "length, and a recurrent layer starts anew in each; export it with a dynamic frames axis to avoid that "
            "(%s)", path, contract.frames, KEPT_LENGTH,
        )  # fmt: skip
    if is_made_frames_last(model):
        log.info("%s: a network of (batch, frames, bins), transposed at either end, which costs nothing", path)
    mask_model = MaskModel(model, path)
    clips_a_run = 1 if contract.batch == 1 or contract.states else 2  # those of models with states are run one by one
    try_model(mask_model, contract.bins, contract.frames, batch=clips_a_run, calls=2 if contract.states else 1)
    frames = contract.frames if isinstance(contract.frames, int) else 24 * mask_model.multiple
    if (why := problem_with_silence(mask_model, (1, contract.bins, frames))) is not None:
        log.warning("%s: %s", path, why)
    if mask_model.multiple > 1:
        log.info(
            "%s: the number of frames has to be a multiple of %d; clips are filled up with zeros",
            path, mask_model.multiple,
        )  # fmt: skip
    if mask_model.kind == MAGNITUDE_MASK:
        warn_of_magnitudes(mask_model, contract.bins)
    else:
        log.info(
            "%s: complex spectra in, and output '%s' is a %s (model.kind)",
            path, contract.output, mask_model.kind.replace("_", " "),
        )  # fmt: skip
    return replace(contract, multiple=mask_model.multiple, kind=mask_model.kind)


def check_power(contract: Contract, power: float, path: Path) -> None:
    """Check that a model of complex spectra is not to see powers of magnitudes.

    Raises
    ------
    UserError : `preprocessing.power` is set for one.
    """
    if contract.kind != MAGNITUDE_MASK and power != 1:
        raise UserError(
            f"preprocessing.power: found {power:g}; input '{contract.input}' of {path} takes complex spectra, which "
            "are given as they are; allowed: 1 (compress them inside of the network)"
        )


def check_magnitudes(contract: Contract, who: str, path: Path) -> None:
    """Check that a model takes magnitudes, as what is to run it gives them.

    Parameters
    ----------
    who : gives it magnitudes, for the message.

    Raises
    ------
    UserError : it takes complex spectra.
    """
    if contract.kind != MAGNITUDE_MASK:
        raise UserError(
            f"{path}: input '{contract.input}' takes complex spectra, and {who} gives magnitudes alone: train a "
            "network of magnitudes for it, or deploy this one with deployment.backend: portable-c"
        )


def warn_of_magnitudes(model: MaskFunction, bins: int) -> None:
    """Warn where f(2x) = 2 f(x): so does a model that makes magnitudes, and no mask that follows the signal."""
    magnitude = np.random.default_rng(2).random((1, bins, model.frames or 24), np.float32)
    once, twice = model(magnitude), model(2 * magnitude)
    largest = np.abs(once).max()
    if largest > 0 and np.abs(twice - 2 * once).max() < 1e-3 * largest:
        log.warning(
            "%s: twice the magnitudes give twice the output: does it make magnitudes instead of a mask? The output is "
            "multiplied with the noisy spectrum here",
            model.path,
        )


def declared_contract(model: onnx.ModelProto, path: Path, *, n_fft: int | None = None) -> Contract:
    """Check what a float or int8 model's graph declares, the states that it carries among that.

    Parameters and errors are those of `check_contract`.
    """
    check_states(model, path)
    states = states_of(model)
    inputs, outputs = inputs_besides_states(model), outputs_besides_states(model)
    others = []
    if len(outputs) > 1 and len(inputs) == 1 and not states:
        of_input = axes_of(inputs[0])
        layout = layout_of(of_input)
        bins = of_input[layout.bins] if layout is not None else None
        mask = mask_among({value.name: axes_of(value) for value in outputs}, bins)
        others = [value for value in outputs if mask is not None and value.name != mask]
        outputs = [value for value in outputs if value not in others]
    for kind, values in (("input", inputs), ("output", outputs)):
        if len(values) != 1:
            names = short_list(value.name for value in values) or "none"
            besides = f" besides {pluralize(len(states), 'state')}" if states else ""
            hint = _states_hint(model)
            if not hint and kind == "output" and len(inputs) == 1 and values:
                hint = "; export the mask alone, or call that output 'mask'"
            raise UserError(
                f"{path} has {len(values)} {kind}s{besides} ({names}); the contract is one: magnitudes (batch, bins, "
                f"frames) in, a mask of the same shape out, or both complex with an axis of 2{hint}"
            )
    source, target = inputs[0], outputs[0]
    for kind, value in (("input", source), ("output", target)):
        if value.type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
            found = type_name(value.type.tensor_type.elem_type)
            raise UserError(f"{path}: {kind} '{value.name}' is {found}, float32 is needed; re-export the model")
    axes = axes_of(source)
    layout = layout_of(axes)
    if layout is None:
        found = "an unknown shape" if axes is None else f"{len(axes)} axes {axes_text(axes)}"
        raise UserError(
            f"{path}: input '{source.name}' has {found}; (batch, bins, frames) is needed, or, for complex spectra with "
            "a fixed number of bins, (batch, bins, frames, 2) or (batch, 2, bins, frames)"
        )
    carried = parse_kind(metadata_of(model))
    if (problem := kind_problem(carried, layout, source.name, path)) is not None:
        raise UserError(problem)
    batch, model_bins, frames = axes[0], axes[layout.bins], axes[layout.frames]
    if n_fft is not None and model_bins != n_fft // 2 + 1:
        mend = (
            f"set preprocessing.n_fft: {2 * (model_bins - 1)} if it was trained so"
            if isinstance(model_bins, int) and model_bins > 1
            else "re-export it with that axis fixed"
        )
        raise UserError(
            f"{path}: axis {layout.bins} of input '{source.name}' is {model_bins or 'dynamic'}, but "
            f"preprocessing.n_fft: {n_fft} makes {n_fft // 2 + 1} bins; {mend}"
        )
    if not isinstance(model_bins, int):
        raise UserError(
            f"{path}: axis {layout.bins} (bins) of input '{source.name}' {axes_text(axes)} is dynamic; it must be "
            "fixed to n_fft//2+1 (and a network of (batch, frames, bins) needs a transpose at either end)"
        )
    mask_axes = axes_of(target)
    if mask_axes is not None and not _may_be_mask(mask_axes, axes):
        raise UserError(
            f"{path}: output '{target.name}' is {axes_text(mask_axes)}, not of the input's shape {axes_text(axes)}"
        )
    if others:
        names = short_list(value.name for value in others)
        log.info("%s: output '%s' is the mask; not used: %s", path, target.name, names)
    kind = (carried or "") if layout.is_complex else MAGNITUDE_MASK
    return Contract(source.name, target.name, model_bins, batch, frames, states, kind=kind)


def _states_hint(model: onnx.ModelProto) -> str:
    """Return the hint for the error about several inputs or outputs; empty if they cannot be states."""
    if len(graph_inputs(model)) < 2:
        return ""
    named, likely = states_of(model), guess_states(model)
    if likely != named:
        named_so = f"quantization.states: {states_text(likely)}"
        return f"; states, which are fed back from call to call, have to be named: {named_so}{_unpaired_hint(model)}"
    if named:
        return _unpaired_hint(model)
    return f"; states, which are fed back from call to call, would be in pairs of one shape{_unpaired_hint(model)}"


def _unpaired_hint(model: onnx.ModelProto) -> str:
    """Return the hint for an input without an output that could replace it in the next call."""
    lone = unpaired_inputs(model)
    if not lone:
        return ""
    return (
        f"; input '{lone[0].name}' {axes_text(axes_of(lone[0]) or [])} has no output of its shape left for it: export "
        "the network with the new state as a further output"
    )


def _may_be_mask(axes: list[str | int], of_input: list[str | int]) -> bool:
    """Whether declared axes allow the input's, but for the frames; what is not declared shows when the model runs."""
    layout = layout_of(of_input)
    fixed = {layout.bins, *([layout.parts] if layout.is_complex else [])}
    return len(axes) == len(of_input) and all(
        not isinstance(axes[place], int) or axes[place] == of_input[place] for place in fixed
    )


def _check_inference_mode(model: onnx.ModelProto, path: Path) -> None:
    """Refuse a network that was exported while it was training: its masks depend on what else is in the batch."""
    constants = {weight.name: weight for weight in model.graph.initializer}
    for node in model.graph.node:
        trains = any(entry.name == "training_mode" and entry.i for entry in node.attribute)
        if node.op_type == "Dropout" and len(node.input) > 2 and node.input[2] in constants:
            trains = bool(onnx.numpy_helper.to_array(constants[node.input[2]]).any())
        if trains:
            raise UserError(
                f"{path}: it was exported in training mode ({node_label(node)} normalizes or drops by chance): call "
                "network.eval() before torch.onnx.export"
            )

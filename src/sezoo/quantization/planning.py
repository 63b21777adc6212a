"""What the int8 models are to be: the model prepared, calibrated on the clips, and brought close to the float one."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx

from sezoo.audio.stft import stft_of
from sezoo.base.errors import UserError
from sezoo.base.files import display_path
from sezoo.base.text import pluralize
from sezoo.config.sections import Config
from sezoo.denoising.backend import STM32N6
from sezoo.denoising.board import MOST_FRAMES, bins_problem, frames_problem
from sezoo.denoising.modes import Board
from sezoo.denoising.patch_lengths import patch_lengths
from sezoo.models.axes import with_dynamic_frames
from sezoo.models.contract import Contract, check_contract, check_power
from sezoo.models.mask_model import MaskModel
from sezoo.models.onnx_file import graph_inputs, load_configured
from sezoo.models.onnx_graph import reads_of
from sezoo.models.spectra import MAGNITUDE_MASK, with_kind
from sezoo.models.states import frames_of, magnitude_input, states_of, with_states
from sezoo.quantization.calibration.clips import calibration_clips
from sezoo.quantization.calibration.excerpts import within
from sezoo.quantization.calibration.magnitudes import CalibrationMagnitudes
from sezoo.quantization.calibration.ranges import NotFiniteError, Ranges, calibrate, tensors_to_calibrate
from sezoo.quantization.fidelity.bench import Bench
from sezoo.quantization.fidelity.closeness import Closeness, mask_function
from sezoo.quantization.graph.integer_forms import (
    ACTIVATIONS_ALONE,
    nodes_before_layers,
    with_integer_forms,
    with_scales_of_channels,
)
from sezoo.quantization.graph.preparation import check_weights, prepare, with_known_shapes
from sezoo.quantization.graph.qdq import nodes_in_float, operators_to_quantize, quantized
from sezoo.quantization.graph.static_shape import check_axis_name, choose_static_length, with_static_shape
from sezoo.quantization.graph.wide_tensors import int8_only
from sezoo.quantization.options import calibration_options
from sezoo.quantization.overrides import check_overrides, tensor_overrides
from sezoo.quantization.plan import Plan
from sezoo.quantization.recovery.input_precision import with_int8_input, with_int16_input
from sezoo.quantization.recovery.recipe import Recovered, check_steps, recovered, written
from sezoo.quantization.recurrent.expansion import LAYERS, expanded
from sezoo.quantization.target import TARGETS, Target, check_settings, check_target, target_of
from sezoo.quantization.trained import is_trained, settings_of, trained_plan
from sezoo.run.run import ClipCount, Run

__all__ = ["Planned", "check_model", "check_quantization_settings", "planned"]

log = logging.getLogger(__name__)

MOST_OPERATORS_RUN = 500_000
"""One after the other, on all excerpts to fit on, and on all to judge by: half a minute in int8, as plans are tried."""

DATA_DEPENDENT = {"Loop", "If", "NonZero", "Unique", "Compress", "NonMaxSuppression"}
"""Operators that make tensors whose shapes may depend on values."""

FEW = 8
"""Excerpts that steps judge their own choices by."""


@dataclass(frozen=True)
class Planned:
    """All that the int8 models are written from, and what it was found by.

    Attributes
    ----------
    prepared : the float model, as the plan was made for it.
    frames : of a call of the static model.
    patches : that the static model will be run in.
    """

    prepared: onnx.ModelProto
    target: Target
    frames: int
    patches: Board
    magnitudes: CalibrationMagnitudes
    bench: Bench
    result: Recovered


def planned(run: Run, path: Path) -> Planned:
    """Calibrate a float model on the configured clips, and take the steps of accuracy recovery.

    What can be checked without audio is checked first. A model that was trained with its integers has its plan with
    it: nothing is calibrated then.

    Raises
    ------
    UserError : the model, the clips or the settings are not fit for it.
    """
    config = run.config
    ready, target = _prepared(path, config)
    prepared, contract = ready.model, ready.contract
    multiple = contract.multiple
    trained = is_trained(prepared)
    if trained:
        settings = settings_of(prepared, path, config.quantization)
        config = config.model_copy(update={"quantization": settings})
    frames = _frames(prepared, path, config, target, multiple)
    if any(node.op_type in DATA_DEPENDENT for node in prepared.graph.node):
        with_static_shape(prepared, frames)  # what it cannot be is told before the work begins
    if target.name == STM32N6:
        _warn_of_sizes(config.preprocessing.n_fft, frames)
    patches = _patches(config, frames, stateful=bool(states_of(prepared)))
    magnitudes = _magnitudes(run, target, patches, contract)
    if trained:
        magnitudes.read()
        plan = trained_plan(prepared, path)
    else:
        plan = _calibrated(path, ready, frames, magnitudes, config)
    bench = _bench(prepared, magnitudes, frames, config, target, contract.kind)
    read = magnitudes.clips_read
    run.clips["calibration"] = ClipCount(read, magnitudes.seconds_read, len(magnitudes.clips) - read)
    log.info("quantizing for %s (quantization.target: %s)", target.words, target.name)
    if trained:
        log.info("%s was trained with its integers: nothing is calibrated or recovered", display_path(path))
        result = written(plan, bench)
    else:
        result = recovered(with_int8_input(plan, bench.fit) if target.int8_input else plan, bench, target)
    check_target(result.model, target, path)
    if result.closeness == -np.inf:
        MaskModel(result.model, Path(f"{path}, in int8"))  # says why onnxruntime cannot load it, if that is the reason
        raise UserError(
            f"{path}: the int8 model's masks are NaN or infinite on the calibration clips; where the network divides, "
            "its denominator is rounded to 0: add a small number to it, or leave Div out of "
            "quantization.op_types_to_quantize"
        )
    return Planned(prepared, target, frames, patches, magnitudes, bench, result)


def _frames(prepared: onnx.ModelProto, path: Path, config: Config, target: Target, multiple: int) -> int:
    """Frames of the static model: one of a model with states, where the target hands those on frame by frame.

    Raises
    ------
    UserError : another number is configured for such a model.
    """
    is_free = not isinstance(frames_of(prepared), int)
    if target.reader is None or not states_of(prepared) or not is_free:
        return choose_static_length(prepared, path, config, multiple)
    configured = config.quantization.static_sequence_length
    if configured not in (None, 1):
        raise UserError(
            f"quantization.static_sequence_length: found {configured}; the states of {path} are handed on frame by "
            f"frame by quantization.target: {target.name}; allowed: 1, or another target"
        )
    log.info("static model of 1 frame, from one to the next of which the states are handed on")
    return 1


def _warn_of_sizes(n_fft: int, frames: int) -> None:
    """Say what ST's application would refuse on the board; an application of the user's own may take such a model."""
    if (problem := bins_problem(n_fft)) is not None:
        log.warning("%s", problem)
    if (problem := frames_problem(frames)) is not None:
        log.warning(
            "the static model has %s: set quantization.static_sequence_length (--frames) to %d or less",
            problem, MOST_FRAMES,
        )  # fmt: skip


def _patches(config: Config, frames: int, *, stateful: bool) -> Board:
    """The patches that the static model will be run in; lengths that do not fit it are for who runs it to mend."""
    try:
        return Board(*patch_lengths(config, frames, stateful=stateful))
    except UserError as error:
        log.warning("%s", error)
        return Board(frames, 0)


def _magnitudes(run: Run, target: Target, board: Board, contract: Contract) -> CalibrationMagnitudes:
    """The magnitudes, or complex spectra, of the configured clips, as the target's network sees them."""
    clips, stft = calibration_clips(run.config), stft_of(run.config.preprocessing)
    return CalibrationMagnitudes(
        run, clips, stft, board if target.board_gain else None, contract.multiple, contract.kind
    )


def _calibrated(path: Path, ready: _Prepared, frames: int, magnitudes: CalibrationMagnitudes, config: Config) -> Plan:
    """The plan of the plain int8 model."""
    options, model = calibration_options(config.quantization), ready.model
    log.debug(
        "calibrating %s on %s by %s", display_path(path), pluralize(len(magnitudes.clips), "clip"), options.method
    )
    try:
        ranges = calibrate(model, magnitudes, ready.op_types, options, call_frames=frames, in_float=ready.in_float)
    except NotFiniteError as error:
        raise UserError(f"{error}, on {magnitudes.current}") from error
    magnitudes.tell()
    _warn_of_empty_ranges(model, ranges)
    return ready.plan(ranges)


def _bench(
    prepared: onnx.ModelProto,
    magnitudes: CalibrationMagnitudes,
    frames: int,
    config: Config,
    target: Target,
    kind: str,
) -> Bench:
    """What plans are tried on: excerpts of the clips that have been read."""
    settings, stft = config.quantization, magnitudes.stft
    fit, held_out = magnitudes.excerpts.parted()
    if states_of(prepared):  # it is run call by call, which takes as long as it has operators
        most = MOST_OPERATORS_RUN // len(prepared.graph.node) * frames
        fit, held_out = within(fit, most), within(held_out, most)
    masks, some = mask_function(prepared), fit[:: max(1, len(fit) // FEW)]
    return Bench(
        settings, calibration_options(settings), fit,
        Closeness(masks, held_out, stft, kind), Closeness(masks, some, stft, kind),
        frames, target.activation_types, target.is_kept_by, target.can_read, magnitudes.run.progress,
    )  # fmt: skip


def _warn_of_empty_ranges(model: onnx.ModelProto, ranges: Ranges) -> None:
    """Say which tensors were zero on all clips; not those that are constants, as states of zeros are."""
    of_clips = {value.name for value in graph_inputs(model)}
    for node in model.graph.node:
        if node.op_type != "Shape" and not of_clips.isdisjoint(reads_of(node)):
            of_clips.update(node.output)
    empty = [name for name, (low, high) in ranges.items() if low == high == 0 and name in of_clips]
    if empty:
        others = f" (and {len(empty) - 1} more)" if len(empty) > 1 else ""
        log.warning(
            "tensor '%s'%s is 0 on all calibration clips, so that its range is empty: are the clips silent?",
            empty[0], others,
        )  # fmt: skip


def check_quantization_settings(config: Config) -> None:
    """Check of the settings what needs neither the model nor a recording.

    Raises
    ------
    UserError : settings that do not go together, or that the target does not have.
    """
    calibration_options(config.quantization)
    tensor_overrides(config.quantization)
    check_steps(config.quantization.accuracy_recovery)
    check_settings(config.quantization, target_of(config))


def check_model(path: Path, config: Config) -> None:
    """Check a float model that is to be quantized.

    Raises
    ------
    UserError : the model or the settings are not fit for it.
    """
    _prepared(path, config)


@dataclass(frozen=True)
class _Prepared:
    """A checked float model, ready for calibration.

    Attributes
    ----------
    op_types : types of its operators that are quantized; of those in `activations_alone` nothing but activations.
    in_float : names of the nodes that are not.
    contract : what it maps to what.
    int16 : names of the tensors that are rounded to 16 bits if they are rounded.
    """

    model: onnx.ModelProto
    op_types: list[str]
    in_float: frozenset[str]
    activations_alone: frozenset[str]
    contract: Contract
    int16: frozenset[str]

    def plan(self, ranges: Ranges) -> Plan:
        """The plain int8 model's."""
        plan = Plan.first(self.model, ranges, self.op_types, self.in_float, self.activations_alone)
        return plan.with_int16_activations(self.int16)


def _prepared(path: Path, config: Config) -> tuple[_Prepared, Target]:
    """The checked float model, and for what it is quantized."""
    settings = config.quantization
    check_quantization_settings(config)
    model = with_kind(with_states(load_configured(path), settings.states), config.model.kind)
    check_weights(model, path)
    model = with_dynamic_frames(model, path)
    contract = check_contract(model, path, n_fft=config.preprocessing.n_fft)
    if contract.kind != MAGNITUDE_MASK:
        model = with_kind(model, contract.kind)  # so do all files that are made of it
        check_power(contract, config.preprocessing.power, path)
    check_axis_name(settings.static_axis_name, contract, path)
    if is_trained(model):  # it was prepared before it was trained, and is not to be changed
        prepared = with_known_shapes(model)
    else:
        prepared = prepare(model, path, contract, target_opset=settings.target_opset)
    op_types = operators_to_quantize(prepared, settings.op_types_to_quantize, path)
    in_float, alone = nodes_in_float(prepared, settings, path), frozenset()
    if not is_trained(model):
        prepared, op_types = _with_layers_written_out(prepared, op_types, config)
        if target_of(config).reader is not None and settings.op_types_to_quantize is None:
            prepared, alone = (
                with_integer_forms(prepared, in_float, opset_is_fixed=settings.target_opset is not None),
                ACTIVATIONS_ALONE,
            )
            op_types = sorted({*op_types, *alone})
        elif not target_of(config).rules and settings.op_types_to_quantize is None and settings.per_channel:
            prepared = with_scales_of_channels(prepared, in_float)
        in_float = nodes_in_float(prepared, settings, path) | nodes_before_layers(prepared, alone)
    check_overrides(prepared, settings)
    int16: frozenset[str] = frozenset()
    if settings.activation_bits == 16:
        narrow = int8_only(prepared) if target_of(config).reader is not None else frozenset()
        int16 = frozenset(tensors_to_calibrate(prepared, set(op_types))) - narrow
    return _for_target(path, _Prepared(prepared, op_types, in_float, alone, contract, int16), config)


def _with_layers_written_out(
    prepared: onnx.ModelProto, op_types: list[str], config: Config
) -> tuple[onnx.ModelProto, list[str]]:
    """The model with LSTM and GRU written out, and the types of operators to quantize.

    Such a layer needs 16 bits inside; without those, or where it is not to be quantized, it stays as it is.
    """
    settings, target = config.quantization, target_of(config)
    kinds = set(LAYERS) & set(op_types) if settings.op_types_to_quantize else LAYERS
    if "Int16" in target.activation_types and kinds:
        kept = set(settings.nodes_to_exclude or ())
        if settings.nodes_to_quantize:
            kept |= {node.name for node in prepared.graph.node} - set(settings.nodes_to_quantize)
        written = expanded(prepared, kinds, kept)
        if written is not prepared:
            prepared, op_types = written, sorted({*op_types, "Conv", "Scan"} - set(LAYERS))
    return prepared, op_types


def _for_target(path: Path, prepared: _Prepared, config: Config) -> tuple[_Prepared, Target]:
    """The model and the target, if the one can be made to fit the other.

    What comes before the first layers is left in float where the target's reader takes the model in no other way. A
    board that nobody asked to quantize for can be passed over.

    Raises
    ------
    UserError : the model cannot meet the rules of `quantization.target`.
    """
    target, model = target_of(config), prepared.model
    if not target.rules or is_trained(model):  # the plan that comes with it is checked
        return prepared, target
    any_range = (np.float32(-1), np.float32(1))
    names = {magnitude_input(model).name, *tensors_to_calibrate(model, set(prepared.op_types))}
    plan = replace(prepared.plan(dict.fromkeys(names, any_range)), int8_input=target.int8_input)
    fitting = prepared
    if not target.can_read(quantized(plan, config.quantization)):
        plan = replace(plan, in_float=with_int16_input(plan).in_float)
        fitting = replace(prepared, in_float=plan.in_float)
    try:
        check_target(quantized(plan, config.quantization), target, path)
    except UserError as error:
        if config.quantization.target is not None:
            raise
        log.warning("%s; quantization.target is not set: generic is taken instead", error)
        return prepared, TARGETS["generic"]
    return fitting, target

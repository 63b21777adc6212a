"""The service `quantization`: a float model and noisy clips in, the dynamic and the static int8 model out."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx

from sezoo.audio.stft import stft_of
from sezoo.base.errors import UserError
from sezoo.base.files import filled_aside, shown
from sezoo.base.text import counted
from sezoo.config.sections import Config
from sezoo.denoising.backend import PATCH, engine_of, with_input_gain
from sezoo.denoising.modes import Board
from sezoo.denoising.patch_lengths import patch_lengths
from sezoo.models.axes import with_dynamic_frames
from sezoo.models.contract import check_contract
from sezoo.models.onnx_file import axes_of, bytes_of, load_configured, quantized_nodes
from sezoo.models.states import magnitude_input, states_of, with_states
from sezoo.quantization.analysis import layer_report, log_report, write_report
from sezoo.quantization.analysis.length_advice import advise, log_advice
from sezoo.quantization.analysis.sensitivity import sensitivity
from sezoo.quantization.calibration.clips import calibration_clips, check_calibration_clips
from sezoo.quantization.calibration.magnitudes import CalibrationMagnitudes
from sezoo.quantization.calibration.ranges import NotFiniteError, Ranges, calibrate, tensors_to_calibrate
from sezoo.quantization.fidelity.bench import Bench
from sezoo.quantization.fidelity.closeness import Closeness, mask_function
from sezoo.quantization.graph.preparation import check_weights, prepare
from sezoo.quantization.graph.qdq import nodes_in_float, operators_to_quantize, quantized
from sezoo.quantization.graph.static_shape import check_axis_name, choose_static_length, with_static_shape
from sezoo.quantization.graph.verification import VERIFIED_CALLS, verify
from sezoo.quantization.options import calibration_options
from sezoo.quantization.overrides import check_overrides, tensor_overrides
from sezoo.quantization.plan import Plan
from sezoo.quantization.recovery.input_precision import with_int8_input
from sezoo.quantization.recovery.recipe import Recovered, check_steps, recovered
from sezoo.quantization.target import TARGETS, Target, check_settings, check_target, not_in_c_package, target_of
from sezoo.run.run import Run

__all__ = ["QuantizedModels", "check_quantization", "check_quantization_settings", "quantize"]

log = logging.getLogger(__name__)

PREPROCESSED, DYNAMIC, STATIC = (
    "preprocessed_model.onnx",
    "quantized_model_int8.onnx",
    "quantized_model_int8_static.onnx",
)


FEW = 8
"""Excerpts that steps judge their own choices by."""


@dataclass(frozen=True)
class QuantizedModels:
    """The files that the service has written."""

    preprocessed: Path
    dynamic: Path
    static: Path


def quantize(run: Run) -> QuantizedModels:
    """Quantize `model.onnx_path` on the configured clips.

    What can be checked without audio is checked first. The three files appear in the run's models folder
    together, after they have been loaded and run, or not at all.

    Raises
    ------
    UserError : the model, the clips or the settings are not fit for it.
    """
    config, settings = run.config, run.config.quantization
    path = run.artefacts.float_model or config.model.onnx_path
    prepared, op_types, target, multiple = _prepared(path, config)
    frames = choose_static_length(prepared, path, config, multiple)
    patches = _patches(config, frames, stateful=bool(states_of(prepared)))
    magnitudes = _magnitudes(run, target, patches, multiple)
    plan, bench = _calibrated(path, prepared, op_types, frames, magnitudes, config)
    bench = replace(bench, fits_target=target.is_kept_by)
    if target.int8_input:
        plan = with_int8_input(plan, bench.fit)
    log.info("quantizing for %s (quantization.target: %s)", target.words, target.name)
    result = recovered(plan, bench, target)
    check_target(result.model, target, path)
    if result.closeness == -np.inf:
        raise UserError(
            f"{path}: the int8 model's masks are NaN or infinite on the calibration clips; where the network divides, "
            "its denominator is rounded to 0: add a small number to it, or leave Div out of "
            "quantization.op_types_to_quantize"
        )
    if target.board_gain:
        with_input_gain(result.model)

    _tell_what_stays_in_float(result.plan)
    _tell_of_stm32n6(result.model, config)
    report = layer_report(result, bench, bench.fit, measured=config.general.report)
    if settings.sensitivity:
        report = replace(report, sensitivity=tuple(sensitivity(result.plan, bench, run.progress)))
    log_report(report)
    is_free = not isinstance(axes_of(magnitude_input(prepared))[2], int)
    if config.general.report and engine_of(config) == PATCH and is_free:  # a stream has the whole clip's masks
        log_advice(advise(result.model, prepared, bench.fit, magnitudes.stft, patches.frames, patches.lookahead))

    static = with_static_shape(result.model, frames)
    patch = magnitudes.patch(frames * VERIFIED_CALLS)
    models = _write_verified(run.models_folder, prepared, result.model, static, patch)
    run.tracker.artifact(write_report(report, run.folder), "reports")
    run.artefacts.int8, run.artefacts.int8_static = models.dynamic, models.static
    _report(run, path, models, frames, result, magnitudes)
    return models


def _patches(config: Config, frames: int, *, stateful: bool) -> Board:
    """The patches that the static model will be run in; lengths that do not fit it are for who runs it to mend."""
    try:
        return Board(*patch_lengths(config, frames, stateful=stateful))
    except UserError as error:
        log.warning("%s", error)
        return Board(frames, 0)


def _magnitudes(run: Run, target: Target, board: Board, multiple: int) -> CalibrationMagnitudes:
    """The magnitudes of the configured clips, as the target's network sees them."""
    clips, stft = calibration_clips(run.config), stft_of(run.config.preprocessing)
    return CalibrationMagnitudes(run, clips, stft, board if target.board_gain else None, multiple)


def _calibrated(
    path: Path,
    prepared: onnx.ModelProto,
    op_types: list[str],
    frames: int,
    magnitudes: CalibrationMagnitudes,
    config: Config,
) -> tuple[Plan, Bench]:
    """The plan of the plain int8 model, and the bench that better ones are tried on."""
    settings, options = config.quantization, calibration_options(config.quantization)
    in_float = nodes_in_float(prepared, settings, path)
    log.info("calibrating %s on %s by %s", shown(path), counted(len(magnitudes.clips), "clip"), options.method)
    try:
        ranges = calibrate(prepared, magnitudes, op_types, options, call_frames=frames, in_float=in_float)
    except NotFiniteError as error:
        raise UserError(f"{error}, on {magnitudes.current}") from error
    magnitudes.tell()
    _warn_of_empty_ranges(ranges)
    fit, held_out = magnitudes.excerpts.parted()
    masks, stft = mask_function(prepared), magnitudes.stft
    some = fit[:: max(1, len(fit) // FEW)]
    bench = Bench(settings, options, fit, Closeness(masks, held_out, stft), Closeness(masks, some, stft), frames)
    return Plan(prepared, prepared, ranges, tuple(op_types), in_float=in_float), bench


def _tell_what_stays_in_float(plan: Plan) -> None:
    """Name the operators that work in float, in the int8 model as in the float one."""
    values = (*plan.model.graph.value_info, *plan.model.graph.output)
    in_float = {value.name for value in values if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT}
    kinds = Counter(
        f"{node.domain}.{node.op_type}" if node.domain not in ("", "ai.onnx") else node.op_type
        for node in plan.model.graph.node
        if node.output[0] in in_float and (node.op_type not in plan.op_types or node.name in plan.in_float)
    )
    if kinds:
        log.info("in float: %s", ", ".join(f"{count} {kind}" for kind, count in kinds.items()))


def _tell_of_stm32n6(model: onnx.ModelProto, config: Config) -> None:
    """Say, where the file names neither a target nor a board, that ST's application could not run this model."""
    named = config.quantization.target is not None or target_of(config).name != "generic"
    if not named and (broken := TARGETS["stm32n6"].broken_by(model)) is not None:
        log.info("not for the STM32N6, which needs quantization.target: stm32n6: %s", broken)


def _warn_of_empty_ranges(ranges: Ranges) -> None:
    """Say which tensors were zero on all clips."""
    empty = [name for name, (low, high) in ranges.items() if low == high == 0]
    if empty:
        others = f" (and {len(empty) - 1} more)" if len(empty) > 1 else ""
        log.warning(
            "tensor '%s'%s is 0 on all calibration clips, so that its range is empty: are the clips silent?",
            empty[0], others,
        )  # fmt: skip


def check_quantization(config: Config, *, model_is_made: bool) -> None:
    """Check what quantization needs before anything is started; not the model if it is yet to be made.

    Raises
    ------
    UserError : the model, the settings or the folder of clips are not fit for it.
    """
    check_quantization_settings(config)
    check_calibration_clips(config)
    if not model_is_made:
        _prepared(config.model.onnx_path, config)


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


def _prepared(path: Path, config: Config) -> tuple[onnx.ModelProto, list[str], Target, int]:
    """The checked float model, ready for calibration, the types of its operators that are quantized, and for what.

    The last number is what a call's frames have to be a multiple of.
    """
    settings = config.quantization
    check_quantization_settings(config)
    model = with_states(load_configured(path), settings.states)
    check_weights(model, path)
    model = with_dynamic_frames(model, path)
    contract = check_contract(model, path, n_fft=config.preprocessing.n_fft)
    check_axis_name(settings.static_axis_name, contract, path)
    prepared = prepare(model, path, contract, target_opset=settings.target_opset)
    op_types = operators_to_quantize(prepared, settings.op_types_to_quantize, path)
    check_overrides(prepared, settings)
    return prepared, op_types, _target(path, prepared, op_types, config), contract.multiple


def _target(path: Path, prepared: onnx.ModelProto, op_types: list[str], config: Config) -> Target:
    """The target, if the model can be made to fit it; a board that nobody asked to quantize for can be passed over.

    Raises
    ------
    UserError : the model cannot meet the rules of `quantization.target`.
    """
    target = target_of(config)
    in_float = nodes_in_float(prepared, config.quantization, path)
    if not target.rules:
        return target
    magnitudes = magnitude_input(prepared).name
    any_range = (np.float32(-1), np.float32(1))
    names = {magnitudes, *tensors_to_calibrate(prepared, set(op_types))}
    plan = Plan(
        prepared, prepared, dict.fromkeys(names, any_range), tuple(op_types), in_float=in_float,
        int8_input=target.int8_input,
    )  # fmt: skip
    try:
        check_target(quantized(plan, config.quantization), target, path)
    except UserError as error:
        if config.quantization.target is not None:
            raise
        log.warning("%s; quantization.target is not set: generic is taken instead", error)
        return TARGETS["generic"]
    if (missing := not_in_c_package(prepared, target)) is not None:
        log.warning("%s: %s", path, missing)
    return target


def _write_verified(
    folder: Path, prepared: onnx.ModelProto, dynamic: onnx.ModelProto, static: onnx.ModelProto, patch: np.ndarray
) -> QuantizedModels:
    """Write the models aside, put them to the test, and only then let them appear in `folder`, together."""
    with filled_aside(folder) as aside:
        for name, model in ((PREPROCESSED, prepared), (DYNAMIC, dynamic), (STATIC, static)):
            onnx.save(model, aside / name)
        verify(aside / DYNAMIC, aside / STATIC, patch)
    return QuantizedModels(folder / PREPROCESSED, folder / DYNAMIC, folder / STATIC)


def _report(
    run: Run, source: Path, models: QuantizedModels, frames: int, result: Recovered, magnitudes: CalibrationMagnitudes
) -> None:
    float_bytes, int8_bytes = bytes_of(source), models.dynamic.stat().st_size
    log.info("%s: %.2f MiB, in float %.2f MiB", shown(models.dynamic), int8_bytes / 2**20, float_bytes / 2**20)
    log.info("%s: the same, fixed to %s", shown(models.static), counted(frames, "frame"))
    run.tracker.metrics(
        {
            "calibration_clips": magnitudes.clips_read,
            "calibration_clips_left_out": len(magnitudes.clips) - magnitudes.clips_read,
            "calibration_seconds": magnitudes.seconds_read,
            "float_model_bytes": float_bytes,
            "int8_model_bytes": int8_bytes,
            "quantized_nodes": quantized_nodes(result.model),
            "closeness_plain_db": result.plain,
            "closeness_db": result.closeness,
        }
    )
    for path in (models.dynamic, models.static):
        run.tracker.artifact(path, "models")

"""The service `quantization`: a float model and noisy clips in, the dynamic and the static int8 model out."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx

from sezoo.base.files import atomic_folder, display_path
from sezoo.base.text import pluralize
from sezoo.config.sections import Config
from sezoo.denoising.backend import PATCH, STM32N6, engine_of, with_input_gain, with_target
from sezoo.denoising.board import MOST_FRAMES
from sezoo.models.onnx_file import bytes_of, quantized_nodes
from sezoo.models.states import frames_of
from sezoo.quantization.analysis import layer_report, log_report
from sezoo.quantization.analysis.length_advice import N6_REMEDY, STREAM_REMEDY, advise, log_advice
from sezoo.quantization.analysis.sensitivity import sensitivity
from sezoo.quantization.calibration.clips import check_calibration_clips
from sezoo.quantization.calibration.magnitudes import CalibrationMagnitudes
from sezoo.quantization.graph.static_shape import with_static_shape
from sezoo.quantization.graph.verification import VERIFIED_CALLS, verify
from sezoo.quantization.planning import make_plan
from sezoo.quantization.prepared_model import check_model, check_quantization_settings
from sezoo.quantization.recovery.recipe import RecoveryResult
from sezoo.quantization.target import TARGETS, target_of
from sezoo.run.run import Run

__all__ = ["QuantizedModels", "check_quantization", "check_quantization_settings", "quantize"]

log = logging.getLogger(__name__)

PREPROCESSED, DYNAMIC, STATIC = (
    "preprocessed_model.onnx",
    "quantized_model_int8.onnx",
    "quantized_model_int8_static.onnx",
)


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
    path = run.artefacts.float_model or run.config.model.onnx_path
    decided = make_plan(run, path)
    result, context, magnitudes, frames = decided.result, decided.context, decided.magnitudes, decided.frames
    with_target(result.model, decided.target.name)
    if decided.target.board_gain:
        with_input_gain(result.model)

    report = layer_report(result, context, context.fit, measured=run.config.general.report)
    if report.mostly_in_float:
        log.warning("%s: %s", display_path(path), report.mostly_in_float)
    _warn_of_stm32n6(result.model, run.config)
    if run.config.quantization.sensitivity:
        report = replace(report, sensitivity=tuple(sensitivity(result.plan, context, run.progress)))
    log_report(report)
    is_free = not isinstance(frames_of(decided.prepared), int)
    in_patches = engine_of(run.config, decided.target.name) == PATCH  # a stream has the whole clip's masks
    if run.config.general.report and in_patches and is_free:
        patches = decided.patches
        on_n6 = decided.target.name == STM32N6
        log_advice(
            advise(
                result.model, decided.prepared, context.fit, magnitudes.stft, patches.frames, patches.lookahead,
                MOST_FRAMES if on_n6 else None,
            ),
            N6_REMEDY if on_n6 else STREAM_REMEDY,
        )  # fmt: skip

    static = with_static_shape(result.model, frames)
    patch = magnitudes.segments.patch(frames * VERIFIED_CALLS)
    models = _write_verified(run.models_folder, decided.prepared, result.model, static, patch)
    report = replace(
        report,
        model=path.as_posix(),
        float_bytes=bytes_of(path),
        dynamic=_in_run(models.dynamic, run.folder),
        static=_in_run(models.static, run.folder),
    )
    run.tracker.artifact(report.write(run.folder), "reports")
    run.artefacts.int8, run.artefacts.int8_static = models.dynamic, models.static
    _report(run, path, models, frames, result, magnitudes)
    return models


def _warn_of_stm32n6(model: onnx.ModelProto, config: Config) -> None:
    """Say, where the file names neither a target nor a board, that ST's application could not run this model."""
    named = config.quantization.target is not None or target_of(config).name != "generic"
    if not named and (broken := TARGETS["stm32n6"].first_violation(model)) is not None:
        log.debug("not for the STM32N6, which needs quantization.target: stm32n6: %s", broken)


def check_quantization(config: Config, *, model_is_made: bool) -> None:
    """Check what quantization needs before anything is started; not the model if it is yet to be made.

    Raises
    ------
    UserError : the model, the settings or the folder of clips are not fit for it.
    """
    check_quantization_settings(config)
    check_calibration_clips(config)
    if not model_is_made:
        check_model(config.model.onnx_path, config)


def _write_verified(
    folder: Path, prepared: onnx.ModelProto, dynamic: onnx.ModelProto, static: onnx.ModelProto, patch: np.ndarray
) -> QuantizedModels:
    """Write the models to a temporary folder, test them, and only then let them appear in `folder`, together."""
    with atomic_folder(folder) as temporary:
        for name, model in ((PREPROCESSED, prepared), (DYNAMIC, dynamic), (STATIC, static)):
            onnx.save(model, temporary / name)
        verify(temporary / DYNAMIC, temporary / STATIC, patch)
    return QuantizedModels(folder / PREPROCESSED, folder / DYNAMIC, folder / STATIC)


def _in_run(path: Path, folder: Path) -> str:
    return (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()


def _report(
    run: Run,
    source: Path,
    models: QuantizedModels,
    frames: int,
    result: RecoveryResult,
    magnitudes: CalibrationMagnitudes,
) -> None:
    float_bytes, int8_bytes = bytes_of(source), models.dynamic.stat().st_size
    log.info(
        "%s: %.2f MiB (float: %.2f MiB); %s: the same, fixed to %s", display_path(models.dynamic), int8_bytes / 2**20,
        float_bytes / 2**20, models.static.name, pluralize(frames, "frame"),
    )  # fmt: skip
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

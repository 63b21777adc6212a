"""The `deployment` service: turn a static int8 model into code or files for the board."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np

from sezoo.audio.stft import stft_of
from sezoo.base.errors import UserError
from sezoo.base.files import display_path
from sezoo.config.sections import Config
from sezoo.denoising import NO_PEAK, denoise
from sezoo.denoising.backend import PORTABLE_C, STM32N6, TFLITE, backend_of, board_of, check_input_gain, target_in
from sezoo.denoising.run_models import static_frames_of
from sezoo.deployment.c_package.deploy import check_c_package, deploy_c_package
from sezoo.deployment.checks import with_patch_lengths
from sezoo.deployment.recording import patches_of, recording_of, report_gated_clips
from sezoo.deployment.stm32n6.deploy import check_stm32n6, deploy_stm32n6
from sezoo.deployment.tflite.deploy import check_tflite, deploy_tflite
from sezoo.deployment.validation.vectors import write_vectors
from sezoo.models.mask_model import MaskModel
from sezoo.models.onnx_file import load_onnx
from sezoo.run.run import Run

__all__ = ["check_deployment", "deploy"]

log = logging.getLogger(__name__)

VECTORS = "validation_vectors"
"""Folder for the validation vectors, inside the run's folder."""


def check_deployment(config: Config) -> None:
    """Check the settings and the tools before the model exists.

    Raises
    ------
    UserError : the settings contradict each other, or a tool is missing.
    """
    check_input_gain(config)
    _check_backend(config)
    if backend_of(config) == STM32N6:
        check_stm32n6(config)
    elif backend_of(config) == TFLITE:
        check_tflite(config)
    else:
        check_c_package(config)


def _check_backend(config: Config) -> None:
    settings, backend = config.deployment, backend_of(config)
    limit = settings.attenuation_limit_db
    if backend == PORTABLE_C:
        return
    if limit is not None:
        raise UserError(
            f"deployment.attenuation_limit_db: found {limit:g}; deployment.backend: {backend} has no such limit, the C "
            "package has (portable-c)"
        )
    if settings.package != "cmake":
        raise UserError(
            f"deployment.package: found {settings.package}; it is for deployment.backend: portable-c, not {backend}"
        )


def deploy(run: Run) -> None:
    """Deploy the run's static int8 model, or the configured one, with the configured backend.

    Raises
    ------
    UserError : the model or the settings do not suit the backend; a tool is missing or fails.
    """
    if run.config.preprocessing.peak_normalize:
        log.warning("%s", NO_PEAK)
    model: Path = run.artefacts.int8_static or run.config.model.onnx_path
    run = _with_backend(run, model)
    check_input_gain(run.config)
    _check_backend(run.config)
    if backend_of(run.config) == STM32N6:
        deploy_stm32n6(run, model)
        _write_vectors(run, model)
        _report_silence_gate(run.config, model)
    elif backend_of(run.config) == TFLITE:
        deploy_tflite(run, model)
    else:
        deploy_c_package(run, model)


def _with_backend(run: Run, model: Path) -> Run:
    """Return the run with `deployment.backend` resolved from the configuration and the model."""
    settings = run.config.deployment
    if settings.backend is not None or not model.is_file():
        return run
    backend = backend_of(run.config, target_in(load_onnx(model)))
    log.info("deployment.backend: %s", backend)
    deployment = settings.model_copy(update={"backend": backend})
    return replace(run, config=run.config.model_copy(update={"deployment": deployment}))


def _report_silence_gate(config: Config, path: Path) -> None:
    """Denoise a recording as on the board and report what the silence gate mutes, if one is set."""
    if config.deployment.output_silence_threshold is None:
        return
    stft, recording, model = stft_of(config.preprocessing), recording_of(config), load_onnx(path)
    lengths = with_patch_lengths(config, static_frames_of(model), path).deployment
    mode = board_of(config, lengths.frames_per_patch, lengths.lookahead_frames, calibrated_with_gain=False)
    report_gated_clips(
        denoise(recording.noisy, MaskModel(model, path), stft, mode), recording, stft, mode.silence_threshold
    )


def _write_vectors(run: Run, model: Path) -> None:
    """Write the network's inputs and outputs on patches of a recording, for `stedgeai validate` and `sezoo compare`."""
    stft = stft_of(run.config.preprocessing)
    recording = recording_of(run.config)
    patches = patches_of(recording, stft, static_frames_of(load_onnx(model)))
    vectors = write_vectors(model, [patch[np.newaxis] for patch in patches], run.folder / VECTORS)
    log.info("validation vectors, for sezoo compare: %s", display_path(vectors.layers.parent))

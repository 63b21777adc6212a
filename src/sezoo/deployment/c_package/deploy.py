"""The `portable-c` backend: write a static int8 model as a package of C sources and test it on an emulated core."""

from __future__ import annotations

import hashlib
import logging
import shutil
from pathlib import Path

import numpy as np
import onnx

from sezoo.audio.stft import stft_of
from sezoo.base.errors import UserError
from sezoo.base.files import atomic_folder, display_path, unused_path, write_text
from sezoo.base.progress import working
from sezoo.config.boards import BOARDS
from sezoo.config.sections import Config
from sezoo.denoising.backend import has_input_gain
from sezoo.denoising.modes import Board
from sezoo.deployment.c_package.call_frames import Engine
from sezoo.deployment.c_package.emulated_run import Emulation, run_emulated
from sezoo.deployment.c_package.layers import LAYERS, write_pack
from sezoo.deployment.c_package.package import PackageSettings, write_package
from sezoo.deployment.c_package.program import Program
from sezoo.deployment.c_package.readme import readme
from sezoo.deployment.c_package.report import DeploymentReport, deployment_of
from sezoo.deployment.c_package.symbol_prefix import rename_symbols
from sezoo.deployment.c_package.vectors import vector_calls
from sezoo.deployment.checks import check_transform
from sezoo.deployment.engine.agreement import agreement
from sezoo.deployment.engine.arithmetic import ONNXRUNTIME, Arithmetic
from sezoo.deployment.engine.qdq_reader import integer_graph_of
from sezoo.deployment.engine.qdq_reader.nodes import UnsupportedError
from sezoo.deployment.engine.reference import denoise_in_patches, denoise_in_stream
from sezoo.deployment.engine_choice import engine_for
from sezoo.deployment.recording import Recording, patches_of, recording_of, report_gated_clips
from sezoo.models.contract import declared_contract
from sezoo.models.onnx_file import load_configured, load_onnx
from sezoo.models.states import input_layout
from sezoo.results.names import C_PACKAGE, DEPLOYMENT
from sezoo.run.run import Run
from sezoo.targets.c_compiler import find_compiler
from sezoo.targets.cores import CORES
from sezoo.targets.emulator import find_emulator

__all__ = [
    "check_c_package",
    "deploy_c_package",
    "package_for",
    "package_settings",
    "program_for",
    "reference_of",
    "tools_of",
]

log = logging.getLogger(__name__)


def check_c_package(config: Config) -> None:
    """Check the settings, and that the tools are installed, before the model exists.

    Raises
    ------
    UserError : the first setting that does not fit, or the first tool that is missing.
    """
    check_transform(config)
    settings = config.deployment
    if settings.dry_run:
        raise UserError("deployment.dry_run: found True; it is for deployment.backend: stm32n6, whose steps it shows")
    if settings.emulate:
        try:
            tools_of(config, Path())
        except UserError as error:
            raise UserError(f"{error}; deployment.emulate: False writes the C package without trying it out") from error


def deploy_c_package(run: Run, model_path: Path) -> None:
    """Write the package into the run's folder, and verify it on an emulation of the board's core.

    Parameters
    ----------
    model_path : path of the static int8 model.

    Raises
    ------
    UserError : the model or the settings do not fit, a tool is missing, the package does not compile, or the masks
        computed on the core differ from the test vectors.
    """
    config = run.config
    check_c_package(config)
    given = config.model is not None and config.model.onnx_path == model_path
    model = load_configured(model_path) if given else load_onnx(model_path)
    program = _program_of(model, model_path, config)
    settings = package_settings(config, model, model_path, program.engine)
    core = CORES[BOARDS[config.deployment.hardware_setup.board].core]
    recording = recording_of(config)
    emulation = tools_of(config, run.folder / "deployment_logs") if config.deployment.emulate else None

    with working("comparing the operators with onnxruntime's", in_log=True):
        agreed = agreement(program.graph, model, _patches(program, recording))
    _remove_unfinished(run.folder)
    package = unused_path(run.folder / C_PACKAGE)
    with atomic_folder(package) as temporary:
        with working("writing the C package and its test vectors", in_log=True):
            masks = _write_checked(program, settings, recording.noisy, temporary, model=model_path)
        emulated = None
        if emulation is not None:
            log.info("building the package with %s and running it on an emulated %s", emulation.compiler, core.name)
            waveform, rate = recording.noisy, settings.sample_rate
            with atomic_folder(unused_path(run.folder / f"emulated_{core.name}")) as folder:
                emulated = run_emulated(emulation, core, temporary, waveform, rate, folder)
        with working("denoising the recording in numpy, as the package does", in_log=True):
            reference = reference_of(program, settings, recording, model_path)
        report_gated_clips(reference, recording, program.stft, settings.silence_threshold)
        report = DeploymentReport(model_path.name, program, settings, masks, agreed, recording, reference, emulated)
        write_text(temporary / "README.md", readme(report))
        rename_symbols(temporary, config.deployment.symbol_prefix)  # the same code, which was tried out above
    deployment_of(report).write(run.folder)
    log.info("C package: %s", display_path(package))
    if pack := write_pack(package, run.folder):
        log.info("CMSIS-Pack: %s", display_path(pack))
    for line in report.log_lines():
        log.info("%s", line)
    for line in report.too_much_for(config.deployment.hardware_setup.board):
        log.warning("deployment.hardware_setup.board: %s", line)
    run.tracker.metrics(report.metrics())


def _remove_unfinished(folder: Path) -> None:
    """Remove the package of a deployment that was terminated before it wrote its report."""
    package = folder / C_PACKAGE
    if any((package / "src").glob("*_model.c")) and not (folder / DEPLOYMENT).exists():
        log.info("%s is of a deployment that did not finish: it is written anew", display_path(package))
        for path in (package, *folder.glob("emulated_*")):
            shutil.rmtree(path, ignore_errors=True)


SEQUENCE = 30
"""Frames of a test patch for a model that takes one frame at a time."""


def _patches(program: Program, recording: Recording) -> list[np.ndarray]:
    """Return the patches of magnitudes or spectra that the operators are compared on."""
    frames = program.graph.frames if program.graph.frame_loop is None else SEQUENCE
    return patches_of(recording, program.stft, frames, of_spectra=program.graph.is_complex)


def _program_of(model: onnx.ModelProto, path: Path, config: Config) -> Program:
    """Return the C program of a static int8 model.

    Raises
    ------
    UserError : the model does not fit.
    """
    stft = stft_of(config.preprocessing)
    try:
        graph = integer_graph_of(model, path)
    except UserError as error:
        if not isinstance(error.__cause__, UnsupportedError):
            raise
        raise UserError(f"{error}; quantize with --target cortex-m, which gives what it can run") from error
    declared_contract(model, path, n_fft=stft.n_fft)
    return Program(graph, engine_for(graph, path, config), stft)


def tools_of(config: Config, logs: Path) -> Emulation:
    """Return the compiler and the emulator.

    Parameters
    ----------
    logs : folder for their output.

    Raises
    ------
    UserError : a tool is missing or too old.
    """
    return Emulation(find_compiler(config.tools.path_to_arm_gcc), find_emulator(config.tools.path_to_qemu), logs)


def package_for(model: onnx.ModelProto, path: Path, config: Config, waveform: np.ndarray, folder: Path) -> Program:
    """Write a package into an empty folder, with test vectors from a recording.

    Parameters
    ----------
    waveform : (samples,) float32

    Raises
    ------
    UserError : the model or the settings do not fit.
    """
    program, settings = program_for(model, path, config)
    _write_checked(program, settings, waveform, folder, model=path)
    return program


def program_for(model: onnx.ModelProto, path: Path, config: Config) -> tuple[Program, PackageSettings]:
    """Return the C program of a static int8 model, and the settings of its package.

    Raises
    ------
    UserError : the model or the settings do not fit.
    """
    check_transform(config)
    program = _program_of(model, path, config)
    return program, package_settings(config, model, path, program.engine)


def package_settings(config: Config, model: onnx.ModelProto, path: Path, engine: Engine) -> PackageSettings:
    """Return the package settings of a configuration; only the patch engine has an input gain.

    Raises
    ------
    UserError : an input gain is set for a model of complex spectra.
    """
    settings, rate = config.deployment, config.preprocessing.sample_rate
    if settings.input_gain and input_layout(model).is_complex:
        raise UserError(
            "deployment.input_gain: found True; it scales magnitudes, and the model takes complex spectra; allowed: "
            "False, or nothing"
        )
    gain = has_input_gain(model) if settings.input_gain is None else settings.input_gain
    return PackageSettings(
        rate,
        gain and not engine.is_stream,
        settings.output_silence_threshold,
        settings.attenuation_limit_db,
        hashlib.sha256(path.read_bytes()).hexdigest(),
        LAYERS if settings.package == "all" else tuple(name for name in LAYERS if name == settings.package),
    )


def _write_checked(
    program: Program, settings: PackageSettings, waveform: np.ndarray, folder: Path, *, model: Path
) -> int:
    """Write a package with test vectors from a recording; return the number of masks that can reveal a wrong build.

    Raises
    ------
    UserError : all masks are equal.
    """
    masks = write_package(program, settings, vector_calls(program, waveform), folder)
    if not masks:
        raise UserError(
            f"{model}: its mask is the same for every frame of the recording, so that nothing shows whether the C "
            "package works; is the model trained, and quantized for recordings such as these?"
        )
    return masks


def reference_of(
    program: Program,
    settings: PackageSettings,
    recording: Recording,
    path: Path,
    arithmetic: Arithmetic = ONNXRUNTIME,
) -> np.ndarray:
    """Return the recording as the package denoises it, emulated in numpy: (samples,) float32."""
    engine = program.engine
    if engine.is_stream:
        gate = settings.silence_threshold
        return denoise_in_stream(
            program.graph, recording.noisy, program.stft, engine.new, gate, arithmetic,
            attenuation_limit=settings.attenuation_limit,
        )  # fmt: skip
    mode = Board(
        engine.new,
        engine.lookahead,
        settings.silence_threshold,
        input_gain=settings.input_gain,
        half_away=False,
        attenuation_limit=settings.attenuation_limit,
    )
    return denoise_in_patches(program.graph, path, recording.noisy, program.stft, mode, arithmetic)

"""The deployment backend of a model, and the processing around the network on a board."""

from __future__ import annotations

import onnx

from sezoo.base.errors import UserError
from sezoo.config.sections import Config, Deployment
from sezoo.denoising.modes import Board, Stream
from sezoo.models.onnx_graph import metadata_of, set_metadata

__all__ = [
    "PATCH",
    "PORTABLE_C",
    "STM32N6",
    "STREAM",
    "TFLITE",
    "backend_of",
    "backend_of_model",
    "board_of",
    "check_input_gain",
    "engine_of",
    "has_input_gain",
    "stream_frames",
    "stream_of",
    "target_in",
    "wanted_backend",
    "with_backend",
    "with_input_gain",
    "with_target",
]

PORTABLE_C, STM32N6, TFLITE = "portable-c", "stm32n6", "tflite"

PROGRAMS = {PORTABLE_C: "C package", STM32N6: "ST's N6 application", TFLITE: "TensorFlow Lite"}
"""What the backends make, for people."""

PATCH, STREAM = "patch", "stream"
"""The engines of the C package and of a .tflite file; the STM32N6 always works on patches."""

STREAM_FRAMES = 1
"""New frames of a stream's call where nothing is set: no call waits for more samples than it has to."""

GAIN_KEY, GAIN = "input_gain", "board"
"""In the metadata of a model that was calibrated on magnitudes with the input gain of ST's application."""

TARGET_KEY = "quantization_target"
"""In the metadata of an int8 model: the quantization.target that it was made for."""

BACKENDS = {"cortex-m": PORTABLE_C, "tflite": TFLITE, "stm32n6": STM32N6}
"""The backends by the targets that are made for them."""


def backend_of(config: Config, target: str | None = None) -> str:
    """The backend that `wanted_backend` finds, or else ST's, as its YAML files name none."""
    return wanted_backend(config, target) or STM32N6


def wanted_backend(config: Config, target: str | None = None) -> str | None:
    """The backend of a model; None where neither the configuration nor the model names one.

    What the configuration says comes first: `deployment.backend`, or a board that is no STM32N6, or else
    `quantization.target`. Then comes what the model was made for, and last the board of the configuration. A generic
    model, which ST's application cannot feed, goes into the C package unless a board is named.

    Parameters
    ----------
    target : the `quantization.target` that the int8 model was made for, see `target_in`; None is unknown.
    """
    deployment, benchmarking = config.deployment, config.benchmarking
    if deployment is not None and deployment.backend is not None:
        return deployment.backend
    board = None
    if deployment is not None:
        board = deployment.hardware_setup.board
    elif benchmarking is not None and "board" in benchmarking.model_fields_set:
        board = benchmarking.board
    if board is not None and _backend_of_board(board) == PORTABLE_C:
        return PORTABLE_C
    configured = config.quantization and config.quantization.target
    for name in (configured, target):
        if name in BACKENDS:
            return BACKENDS[name]
    is_named = deployment is None or "hardware_setup" in deployment.model_fields_set
    if "generic" in (configured, target) and (board is None or not is_named):
        return PORTABLE_C
    return None if board is None else _backend_of_board(board)


def _backend_of_board(board: str) -> str:
    return STM32N6 if board.startswith("STM32N6") else PORTABLE_C


def backend_of_model(model: onnx.ModelProto) -> str:
    """Return the default backend of a model: the one of its target, else the C package."""
    return BACKENDS.get(target_in(model) or "", PORTABLE_C)


def engine_of(config: Config, target: str | None = None) -> str:
    """The engine that is configured, or the stream; patches where they are to have a gain, and for a .tflite file.

    The STM32N6 has patches alone. An NPU computes many frames at once in little more time than one.
    """
    settings, backend = config.deployment or Deployment(), backend_of(config, target)
    if backend == STM32N6:
        return PATCH
    return settings.engine or (PATCH if settings.input_gain or backend == TFLITE else STREAM)


def with_backend(config: Config, backend: str) -> Config:
    """The configuration as it deploys with a backend, whatever its own is."""
    settings = (config.deployment or Deployment()).model_copy(update={"backend": backend})
    return config.model_copy(update={"deployment": settings})


def check_input_gain(config: Config, target: str | None = None) -> None:
    """Check that `deployment.input_gain` is supported.

    Raises
    ------
    UserError : the backend, or its engine, has no such choice.
    """
    settings = config.deployment or Deployment()
    if settings.input_gain is False and backend_of(config, target) == STM32N6:
        raise UserError(
            "deployment.input_gain: found False; ST's application (deployment.backend: stm32n6) always scales loud "
            "patches; allowed: True, or deployment.backend: portable-c"
        )
    if settings.input_gain and engine_of(config, target) == STREAM:
        raise UserError("deployment.input_gain: found True; deployment.engine: stream has no patches to scale")


def stream_frames(config: Config) -> int:
    """New frames of a call of the stream engine."""
    return (config.deployment and config.deployment.frames_per_patch) or STREAM_FRAMES


def stream_of(config: Config, context: tuple[int | None, int] | None, target: str | None = None) -> Stream:
    """The stream engine as the configuration has it.

    Parameters
    ----------
    context : what `Stream` has.
    """
    settings = config.deployment or Deployment()
    program = PROGRAMS[TFLITE if wanted_backend(config, target) == TFLITE else PORTABLE_C]
    return Stream(
        context,
        stream_frames(config),
        settings.output_silence_threshold,
        attenuation_limit=settings.attenuation_limit_db,
        program=program,
    )


def board_of(
    config: Config, frames: int, lookahead: int, *, calibrated_with_gain: bool, target: str | None = None
) -> Board:
    """Patches as the configured backend runs them.

    The C package rounds as onnxruntime does, and has the input gain only where the model was calibrated with it, if
    `deployment.input_gain` does not say otherwise.
    """
    settings = config.deployment or Deployment()
    threshold = settings.output_silence_threshold
    backend = backend_of(config, target)
    if backend == STM32N6:
        return Board(frames, lookahead, threshold, program=PROGRAMS[STM32N6])
    gain = calibrated_with_gain if settings.input_gain is None else settings.input_gain
    limit = settings.attenuation_limit_db
    program = PROGRAMS[backend]
    return Board(
        frames, lookahead, threshold, input_gain=gain, half_away=False, attenuation_limit=limit, program=program
    )


def has_input_gain(model: onnx.ModelProto) -> bool:
    """Return whether a model was calibrated with the input gain, by its metadata."""
    return metadata_of(model).get(GAIN_KEY) == GAIN


def target_in(model: onnx.ModelProto) -> str | None:
    """The target that an int8 model was quantized for, by its metadata; None where that does not say."""
    return metadata_of(model).get(TARGET_KEY) or ("stm32n6" if has_input_gain(model) else None)


def with_target(model: onnx.ModelProto, target: str) -> None:
    """Note in an int8 model what it was quantized for."""
    if target_in(model) != target:
        set_metadata(model, TARGET_KEY, target)


def with_input_gain(model: onnx.ModelProto) -> None:
    """Note in a model that it was calibrated with the input gain."""
    set_metadata(model, GAIN_KEY, GAIN)

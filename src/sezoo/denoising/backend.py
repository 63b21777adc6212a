"""Which way a model goes onto a board, and what is done around the network there."""

from __future__ import annotations

import onnx

from sezoo.config.sections import Config, Deployment
from sezoo.denoising.modes import Board, Stream

__all__ = [
    "PATCH",
    "PORTABLE_C",
    "STM32N6",
    "STREAM",
    "TFLITE",
    "backend_of",
    "board_of",
    "engine_of",
    "has_input_gain",
    "stream_frames",
    "stream_of",
    "wanted_backend",
    "with_input_gain",
]

PORTABLE_C, STM32N6, TFLITE = "portable-c", "stm32n6", "tflite"

PATCH, STREAM = "patch", "stream"
"""The engines of the C package and of a .tflite file; the STM32N6 always works on patches."""

STREAM_FRAMES = 1
"""New frames of a stream's call where nothing is set: no call waits for more samples than it has to."""

GAIN_KEY, GAIN = "input_gain", "board"
"""In the metadata of a model that was calibrated on magnitudes with the input gain of ST's application."""


def backend_of(config: Config) -> str:
    """The backend that is configured, or else that of the board; of the default board where the file names none."""
    return wanted_backend(config) or STM32N6


def wanted_backend(config: Config) -> str | None:
    """The backend of the deployment that the file describes, or else of the board that it names; None of no board."""
    if config.deployment is not None:
        return config.deployment.backend or _backend_of_board(config.deployment.hardware_setup.board)
    if config.quantization is not None and config.quantization.target == "cortex-m":
        return PORTABLE_C
    if config.benchmarking is not None and "board" in config.benchmarking.model_fields_set:
        return _backend_of_board(config.benchmarking.board)
    return None


def _backend_of_board(board: str) -> str:
    return STM32N6 if board.startswith("STM32N6") else PORTABLE_C


def engine_of(config: Config) -> str:
    """The engine that is configured, or the stream; patches where they are to have a gain, and for a .tflite file.

    The STM32N6 has patches alone. An NPU computes many frames at once in little more time than one.
    """
    settings, backend = config.deployment or Deployment(), backend_of(config)
    if backend == STM32N6:
        return PATCH
    return settings.engine or (PATCH if settings.input_gain or backend == TFLITE else STREAM)


def stream_frames(config: Config) -> int:
    """New frames of a call of the stream engine."""
    return (config.deployment and config.deployment.frames_per_patch) or STREAM_FRAMES


def stream_of(config: Config, context: tuple[int, int] | None) -> Stream:
    """The stream engine as the configuration has it.

    Parameters
    ----------
    context : the model's receptive field, (before, after) frames.
    """
    settings = config.deployment or Deployment()
    return Stream(context, stream_frames(config), settings.output_silence_threshold)


def board_of(config: Config, frames: int, lookahead: int, *, calibrated_with_gain: bool) -> Board:
    """Patches as the configured backend runs them.

    The C package rounds as onnxruntime does, and has the input gain only where the model was calibrated with it, if
    `deployment.input_gain` does not say otherwise.
    """
    settings = config.deployment or Deployment()
    threshold = settings.output_silence_threshold
    if backend_of(config) == STM32N6:
        return Board(frames, lookahead, threshold)
    gain = calibrated_with_gain if settings.input_gain is None else settings.input_gain
    return Board(frames, lookahead, threshold, input_gain=gain, half_away=False)


def has_input_gain(model: onnx.ModelProto) -> bool:
    """Whether a model's metadata says that it was calibrated with the input gain."""
    return any(entry.key == GAIN_KEY and entry.value == GAIN for entry in model.metadata_props)


def with_input_gain(model: onnx.ModelProto) -> None:
    """Note in a model that it was calibrated with the input gain."""
    if not has_input_gain(model):
        model.metadata_props.add(key=GAIN_KEY, value=GAIN)

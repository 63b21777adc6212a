"""Which way a model goes onto a board, and what is done around the network there."""

from __future__ import annotations

import onnx

from sezoo.config.sections import Config, Deployment
from sezoo.denoise.plays import Board

__all__ = ["PORTABLE_C", "STM32N6", "backend_of", "board_of", "has_input_gain", "with_input_gain"]

PORTABLE_C, STM32N6 = "portable-c", "stm32n6"

GAIN_KEY, GAIN = "input_gain", "board"
"""In the metadata of a model that was calibrated on magnitudes with the input gain of ST's application."""


def backend_of(config: Config) -> str:
    """The backend that is configured, or else that of the board."""
    settings = config.deployment or Deployment()
    if settings.backend is not None:
        return settings.backend
    return STM32N6 if settings.hardware_setup.board.startswith("STM32N6") else PORTABLE_C


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
    """Whether a model says that it was calibrated with the input gain."""
    return any(entry.key == GAIN_KEY and entry.value == GAIN for entry in model.metadata_props)


def with_input_gain(model: onnx.ModelProto) -> None:
    """Note in a model that it was calibrated with the input gain."""
    if not has_input_gain(model):
        model.metadata_props.add(key=GAIN_KEY, value=GAIN)

"""Requirements of the STM32N6 application on the settings and the model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

from sezoo.base.errors import UserError
from sezoo.config.sections import Config
from sezoo.denoising.board import bins_problem, frames_problem
from sezoo.deployment.checks import check_frames, check_transform, needed_frames
from sezoo.models.contract import check_magnitudes, declared_contract
from sezoo.models.onnx_file import quantized_nodes
from sezoo.models.onnx_graph import initializers, readers
from sezoo.models.states import states_of

__all__ = ["BOARD", "check_model", "check_settings"]

BOARD = "STM32N6570-DK"
SAMPLE_RATES = (16000, 48000)
"""Sampling rates of the microphone in Hz."""


def check_settings(config: Config) -> None:
    """Check the settings, without model, C project and tools.

    Raises
    ------
    UserError : a setting is not supported by the board; the message names the key, the value, and what is allowed.
    """
    hardware, spectrum = config.deployment.hardware_setup, config.preprocessing
    if hardware.board != BOARD:
        raise UserError(
            f"deployment.hardware_setup.board: found '{hardware.board}'; deployment.backend: stm32n6 is for {BOARD}, "
            "portable-c for the others"
        )
    if hardware.serie != "STM32N6":
        raise UserError(f"deployment.hardware_setup.serie: found '{hardware.serie}'; allowed: STM32N6, that of {BOARD}")
    if spectrum.sample_rate not in SAMPLE_RATES:
        allowed = " or ".join(str(rate) for rate in SAMPLE_RATES)
        raise UserError(
            f"preprocessing.sample_rate: found {spectrum.sample_rate}; allowed: {allowed}, the rates of the board's "
            "microphone: the model has to be trained for one of them"
        )
    if (problem := bins_problem(spectrum.n_fft)) is not None:
        raise UserError(problem)
    if (frames := needed_frames(config.deployment)) is not None and (problem := frames_problem(frames)) is not None:
        raise UserError(
            f"deployment.frames_per_patch: found {config.deployment.frames_per_patch}, with two times "
            f"deployment.lookahead_frames: {config.deployment.lookahead_frames} that makes {problem}"
        )
    check_transform(config)


def check_model(model: onnx.ModelProto, path: Path, config: Config) -> None:
    """Check that a model is a static int8 model as the application expects.

    Raises
    ------
    UserError : a float, dynamic or stateful model, or one of another length or contract; the message says what to do.
    """
    settings = config.deployment
    needed = needed_frames(settings)
    if not quantized_nodes(model):
        raise UserError(
            f"{path} is a float model; the board needs the static int8 one, quantized_model_int8_static.onnx of a "
            f"quantization{_with_length(needed)} (operation_mode: chain_qd does both)"
        )
    contract = declared_contract(model, path, n_fft=config.preprocessing.n_fft)
    check_magnitudes(contract, "the application for the STM32N6", path)
    if states := states_of(model):
        raise UserError(
            f"{path} has states ({', '.join(states)}); deployment.backend: stm32n6 is for models without, as the "
            "board's application keeps none from patch to patch"
        )
    if contract.batch != 1:
        raise UserError(f"{path}: its batch axis is {_axis(contract.batch)}; the board needs 1: {_static(needed)}")
    if not isinstance(contract.frames, int):
        raise UserError(
            f"{path}: its frames axis is {_axis(contract.frames)}; the board needs {needed or 'a fixed number'}: "
            f"{_static(needed)}"
        )
    if (problem := frames_problem(contract.frames)) is not None:
        raise UserError(f"{path} has {problem}: {_static(needed)}")
    if needed is not None:
        check_frames(contract.frames, path, settings)
    _check_input(model, contract.input, path)


def _axis(axis: str | int) -> str:
    return f"fixed to {axis}" if isinstance(axis, int) else "dynamic"


def _static(frames: int | None) -> str:
    return f"take the static model of the quantization, quantized_model_int8_static.onnx{_with_length(frames)}"


def _with_length(frames: int | None) -> str:
    return "" if frames is None else f" with quantization.static_sequence_length: {frames}"


def _check_input(model: onnx.ModelProto, name: str, path: Path) -> None:
    """Check the quantized input: the application quantizes magnitudes to int8 with one scale, its only input."""
    constants = initializers(model.graph)
    advice = "quantize with quantization.target: stm32n6"
    quantizers = set()
    for node in readers(model.graph)[name]:
        is_quantizer = node.op_type == "QuantizeLinear"
        scale, zero = (constants.get(node.input[i]) if len(node.input) > i else None for i in (1, 2))
        if not is_quantizer or zero is None or zero.dtype != np.int8:
            how = "in float" if not is_quantizer else f"as {'uint8' if zero is None else zero.dtype}"
            raise UserError(
                f"{path}: operator {node.op_type} ('{node.name}') reads the input '{name}' {how}; the board gives it "
                f"as int8: {advice}"
            )
        if scale is None or scale.size != 1:
            raise UserError(
                f"{path}: the input '{name}' is not rounded by one constant scale, as the board does: {advice}"
            )
        quantizers.add((scale.item(), zero.item()))
    if len(quantizers) > 1:
        raise UserError(
            f"{path}: the input '{name}' is rounded by {len(quantizers)} scales; the board has one: {advice}"
        )

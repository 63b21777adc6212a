"""Targets of int8 models, and the rules that their graphs must satisfy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx

from sezoo.base.errors import UserError
from sezoo.config.modes import steps
from sezoo.config.registries import TARGETS as REGISTRY
from sezoo.config.sections import Config, Quantization
from sezoo.denoising.backend import PORTABLE_C, STM32N6, TFLITE, backend_of
from sezoo.denoising.board import MOST_FRAMES
from sezoo.deployment.engine.qdq_reader import integer_graph_of
from sezoo.deployment.tflite.lowerable import tflite_graph_of
from sezoo.models.states import states_of
from sezoo.quantization.graph.static_shape import static_length, with_static_shape
from sezoo.quantization.overrides import integer_types
from sezoo.quantization.target_rules import (
    activations_of_8_bits,
    known_operators,
    macs_are_int8,
    one_int8_input,
    sums_are_of_integers,
    takes_magnitudes,
    weights_are_symmetric,
)

__all__ = ["TARGETS", "Target", "check_settings", "check_target", "load_target", "target_of"]


@dataclass(frozen=True)
class Target:
    """A profile.

    Attributes
    ----------
    name : in the YAML file.
    words : for messages.
    weight_types, activation_types : the integers that it has kernels for.
    input_step : the way to more than 8 bits at the input that is tried unasked; None if there is none.
    rules : each says what a written model breaks, and which node or tensor does.
    int8_input : the model's input is rounded to 8 bits, though it may be float operators that read it.
    reader : what reads a static int8 model for the target, and raises a `UserError` for one that it cannot run. It has
        the last word: what it reads can be deployed. None where there is none.
    most_frames : of a static model that the target's program runs; None where any length can be.
    board_gain : calibrate on magnitudes with the board's input gain, which are what the network will see there.
    """

    name: str
    words: str
    input_step: str | None
    weight_types: tuple[str, ...]
    activation_types: tuple[str, ...]
    rules: tuple[Callable[[onnx.ModelProto], Iterator[str]], ...] = ()
    int8_input: bool = False
    board_gain: bool = False
    most_frames: int | None = None
    reader: Callable[[onnx.ModelProto, Path], object] | None = None

    @property
    def all_int8(self) -> bool:
        """Whether no multiplication may be in float or in more than 8 bits, but for those of the input."""
        return macs_are_int8 in self.rules

    def first_violation(self, model: onnx.ModelProto) -> str | None:
        """Return a description of the first rule that a written int8 model violates, or None."""
        return next((broken for rule in self.rules for broken in rule(model)), None)

    def read_problem(self, model: onnx.ModelProto) -> str | None:
        """Return why the target's reader rejects a written int8 model, or None if it does not."""
        if self.reader is None:
            return None
        try:
            self.reader(_static(model), MODEL)
        except UserError as error:
            return str(error).removeprefix(f"{MODEL}: ")
        return None

    def can_read(self, model: onnx.ModelProto) -> bool:
        """Whether the target's reader takes a written int8 model."""
        return self.read_problem(model) is None

    def is_satisfied_by(self, model: onnx.ModelProto) -> bool:
        """Whether a written int8 model keeps all rules."""
        return self.first_violation(model) is None

    def allows(self, step: str) -> bool:
        """Whether a step of accuracy recovery gives models that this target can run."""
        return not (self.int8_input and step in ("int16_input", "split_input"))


def target_of(config: Config) -> Target:
    """The target that is configured, or that of the board that the file names, or that of the model zoo's files.

    Those name no board where they quantize, and the one that they deploy to is the STM32N6. Others are generic.
    """
    settings = config.quantization
    if settings.target is not None:
        return load_target(settings.target)
    if "d" in steps(config.operation_mode) or _names_a_board(config):
        return TARGETS[{STM32N6: "stm32n6", TFLITE: "tflite", PORTABLE_C: "cortex-m"}[backend_of(config)]]
    return TARGETS["stm32n6" if _is_of_the_model_zoo(config) else "generic"]


def _is_of_the_model_zoo(config: Config) -> bool:
    """Whether a file names the model zoo's network, leaves the steps to us, and fits the STM32N6.

    Without steps the model is that of onnxruntime, as it was there.
    """
    names_network = config.model.model_type == "STFTTCNN" and "model_type" in config.model.model_fields_set
    if not names_network or config.quantization.accuracy_recovery != ("auto",):
        return False
    try:
        check_settings(config.quantization, TARGETS["stm32n6"])
    except UserError:
        return False
    return True


def _names_a_board(config: Config) -> bool:
    """Whether the file names a backend or a board to deploy to, or one to benchmark on; a default is not named."""
    deployment, benchmarking = config.deployment, config.benchmarking
    if deployment is not None and (deployment.backend or "hardware_setup" in deployment.model_fields_set):
        return True
    return benchmarking is not None and "board" in benchmarking.model_fields_set


def check_target(model: onnx.ModelProto, target: Target, path: Path) -> None:
    """Check a written int8 model against the target's rules.

    Raises
    ------
    UserError : the first rule that it breaks, and what breaks it.
    """
    if (broken := target.first_violation(model) or target.read_problem(model)) is not None:
        raise UserError(f"{path}: not fit for quantization.target: {target.name}: {broken}")


def check_settings(settings: Quantization, target: Target) -> None:
    """Check what can be known of the rules before there is a model.

    Raises
    ------
    UserError : a setting that the target cannot have.
    """
    if target.name == "stm32n6" and not settings.per_channel:
        raise UserError(
            "quantization.per_channel: found False; quantization.target: stm32n6 needs a scale for each channel of "
            "the weights: True, or another target"
        )
    frames, most = settings.static_sequence_length, target.most_frames
    if frames is not None and most is not None and frames > most:
        raise UserError(
            f"quantization.static_sequence_length: found {frames}; the program for quantization.target: {target.name} "
            f"takes {most} frames at most; allowed: {most} or less, or another target"
        )
    for key, what, of_weights, chosen in integer_types(settings):
        types = target.weight_types if of_weights else target.activation_types
        if chosen not in types:
            named = [kind.removeprefix("Int") for kind in types] if key.endswith("_bits") else types
            raise UserError(
                f"{key}: {what} in {chosen}, which quantization.target: {target.name} does not have for "
                f"{'weights' if of_weights else 'activations'}; allowed: {', '.join(named)}, or another target"
            )
    if target.all_int8 and settings.max_float_macs:
        raise UserError(
            f"quantization.max_float_macs: found {settings.max_float_macs:g}; quantization.target: {target.name} has "
            "all layers in int8; allowed: 0, or another target"
        )
    for step in settings.accuracy_recovery:
        if not target.allows(step):
            raise UserError(
                f"quantization.accuracy_recovery: {step} is not for quantization.target: {target.name}, whose network "
                f"input is one int8 tensor"
            )


MODEL = Path("the int8 model")


TRIED_FRAMES = 21
"""Of the static model that a reader is given, where the model takes any number: no other axis is likely to be that."""


def _static(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model for some number of frames; for one where it has states, which are fed back frame by frame."""
    return with_static_shape(model, static_length(model, 1 if states_of(model) else TRIED_FRAMES))


ALL_TYPES = ("Int4", "UInt4", "Int8", "UInt8", "Int16", "UInt16")


GENERIC = Target("generic", "any runtime that reads QDQ models", "split_input", ALL_TYPES, ALL_TYPES[2:])


STM32N6_NPU = Target(
    "stm32n6",
    "the NPU of the STM32N6",
    None,
    ("Int4", "Int8"),  # 4 bits since ST Edge AI 3.0
    ("Int8",),
    (
        takes_magnitudes,
        macs_are_int8,  # before the operators' names: it has a remedy, and knows which of them matters
        known_operators,
        one_int8_input,
        activations_of_8_bits,
        weights_are_symmetric,
    ),
    int8_input=True,
    board_gain=True,
    most_frames=MOST_FRAMES,
)


CORTEX_M = Target(
    "cortex-m",
    "integer kernels on a Cortex-M",
    "int16_input",
    ("Int8",),
    ("Int8", "Int16"),
    (macs_are_int8, sums_are_of_integers, weights_are_symmetric),
    reader=integer_graph_of,
)


TENSORFLOW_LITE = Target(
    "tflite",
    "the int8 operators of TensorFlow Lite",
    "split_input",
    ("Int8",),
    ("Int8",),
    (takes_magnitudes, *CORTEX_M.rules),
    reader=tflite_graph_of,
)


TARGETS = {target.name: target for target in (GENERIC, STM32N6_NPU, CORTEX_M, TENSORFLOW_LITE)}
"""Our own."""


def load_target(name: str) -> Target:
    """Return the target named by `quantization.target`: a built-in one, one of a package, or one in a user's file.

    Raises
    ------
    UserError : it cannot be imported, or is no `Target`.
    """
    found = REGISTRY.load(name)
    if not isinstance(found, Target):
        what = type(found).__name__
        raise UserError(f"{REGISTRY.key}: {name} is {what}; a sezoo.quantization.target.Target is needed")
    return found

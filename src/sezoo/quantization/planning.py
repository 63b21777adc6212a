"""Planning of the int8 models: preparation, calibration on the clips, and recovery of fidelity to the float model."""

from __future__ import annotations

import logging
from dataclasses import dataclass
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
from sezoo.models.contract import Contract
from sezoo.models.mask_model import MaskModel
from sezoo.models.nested_graphs import reads_of
from sezoo.models.onnx_file import graph_inputs
from sezoo.models.states import frames_of, states_of
from sezoo.quantization.calibration.clips import calibration_clips
from sezoo.quantization.calibration.magnitudes import CalibrationMagnitudes
from sezoo.quantization.calibration.options import Ranges
from sezoo.quantization.calibration.ranges import calibration_of
from sezoo.quantization.calibration.segments import limit_frames
from sezoo.quantization.fidelity.context import RecoveryContext
from sezoo.quantization.fidelity.scorer import FidelityScorer, mask_function
from sezoo.quantization.graph.static_shape import choose_static_length, with_static_shape
from sezoo.quantization.options import calibration_options
from sezoo.quantization.plan import Plan
from sezoo.quantization.prepared_model import PreparedModel, prepared_model
from sezoo.quantization.recovery.input_precision import with_int8_input
from sezoo.quantization.recovery.recipe import RecoveryResult, recover, write_plan
from sezoo.quantization.target import Target, check_target
from sezoo.quantization.trained import is_trained, settings_of, trained_plan
from sezoo.run.run import ClipCount, Run

__all__ = ["PlanningResult", "make_plan"]

log = logging.getLogger(__name__)


MOST_OPERATORS_RUN = 500_000
"""One after the other, on all segments to fit on, and on all to score on: half a minute in int8, as plans are tried."""


DATA_DEPENDENT = {"Loop", "If", "NonZero", "Unique", "Compress", "NonMaxSuppression"}
"""Operators that make tensors whose shapes may depend on values."""


FEW = 8
"""Segments that steps score their own choices on."""


@dataclass(frozen=True)
class PlanningResult:
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
    context: RecoveryContext
    result: RecoveryResult


def make_plan(run: Run, path: Path) -> PlanningResult:
    """Calibrate a float model on the configured clips, and take the steps of accuracy recovery.

    What can be checked without audio is checked first. A model that was trained with its integers has its plan with
    it: nothing is calibrated then.

    Raises
    ------
    UserError : the model, the clips or the settings are not fit for it.
    """
    config = run.config
    ready, target = prepared_model(path, config)
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
        plan = _calibrate(path, ready, frames, magnitudes, config)
    context = _context(prepared, magnitudes, frames, config, target, contract.kind)
    read = magnitudes.clips_read
    run.clips["calibration"] = ClipCount(read, magnitudes.seconds_read, len(magnitudes.clips) - read)
    level = logging.DEBUG if target.name == "generic" else logging.INFO  # nothing that one has to know
    log.log(level, "quantizing for %s (quantization.target: %s)", target.words, target.name)
    if trained:
        log.info("%s was trained with its integers: nothing is calibrated or recovered", display_path(path))
        result = write_plan(plan, context)
    else:
        result = recover(with_int8_input(plan, context.fit) if target.int8_input else plan, context, target)
    check_target(result.model, target, path)
    if result.closeness == -np.inf:
        MaskModel(result.model, Path(f"{path}, in int8"))  # says why onnxruntime cannot load it, if that is the reason
        raise UserError(
            f"{path}: the int8 model's masks are NaN or infinite on the calibration clips; where the network divides, "
            "its denominator is rounded to 0: add a small number to it, or leave Div out of "
            "quantization.op_types_to_quantize"
        )
    return PlanningResult(prepared, target, frames, patches, magnitudes, context, result)


def _frames(prepared: onnx.ModelProto, path: Path, config: Config, target: Target, multiple: int) -> int:
    """Return the number of frames of the static model: 1 if the target passes a model's states frame by frame.

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


def _calibrate(
    path: Path, ready: PreparedModel, frames: int, magnitudes: CalibrationMagnitudes, config: Config
) -> Plan:
    """The plan of the plain int8 model."""
    options, model = calibration_options(config.quantization), ready.model
    log.debug(
        "calibrating %s on %s by %s", display_path(path), pluralize(len(magnitudes.clips), "clip"), options.method
    )
    ranges = magnitudes.ranges(
        calibration_of(model, ready.op_types, options, call_frames=frames, in_float=ready.in_float)
    )
    _warn_of_empty_ranges(model, ranges)
    return ready.plan(ranges)


def _context(
    prepared: onnx.ModelProto,
    magnitudes: CalibrationMagnitudes,
    frames: int,
    config: Config,
    target: Target,
    kind: str,
) -> RecoveryContext:
    """Return the context in which plans are scored: segments of the clips."""
    settings, stft = config.quantization, magnitudes.stft
    fit, held_out = magnitudes.segments.split_fit_holdout()
    if states_of(prepared):  # it is run call by call, which takes as long as it has operators
        most = MOST_OPERATORS_RUN // len(prepared.graph.node) * frames
        fit, held_out = limit_frames(fit, most), limit_frames(held_out, most)
    masks, some = mask_function(prepared), fit[:: max(1, len(fit) // FEW)]
    return RecoveryContext(
        settings, calibration_options(settings), fit,
        FidelityScorer(masks, held_out, stft, kind), FidelityScorer(masks, some, stft, kind),
        frames, target.activation_types, target.is_satisfied_by, target.can_read, magnitudes.run.progress,
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

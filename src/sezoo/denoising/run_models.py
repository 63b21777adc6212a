"""The models of a run, dynamic and static, and the inference modes that each can be run in."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import onnx

from sezoo.audio.stft import stft_of
from sezoo.base.errors import UserError
from sezoo.config.sections import Config
from sezoo.denoising import InferenceMode, Patches, WholeClip
from sezoo.denoising.backend import (
    STM32N6,
    TFLITE,
    board_of,
    check_input_gain,
    engine_of,
    has_input_gain,
    stream_of,
    target_in,
    wanted_backend,
    with_backend,
)
from sezoo.denoising.board import board_problem, transform_problem
from sezoo.denoising.mode_problems import patch_problem, unbounded_problem
from sezoo.denoising.patch_lengths import needed_lookahead, patch_lengths
from sezoo.models.axes import with_dynamic_axes
from sezoo.models.contract import check_power, declared_contract
from sezoo.models.mask_model import kind_of
from sezoo.models.onnx_file import load_configured, load_onnx, quantized_nodes
from sezoo.models.receptive_field import (
    LONGEST_FIELD,
    longest_reach,
    lookahead_without_bound,
    receptive_field,
    receptive_field_of,
    recurrent_lookahead,
)
from sezoo.models.source import ModelSource, OnnxSource, TorchSource, open_model
from sezoo.models.spectra import MAGNITUDE_MASK, with_kind
from sezoo.models.states import frames_of, states_of, with_states
from sezoo.models.streaming import streaming
from sezoo.run.run import Run

__all__ = ["BOARD", "PATCHES", "STREAM", "TFLM", "WHOLE", "RunModel", "models_of", "static_frames_of"]

log = logging.getLogger(__name__)

WHOLE, PATCHES, BOARD, STREAM, TFLM = "whole", "patches", "board", "stream", "tflm"
"""The inference modes by their names in the configuration."""

TORCH_REACH = 512
"""Frames on either side up to which the receptive field of a torch model is looked for: there is no graph to ask."""


@dataclass(frozen=True)
class RunModel:
    """A model, dynamic or static or both.

    Attributes
    ----------
    name : "float" or "int8".
    dynamic : takes clips of any length; None where there is only a static model that cannot be made so. One with
        states may have a length of its own, and takes clips call by call.
    static : takes patches of `static_frames` frames; None where there is none.
    """

    name: str
    dynamic: ModelSource | None
    static: ModelSource | None = None
    static_frames: int | None = None

    @cached_property
    def field(self) -> tuple[int, int] | None:
        """Its receptive field, (before, after) frames; None where it has no bound."""
        source = self.dynamic or self.static
        if isinstance(source, TorchSource):
            return receptive_field(open_model(source), source.n_fft // 2 + 1, TORCH_REACH)
        return receptive_field_of(with_states(load_onnx(source.path), source.states), source.path)

    @cached_property
    def context(self) -> tuple[int, int] | None:
        """Frames before and after a piece of a long clip with which it has the whole clip's masks, exactly.

        Those of `field`, and what a running level looks back on; None where there is no bound.
        """
        source = self.dynamic or self.static
        if self.field is None or isinstance(source, TorchSource):
            return self.field
        before, after = self.field
        return max(before, min(longest_reach(load_onnx(source.path)), LONGEST_FIELD)), after

    @cached_property
    def stream_context(self) -> tuple[int | None, int] | None:
        """Return the context of a stream, with None for the frames before if a recurrent layer depends on all of them.

        None where what it looks ahead has no bound, and of one with states, which needs no context.
        """
        if self.field is not None or self.stateful:
            return self.context
        source = self.dynamic or self.static
        if isinstance(source, TorchSource):
            lookahead = lookahead_without_bound(open_model(source), source.n_fft // 2 + 1, TORCH_REACH)
        else:
            lookahead = recurrent_lookahead(load_onnx(source.path), source.path)
        return None if lookahead is None else (None, lookahead)

    @cached_property
    def kind(self) -> str:
        """Type of input and output, see `sezoo.models.spectra`."""
        return kind_of(open_model(self.dynamic or self.static))

    @property
    def stateful(self) -> bool:
        """Whether it has states that are fed back."""
        source = self.dynamic or self.static
        return isinstance(source, OnnxSource) and bool(source.states)

    @property
    def calibrated_with_gain(self) -> bool:
        """Whether its metadata says that it was calibrated with the input gain of ST's application."""
        source = self.static or self.dynamic
        return isinstance(source, OnnxSource) and has_input_gain(load_onnx(source.path))

    @cached_property
    def target(self) -> str | None:
        """The `quantization.target` that it was made for, by its metadata; None where that does not say."""
        source = self.static or self.dynamic
        return target_in(load_onnx(source.path)) if isinstance(source, OnnxSource) else None

    @property
    def needed_lookahead(self) -> int:
        """Frames of look-ahead with which patches have the whole clip's masks; 0 where that has no bound."""
        return max(self.field) if self.field else 0

    def source_for(self, kind: str) -> ModelSource:
        """The file of the model for this mode."""
        return self.dynamic if kind in (WHOLE, STREAM) or self.static is None else self.static

    def source_in_pieces(self, scratch: Path) -> ModelSource:
        """The file of the model for sound that comes in pieces: one with states, where it can be made.

        It then computes each frame once, whatever the pieces are. Other models see their past again for each piece.

        Parameters
        ----------
        scratch : an existing folder for a temporary file.
        """
        source = self.dynamic or self.static
        if self.stateful or isinstance(source, TorchSource):
            return source
        try:
            made = streaming(with_kind(load_onnx(source.path), source.kind), source.path, None)
        except UserError as error:
            log.debug("%s", error)
            return source
        copy = scratch / f"{source.path.stem}_in_pieces.onnx"
        onnx.save(made, copy)
        return OnnxSource(copy, source.display_name or source.path, states_of(made), source.kind)

    def deployed_kind(self, kind: str, config: Config) -> str:
        """The mode itself, but the stream for the board if its program computes this model as a stream."""
        if kind != BOARD or wanted_backend(config, self.target) in (None, STM32N6):
            return kind
        is_stream = engine_of(config, self.target) == STREAM and self.mode_problem(STREAM, config) is None
        return STREAM if is_stream else kind

    def mode_problem(self, kind: str, config: Config) -> str | None:
        """Why the model cannot be run in this mode, in one line; None if it can."""
        if kind in (WHOLE, STREAM) and self.dynamic is None:
            what = "whole clips need" if kind == WHOLE else "a stream needs"
            return f"play_like: {what} dynamic frames; this model has {self.static_frames}"
        if kind == TFLM and (self.name != "int8" or self.static is None):
            return "play_like: tflm is for a static int8 model, as sezoo quantize makes it; this model is none"
        if kind == STREAM and self.stream_context is None and not self.stateful:
            return unbounded_problem(self.dynamic)
        if kind == BOARD and (problem := patch_problem(self.static or self.dynamic, config, self.target)) is not None:
            return problem
        if kind in (BOARD, TFLM) and self.kind != MAGNITUDE_MASK:
            return "play_like: a board's patches are of magnitudes; this model takes complex spectra: whole, or stream"
        problem_of = {BOARD: board_problem, TFLM: board_problem, STREAM: transform_problem}.get(kind)
        return problem_of and problem_of(stft_of(config.preprocessing))

    def play(self, kind: str, config: Config, attenuation_limit: float | None = None) -> InferenceMode:
        """The inference mode that the configuration asks for: whole, patches, board, stream or tflm.

        Parameters
        ----------
        attenuation_limit : in dB; None is what the deployment has, on a device, and else no limit.

        Raises
        ------
        UserError : it, or the board, cannot do that; the model cannot be loaded.
        """
        mode = self._mode(kind, config)
        return mode if attenuation_limit is None else replace(mode, attenuation_limit=attenuation_limit)

    def _mode(self, kind: str, config: Config) -> InferenceMode:
        if (problem := self.mode_problem(kind, config)) is not None:
            raise UserError(problem)
        if kind == WHOLE:
            return WholeClip(self.context)
        if kind == STREAM:
            if wanted_backend(config, self.target) not in (None, STM32N6):
                check_input_gain(config, self.target)
            return stream_of(config, self.stream_context, self.target)
        if kind == TFLM:
            config = with_backend(config, TFLITE)
        check_input_gain(config, self.target)
        needed = needed_lookahead(self.field)
        frames, lookahead = patch_lengths(config, self.static_frames, needed=needed, stateful=self.stateful)
        if kind == PATCHES:
            return Patches(frames, lookahead)
        board = board_of(config, frames, lookahead, calibrated_with_gain=self.calibrated_with_gain, target=self.target)
        return replace(board, program="TFLite Micro") if kind == TFLM else board


def models_of(run: Run, scratch: Path) -> list[RunModel]:
    """Return the models of a run: those that it wrote, and the configured or source model.

    Parameters
    ----------
    scratch : an existing folder for temporary files of this service.

    Raises
    ------
    UserError : a model that is not there, or does not fit.
    """
    config, made = run.config, run.artefacts
    path = made.float_model or config.model.onnx_path
    first = _torch_model(config) if path is None else _onnx_model(path, config, scratch)
    if made.int8 is None:
        return [first]
    static = load_onnx(made.int8_static)
    states, frames = states_of(static), frames_of(static)
    dynamic, static = (OnnxSource(path, states=states) for path in (made.int8, made.int8_static))
    return [first, RunModel("int8", dynamic, static, frames)]


def static_frames_of(model: onnx.ModelProto) -> int | None:
    """The frames that a model is fixed to; None where it takes any number."""
    frames = frames_of(model)
    return frames if isinstance(frames, int) else None


def _torch_model(config: Config) -> RunModel:
    if not config.model.state_dict_path.is_file():
        raise UserError(f"model.state_dict_path: there is no file {config.model.state_dict_path}")
    n_fft, device = config.preprocessing.n_fft, config.evaluation.device
    return RunModel("float", TorchSource(config.model, config.model_specific, device, n_fft))


def _onnx_model(path: Path, config: Config, scratch: Path) -> RunModel:
    settings = config.quantization
    model = with_states(load_configured(path), settings.states if settings is not None else {})
    model = with_kind(model, config.model.kind)
    contract = declared_contract(model, path, n_fft=config.preprocessing.n_fft)
    check_power(contract, config.preprocessing.power, path)
    name = "int8" if quantized_nodes(model) else "float"
    if isinstance(contract.batch, int) and contract.batch != 1:
        raise UserError(
            f"{path}: its batch axis is fixed to {contract.batch}; clips are run one by one: export it with batch 1"
        )
    source = OnnxSource(path, states=contract.states, kind=contract.kind or None)
    if not isinstance(contract.frames, int):
        return RunModel(name, source)
    if contract.states:  # step by step it runs whole clips, and patches of its length are the same
        return RunModel(name, source, None, contract.frames)
    return RunModel(name, _dynamic_copy(model, path, scratch, source.kind), source, contract.frames)


def _dynamic_copy(model: onnx.ModelProto, path: Path, scratch: Path, kind: str | None) -> OnnxSource | None:
    """A static model with its frames axis dynamic, to run whole clips; None where the graph does not allow it."""
    dynamic = with_dynamic_axes(model, axes=("frames",))
    frames = static_frames_of(model)
    if dynamic is None:
        log.info(
            "%s: the graph works for %d frames only, so that clips are run in patches of that length", path, frames
        )
        return None
    if not quantized_nodes(model):
        log.info("%s: its frames axis, fixed to %d, is made dynamic", path, frames)
    copy = scratch / f"{path.stem}_dynamic.onnx"
    onnx.save(dynamic, copy)
    return OnnxSource(copy, path, kind=kind)

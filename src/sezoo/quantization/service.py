"""The service `quantization`: a float model and noisy clips in, the dynamic and the static int8 model out."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from sezoo.config.sections import Config
from sezoo.errors import UserError
from sezoo.files import filled_aside, shown
from sezoo.mask_model import check_contract
from sezoo.onnx_file import load_configured, quantized_nodes
from sezoo.quantization.calibration import MAX_FRAMES, NotFiniteError, calibrate
from sezoo.quantization.clips import CalibrationClips, calibration_clips, check_calibration_clips
from sezoo.quantization.options import calibration_options
from sezoo.quantization.preparation import prepare
from sezoo.quantization.qdq import operators_to_quantize, quantized
from sezoo.quantization.static_shape import check_axis_name, with_static_shape
from sezoo.quantization.verification import verify
from sezoo.run import Run
from sezoo.spectrum import Stft, stft_of
from sezoo.wording import counted

__all__ = ["QuantizedModels", "check_quantization", "quantize"]

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
    config, settings = run.config, run.config.quantization
    path, stft = run.artefacts.float_model or config.model.onnx_path, stft_of(config.preprocessing)
    prepared, op_types = _prepared(path, config)
    options = calibration_options(settings)
    clips = calibration_clips(config)
    log.info("calibrating %s on %s by %s", shown(path), counted(len(clips), "clip"), options.method)
    magnitudes = CalibrationMagnitudes(run, clips, stft)
    try:
        ranges = calibrate(prepared, magnitudes, op_types, options)
    except NotFiniteError as error:
        raise UserError(f"{error}, on {magnitudes.current}") from error
    read = counted(magnitudes.clips_read, "clip")
    log.info("calibrated on %s, %.0f s of audio", read, magnitudes.seconds_read)

    dynamic = quantized(prepared, ranges, op_types, settings)
    static = with_static_shape(dynamic, settings.static_sequence_length)
    patch = magnitudes.patch(settings.static_sequence_length)
    models = _write_verified(run.models_folder, prepared, dynamic, static, patch)
    run.artefacts.int8, run.artefacts.int8_static = models.dynamic, models.static
    _report(run, path, models, dynamic, magnitudes)
    return models


def check_quantization(config: Config, *, model_is_made: bool) -> None:
    """Check what quantization needs before anything is started; not the model if it is yet to be made.

    Raises
    ------
    UserError : the model, the settings or the folder of clips are not fit for it.
    """
    calibration_options(config.quantization)
    check_calibration_clips(config)
    if not model_is_made:
        _prepared(config.model.onnx_path, config)


def _prepared(path: Path, config: Config) -> tuple[onnx.ModelProto, list[str]]:
    """The checked float model, ready for calibration, and the types of its operators that are quantized."""
    settings = config.quantization
    model = load_configured(path)
    contract = check_contract(model, path, n_fft=config.preprocessing.n_fft)
    check_axis_name(settings.static_axis_name, contract, path)
    prepared = prepare(model, path, contract)
    return prepared, operators_to_quantize(prepared, settings.op_types_to_quantize, path)


class CalibrationMagnitudes:
    """The magnitudes of the calibration clips, clip by clip and piece by piece, made as they are asked for.

    Iterating gives one iterator of pieces (1, bins, frames) float32 a clip. The longest piece is kept: a patch of
    it is what the written models are checked on.
    """

    def __init__(self, run: Run, clips: CalibrationClips, stft: Stft):
        self.run, self.clips, self.stft = run, clips, stft
        self.clips_read = 0
        self.seconds_read = 0.0
        self.current = ""
        self._longest = np.zeros((1, stft.bins, 0), np.float32)

    def __iter__(self) -> Iterator[Iterator[np.ndarray]]:
        rate = self.run.config.preprocessing.sample_rate
        for name, wave in self.run.progress(self.clips, len(self.clips), "calibrating"):
            self.current = name
            self.clips_read += 1
            self.seconds_read += len(wave) / rate
            yield self._pieces(wave)

    def _pieces(self, wave: np.ndarray) -> Iterator[np.ndarray]:
        for spectrum in self.stft.analyse_blocks(wave, MAX_FRAMES):
            magnitude = self.stft.magnitude(spectrum)[np.newaxis]
            if magnitude.shape[2] > self._longest.shape[2]:
                self._longest = magnitude
            yield magnitude

    def patch(self, frames: int) -> np.ndarray:
        """A patch of so many frames from what was read, repeated if no clip was as long: (1, bins, frames)."""
        repeats = -(-frames // self._longest.shape[2])
        return np.ascontiguousarray(np.tile(self._longest, (1, 1, repeats))[:, :, :frames])


def _write_verified(
    folder: Path, prepared: onnx.ModelProto, dynamic: onnx.ModelProto, static: onnx.ModelProto, patch: np.ndarray
) -> QuantizedModels:
    """Write the models aside, put them to the test, and only then let them appear in `folder`, together."""
    with filled_aside(folder) as aside:
        for name, model in ((PREPROCESSED, prepared), (DYNAMIC, dynamic), (STATIC, static)):
            onnx.save(model, aside / name)
        verify(aside / DYNAMIC, aside / STATIC, patch)
    return QuantizedModels(folder / PREPROCESSED, folder / DYNAMIC, folder / STATIC)


def _report(
    run: Run, source: Path, models: QuantizedModels, dynamic: onnx.ModelProto, magnitudes: CalibrationMagnitudes
) -> None:
    float_bytes, int8_bytes = source.stat().st_size, models.dynamic.stat().st_size
    frames = run.config.quantization.static_sequence_length
    log.info("%s: %.2f MiB, in float %.2f MiB", shown(models.dynamic), int8_bytes / 2**20, float_bytes / 2**20)
    log.info("%s: the same, fixed to %d frames", shown(models.static), frames)
    run.tracker.metrics(
        {
            "calibration_clips": magnitudes.clips_read,
            "calibration_clips_left_out": len(magnitudes.clips) - magnitudes.clips_read,
            "calibration_seconds": magnitudes.seconds_read,
            "float_model_bytes": float_bytes,
            "int8_model_bytes": int8_bytes,
            "quantized_nodes": quantized_nodes(dynamic),
        }
    )
    for path in (models.dynamic, models.static):
        run.tracker.artifact(path, "models")

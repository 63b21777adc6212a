"""onnxruntime's own calibration and quantization, as oracles, and our way through for the same arguments."""

import contextlib
import io
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.calibrate import create_calibrator

from sezoo.config.sections import Quantization
from sezoo.models.contract import check_contract
from sezoo.models.mask_model import MaskModel
from sezoo.quantization.calibration.ranges import calibrate
from sezoo.quantization.graph.preparation import prepare
from sezoo.quantization.graph.qdq import nodes_in_float, operators_to_quantize, write_qdq
from sezoo.quantization.options import calibration_options
from sezoo.quantization.overrides import tensor_overrides
from sezoo.quantization.plan import Plan


class Clips(CalibrationDataReader):
    """Magnitudes, or all that a call is fed with, by the inputs' names."""

    def __init__(self, clips):
        self.clips = clips
        self.set_range(0, len(clips))

    def __len__(self):
        return len(self.clips)

    def set_range(self, start_index, end_index):
        self.rest = iter(
            [clip if isinstance(clip, dict) else {"input": clip} for clip in self.clips[start_index:end_index]]
        )

    def get_next(self):
        return next(self.rest, None)


def theirs(prepared, clips, op_types, settings):
    """What onnxruntime's quantize_static writes."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        onnx.save(prepared, source)
        quantize_static(
            source,
            target,
            Clips(clips),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(op_types),
            per_channel=settings.per_channel,
            reduce_range=settings.reduce_range,
            activation_type=QuantType[f"Q{settings.activation_type}"],
            weight_type=QuantType[f"Q{settings.weight_type}"],
            nodes_to_quantize=list(settings.nodes_to_quantize or ()),
            nodes_to_exclude=list(settings.nodes_to_exclude or ()),
            calibrate_method=CalibrationMethod[settings.calibration_method],
            extra_options={**settings.extra_options, "TensorQuantOverrides": tensor_overrides(settings)},
        )
        return onnx.load(target)


def their_ranges(prepared, clips, op_types, method, stride=None, **options):
    """Range of each tensor by onnxruntime's calibrator: name to (low, high)."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        source = Path(folder) / "float.onnx"
        onnx.save(prepared, source)
        calibrator = create_calibrator(
            source,
            list(op_types),
            augmented_model_path=str(Path(folder) / "augmented.onnx"),
            calibrate_method=CalibrationMethod[method],
            extra_options=options,
        )
        reader = Clips(clips)
        for start in range(0, len(clips), stride or len(clips)):
            reader.set_range(start, start + (stride or len(clips)))
            calibrator.collect_data(reader)
        data = calibrator.compute_data()
        ranges = {name: data[name].range_value for name in data.keys()}  # noqa: SIM118 - no dictionary
    return {name: tuple(float(np.squeeze(end)) for end in ends) for name, ends in ranges.items()}


def ready(model, settings=None, path=Path("some_model.onnx")):
    """The model prepared, and the operators to quantize."""
    prepared = prepare(model, path, check_contract(model, path))
    return prepared, operators_to_quantize(prepared, settings and settings.op_types_to_quantize, path)


def ours(prepared, clips, op_types, settings):
    """What we write, each clip in one piece."""
    in_float = nodes_in_float(prepared, settings, Path("some_model.onnx"))
    options = calibration_options(settings)
    ranges = calibrate(prepared, [[clip] for clip in clips], op_types, options, in_float=in_float)
    return write_qdq(Plan(prepared, prepared, ranges, tuple(op_types), in_float=in_float), settings)


def quantization(**settings):
    """Settings without the moving average that is the default."""
    return Quantization(**{"extra_options": {}, **settings})


def mask_error(before, after, clips):
    """Mean absolute difference of two models' masks."""
    first, second = MaskModel(before), MaskModel(after)
    return float(np.mean([np.abs(first(clip) - second(clip)).mean() for clip in clips]))


def weights_of(model):
    return {weight.name: onnx.numpy_helper.to_array(weight) for weight in model.graph.initializer}

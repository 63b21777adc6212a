"""The keys of `quantization.extra_options`: those of onnxruntime's `quantize_static`, checked and typed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx

from sezoo.config.sections import Quantization
from sezoo.errors import UserError
from sezoo.quantization.calibration import CalibrationOptions
from sezoo.wording import nearest

__all__ = ["KEY", "calibration_options", "first_line", "qdq_options"]

CALIBRATION_OPTIONS = {
    "CalibMovingAverage": bool,
    "CalibMovingAverageConstant": float,
    "CalibTensorRangeSymmetric": bool,
    "CalibPercentile": float,
    "CalibStridedMinMax": int,
    "CalibMaxIntermediateOutputs": int,  # nothing to do: calibration streams, whatever this says
}
QDQ_OPTIONS = (
    "ActivationSymmetric",
    "WeightSymmetric",
    "ForceQuantizeNoInputCheck",
    "MatMulConstBOnly",
    "AddQDQPairToWeight",
    "OpTypesToExcludeOutputQuantization",
    "DedicatedQDQPair",
    "QDQOpTypePerChannelSupportToAxis",
    "MinimumRealRange",
    "TensorQuantOverrides",
    "QDQKeepRemovableActivations",
    "QDQDisableWeightAdjustForInt32Bias",
    "ActivationRestrictedAsymmetric",
    "EnableSubgraph",
)
"""The keys of `extra_options` that onnxruntime's QDQ writer looks at."""

KEY = "quantization.extra_options"


def calibration_options(quantization: Quantization) -> CalibrationOptions:
    """The calibration part of `quantization.extra_options`, checked.

    Raises
    ------
    UserError : a key that onnxruntime does not know, or a value of the wrong type.
    """
    extra = quantization.extra_options
    known = [*CALIBRATION_OPTIONS, *QDQ_OPTIONS]
    for key, value in extra.items():
        if key == "UseQDQContribOps" and value:
            raise UserError(f"{KEY}.{key}: not supported, only onnxruntime knows the operators that it writes")
        if key.startswith("SmoothQuant"):
            raise UserError(f"{KEY}.{key}: not supported, it needs a package that onnxruntime does not install")
        if key not in (*known, "UseQDQContribOps"):
            near = nearest(key, known)
            hint = f"did you mean {near}?" if near else f"known are {', '.join(known)}"
            raise UserError(f"{KEY}.{key}: onnxruntime knows no such option; {hint}")
        if key in CALIBRATION_OPTIONS and value is not None:
            _check_type(key, value, CALIBRATION_OPTIONS[key])
    percentile = _or_default(extra.get("CalibPercentile"), 99.999)
    constant = _or_default(extra.get("CalibMovingAverageConstant"), 0.01)
    stride = extra.get("CalibStridedMinMax")
    if not 0 <= constant <= 1:
        raise UserError(f"{KEY}.CalibMovingAverageConstant: found {constant}; a number from 0 to 1 is needed")
    if stride is not None and stride < 1:
        raise UserError(f"{KEY}.CalibStridedMinMax: found {stride}; a number of clips, at least 1, is needed")
    if not 0 < percentile <= 100:
        raise UserError(f"{KEY}.CalibPercentile: found {percentile}; a percentage above 0, up to 100, is needed")
    return CalibrationOptions(
        method=quantization.calibration_method,
        moving_average=bool(extra.get("CalibMovingAverage")) and quantization.calibration_method == "MinMax",
        averaging_constant=constant,
        stride=stride,
        percentile=percentile,
        symmetric=extra.get("CalibTensorRangeSymmetric"),
    )


def _or_default(value: Any, default: float) -> Any:
    return default if value is None else value


def _check_type(key: str, value: Any, expected: type) -> None:
    fits = isinstance(value, (int, float) if expected is float else expected)
    if not fits or (isinstance(value, bool) and expected is not bool):
        words = {bool: "True or False", float: "a number", int: "a whole number"}[expected]
        raise UserError(f"{KEY}.{key}: found {value!r}; {words} is needed")


def qdq_options(quantization: Quantization) -> dict[str, Any]:
    """The part of `quantization.extra_options` that the QDQ writer looks at, in onnxruntime's types.

    Raises
    ------
    UserError : overrides that onnxruntime has no types for.
    """
    options = {key: value for key, value in quantization.extra_options.items() if key in QDQ_OPTIONS}
    options["TensorQuantOverrides"] = _typed_overrides(options.get("TensorQuantOverrides") or {})
    return options


def _typed_overrides(overrides: Any) -> dict[str, list[dict[str, Any]]]:
    """`TensorQuantOverrides` as YAML can say it (names such as QInt16, plain numbers), in onnxruntime's types."""
    from onnxruntime.quantization import QuantType

    key = f"{KEY}.TensorQuantOverrides"

    def typed(entry: Any) -> dict[str, Any]:
        if not isinstance(entry, Mapping):
            raise UserError(f"{key}: found {entry!r}; a mapping such as {{quant_type: QInt16}} is needed")
        entry = dict(entry)
        name = entry.get("quant_type", "QInt8")
        if name not in QuantType.__members__:
            raise UserError(f"{key}: {name!r} is no type; known are {', '.join(QuantType.__members__)}")
        if "quant_type" in entry:
            entry["quant_type"] = QuantType[name]
        try:
            for number in {"scale", "rmin", "rmax"} & entry.keys():
                entry[number] = np.array(entry[number], np.float32)
            if "zero_point" in entry:
                dtype = onnx.helper.tensor_dtype_to_np_dtype(QuantType[name].tensor_type)
                entry["zero_point"] = np.array(entry["zero_point"], dtype)
        except (ValueError, TypeError, OverflowError) as error:
            raise UserError(f"{key}: found {entry!r}; {first_line(error)}") from error
        if "convert" in entry:
            entry["convert"] = typed(entry["convert"])
        if "recv_nodes" in entry:
            entry["recv_nodes"] = set(entry["recv_nodes"])
        return entry

    if not isinstance(overrides, Mapping) or not all(isinstance(entries, list) for entries in overrides.values()):
        raise UserError(f"{key}: a list of mappings for each tensor's name is needed")
    return {name: [typed(entry) for entry in entries] for name, entries in overrides.items()}


def first_line(error: Exception) -> str:
    """What onnxruntime or onnx complains of, without the details that follow."""
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__

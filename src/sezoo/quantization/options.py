"""The keys of `quantization.extra_options`, those of onnxruntime's `quantize_static`, with types and checks."""

from __future__ import annotations

from typing import Any

from sezoo.base.errors import UserError
from sezoo.base.text import closest_match
from sezoo.config.sections import Quantization
from sezoo.quantization.calibration.options import CalibrationOptions
from sezoo.quantization.overrides import tensor_overrides

__all__ = ["KEY", "calibration_options", "qdq_options"]

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
    "QuantizeBias",
    "QDQDisableWeightAdjustForInt32Bias",
    "ActivationRestrictedAsymmetric",
    "EnableSubgraph",
)
"""The keys of `extra_options` that onnxruntime's QDQ writer looks at."""

WITHOUT_EFFECT = ("UseQDQContribOps", "SmoothQuant", "SmoothQuantAlpha", "SmoothQuantFolding")
"""Keys that onnxruntime has, and that change nothing where they are off."""

KEY = "quantization.extra_options"


def calibration_options(quantization: Quantization) -> CalibrationOptions:
    """The calibration part of `quantization.extra_options`, checked.

    Raises
    ------
    UserError : a key that onnxruntime does not know, or a value of the wrong type.
    """
    extra = quantization.extra_options
    if extra.get("SmoothQuant"):
        raise UserError(
            f"{KEY}.SmoothQuant: found True; it needs a package that onnxruntime does not install: set it to False, "
            "and take the step equalization of quantization.accuracy_recovery instead"
        )
    known = [*CALIBRATION_OPTIONS, *QDQ_OPTIONS]
    for key, value in extra.items():
        if key == "UseQDQContribOps" and value:
            raise UserError(f"{KEY}.{key}: not supported, only onnxruntime knows the operators that it writes")
        if key not in (*known, *WITHOUT_EFFECT):
            near = closest_match(key, known)
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
    options["TensorQuantOverrides"] = tensor_overrides(quantization)
    return options

"""Writing the int8 model: ranges and weights to QuantizeLinear/DequantizeLinear pairs, by onnxruntime."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from sezoo.config.sections import Quantization
from sezoo.errors import UserError
from sezoo.mask_model import quantized_nodes
from sezoo.quantization.calibration import CalibrationOptions, Ranges
from sezoo.quantization.preparation import with_known_shapes, with_used_opsets

__all__ = ["calibration_options", "operators_to_quantize", "quantized"]

log = logging.getLogger(__name__)

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
    "UseQDQContribOps",
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
        if key.startswith("SmoothQuant"):
            raise UserError(f"{KEY}.{key}: not supported, it needs a package that onnxruntime does not install")
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise UserError(f"{KEY}.{key}: onnxruntime knows no such option; {hint}")
        if key in CALIBRATION_OPTIONS and value is not None:
            _check_type(key, value, CALIBRATION_OPTIONS[key])
    percentile = extra.get("CalibPercentile") or 99.999
    if not 0 < percentile <= 100:
        raise UserError(f"{KEY}.CalibPercentile: found {percentile}; a percentage above 0, up to 100, is needed")
    return CalibrationOptions(
        method=quantization.calibration_method,
        moving_average=bool(extra.get("CalibMovingAverage")),
        averaging_constant=extra.get("CalibMovingAverageConstant") or 0.01,
        stride=extra.get("CalibStridedMinMax"),
        percentile=percentile,
        symmetric=extra.get("CalibTensorRangeSymmetric"),
    )


def _check_type(key: str, value: Any, expected: type) -> None:
    fits = isinstance(value, (int, float) if expected is float else expected)
    if not fits or (isinstance(value, bool) and expected is not bool):
        words = {bool: "True or False", float: "a number", int: "a whole number"}[expected]
        raise UserError(f"{KEY}.{key}: found {value!r}; {words} is needed")


def operators_to_quantize(model: onnx.ModelProto, wanted: Iterable[str] | None, path: Path) -> list[str]:
    """The operator types to quantize: those wanted, or all that onnxruntime can.

    Raises
    ------
    UserError : a type that onnxruntime cannot quantize; none of the types is in the graph.
    """
    from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry

    possible = sorted({*QDQRegistry, *QLinearOpsRegistry})
    present = sorted({node.op_type for node in model.graph.node})
    key = "quantization.op_types_to_quantize"
    for op_type in wanted or ():
        if op_type not in possible:
            near = difflib.get_close_matches(op_type, possible, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise UserError(f"{key}: {op_type!r} cannot be quantized; {hint}{path} has {', '.join(present)}")
    chosen = list(wanted or possible)
    if not set(chosen) & set(present):
        what = f"none of {', '.join(chosen)} is" if wanted else "no operator that can be quantized is"
        raise UserError(f"{key}: {what} in {path}, which has {', '.join(present)}")
    missing = [op_type for op_type in wanted or () if op_type not in present]
    if missing:
        log.warning("%s: %s not in %s, which has %s", key, ", ".join(missing), path, ", ".join(present))
    return chosen


def quantized(
    model: onnx.ModelProto, ranges: Ranges, op_types: Iterable[str], quantization: Quantization
) -> onnx.ModelProto:
    """The int8 model: int8 activations (asymmetric), int8 weights (symmetric), int32 biases.

    Parameters
    ----------
    model : float, prepared; it is not changed.
    ranges : of every activation that goes in or comes out of the operators.

    Raises
    ------
    UserError : onnxruntime refuses the options; nothing was quantized.
    """
    from onnxruntime.quantization import QuantType
    from onnxruntime.quantization.calibrate import CalibrationMethod, TensorData, TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    source = onnx.ModelProto()
    source.CopyFrom(model)
    tensors = {
        name: TensorData(lowest=np.array(low, np.float32), highest=np.array(high, np.float32))
        for name, (low, high) in ranges.items()
    }
    options = {key: value for key, value in quantization.extra_options.items() if key in QDQ_OPTIONS}
    overrides = _with_quant_types(options.get("TensorQuantOverrides") or {})
    if quantization.per_channel and "Conv" in op_types and "MinimumRealRange" not in options:
        overrides = {**_conv_weight_scales(source, reduce_range=quantization.reduce_range), **overrides}
    options["TensorQuantOverrides"] = overrides
    try:
        quantizer = QDQQuantizer(
            source,
            quantization.per_channel,
            quantization.reduce_range,
            QuantType.QInt8,
            QuantType.QInt8,
            TensorsData(CalibrationMethod.MinMax, tensors),
            [],
            [],
            list(op_types),
            options,
        )
        quantizer.quantize_model()
        quantizer.model.topological_sort()
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{KEY}: onnxruntime's quantizer refuses: {str(error).splitlines()[0]}") from error
    result = with_known_shapes(with_used_opsets(quantizer.model.model))
    if not quantized_nodes(result):
        raise UserError("quantization.op_types_to_quantize: no operator of the model was quantized")
    return result


def _conv_weight_scales(model: onnx.ModelProto, *, reduce_range: bool) -> dict[str, list[dict[str, Any]]]:
    """Scales of the convolutions' weights, one a channel, as onnxruntime computes them, but not channel by channel.

    onnxruntime's own loop over thousands of channels takes longer than calibrating on 30 clips.
    """
    largest_int = 64 if reduce_range else 127
    names = {node.input[1] for node in model.graph.node if node.op_type == "Conv"}
    scales = {}
    for weight in model.graph.initializer:
        if weight.name not in names or weight.data_type != onnx.TensorProto.FLOAT:
            continue
        values = onnx.numpy_helper.to_array(weight)
        largest = np.abs(values).max(axis=tuple(range(1, values.ndim))).astype(np.float64)
        scale = (largest / largest_int).astype(np.float32)
        scale[scale < np.finfo(np.float32).tiny] = 1  # a channel of zeros
        scales[weight.name] = [{"axis": 0, "scale": value, "zero_point": 0} for value in scale]
    return scales


def _with_quant_types(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Names such as QInt16, all that YAML can say, as onnxruntime's types."""
    from onnxruntime.quantization import QuantType

    def typed(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: QuantType[item] if key == "quant_type" else typed(item) for key, item in value.items()}
        return [typed(item) for item in value] if isinstance(value, list) else value

    return typed(overrides)

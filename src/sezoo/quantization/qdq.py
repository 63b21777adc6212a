"""Writing the int8 model: ranges and weights to QuantizeLinear/DequantizeLinear pairs, by onnxruntime."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.version_converter

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

OPSET_OF_OTHER_TYPES = 21
"""From here on QuantizeLinear knows integers of 4 and 16 bits."""


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

    tensors = {
        name: TensorData(lowest=np.array(low, np.float32), highest=np.array(high, np.float32))
        for name, (low, high) in ranges.items()
    }
    options = {key: value for key, value in quantization.extra_options.items() if key in QDQ_OPTIONS}
    overrides = _typed_overrides(options.get("TensorQuantOverrides") or {})
    source = _at_opset_for(model, overrides)
    if quantization.per_channel and "Conv" in op_types and "MinimumRealRange" not in options:
        # the user's first: onnxruntime checks no further than the first entry
        scales = _conv_weight_scales(source, reduce_range=quantization.reduce_range)
        overrides |= {name: scale for name, scale in scales.items() if name not in overrides}
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
    except (ValueError, TypeError, KeyError, AttributeError, AssertionError) as error:
        raise UserError(f"{KEY}: onnxruntime's quantizer refuses: {_first_line(error)}") from error
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
            raise UserError(f"{key}: found {entry!r}; {_first_line(error)}") from error
        if "convert" in entry:
            entry["convert"] = typed(entry["convert"])
        if "recv_nodes" in entry:
            entry["recv_nodes"] = set(entry["recv_nodes"])
        return entry

    if not isinstance(overrides, Mapping) or not all(isinstance(entries, list) for entries in overrides.values()):
        raise UserError(f"{key}: a list of mappings for each tensor's name is needed")
    return {name: [typed(entry) for entry in entries] for name, entries in overrides.items()}


def _at_opset_for(model: onnx.ModelProto, overrides: dict[str, list[dict[str, Any]]]) -> onnx.ModelProto:
    """A copy of the model with an opset whose QuantizeLinear has the types that the overrides ask for.

    Below it onnxruntime would write operators of its own, which no other tool knows.
    """
    from onnxruntime.quantization import QuantType

    entries = [entry for entries in overrides.values() for entry in entries]
    entries += [entry["convert"] for entry in entries if "convert" in entry]
    types = {entry.get("quant_type", QuantType.QInt8) for entry in entries}
    source = onnx.ModelProto()
    source.CopyFrom(model)
    opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    if types <= {QuantType.QInt8, QuantType.QUInt8} or opset >= OPSET_OF_OTHER_TYPES:
        return source
    try:
        return with_known_shapes(onnx.version_converter.convert_version(source, OPSET_OF_OTHER_TYPES))
    except Exception as error:  # the converter raises RuntimeError, ValidationError and others alike
        raise UserError(
            f"{KEY}.TensorQuantOverrides: types other than 8 bits need opset {OPSET_OF_OTHER_TYPES}, and the model "
            f"cannot be converted to it: {_first_line(error)}"
        ) from error


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__

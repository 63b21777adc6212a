"""Tensors that are quantized otherwise than the rest: the overrides of the configuration, in onnxruntime's types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import onnx

from sezoo.base.errors import UserError
from sezoo.base.text import closest_match
from sezoo.config.section import TensorOverride
from sezoo.config.sections import Quantization
from sezoo.models.onnx_graph import float_weights

__all__ = ["NARROW_TYPES", "check_overrides", "first_line", "integer_types", "tensor_overrides", "user_tensors"]

WEIGHTS, ACTIVATIONS = "quantization.weight_overrides", "quantization.activation_overrides"
OPTION = "quantization.extra_options.TensorQuantOverrides"

NARROW_TYPES = {"QInt4", "QUInt4"}
"""Onnxruntime's types of 4 bits."""


def tensor_overrides(settings: Quantization) -> dict[str, list[dict[str, Any]]]:
    """All overrides by the tensor's name, as onnxruntime's `TensorQuantOverrides` has them.

    Raises
    ------
    UserError : onnxruntime has no such types; a scale without a zero point; two overrides for one tensor.
    """
    overrides = _parse_option(settings.extra_options.get("TensorQuantOverrides") or {})
    for key, pairs in ((WEIGHTS, settings.weight_overrides), (ACTIVATIONS, settings.activation_overrides)):
        for name, override in pairs:
            if name in overrides:
                raise UserError(f"{key}: the tensor '{name}' has two overrides")
            overrides[name] = [_to_onnxruntime_types(_entry(key, name, override), key)]
    return overrides


def _entry(key: str, name: str, override: TensorOverride) -> dict[str, Any]:
    if (override.scale is None) != (override.zero_point is None):
        raise UserError(f"{key}: '{name}' has a scale or a zero_point; both are needed, or neither")
    entry = {"quant_type": f"Q{override.quant_type}"}
    others = (("scale", override.scale), ("zero_point", override.zero_point), ("axis", override.axis))
    return entry | {part: value for part, value in others if value is not None}


def user_tensors(settings: Quantization) -> set[str]:
    """Names of the tensors that the user has decided on, and that no step changes."""
    named = settings.extra_options.get("TensorQuantOverrides") or {}
    return {*named, *(name for name, _ in (*settings.weight_overrides, *settings.activation_overrides))}


def integer_types(settings: Quantization) -> Iterator[tuple[str, str, bool, str]]:
    """The integers that are asked for besides 8 bits everywhere.

    Yields
    ------
    key, what, of_weights, type : of the configuration, in words, whether it is for weights, such as Int16
    """
    weights_key = "weight_type" if settings.weight_bits is None else "weight_bits"
    if settings.activation_bits in (16, "auto"):
        yield "quantization.activation_bits", "activations", False, "Int16"
    for of_weights, key, chosen, overrides_key, pairs in (
        (True, weights_key, settings.weight_type, WEIGHTS, settings.weight_overrides),
        (False, "activation_type", settings.activation_type, ACTIVATIONS, settings.activation_overrides),
    ):
        yield f"quantization.{key}", "weights" if of_weights else "activations", of_weights, chosen
        for name, override in pairs:
            yield overrides_key, f"'{name}'", of_weights, override.quant_type


def check_overrides(model: onnx.ModelProto, settings: Quantization) -> None:
    """Check that overridden tensors exist, and that they are weights or activations as specified.

    Parameters
    ----------
    model : float, as it will be quantized.

    Raises
    ------
    UserError : one is not.
    """
    weights = set(float_weights(model.graph))
    made = {name for node in model.graph.node for name in node.output if name}
    activations = {value.name for value in model.graph.input} - weights | made
    named = settings.extra_options.get("TensorQuantOverrides") or {}
    for key, names, there, kind, others, other_key in (
        (WEIGHTS, [name for name, _ in settings.weight_overrides], weights, "weight", activations, ACTIVATIONS),
        (ACTIVATIONS, [name for name, _ in settings.activation_overrides], activations, "activation", weights, WEIGHTS),
        (OPTION, list(named), weights | activations, "tensor", set(), ""),
    ):
        for name in names:
            if name in others:
                raise UserError(f"{key}: '{name}' is no {kind} of the model; it belongs in {other_key}")
            if name not in there:
                near = closest_match(name, there)
                some = ", ".join(sorted(there)[:5])
                hint = f"did you mean '{near}'?" if near else f"it has {len(there)} of them, such as {some}"
                raise UserError(f"{key}: the model has no {kind} '{name}'; {hint}")


def _parse_option(overrides: Any) -> dict[str, list[dict[str, Any]]]:
    """`TensorQuantOverrides` as YAML can say it (names such as QInt16, plain numbers), in onnxruntime's types."""
    if not isinstance(overrides, Mapping) or not all(isinstance(entries, list) for entries in overrides.values()):
        raise UserError(f"{OPTION}: a list of mappings for each tensor's name is needed")
    return {name: [_to_onnxruntime_types(entry, OPTION) for entry in entries] for name, entries in overrides.items()}


def _to_onnxruntime_types(entry: Any, key: str) -> dict[str, Any]:
    from onnxruntime.quantization import QuantType

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
            entry["zero_point"] = _zero_point(entry["zero_point"], QuantType[name])
    except (ValueError, TypeError, OverflowError) as error:
        raise UserError(f"{key}: found {entry!r}; {first_line(error)}") from error
    if "convert" in entry:
        entry["convert"] = _to_onnxruntime_types(entry["convert"], key)
    if "recv_nodes" in entry:
        entry["recv_nodes"] = set(entry["recv_nodes"])
    return entry


def _zero_point(value: Any, quant_type: Any) -> np.ndarray:
    """A zero point in the tensor's type, whose 4 bits are no type of numpy's own and know no limits."""
    dtype = onnx.helper.tensor_dtype_to_np_dtype(quant_type.tensor_type)
    if quant_type.name in NARROW_TYPES:
        low, high = (-8, 7) if quant_type.name == "QInt4" else (0, 15)
        if not low <= value <= high:
            raise OverflowError(f"{value} is out of bounds for {quant_type.name}")
    return np.array(value, dtype)


def first_line(error: Exception) -> str:
    """Return the first line of an error of onnxruntime or onnx."""
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__

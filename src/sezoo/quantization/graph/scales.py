"""Scales that onnxruntime's quantizer is given: the user's, the plan's, and those of convolutions' weights."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import onnx
import onnx.version_converter

from sezoo.base.errors import UserError
from sezoo.config.sections import Quantization
from sezoo.models.onnx_graph import copy_model, opset_of
from sezoo.quantization.graph.preparation import with_known_shapes
from sezoo.quantization.options import KEY
from sezoo.quantization.overrides import first_line
from sezoo.quantization.plan import Grid, Plan

__all__ = ["LARGEST", "fixed_scales"]

OPSET_OF_OTHER_TYPES = 21
"""From here on QuantizeLinear knows integers of 4 and 16 bits."""

LARGEST = {"Int8": 127.0, "Int4": 7.5}
"""What onnxruntime divides the largest weight by for its scale, by the type of symmetric weights.

Those of 4 bits reach from -8 to 7: the largest of a channel becomes 7 or -8, half a step from where it was.
"""

Overrides = dict[str, list[dict[str, Any]]]
"""Onnxruntime's `TensorQuantOverrides`: an entry for a tensor, or one for each of its channels."""


def fixed_scales(plan: Plan, settings: Quantization, users: Overrides) -> tuple[Overrides, onnx.ModelProto]:
    """The overrides that a plan is written with, and its model in an opset that has their types.

    Parameters
    ----------
    users : of the configuration, which come before all others.

    Raises
    ------
    UserError : the model cannot be converted to that opset.
    """
    from onnxruntime.quantization import QuantType

    there = {name for node in plan.model.graph.node for name in (*node.input, *node.output)}
    # A step of accuracy recovery may have put other tensors into the place of one.
    overrides = {name: entries for name, entries in users.items() if name in there}
    # The user's come first: onnxruntime checks no further than the first entry. 16 bits are symmetric, as kernels for
    # them have it; but onnxruntime leaves out a Relu whose quantizer should do its work, and does not see that a
    # symmetric one does not.
    cut_off = {name for node in plan.model.graph.node if node.op_type in ("Relu", "Clip") for name in node.output}
    overrides |= {
        name: [{"quant_type": QuantType.QInt16, "symmetric": name not in cut_off}]
        for name in sorted(plan.int16 - overrides.keys())
    }
    weight_type, activation_type = (QuantType[f"Q{name}"] for name in (settings.weight_type, settings.activation_type))
    source = _at_opset_for(plan.model, overrides, {weight_type, activation_type})
    for name, grid in plan.grids.items():
        if name in there:
            of_activation = activation_type if name in plan.ranges else None
            overrides[name] = _with_grid(overrides.get(name, [{}])[0], grid, of_activation)
    overrides |= {name: _of_channels(*scale) for name, scale in plan.weight_scales.items() if name not in overrides}
    is_ours = settings.weight_type in LARGEST and "MinimumRealRange" not in settings.extra_options
    if is_ours and settings.per_channel and "Conv" in plan.op_types:
        scales = _conv_weight_scales(source, settings)
        overrides |= {name: _of_channels(scale) for name, scale in scales.items() if name not in overrides}
    return overrides, source


def _with_grid(entry: dict[str, Any], grid: Grid, activation_type: Any | None) -> list[dict[str, Any]]:
    """An override of a tensor's type, if there is one, with its integers.

    Parameters
    ----------
    activation_type : of an activation whose override names none; None for a weight, whose type onnxruntime knows.
    """
    kept = {key: value for key, value in entry.items() if key == "quant_type"}
    if grid.axis is not None:
        return [
            kept | {"axis": grid.axis, "scale": scale, "zero_point": int(zero)}
            for scale, zero in zip(grid.scale, grid.zero_point, strict=True)
        ]
    zero_point: Any = int(grid.zero_point)
    if activation_type is not None:
        quant_type = kept.get("quant_type", activation_type)
        zero_point = np.array(zero_point, onnx.helper.tensor_dtype_to_np_dtype(quant_type.tensor_type))
    return [kept | {"scale": np.array(grid.scale, np.float32), "zero_point": zero_point}]


def _of_channels(scale: np.ndarray, axis: int = 0) -> list[dict[str, Any]]:
    """Scales of a weight's channels (channels,), or of the whole (), as onnxruntime's quantizer takes them."""
    if not scale.ndim:
        return [{"scale": scale, "zero_point": 0}]
    return [{"axis": axis, "scale": value, "zero_point": 0} for value in scale]


def _conv_weight_scales(model: onnx.ModelProto, settings: Quantization) -> dict[str, np.ndarray]:
    """Scales of the convolutions' weights, one a channel, as onnxruntime computes them, but not channel by channel.

    onnxruntime's own loop over thousands of channels takes longer than calibrating on 30 clips.
    """
    largest_int = 64 if settings.reduce_range else LARGEST[settings.weight_type]
    names = {node.input[1] for node in model.graph.node if node.op_type == "Conv"}
    scales = {}
    for weight in model.graph.initializer:
        if weight.name not in names or weight.data_type != onnx.TensorProto.FLOAT:
            continue
        values = onnx.numpy_helper.to_array(weight)
        largest = np.abs(values).max(axis=tuple(range(1, values.ndim))).astype(np.float64)
        scale = (largest / largest_int).astype(np.float32)
        scale[scale < np.finfo(np.float32).tiny] = 1  # a channel of zeros
        scales[weight.name] = scale
    return scales


def _at_opset_for(model: onnx.ModelProto, overrides: Overrides, types: set[Any]) -> onnx.ModelProto:
    """A copy of the model with an opset whose QuantizeLinear has these types, and those that the overrides ask for.

    Below it onnxruntime would write operators of its own, which no other tool knows.
    """
    from onnxruntime.quantization import QuantType

    entries = [entry for entries in overrides.values() for entry in entries]
    entries += [entry["convert"] for entry in entries if "convert" in entry]
    types = types | {entry.get("quant_type", QuantType.QInt8) for entry in entries}
    opset = opset_of(model)
    if types <= {QuantType.QInt8, QuantType.QUInt8} or opset >= OPSET_OF_OTHER_TYPES:
        return copy_model(model)
    try:
        return onnx.ModelProto.FromString(_converted(model.SerializeToString()))
    except Exception as error:  # the converter raises RuntimeError, ValidationError and others alike
        raise UserError(
            f"{KEY}.TensorQuantOverrides: types other than 8 bits need opset {OPSET_OF_OTHER_TYPES}, and the model "
            f"cannot be converted to it: {first_line(error)}"
        ) from error


@lru_cache(1)
def _converted(model: bytes) -> bytes:
    """A model at the opset of other types; accuracy recovery writes the same one with many ranges."""
    source = onnx.ModelProto.FromString(model)
    return with_known_shapes(onnx.version_converter.convert_version(source, OPSET_OF_OTHER_TYPES)).SerializeToString()

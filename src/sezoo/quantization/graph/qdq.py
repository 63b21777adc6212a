"""Writing the int8 model: ranges and weights to QuantizeLinear/DequantizeLinear pairs, by onnxruntime."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx

from sezoo.base.errors import UserError
from sezoo.base.text import closest_match
from sezoo.config.sections import Quantization
from sezoo.models.nested_graphs import reads_of, sorted_nodes
from sezoo.models.onnx_file import quantized_nodes
from sezoo.models.onnx_graph import UnusedNames, producers, readers, set_nodes, set_weights, unused_name
from sezoo.models.states import magnitude_input, states_of
from sezoo.quantization.graph.movements import with_quantized_movements
from sezoo.quantization.graph.preparation import with_known_shapes, with_used_opsets
from sezoo.quantization.graph.scales import fixed_scales
from sezoo.quantization.options import KEY, qdq_options
from sezoo.quantization.overrides import first_line
from sezoo.quantization.plan import Plan
from sezoo.quantization.recurrent.writing import with_integer_bodies

__all__ = ["nodes_in_float", "operators_to_quantize", "write_qdq"]

log = logging.getLogger(__name__)

INTEGER_LIMITS = {
    onnx.TensorProto.INT4: (-8, 7),
    onnx.TensorProto.UINT4: (0, 15),
    onnx.TensorProto.INT8: (-128, 127),
    onnx.TensorProto.UINT8: (0, 255),
    onnx.TensorProto.INT16: (-32768, 32767),
    onnx.TensorProto.UINT16: (0, 65535),
}
"""Lowest and highest integer of the types that weights are written in."""


def operators_to_quantize(model: onnx.ModelProto, wanted: Iterable[str] | None, path: Path) -> list[str]:
    """Return the operator types to quantize: the requested ones, or all that onnxruntime supports.

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
            near = closest_match(op_type, possible)
            hint = f"did you mean {near}? " if near else ""
            raise UserError(f"{key}: {op_type!r} cannot be quantized; {hint}{path} has {', '.join(present)}")
    chosen = list(wanted or possible)
    if not set(chosen) & set(present):
        what = f"none of {', '.join(chosen)} is" if wanted else "no operator that can be quantized is"
        raise UserError(f"{key}: {what} in {path}, which has {', '.join(present)}")
    missing = [op_type for op_type in wanted or () if op_type not in present]
    if missing:
        log.warning("%s: %s not in %s, which has %s", key, ", ".join(missing), path, ", ".join(present))
    return chosen


def nodes_in_float(model: onnx.ModelProto, settings: Quantization, path: Path) -> frozenset[str]:
    """Names of the nodes that `nodes_to_quantize` and `nodes_to_exclude` leave in float.

    Raises
    ------
    UserError : a name that no node has; no node is left to quantize.
    """
    names = {node.name for node in model.graph.node}
    for key in ("nodes_to_quantize", "nodes_to_exclude"):
        for name in getattr(settings, key) or ():
            if name not in names:
                near = closest_match(name, names)
                hint = f"did you mean '{near}'?" if near else f"it has {', '.join(sorted(names)[:5])} ..."
                raise UserError(f"quantization.{key}: no node of {path} is called '{name}'; {hint}")
    excluded = set(settings.nodes_to_exclude or ())
    if settings.nodes_to_quantize:
        excluded |= names - set(settings.nodes_to_quantize)
    if excluded == names:
        raise UserError("quantization.nodes_to_exclude: no node is left to quantize")
    return frozenset(excluded)


def write_qdq(plan: Plan, quantization: Quantization) -> onnx.ModelProto:
    """The int8 model: int8 activations (asymmetric; int16 where planned), int8 weights (symmetric), int32 biases.

    Raises
    ------
    UserError : onnxruntime refuses the options; nothing was quantized.
    """
    from onnxruntime.quantization import QuantType
    from onnxruntime.quantization.calibrate import CalibrationMethod, TensorData, TensorsData

    from sezoo.quantization.graph.quantizer import Quantizer

    tensors = {
        name: TensorData(lowest=np.array(low, np.float32), highest=np.array(high, np.float32))
        for name, (low, high) in plan.ranges.items()
    }
    options = qdq_options(quantization)
    weight_type, activation_type = (
        QuantType[f"Q{name}"] for name in (quantization.weight_type, quantization.activation_type)
    )
    overrides, source = fixed_scales(plan, quantization, options["TensorQuantOverrides"])
    if plan.grids:
        options.setdefault("QDQDisableWeightAdjustForInt32Bias", True)  # they have been trained as they are
    rounding_is_ours = not options.get("AddQDQPairToWeight")
    options |= {"TensorQuantOverrides": overrides, "AddQDQPairToWeight": True}
    try:
        quantizer = Quantizer(
            source,
            quantization.per_channel,
            quantization.reduce_range,
            weight_type,
            activation_type,
            TensorsData(CalibrationMethod.MinMax, tensors),
            [],
            sorted(plan.in_float),
            list(plan.op_types),
            options,
        )
        quantizer.activations_alone = plan.activations_alone
        with _suppress_warnings():
            quantizer.quantize_model()
        result = _in_order(quantizer.model.model)
    except (ValueError, TypeError, KeyError, AttributeError, AssertionError, IndexError, RuntimeError) as error:
        if not _extra_options_cause_failure(plan, quantization):
            raise UserError(f"onnxruntime's quantizer cannot quantize the model: {first_line(error)}") from error
        raise UserError(f"{KEY}: onnxruntime's quantizer refuses: {first_line(error)}") from error
    if plan.unrounded:
        result = _with_unrounded_inputs(result, plan)
    if rounding_is_ours:
        result = _with_rounded_weights(result)
    result = with_integer_bodies(result, plan.in_float, plan.weight_scales)
    if plan.int8_input:
        result = _with_int8_input(result, plan)
    result = with_known_shapes(with_quantized_movements(with_used_opsets(result)))
    if not quantized_nodes(result):
        raise UserError("quantization.op_types_to_quantize: no operator of the model was quantized")
    return result


def _in_order(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with its nodes in order; onnxruntime's own sorting passes over what nested graphs read."""
    set_nodes(model.graph, sorted_nodes(model.graph, model.graph.node))
    return model


def _extra_options_cause_failure(plan: Plan, quantization: Quantization) -> bool:
    """Whether the model can be quantized without the user's `extra_options`."""
    if not qdq_options(quantization).keys() & quantization.extra_options.keys():
        return False
    try:
        write_qdq(plan, quantization.model_copy(update={"extra_options": {}}))
    except UserError:
        return False
    return True


def _with_unrounded_inputs(model: onnx.ModelProto, plan: Plan) -> onnx.ModelProto:
    """The model whose operators in float read tensors from before the quantizers of operators in int8.

    What an operator in int8 makes there is in integers only: it stays as it is, with the Relu that its quantizer
    stands for. So do states, which are rounded when they are handed on, and an input of 8 bits.
    """
    graph, made_by = model.graph, producers(model.graph)
    rounded_anyway = {name for pair in states_of(plan.model).items() for name in pair}
    if plan.int8_input:
        rounded_anyway.add(magnitude_input(plan.model).name)

    def in_float(node: onnx.NodeProto) -> bool:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            return False
        if plan.is_in_float(node):
            return True
        # onnxruntime leaves those alone that move values which nothing has rounded
        return all(made_by[name].op_type != "DequantizeLinear" for name in node.input if name in made_by)

    def before_rounding(name: str) -> str:
        pair = [made_by.get(name)]
        pair += [made_by.get(pair[0].input[0])] if pair[0] is not None and pair[0].input else [None]
        if [node and node.op_type for node in pair] != ["DequantizeLinear", "QuantizeLinear"]:
            return name
        before = pair[1].input[0]
        is_integers = before in made_by and not in_float(made_by[before])
        return name if is_integers or {name, before} & rounded_anyway else before

    inputs = [[before_rounding(name) for name in node.input] if in_float(node) else None for node in graph.node]
    for node, names in zip(graph.node, inputs, strict=True):
        if names is not None:
            node.input[:] = names
    return model


@contextmanager
def _suppress_warnings() -> Iterator[None]:
    """onnxruntime warns on the terminal of what is decided here on purpose, a line for every node."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _with_rounded_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with integer weights, where it had float ones and a QuantizeLinear behind each.

    Rounded to nearest even and saturated as QuantizeLinear does, all channels at once.
    """
    weights, names = {weight.name: weight for weight in model.graph.initializer}, UnusedNames(model.graph)
    integer_names: dict[str, str] = {}  # by what the QuantizeLinear of a weight gave
    for node in list(model.graph.node):
        if node.op_type != "QuantizeLinear" or node.input[0] not in weights:
            continue
        kind = weights[node.input[2]].data_type
        if kind not in INTEGER_LIMITS:  # floats of 8 bits are onnxruntime's business
            continue
        values, scale, zero_point = (onnx.numpy_helper.to_array(weights[name]) for name in node.input)
        axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 1)
        along = [1] * values.ndim
        if scale.ndim:
            along[axis] = scale.size
        steps = np.rint(values / scale.reshape(along)) + zero_point.astype(np.float32).reshape(along)
        integers = np.clip(steps, *INTEGER_LIMITS[kind]).astype(np.int32)
        integer_names[node.output[0]] = names.new(f"{node.input[0]}_quantized")
        model.graph.initializer.append(_integer_weight(integer_names[node.output[0]], integers, kind))
        model.graph.node.remove(node)
    for node in model.graph.node:
        node.input[:] = [integer_names.get(name, name) for name in node.input]
    read = {name for node in model.graph.node for name in reads_of(node)}
    for name, weight in weights.items():
        if name not in read:
            model.graph.initializer.remove(weight)
    return model


def _integer_weight(name: str, integers: np.ndarray, kind: int) -> onnx.TensorProto:
    """Return an int32 tensor converted to the type `kind`; 4-bit integers are packed in pairs."""
    if kind in (onnx.TensorProto.INT4, onnx.TensorProto.UINT4):
        return onnx.helper.make_tensor(name, kind, integers.shape, integers.flatten())
    return onnx.numpy_helper.from_array(integers.astype(onnx.helper.tensor_dtype_to_np_dtype(kind)), name)


def _with_int8_input(model: onnx.ModelProto, plan: Plan) -> onnx.ModelProto:
    """The model whose input goes through one int8 quantizer, whatever reads it, and is at least the plan's floor."""
    graph, name = model.graph, magnitude_input(model).name
    reading = readers(graph)[name]
    if all(node.op_type == "QuantizeLinear" for node in reading):
        return model
    low, high = plan.ranges[name]
    low, high = min(low, np.float32(0)), max(high, np.float32(0))
    scale = np.float32((high - low) / 255) or np.float32(1)
    zero_point = np.rint(-128 - low / scale)
    if name in plan.grids:
        scale, zero_point, _ = plan.grids[name]
    quantizer = {"scale": np.float32(scale), "zero_point": np.int8(zero_point)}
    constants = [unused_name(graph, f"{name}_{key}") for key in quantizer]
    set_weights(graph, dict(zip(constants, (np.array(value) for value in quantizer.values()), strict=True)))
    integers, rounded = unused_name(graph, f"{name}_int8"), unused_name(graph, f"{name}_rounded")
    first = [
        onnx.helper.make_node("QuantizeLinear", [name, *constants], [integers], f"{name}_QuantizeLinear"),
        onnx.helper.make_node("DequantizeLinear", [integers, *constants], [rounded], f"{name}_DequantizeLinear"),
    ]
    if plan.input_floor:
        least, rounded = unused_name(graph, f"{name}_floor"), unused_name(graph, f"{name}_no_less")
        set_weights(graph, {least: np.array(plan.input_floor * scale, np.float32)})
        first.append(onnx.helper.make_node("Max", [first[1].output[0], least], [rounded], f"{name}_Max"))
    for node in reading:
        node.input[:] = [rounded if read == name else read for read in node.input]
    nodes = [*first, *graph.node]
    set_nodes(graph, nodes)
    return model

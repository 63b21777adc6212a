"""The constants of each operator in `sezoo_model.c`: weights, tables, and the structs that the kernels read."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sezoo.deployment.c_package.arrays import (
    c_array,
    c_comment,
    c_float,
    depthwise_weights,
    matrix_array,
    matrix_weights,
    padded_outputs,
)
from sezoo.deployment.c_package.expression_source import expression_source
from sezoo.deployment.c_package.integer_sums import IntegerSum, integer_sum
from sezoo.deployment.c_package.program import Program
from sezoo.deployment.c_package.rearrangement_source import runs_of
from sezoo.deployment.c_package.schedule import LARGEST_SUM
from sezoo.deployment.engine.conv import Conv
from sezoo.deployment.engine.expression import Expression
from sezoo.deployment.engine.group_operators import Normalize, Softmax
from sezoo.deployment.engine.operators import Curve, Elementwise, LookupTable, Operator, Permute, State, Sweep
from sezoo.deployment.engine.product import Product
from sezoo.deployment.engine.tensor import Tensor, padded

__all__ = ["begins_nonzero", "definition", "initial_states", "packed_weights"]


def definition(program: Program, index: int, operator: Operator, curves: dict[bytes, str]) -> str:
    """Return the C definitions of an operator's constants.

    Parameters
    ----------
    curves : names of the curves defined so far, by the bytes of their points; layers share equal curves.
    """
    name = f"op_{index:02d}"
    if isinstance(operator, Conv):
        return _depthwise(program, name, operator) if operator.is_depthwise else _conv(program, name, operator)
    if isinstance(operator, Elementwise):
        return _elementwise(name, operator)
    if isinstance(operator, Product):
        return _product(name, operator)
    if isinstance(operator, Expression):
        return expression_source(name, operator)
    if isinstance(operator, LookupTable):
        return c_array(f"{name}_table", operator.table, comment=f"a function of one integer: {operator.name}")
    if isinstance(operator, Curve):
        return _curve(name, operator, curves)
    if isinstance(operator, Normalize | Softmax):
        return _over_groups(name, operator)
    if isinstance(operator, Permute) and runs_of(operator) is None:
        behind = sum(tensor.items for tensor in operator.inputs)  # index of the zero behind all items
        index = np.where(operator.index < 0, behind, operator.index)
        return c_array(f"{name}_index", index.astype(np.uint16), comment=f"another order: {operator.name}")
    if isinstance(operator, Sweep):
        return "".join(
            c_array(f"{name}_first_{number}", state.first)
            for number, state in enumerate(operator.states)
            if begins_nonzero(state)
        )
    return ""


def _curve(name: str, curve: Curve, curves: dict[bytes, str]) -> str:
    there = curves.setdefault(curve.table.tobytes(), name)
    if there != name:
        return f"#define {name}_curve {there}_curve\n"
    return c_array(f"{name}_curve", curve.table, comment=f"a function by 1025 points: {curve.name}")


def initial_states(program: Program) -> Iterator[str]:
    """Yield the arrays of the states' initial values that are not zero."""
    for loop in program.graph.loops:
        for number, state in enumerate(loop.states):
            if begins_nonzero(state):
                yield c_array(f"first_{number}_{program.history.states[state.before.name]}", state.first)


def begins_nonzero(state: State) -> bool:
    """Return whether the initial value of a state is not zero."""
    return bool((state.first != state.before.zero_point).any())


def _rounding(output: Tensor, low: int, high: int) -> str:
    return f"{{{output.zero_point}, {low - output.zero_point}, {high - output.zero_point}}}"


def packed_weights(program: Program, conv: Conv) -> np.ndarray:
    """Return the weights of a convolution in the order in which its kernel reads them, int8."""
    if conv.is_depthwise:
        return depthwise_weights(conv.weights)
    groups, outputs = conv.weights.shape[:2]
    return matrix_weights(conv.weights.reshape(groups, outputs, program.pieces(conv), -1))


def _conv(program: Program, name: str, conv: Conv) -> str:
    groups, outputs = conv.weights.shape[:2]
    is_dense, pieces = program.is_dense(conv), program.pieces(conv)
    bias = padded_outputs(conv.folded_bias.reshape(groups, outputs)).astype(np.int32)
    multiplier = padded_outputs(conv.multiplier.reshape(groups, outputs)).astype(np.float32)
    biases = c_array(f"{name}_bias", bias)
    if is_dense and conv.input.bits == 16:  # see sezoo_dense
        sums = conv.weights.sum(axis=(2, 3, 4), dtype=np.int64).reshape(groups, outputs)
        of_bytes = (bias + 128 * padded_outputs(sums)).astype(np.int64) & 0xFFFFFFFF
        with_sums = c_array(f"{name}_bias", of_bytes.astype(np.uint32).view(np.int32))
        biases = f"#if SEZOO_MVE\n{with_sums}#else\n{biases}#endif\n"
    fields = [
        f".matrix = {{{name}_weights, {name}_bias, {name}_multiplier, {program.depth(conv)}, {outputs}, {pieces}, "
        f"{conv.weights[0, 0].size // pieces}, {int(conv.largest_accumulator >= LARGEST_SUM)}}}",
        *_shared_fields(conv),
        f".dense = {int(is_dense)}",
        f".groups = {groups}, .channels_in = {conv.weights.shape[4]}",
    ]
    return (
        f"{c_comment(conv.name)} /* {conv.macs:,} MAC a frame */\n"
        + matrix_array(f"{name}_weights", packed_weights(program, conv))
        + biases
        + c_array(f"{name}_multiplier", multiplier)
        + _struct("sezoo_conv", name, fields)
    )


def _depthwise(program: Program, name: str, conv: Conv) -> str:
    fields = [
        f".weights = {name}_weights, .bias = {name}_bias, .multiplier = {name}_multiplier",
        *_shared_fields(conv),
        f".channels = {conv.channels_in}",
    ]
    behind = (0, padded(conv.channels_in) - conv.channels_in)
    return (
        f"{c_comment(conv.name)} /* depthwise, {conv.macs:,} MAC a frame */\n"
        + c_array(f"{name}_weights", packed_weights(program, conv))
        + c_array(f"{name}_bias", np.pad(conv.folded_bias, behind).astype(np.int32))
        + c_array(f"{name}_multiplier", np.pad(conv.multiplier, behind).astype(np.float32))
        + _struct("sezoo_depthwise", name, fields)
    )


def _shared_fields(conv: Conv) -> list[str]:
    return [
        f".rounding = {_rounding(conv.output, conv.low, conv.high)}",
        f".input_row = {conv.positions_in * conv.channels_in if conv.rows > 1 else padded(conv.input.items)}",
        f".output_row = {padded(conv.output.items)}",
        f".input_bytes = {conv.input.bits // 8}, .output_bytes = {conv.output.bits // 8}",
        f".positions_in = {conv.positions_in}, .positions_out = {conv.positions}",
        f".taps = {conv.taps}, .dilation_time = {conv.dilation_time}",
        f".kernel = {conv.weights.shape[3]}, .stride = {conv.stride}, .dilation = {conv.dilation}, .pad = {conv.pad}",
        f".input_zero_point = {conv.input.zero_point}",
    ]


def _elementwise(name: str, operator: Elementwise) -> str:
    a, b = operator.a, operator.b
    if b.bits == 16:  # the kernels expect the wider operand first
        raise ValueError(f"{operator.name}: the second operand has 16 bits")
    integers = integer_sum(operator) or IntegerSum(0, 0, 0)
    fields = [
        f".rounding = {_rounding(operator.output, operator.low, operator.high)}",
        f".zero_point_a = {a.zero_point}, .zero_point_b = {b.zero_point}",
        f".scale_a = {c_float(operator.scales[0])}, .scale_b = {c_float(operator.scales[1])}",
        f".inverse = {c_float(operator.inverse)}",
        f".row = {padded(operator.output.items)}",
        f".factor_a = {integers.factor_a}, .factor_b = {integers.factor_b}, .offset = {integers.offset}",
    ]
    return f"{c_comment(operator.name)}\n" + _struct("sezoo_elementwise", name, fields)


def _product(name: str, operator: Product) -> str:
    a, b, output = operator.a, operator.b, operator.output
    fields = [
        f".rounding = {_rounding(output, operator.low, operator.high)}",
        f".multiplier = {c_float(operator.multiplier)}",
        f".zero_point_a = {a.zero_point}, .zero_point_b = {b.zero_point}",
        f".groups = {operator.groups}, .rows = {operator.rows}, .columns = {operator.columns}",
        f".depth = {operator.depth}",
        f".a_row = {padded(a.items)}, .b_row = {padded(b.items)}, .output_row = {padded(output.items)}",
        f".input_bytes = {a.bits // 8}, .output_bytes = {output.bits // 8}",
    ]
    return f"{c_comment(operator.name)} /* {operator.macs:,} MAC a frame */\n" + _struct("sezoo_product", name, fields)


def _over_groups(name: str, operator: Normalize | Softmax) -> str:
    fields = [
        f".rounding = {_rounding(operator.output, operator.low, operator.high)}",
        f".inverse = {c_float(operator.inverse)}, .groups = {operator.groups}, .size = {operator.size}",
        f".input_row = {padded(operator.input.items)}, .output_row = {padded(operator.output.items)}",
        f".input_bytes = {operator.input.bits // 8}, .output_bytes = {operator.output.bits // 8}",
    ]
    comment = f"{c_comment(operator.name)}\n"
    if isinstance(operator, Softmax):
        fields.append(f".table = {name}_table")
        return comment + c_array(f"{name}_table", operator.table) + _struct("sezoo_softmax", name, fields)
    fields += [
        f".factor = {name}_factor, .offset = {name}_offset, .epsilon = {c_float(operator.epsilon)}",
    ]
    arrays = c_array(f"{name}_factor", operator.factor) + c_array(f"{name}_offset", operator.offset)
    return comment + arrays + _struct("sezoo_normalize", name, fields)


def _struct(kind: str, name: str, fields: list[str]) -> str:
    return f"static const {kind} {name} = {{\n" + "".join(f"    {field},\n" for field in fields) + "};\n"

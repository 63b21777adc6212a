"""Walking through the nodes of a QDQ graph, in order.

Moving values about (Reshape, Transpose, Slice, Concat ...) costs nothing here, see `values`. Only where a convolution
or an addition wants another order of a row does a `Rearrange` come out of it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from sezoo.base.errors import UserError
from sezoo.base.text import counted
from sezoo.deployment.engine.integer_graph import Elementwise, IntegerGraph, Lookup, Operator, Rearrange, Site, Tensor
from sezoo.deployment.engine.qdq_reader.convolutions import pending_conv
from sezoo.deployment.engine.qdq_reader.float_steps import FLOAT_OPERATORS, OVER_ITEMS_OR_FRAMES, FloatSteps
from sezoo.deployment.engine.qdq_reader.movements import MOVEMENTS, folded, moved
from sezoo.deployment.engine.qdq_reader.nodes import Constants, Node, QuantizedConstant, UnsupportedError
from sezoo.deployment.engine.qdq_reader.tables import FUNCTIONS, integer_table, mask_table
from sezoo.deployment.engine.qdq_reader.values import (
    FloatRow,
    Floats,
    Layout,
    Pending,
    Real,
    Source,
    Value,
    in_time,
    laid_out,
)
from sezoo.models.contract import declared_contract
from sezoo.models.onnx_file import quantized_nodes
from sezoo.models.onnx_graph import initializers
from sezoo.models.states import states_of

__all__ = ["integer_graph_of"]

F = np.float32

ZERO = Tensor("zero", 1, F(1), 0)

SUPPORTED = (
    "Conv over time or over frequencies and time, grouped and depthwise among them; Add, Sub and Mul of two int8 "
    f"tensors; functions of one int8 tensor ({', '.join(sorted(FUNCTIONS))}); {', '.join(sorted(MOVEMENTS))}; and, in "
    f"float before the first int8 tensor, {', '.join(sorted(FLOAT_OPERATORS))}, ReduceMean over the bins and MaxPool "
    "over the frames up to now"
)


def integer_graph_of(model: onnx.ModelProto, path: Path) -> IntegerGraph:
    """The integer operators of a static int8 model.

    Parameters
    ----------
    path : for messages.

    Raises
    ------
    UserError : the model is float or dynamic, or has states, or an operator that there is no integer form of.
    """
    if not quantized_nodes(model):
        raise UserError(f"{path} is a float model; the static int8 model is needed, which quantization makes of it")
    if states_of(model):
        raise UserError(f"{path} has {counted(len(states_of(model)), 'state')}, which the C package cannot feed back")
    contract = declared_contract(model, path)
    if not isinstance(contract.frames, int):
        raise UserError(
            f"{path} takes any number of frames; the static int8 model is needed, which quantization writes beside it"
        )
    if isinstance(contract.batch, int) and contract.batch != 1:
        raise UserError(f"{path} takes {contract.batch} patches at a time; a static model with a batch of 1 is needed")
    try:
        return _Reader(model, contract.input, contract.bins, contract.frames).read(contract.output)
    except UnsupportedError as error:
        raise UserError(f"{path}: {error}. The C package can run: {SUPPORTED}") from error


class _Reader:
    """The values of a graph, by the names of the tensors that hold them, as far as it has been read."""

    def __init__(self, model: onnx.ModelProto, source: str, bins: int, frames: int):
        self.nodes, self.bins, self.frames = model.graph.node, bins, frames
        self.opset = next(opset.version for opset in model.opset_import if opset.domain in ("", "ai.onnx"))
        self.constants = Constants(initializers(model.graph), {})
        self.steps = FloatSteps(frames)
        self.operators: list[Operator] = []
        self.sites: list[Site] = []
        self.rounded: dict[Tensor, Real] = {}
        magnitude = in_time(np.arange(bins)[np.newaxis], bins, frames, 2)
        self.values: dict[str, Value] = {source: Floats((FloatRow("magnitude", bins),), magnitude)}

    def read(self, output: str) -> IntegerGraph:
        """All of it, up to the mask."""
        for proto in self.nodes:
            self._read(Node(proto, self.constants))
        value = self.values.get(output)
        if not isinstance(value, Real):
            raise UnsupportedError(f"the mask '{output}' is neither an int8 tensor nor a function of one")
        result, index = self._mask(value, output)
        used = {tensor.name for operator in self.operators for tensor in operator.inputs} | {result.name}
        return IntegerGraph(
            bins=self.bins,
            frames=self.frames,
            prologue=tuple(self.steps.steps),
            entries=tuple(tensor for tensor in self.steps.tensors if tensor.name in used),
            operators=tuple(self.operators),
            result=result,
            mask_table=mask_table(value.sources[0].functions, value.sources[0].tensor, self.opset),
            mask_index=index,
            sites=tuple(self.sites),
        )

    def _mask(self, value: Real, name: str) -> tuple[Tensor, np.ndarray]:
        """One tensor with all items of the mask, and which of them is which bin."""
        layout = self._without_zeros(value, f"the mask '{name}'")
        if len(value.sources) == 1:
            return value.sources[0].tensor, layout.natural
        if not value.is_rounded:
            raise UnsupportedError(f"the mask '{name}' is put together of functions of int8 tensors, and not rounded")
        row = self._row(value, layout.natural, f"{name}/row")
        return row, np.arange(row.items)

    def _read(self, node: Node) -> None:
        kind, output = node.op_type, node.output
        if kind == "Constant":
            (entry,) = node.proto.attribute
            given = node.attribute(entry.name, None)
            is_tensor = isinstance(given, onnx.TensorProto)
            self.constants.plain[output] = numpy_helper.to_array(given) if is_tensor else np.array(given)
        elif kind == "DequantizeLinear" and node.inputs[0] in self.constants.plain:
            self.constants.quantized[output] = _quantized_constant(node)
        elif all(self.constants.real(name) is not None for name in node.inputs if name):
            self.constants.plain |= zip(node.proto.output, folded(node, self.opset), strict=True)
        elif kind == "QuantizeLinear":
            self.values[output] = rounded = self._quantized(node)
            if len(rounded.sources) == 1 and (rounded.items >= 0).all():
                self.sites.append(Site(output, rounded.sources[0].tensor, rounded.items, node.offset))
        elif kind == "DequantizeLinear":
            self.values[output] = self._value(node, node.inputs[0])
        elif kind in MOVEMENTS:
            self._move(node)
        elif kind == "Conv":
            self.values[output] = self._conv(node)
        else:
            self.values[output] = self._function(node)

    def _value(self, node: Node, name: str) -> Value:
        if name not in self.values:
            raise UnsupportedError(f"{node} reads '{name}', which does not come from the magnitudes")
        return self.values[name]

    # -- rounding --------------------------------------------------------------------------------------------

    def _quantized(self, node: Node) -> Real:
        value = self._value(node, node.inputs[0])
        tensor = node.quantizer(node.inputs[0], value.total)
        # Some quantizers write a QuantizeLinear for each reader, the same one or another.
        if tensor not in self.rounded:
            is_first = all(other.name != tensor.name for other in self.rounded)
            self.rounded[tensor] = self._rounded(node, value, tensor if is_first else replace(tensor, name=node.output))
        return self.rounded[tensor]

    def _rounded(self, node: Node, value: Value, tensor: Tensor) -> Real:
        if isinstance(value, Floats):
            return self.steps.quantized(value, tensor, node)
        if isinstance(value, Pending):
            if tensor.bits != 8:
                raise UnsupportedError(
                    f"{node} rounds to {tensor.bits} bits; only the input of the network can have so many"
                )
            self.operators.append(value.finished(tensor))
            return Real((Source(self.operators[-1].output),), value.items)
        widths = {tensor.bits, *(source.tensor.bits for source in value.sources)}
        as_it_is = all(_is_in_steps_of(source, tensor) for source in value.sources)
        if max(widths) > 8 and not as_it_is and self.steps.made(value):  # no table is for so many integers
            return self.steps.quantized(self.steps.as_floats(value, node), tensor, node)
        sources = (self._requantized(node, source, tensor, number) for number, source in enumerate(value.sources))
        return Real(tuple(sources), value.items)

    def _requantized(self, node: Node, source: Source, wanted: Tensor, number: int) -> Source:
        """A source with its functions applied, in the steps of another quantizer."""
        old = source.tensor
        if _is_in_steps_of(source, wanted):
            return source
        if old.bits != 8 or wanted.bits != 8:
            raise UnsupportedError(f"{node} makes {wanted.bits} bits of the {old.bits} of '{old.name}'")
        name = wanted.name if number == 0 else f"{wanted.name}/{number}"
        output = replace(wanted, name=name, items=old.items)
        table = integer_table(source.functions, old, output, self.opset)
        self.operators.append(Lookup(name, old, output, table))
        return Source(output)

    # -- operators -------------------------------------------------------------------------------------------

    def _move(self, node: Node) -> None:
        names = dict.fromkeys(name for name in node.inputs if name and self.constants.real(name) is None)
        values = [self._value(node, name) for name in names]
        if any(isinstance(value, Floats) for value in values):
            values = [self.steps.as_floats(value, node) for value in values]
        for name, value in zip(node.proto.output, moved(node, values, self.opset), strict=True):
            self.values[name] = value

    def _conv(self, node: Node) -> Pending:
        value = self._value(node, node.inputs[0])
        if not isinstance(value, Real) or not value.is_rounded:
            raise UnsupportedError(f"{node} works in float: its input is not quantized")
        layout = laid_out(value, self.frames, node)
        return pending_conv(node, value, layout, lambda order: self._row(value, order, f"{node.output}/input"))

    def _function(self, node: Node) -> Value:
        operands = [self.values.get(name, node.constant(position)) for position, name in enumerate(node.inputs) if name]
        values = [operand for operand in operands if isinstance(operand, Value)]
        if any(operand is None for operand in operands) or not values:
            raise UnsupportedError(f"{node} has no form that can be run")
        in_float = any(isinstance(value, Floats) for value in values)
        several = any(isinstance(operand, np.ndarray) and operand.size != 1 for operand in operands)
        if several and all(isinstance(value, Real) for value in values):
            in_float |= all(self.steps.made(value) for value in values)
        if node.op_type in OVER_ITEMS_OR_FRAMES and self._is_of_the_beginning(values[0]):
            value = self.steps.as_floats(values[0], node)
            return self.steps.mean(value, node) if node.op_type == "ReduceMean" else self.steps.peak(value, node)
        if in_float:
            given = [self.steps.as_floats(each, node) if isinstance(each, Value) else each for each in operands]
            return self.steps.function(node, given)
        if len(values) == 2 and node.op_type in ("Add", "Sub", "Mul"):
            return self._elementwise(node, *values)
        if node.op_type not in FUNCTIONS or len(values) > 1:
            raise UnsupportedError(f"{node} has no integer form")
        if isinstance(values[0], Pending):
            return values[0].clamped(node)
        if several:
            raise UnsupportedError(f"{node} has a constant of several numbers behind int8 operators")
        if (values[0].items < 0).any() and mask_table([node], ZERO, self.opset)[ZERO.zero_point - ZERO.low]:
            raise UnsupportedError(f"{node} makes something else of the zeros that a Pad put there")
        return values[0].with_function(node)

    def _is_of_the_beginning(self, value: Value) -> bool:
        return isinstance(value, Floats) or (isinstance(value, Real) and self.steps.made(value))

    def _elementwise(self, node: Node, a: Value, b: Value) -> Pending:
        if any(not isinstance(value, Real) or not value.is_rounded for value in (a, b)):
            raise UnsupportedError(f"{node} reads a tensor that no QuantizeLinear has rounded")
        shapes = np.broadcast_arrays(a.items, b.items)
        a, b = (replace(value, items=items) for value, items in zip((a, b), shapes, strict=True))
        first, second = (self._without_zeros(value, node) for value in (a, b))
        if first.axis != second.axis:
            raise UnsupportedError(f"{node} mixes frames: they are on another axis of each operand")
        left = self._row(a, first.natural, f"{node.output}/a")
        right = self._row(b, second.natural, f"{node.output}/b")
        signs = (F(1), F(-1) if node.op_type == "Sub" else F(1))
        if right.bits > left.bits:  # the wider one first
            left, right, signs = right, left, signs[::-1]
        if right.bits > 8:
            raise UnsupportedError(f"{node} reads two tensors of {right.bits} bits; one of them can have so many")
        operator = Elementwise(
            kind="mul" if node.op_type == "Mul" else "add",
            name=node.output,
            a=left,
            b=right,
            output=Tensor(node.output, left.items, F(1), 0),
            scales=(signs[0] * left.scale, signs[1] * right.scale),
            inverse=F(1),
            low=-128,
            high=127,
        )
        return Pending(operator, first.items_at(np.arange(left.items)))

    # -- rows ------------------------------------------------------------------------------------------------

    def _without_zeros(self, value: Real, who: object) -> Layout:
        layout = laid_out(value, self.frames, who)
        if layout.before or layout.after or (layout.row < 0).any():
            raise UnsupportedError(f"{who} reads zeros that a Pad put there")
        return layout

    def _row(self, value: Real, order: np.ndarray, name: str) -> Tensor:
        """Items in an order as a row of their own, or the row that has them so already."""
        tensors = tuple(source.tensor for source in value.sources)
        if len(tensors) == 1 and np.array_equal(order, np.arange(tensors[0].items)):
            return tensors[0]
        if len({(tensor.scale, tensor.zero_point, tensor.bits) for tensor in tensors}) > 1:
            raise UnsupportedError(f"'{name}' is put together of tensors with different scales")
        for operator in self.operators:  # made for another reader already
            if isinstance(operator, Rearrange) and operator.inputs == tensors and np.array_equal(operator.index, order):
                return operator.output
        output = replace(tensors[0], name=name, items=len(order))
        self.operators.append(Rearrange(name, tensors, output, order))
        return output


def _is_in_steps_of(source: Source, wanted: Tensor) -> bool:
    """Whether a source's integers are those that a quantizer would make of them."""
    old = source.tensor
    same = (old.scale, old.zero_point, old.bits) == (wanted.scale, wanted.zero_point, wanted.bits)
    return same and not source.functions


def _quantized_constant(node: Node) -> QuantizedConstant:
    values, scale, zero = (node.constant(position) for position in range(3))
    if scale is None:
        raise UnsupportedError(f"{node} has a scale that is no constant")
    if node.attribute("block_size", 0):
        raise UnsupportedError(f"{node} has scales for blocks of weights; one for each output can be run")
    zero = np.zeros(1, np.int32) if zero is None else zero
    return QuantizedConstant(values, scale, zero, node.attribute("axis", 1) % max(values.ndim, 1))

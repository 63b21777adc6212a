"""The reader, which converts the nodes of a QDQ graph in order.

Operators that only move values (Reshape, Transpose, Slice, Concat ...) cost nothing, see `values`. A `Permute` is added
only where a convolution or an addition needs another order of a row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import onnx
from onnx import numpy_helper

from sezoo.deployment.engine.conv import Conv
from sezoo.deployment.engine.integer_graph import TensorLocation
from sezoo.deployment.engine.operators import Operator, Permute
from sezoo.deployment.engine.qdq_reader.convolutions import read_conv
from sezoo.deployment.engine.qdq_reader.expressions import is_expression, read_expression
from sezoo.deployment.engine.qdq_reader.float_steps import OVER_ITEMS_OR_FRAMES, FloatSteps
from sezoo.deployment.engine.qdq_reader.groups import OVER_GROUPS, read_over_groups, windows
from sezoo.deployment.engine.qdq_reader.joined_frames import apart, joined_again, node_apart, rows_per_frame
from sezoo.deployment.engine.qdq_reader.layouts import laid_out, laid_out_in_time
from sezoo.deployment.engine.qdq_reader.loops import RoundedState, quantize_states
from sezoo.deployment.engine.qdq_reader.movements import MOVEMENTS, fold_constants, move
from sezoo.deployment.engine.qdq_reader.nodes import (
    Constants,
    Node,
    UnsupportedError,
    quantized_constant,
    remedy_for,
    unrounded,
)
from sezoo.deployment.engine.qdq_reader.products import read_product
from sezoo.deployment.engine.qdq_reader.requantization import is_in_steps_of, requantize, with_integer_zeros
from sezoo.deployment.engine.qdq_reader.scans import read_scan
from sezoo.deployment.engine.qdq_reader.shifts import shifted, shifts_of
from sezoo.deployment.engine.qdq_reader.tables import FUNCTIONS, changes_zero
from sezoo.deployment.engine.qdq_reader.two_tensors import read_product_of_two
from sezoo.deployment.engine.qdq_reader.values import (
    FloatView,
    MixedView,
    QuantizedView,
    Source,
    UnroundedOutput,
    UnroundedSum,
    Value,
)
from sezoo.deployment.engine.qdq_reader.weights import with_constant_added
from sezoo.deployment.engine.tensor import Tensor
from sezoo.models.onnx_graph import initializers

__all__ = ["Reader"]

F = np.float32


class Reader:
    """The values of the nodes read so far, by name.

    Attributes
    ----------
    states : names of the states, by the names of their rows.
    quantized_states : quantized states, or parts of them.
    beside_states : rows of floats that are quantized together with states.
    read_names : names of all inputs of nodes and all outputs of the graph.
    windows : number of frames of the MaxPools over time of a one-frame model, by the names of their outputs.
    """

    def __init__(self, constants: Constants, frames: int, opset: int):
        self.constants, self.frames, self.opset = constants, frames, opset
        self.steps = FloatSteps(frames)
        self.operators: list[Operator] = []
        self.sites: list[TensorLocation] = []
        self.states: dict[str, str] = {}
        self.quantized_states: list[RoundedState] = []
        self.beside_states: list[RoundedState] = []
        self.rounded: dict[Tensor, QuantizedView] = {}
        self.values: dict[str, Value] = {}
        self.read_names: set[str] = set()
        self.windows: Mapping[str, int] = {}

    def inside(self, body: onnx.GraphProto, frames: int) -> Reader:
        """Return a reader for a subgraph of N frames, which can access the constants of this graph."""
        constants = Constants(dict(self.constants.plain), dict(self.constants.quantized))
        constants.plain |= initializers(body)
        return Reader(constants, frames, self.opset)

    def read_nodes(self, nodes: Sequence[onnx.NodeProto], outputs: Sequence[str] = ()) -> None:
        """Read all nodes in order."""
        self.read_names = {name for node in nodes for name in node.input} | set(outputs)
        for proto in nodes:
            self._read(Node(proto, self.constants))

    def _read(self, node: Node) -> None:
        kind, output = node.op_type, node.output
        if kind == "Constant":
            (entry,) = node.proto.attribute
            given = node.attribute(entry.name, None)
            is_tensor = isinstance(given, onnx.TensorProto)
            self.constants.plain[output] = numpy_helper.to_array(given) if is_tensor else np.array(given)
        elif kind == "DequantizeLinear" and node.inputs[0] in self.constants.plain:
            self.constants.quantized[output] = quantized_constant(node)
        elif all(self.constants.real(name) is not None for name in node.inputs if name):
            self.constants.plain |= zip(node.proto.output, fold_constants(node, self.opset), strict=True)
        elif kind == "QuantizeLinear":
            self.values[output] = rounded = self._in_time(self._quantize(node))
            if len(rounded.sources) == 1 and (rounded.items >= 0).all():
                self.sites.append(TensorLocation(output, rounded.sources[0].tensor, rounded.items, node.offset))
        elif kind == "DequantizeLinear":
            self.values[output] = self.value(node, node.inputs[0])
        elif kind in MOVEMENTS:
            self._move(node)
        elif (count := rows_per_frame(node, self.values, self.frames)) > 1:
            self._read_apart(node, count)
        elif kind == "Conv":
            self.values[output] = self._layer(node, read_conv)
        elif kind in ("MatMul", "Gemm"):
            self.values[output] = self._product(node)
        elif kind in OVER_GROUPS:
            self.values[output] = self._layer(node, read_over_groups)
        elif kind == "Scan":
            self.values |= read_scan(self, node)
        else:
            self.values[output] = self._function(node)

    def _read_apart(self, node: Node, count: int) -> None:
        """Read a node whose operands have frames and `count` rows of each in one axis, as one with an axis of both."""
        operands = {name: self.values[name] for name in node.inputs if name in self.values}
        self.values |= {name: apart(value, count) for name, value in operands.items()}
        self._read(node_apart(node))
        self.values |= {**operands, node.output: joined_again(self.values[node.output])}

    def value(self, node: Node, name: str) -> Value:
        """Return the value of an ONNX tensor.

        Raises
        ------
        UnsupportedError : the tensor does not depend on the model's input.
        """
        if name not in self.values:
            raise UnsupportedError(f"{node} reads '{name}', which does not come from the magnitudes")
        return self.values[name]

    # -- rounding --------------------------------------------------------------------------------------------

    def _quantize(self, node: Node) -> QuantizedView:
        value = self.value(node, node.inputs[0])
        tensor = node.quantizer(node.inputs[0], value.total)
        # Some quantizers write a separate QuantizeLinear for each reader, with the same or with other scales.
        if tensor not in self.rounded:
            is_first = all(other.name != tensor.name for other in self.rounded)
            self.rounded[tensor] = self.quantize_to(
                tensor if is_first else replace(tensor, name=node.output), value, node
            )
        return self.rounded[tensor]

    def quantize_to(self, tensor: Tensor, value: Value, node: object) -> QuantizedView:
        """Return a value with a tensor's scale and zero point, and add the operators that this takes.

        Parameters
        ----------
        node : the node that needs it, for messages.
        """
        if isinstance(value, FloatView):
            if self._is_of_states(value):
                return quantize_states(self, value, tensor, node)
            if not (shifts := shifts_of(value, self.frames)):
                return self.steps.quantize(value, tensor, node)
            names = [tensor.name, *(f"{tensor.name}/{number}" for number in range(1, len(shifts)))]
            parts = (
                self.steps.quantize(replace(value, items=shift.items), replace(tensor, name=name), node)
                for shift, name in zip(shifts, names, strict=True)
            )
            return shifted(parts, shifts, self.operators)
        if isinstance(value, MixedView):
            return quantize_states(self, value, tensor, node)
        if isinstance(value, UnroundedOutput):
            self.operators.append(value.finish(tensor))
            return QuantizedView((Source(self.operators[-1].output),), value.items)
        widths = {tensor.bits, *(source.tensor.bits for source in value.sources)}
        as_it_is = all(is_in_steps_of(source, tensor) for source in value.sources)
        if max(widths) > 8 and not as_it_is and self.steps.can_compute(value):  # tables exist only for 8 bits
            return self.steps.quantize(self.steps.dequantize(value, node), tensor, node)
        sources = (requantize(self, source, tensor, number) for number, source in enumerate(value.sources))
        return QuantizedView(tuple(sources), value.items)

    # -- operators -------------------------------------------------------------------------------------------

    def _move(self, node: Node) -> None:
        names = dict.fromkeys(name for name in node.inputs if name and self.constants.real(name) is None)
        values = [self.value(node, name) for name in names]
        states = any(isinstance(value, FloatView) and self._is_of_states(value) for value in values)
        if any(isinstance(value, FloatView) for value in values) and not (states and self.frames == 1):
            values = [self.steps.dequantize(value, node) for value in values]
        for name, value in zip(node.proto.output, move(node, values, self.opset), strict=True):
            self.values[name] = self._in_time(value)

    def _layer(
        self, node: Node, read: Callable[..., UnroundedOutput], operand: int = 0, **how: bool
    ) -> UnroundedOutput:
        """Return what `read` makes of a node and its quantized input."""
        value = self.value(node, node.inputs[operand])
        if not isinstance(value, QuantizedView) or not value.is_rounded:
            raise UnsupportedError(f"{node} works in float: its input is not quantized")
        layout = (laid_out if read is read_conv else laid_out_in_time)(value, self.frames, node)
        return read(node, value, layout, lambda order: self.row(value, order, f"{node.output}/input"), **how)

    def _product(self, node: Node) -> UnroundedOutput:
        """Return a MatMul of two tensors, or a MatMul or Gemm with constant weights on one side."""
        from_left = self.constants.real(node.inputs[0]) is not None
        self.value(node, node.inputs[1 if from_left else 0])
        if self.constants.real(node.inputs[0 if from_left else 1]) is None:
            return read_product_of_two(self, node)
        return self._layer(node, read_product, 1 if from_left else 0, from_left=from_left)

    def _function(self, node: Node) -> Value:
        operands = [self.values.get(name, node.constant(position)) for position, name in enumerate(node.inputs) if name]
        values = [operand for operand in operands if isinstance(operand, Value)]
        if any(operand is None for operand in operands) or not values:
            raise UnsupportedError(f"{node} has no form that can be run: {remedy_for(node)}")
        if any(isinstance(value, MixedView) for value in values):
            raise UnsupportedError(f"{node} works in float on states and integers: nothing has rounded its input")
        in_float = any(isinstance(value, FloatView) for value in values)
        several = any(isinstance(operand, np.ndarray) and operand.size != 1 for operand in operands)
        if several and all(isinstance(value, QuantizedView) for value in values):
            in_float |= all(self.steps.can_compute(value) for value in values)
        if node.op_type in OVER_ITEMS_OR_FRAMES and self._is_of_the_beginning(values[0]):
            value = self.steps.dequantize(values[0], node)
            if node.output in self.windows:
                return self.steps.peak_of_a_frame(value, self.windows[node.output], node)
            return self.steps.mean(value, node) if node.op_type == "ReduceMean" else self.steps.peak(value, node)
        if node.op_type == "MaxPool" and isinstance(values[0], QuantizedView):
            return read_expression(node, windows(node, values[0]), self.frames, self.row)
        if in_float:
            given = [self.steps.dequantize(each, node) if isinstance(each, Value) else each for each in operands]
            return self.steps.function(node, given)
        first = values[0]
        if isinstance(first, UnroundedOutput) and len(values) == 1 and node.op_type in ("Relu", "Clip"):
            return first.clamp(node)
        if isinstance(first, UnroundedOutput) and not isinstance(first.operator, UnroundedSum):
            if node.op_type == "Add" and len(values) == 1 and isinstance(first.operator, Conv):
                return with_constant_added(first, next(each for each in operands if each is not first), node)
            raise unrounded(node)
        of_16_bits = isinstance(first, QuantizedView) and any(source.tensor.bits > 8 for source in first.sources)
        in_order = isinstance(first, UnroundedOutput) or several or (of_16_bits and first.is_rounded)
        if len(values) > 1 or (in_order and is_expression(node)):
            made = read_expression(node, operands, self.frames, self.row)
            if len(values) > 1 or several or node.op_type not in FUNCTIONS:
                return made
            view = first.functions if isinstance(first, UnroundedOutput) else first
            return replace(made, functions=view and view.with_function(node))
        if node.op_type not in FUNCTIONS:
            raise UnsupportedError(f"{node} has no integer form: {remedy_for(node)}")
        if isinstance(first, UnroundedOutput):
            return first.functions.with_function(node) if first.functions else first.clamp(node)
        if several:
            raise UnsupportedError(f"{node} has several numbers as its constant; behind int8 operators one can be run")
        if (first.items < 0).any() and changes_zero([node], self.opset):
            first = with_integer_zeros(self, first, node)
        return first.with_function(node)

    def _is_of_states(self, value: FloatView) -> bool:
        return any(source.name in self.states for source in value.sources)

    def _is_of_the_beginning(self, value: Value) -> bool:
        return isinstance(value, FloatView) or (isinstance(value, QuantizedView) and self.steps.can_compute(value))

    def _in_time(self, value: Value) -> Value:
        """Return integers that are some frames late or early as those of tensors that are; other values as they are."""
        shifts = shifts_of(value, self.frames) if isinstance(value, QuantizedView) else []
        if not shifts or any(changes_zero(source.functions, self.opset) for source in value.sources):
            return value
        return shifted((replace(value, items=shift.items) for shift in shifts), shifts, self.operators)

    # -- rows ------------------------------------------------------------------------------------------------

    def row(self, value: QuantizedView, order: np.ndarray, name: str) -> Tensor:
        """Return a tensor whose row holds the items in that order: an existing one, or the output of a new `Permute`.

        Raises
        ------
        UnsupportedError : the items come from tensors with different scales.
        """
        tensors = tuple(source.tensor for source in value.sources)
        if len(tensors) == 1 and np.array_equal(order, np.arange(tensors[0].items)):
            return tensors[0]
        if len({(tensor.scale, tensor.zero_point, tensor.bits) for tensor in tensors}) > 1:
            raise UnsupportedError(f"'{name}' is put together of tensors with different scales")
        for operator in self.operators:  # one may exist for another reader
            if isinstance(operator, Permute) and operator.inputs == tensors and np.array_equal(operator.index, order):
                return operator.output
        output = replace(tensors[0], name=name, items=len(order))
        self.operators.append(Permute(name, tensors, output, order))
        return output

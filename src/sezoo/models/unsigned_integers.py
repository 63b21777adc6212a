"""An int8 model with the same integers counted from 0 to 255, which onnxruntime runs in integers as a whole.

onnxruntime's CPU kernels multiply unsigned by unsigned bytes exactly on every processor. Signed ones onnxruntime makes
unsigned where it can, and leaves the convolutions around a tensor that is read twice in float, whose sums depend on the
width of the processor's registers: a mask could then differ by 0.1. With every tensor unsigned from the start all
convolutions are merged, and the masks equal those of the integer engine bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import numpy_helper

from sezoo.models.movements import RESHAPING, SELECTING
from sezoo.models.nested_graphs import graphs_of, nested_graphs
from sezoo.models.onnx_graph import UnusedNames, copy_model, initializers

__all__ = ["with_unsigned_integers"]

INT8 = onnx.TensorProto.INT8

WHOLE = (onnx.TensorProto.INT64, onnx.TensorProto.INT32)

COUNTING = {"ArgMax", "ArgMin", "NonZero", "Shape", "Size"}
"""Operators that make whole numbers of anything."""

MOVING = RESHAPING | SELECTING | {"Concat", "DepthToSpace", "Expand", "SpaceToDepth"}
"""Operators that move integers without looking at them."""


def with_unsigned_integers(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with uint8 in place of all int8 tensors: each integer is 128 larger, and so is each zero point.

    Additions, but for those of whole numbers, become sums of two tensors, which onnxruntime does not merge: its merged
    addition does not round as the QDQ graph does. A model without int8 tensors is returned as it is, and one where
    something but a DequantizeLinear or a movement reads them, or where nodes have bodies, keeps them (see
    `_with_integers_of_their_own`).
    """
    graph = model.graph
    if not _has_movable_integers(graph):
        return _with_integers_of_their_own(model)
    changed = copy_model(model)
    arrays, names = initializers(graph), UnusedNames(graph)
    whole_numbers = _whole_numbers(graph)
    unsigned = {weight.name: names.new(f"{weight.name}_unsigned") for weight in _int8_weights(graph)}
    for node in changed.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in unsigned and len(node.input) < 3:
            zero_point = names.new(f"{node.input[0]}_zero_point")
            centre = np.full(arrays[node.input[1]].shape, 128, np.uint8)
            changed.graph.initializer.append(numpy_helper.from_array(centre, zero_point))
            node.input.append(zero_point)
        for place, name in enumerate(node.input):
            if name in unsigned:
                node.input[place] = unsigned[name]
        if node.op_type == "Add" and whole_numbers.isdisjoint(node.input):
            node.op_type = "Sum"
    for weight in changed.graph.initializer:
        if weight.name in unsigned:
            integers = arrays[weight.name].astype(np.int16) + 128
            weight.CopyFrom(numpy_helper.from_array(integers.astype(np.uint8), unsigned[weight.name]))
    del changed.graph.value_info[:]  # which name the tensors' types
    return changed


def _with_integers_of_their_own(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with int8 constants that no two nodes share, each in the graph that its reader is in.

    onnxruntime makes the weights unsigned itself in such a model, node by node under one new name: it refuses a model
    in which two nodes read the same weights ("Attempt to replace the existing tensor"), and leaves signed what a node
    in the body of a Scan, Loop or If reads from outside.
    """
    if not any(_int8_weights(graph) for graph in graphs_of(model.graph)):
        return model
    changed = copy_model(model)
    return changed if _give_own_integers(changed.graph, UnusedNames(changed.graph), {}, set()) else model


def _give_own_integers(
    graph: onnx.GraphProto, names: UnusedNames, outside: Mapping[str, onnx.TensorProto], read: set[str]
) -> int:
    """Copies made in a graph and those nested in it; `read` are the names of constants that have a reader."""
    inside = {weight.name: weight for weight in _int8_weights(graph)}
    visible, copies = {**outside, **inside}, []
    in_bodies = 0
    for node in graph.node:
        in_bodies += sum(_give_own_integers(body, names, visible, read) for body in nested_graphs(node))
        if node.op_type == "QuantizeLinear":
            continue  # activations share a zero point without harm
        for place, name in enumerate(node.input):
            if name in visible and (name in read or name not in inside):
                copy = onnx.TensorProto()
                copy.CopyFrom(visible[name])
                copy.name = node.input[place] = names.new(f"{name}_of_{node.name or 'another'}")
                copies.append(copy)
            elif name in inside:
                read.add(name)
    graph.initializer.extend(copies)
    return len(copies) + in_bodies


def _whole_numbers(graph: onnx.GraphProto) -> set[str]:
    """Tensors of int64 or int32, as shapes and what is computed of them: a Sum has none."""
    whole = {weight.name for weight in graph.initializer if weight.data_type in WHOLE}
    for node in graph.node:  # in topological order
        if node.op_type == "Constant":
            is_whole = any(entry.t.data_type in WHOLE or entry.name.startswith("value_int") for entry in node.attribute)
        elif node.op_type == "Cast":
            is_whole = any(entry.name == "to" and entry.i in WHOLE for entry in node.attribute)
        else:
            inputs = [name for name in node.input if name]
            is_whole = node.op_type in COUNTING or (
                node.op_type != "ConstantOfShape" and bool(inputs) and whole.issuperset(inputs)
            )
        if is_whole:
            whole.update(node.output)
    return whole


def _int8_weights(graph: onnx.GraphProto) -> list[onnx.TensorProto]:
    return [weight for weight in graph.initializer if weight.data_type == INT8]


def _has_movable_integers(graph: onnx.GraphProto) -> bool:
    """Whether there are int8 tensors, and nothing depends on where their integers are counted from."""
    int8 = {weight.name for weight in _int8_weights(graph)}
    declared = (*graph.input, *graph.output)
    if not int8 or any(value.type.tensor_type.elem_type == INT8 for value in declared):
        return False
    for node in graph.node:  # in topological order
        if any(_holds_int8_or_graphs(attribute) for attribute in node.attribute):
            return False
        there = [place for place, name in enumerate(node.input) if name in int8]
        if not there:
            continue
        if node.op_type == "QuantizeLinear" and there == [2]:
            int8.add(node.output[0])
        elif node.op_type in MOVING:
            int8.update(node.output)
        elif node.op_type != "DequantizeLinear" or 0 not in there:
            return False
    return True


def _holds_int8_or_graphs(attribute: onnx.AttributeProto) -> bool:
    """Whether an attribute has a body, whose reading is not followed, names the type, or is an int8 constant."""
    return (
        attribute.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)
        or (attribute.name == "output_dtype" and attribute.i == INT8)
        or attribute.t.data_type == INT8
    )

"""Equivalent rewriting of graph constructs that onnxruntime's quantizer does not support.

Each function takes a model and gives one that computes the same masks, the argument itself where nothing is to be done.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from sezoo.models.nested_graphs import graphs_of, nested_reads, reads_of, rename_nested_reads, rename_reads
from sezoo.models.onnx_graph import UnusedNames, attribute, copy_model, keep_needed, set_nodes

__all__ = [
    "in_float32",
    "with_flat_biases",
    "with_names_apart",
    "with_nested_reads_apart",
    "with_own_biases",
    "without_other_outputs",
]

WITH_BIAS = ("Conv", "ConvTranspose", "Gemm")

SUFFIXES = (
    *("_scale", "_zero_point", "_quantized", "_convert_scale", "_convert_zero_point"),
    *("_QuantizeLinear", "_DequantizeLinear", "_QuantizeLinear_Output", "_DequantizeLinear_Output"),
    *("_QuantizeLinear_Input", "_convert_QuantizeLinear", "_convert_DequantizeLinear", "_convert_clone"),
)
"""What onnxruntime's quantizer adds to the name of a tensor, for tensors and nodes of its own."""

HALF = (TensorProto.FLOAT16, TensorProto.BFLOAT16)


def with_flat_biases(model: onnx.ModelProto) -> onnx.ModelProto:
    """Constant biases of Gemms with one value a channel, (channels,), where they are numbers, or rows of a matrix.

    The quantizer takes the first axis of a bias for its channels.
    """
    weights = {weight.name: weight for weight in model.graph.initializer}
    flat: dict[int, np.ndarray] = {}
    for index, node in enumerate(model.graph.node):
        if node.op_type != "Gemm" or len(node.input) < 3 or node.input[2] not in weights:
            continue
        transposed, shape = attribute(node, "transB", 0), weights.get(node.input[1], onnx.TensorProto()).dims
        bias = weights[node.input[2]]
        if len(shape) == 2 and list(bias.dims) != [channels := shape[0 if transposed else 1]]:
            values = numpy_helper.to_array(bias).reshape(-1)
            if values.size == 1 or (values.size == channels and bias.dims[-1] == channels):
                flat[index] = np.broadcast_to(values, channels)
    if not flat:
        return model
    changed = copy_model(model)
    names = UnusedNames(changed.graph)
    for index, values in flat.items():
        node = changed.graph.node[index]
        node.input[2] = names.new(f"{node.input[2]}/flat")
        changed.graph.initializer.append(numpy_helper.from_array(values.copy(), node.input[2]))
    keep_needed(changed.graph)
    return changed


def with_own_biases(model: onnx.ModelProto) -> onnx.ModelProto:
    """A bias of its own for each layer, where several share one.

    An int8 bias has the scale of its layer, and a factor for a channel of one layer is none of the others' business.
    """
    weights = {weight.name: weight for weight in model.graph.initializer}
    layers = [node for node in model.graph.node if node.op_type in WITH_BIAS and len(node.input) > 2]
    readers = Counter(name for node in model.graph.node for name in dict.fromkeys(reads_of(node)))
    if not any(node.input[2] in weights and readers[node.input[2]] > 1 for node in layers):
        return model
    own = copy_model(model)
    names, seen = UnusedNames(own.graph), set()
    for node in own.graph.node:
        if node.op_type not in WITH_BIAS or len(node.input) < 3 or node.input[2] not in weights:
            continue
        bias = node.input[2]
        if readers[bias] > 1 and bias in seen:
            copy = own.graph.initializer.add()
            copy.CopyFrom(weights[bias])
            copy.name = node.input[2] = names.new(f"{bias}/{node.output[0]}")
        seen.add(bias)
    return own


def with_names_apart(model: onnx.ModelProto) -> onnx.ModelProto:
    """Other names for tensors and nodes whose names the quantizer would make up from that of a tensor.

    The names of inputs and outputs stay: there it is the other tensor that gets a new name.
    """
    graph = model.graph
    tensors = {name for node in graph.node for name in (*reads_of(node), *node.output) if name}
    fixed = {value.name for value in (*graph.input, *graph.output)}
    new: dict[str, str] = {}
    names = UnusedNames(graph)
    for name in sorted({*tensors, *(node.name for node in graph.node)}):
        for suffix in SUFFIXES:
            stem = name.removesuffix(suffix)
            if stem == name or stem not in tensors:
                continue
            taken = name if name not in fixed else stem
            if taken not in fixed and taken not in new:
                new[taken] = names.new(f"{taken}/own")
    if not new:
        return model
    renamed = copy_model(model)
    for tensor in (*renamed.graph.initializer, *renamed.graph.value_info):
        tensor.name = new.get(tensor.name, tensor.name)
    for node in renamed.graph.node:
        rename_reads(node, new)
        node.output[:] = [new.get(name, name) for name in node.output]
        node.name = new.get(node.name, node.name)
    return renamed


def with_nested_reads_apart(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graphs in an If, Loop or Scan read copies of the tensors outside that they use.

    A quantizer puts its pairs between the nodes of a graph, and sees none of the readers that are nested in a node.
    """
    if not any(nested_reads(node) for node in model.graph.node):
        return model
    apart = copy_model(model)
    names, nodes = UnusedNames(apart.graph), []
    weights = {weight.name: weight for weight in apart.graph.initializer}
    for node in apart.graph.node:
        new = {name: names.new(f"{name}/inside/{node.output[0]}") for name in nested_reads(node)}
        for name, copy in new.items():
            if name in weights:
                weight = apart.graph.initializer.add()
                weight.CopyFrom(weights[name])
                weight.name = copy
            else:
                nodes.append(onnx.helper.make_node("Identity", [name], [copy], name=names.new(f"{copy}/copy")))
        rename_nested_reads(node, new)
        nodes.append(node)
    set_nodes(apart.graph, nodes)
    return apart


def in_float32(model: onnx.ModelProto) -> tuple[onnx.ModelProto, int]:
    """The model computing in float32 what it computes in 16 bits, and how many tensors that were; 0 changes nothing.

    Between float32 ends, converters to half precision leave casts and weights of 16 bits, which no integer kernel
    takes.
    """
    count = sum(_to_float32(graph, change=False) for graph in graphs_of(model.graph))
    if not count:
        return model, 0
    changed = copy_model(model)
    for graph in graphs_of(changed.graph):
        _to_float32(graph, change=True)
        del graph.value_info[:]
    return _without_idle_casts(changed), count


def _without_idle_casts(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without casts of float32 to float32, where a tensor of that name need not stay; it is changed."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    values = (*graph.input, *graph.value_info, *graph.output)
    in_float = {value.name for value in values if value.type.tensor_type.elem_type == TensorProto.FLOAT}
    ends = {value.name for value in (*model.graph.input, *model.graph.output)}
    new: dict[str, str] = {}
    for node in list(model.graph.node):
        if node.op_type != "Cast" or node.input[0] not in in_float or node.output[0] not in in_float:
            continue
        source, target = new.get(node.input[0], node.input[0]), node.output[0]
        if target not in ends:
            new[target] = source
        elif source not in ends:
            new[source] = target
        else:
            continue
        model.graph.node.remove(node)
    last = {name: _last(name, new) for name in new}
    for node in model.graph.node:
        rename_reads(node, last)
        node.output[:] = [last.get(name, name) for name in node.output]
    return model


def _last(name: str, new: Mapping[str, str]) -> str:
    while name in new:
        name = new[name]
    return name


def _to_float32(graph: onnx.GraphProto, *, change: bool) -> int:
    """Count the float16 weights, constants and casts of a graph, and convert them to float32 if requested."""
    count = 0
    for tensor in graph.initializer:
        count += _tensor_to_float32(tensor, change=change)
    for value in (*graph.input, *graph.output):
        if value.type.tensor_type.elem_type in HALF and change:
            value.type.tensor_type.elem_type = TensorProto.FLOAT
    for node in graph.node:
        for entry in node.attribute:
            if entry.HasField("t"):
                count += _tensor_to_float32(entry.t, change=change)
            if entry.name in ("to", "dtype") and entry.i in HALF:
                count += 1
                if change:
                    entry.i = TensorProto.FLOAT
    return count


def _tensor_to_float32(tensor: TensorProto, *, change: bool) -> bool:
    if tensor.data_type not in HALF:
        return False
    if change:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name))
    return True


def without_other_outputs(model: onnx.ModelProto, kept: set[str]) -> onnx.ModelProto:
    """The model with these outputs only, and without the nodes and weights that only the others needed."""
    if {value.name for value in model.graph.output} <= kept:
        return model
    pruned = copy_model(model)
    outputs = [value for value in model.graph.output if value.name in kept]
    del pruned.graph.output[:]
    pruned.graph.output.extend(outputs)
    keep_needed(pruned.graph)
    return pruned

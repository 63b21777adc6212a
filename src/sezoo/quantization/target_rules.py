"""The rules of targets: each describes a violation in a written int8 model, with its node or tensor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import onnx

from sezoo.models.onnx_graph import attribute, initializers, producers, readers
from sezoo.models.receptive_field import RECURRENT
from sezoo.models.states import input_layout, magnitude_input
from sezoo.quantization.graph.linear_layers import LINEAR
from sezoo.quantization.recurrent.cells import Kind
from sezoo.quantization.recurrent.expansion import LAYERS, expansion_problem

__all__ = [
    "activations_of_8_bits",
    "known_operators",
    "macs_are_int8",
    "one_int8_input",
    "sums_are_of_integers",
    "takes_magnitudes",
    "weights_are_symmetric",
]

ST_EDGE_AI = {
    *("Conv", "ConvTranspose", "Gemm", "MatMul", "Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Abs", "Neg", "Pow"),
    *("Relu", "LeakyRelu", "PRelu", "Clip", "Elu", "HardSigmoid", "HardSwish", "Sigmoid", "Tanh", "Softmax"),
    "Softplus",
    *("Exp", "Log", "Sqrt", "Reciprocal", "Round", "Floor", "Ceil", "Erf", "ReduceMean", "ReduceSum", "ReduceMax"),
    *("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "BatchNormalization", "LayerNormalization"),
    *("InstanceNormalization", "Concat", "Split", "Slice", "Pad", "Transpose", "Reshape", "Flatten", "Squeeze"),
    *("Unsqueeze", "Gather", "Expand", "Tile", "Upsample", "Resize", "Identity", "Cast", "Constant", "Shape"),
    *("QuantizeLinear", "DequantizeLinear"),
}
"""What ST Edge AI Core reads of an ONNX graph: on the NPU where it is int8, on the Cortex-M55 else."""


_INSTEAD = {
    "If": "export the model with only one of its branches",
    **dict.fromkeys(
        RECURRENT,
        "use a plain forward GRU or LSTM, which quantization.target: cortex-m has in int8, or convolutions over time",
    ),
    "Loop": "export the network with the loop unrolled, or with a forward GRU or LSTM in its place",
}
"""What to do about an operator without an int8 form."""


def takes_magnitudes(model: onnx.ModelProto) -> Iterator[str]:
    """The input has to be magnitudes."""
    if input_layout(model).is_complex:
        name = magnitude_input(model).name
        yield f"input '{name}' takes complex spectra, where magnitudes are what it is given; take another target"


def one_int8_input(model: onnx.ModelProto) -> Iterator[str]:
    """All that reads the input has to be quantized."""
    name = magnitude_input(model).name
    for node in readers(model.graph)[name]:
        if node.op_type != "QuantizeLinear":
            yield f"{_node_text(node)} reads the input '{name}' in float; all that reads it has to be quantized to int8"


def activations_of_8_bits(model: onnx.ModelProto) -> Iterator[str]:
    """Activations have to be int8, each tensor with one scale."""
    constants = initializers(model.graph)
    for node in model.graph.node:
        if node.op_type != "QuantizeLinear":
            continue
        scale, zero = constants.get(node.input[1]), constants.get(node.input[2]) if len(node.input) > 2 else None
        if zero is None or zero.dtype != np.int8:
            found = "uint8" if zero is None else zero.dtype.name
            yield f"tensor '{node.input[0]}' is {found}; activations have to be int8"
        elif scale is not None and scale.size != 1:
            yield f"tensor '{node.input[0]}' has {scale.size} scales; activations have to have one"


def weights_are_symmetric(model: onnx.ModelProto) -> Iterator[str]:
    """Weights may have no zero point."""
    constants = initializers(model.graph)
    layers = [node for node in model.graph.node if node.op_type in LINEAR]
    weights = {node.input[1] for node in layers}
    for node in model.graph.node:
        if node.output[0] in weights and node.op_type == "DequantizeLinear" and node.input[0] in constants:
            if len(node.input) < 3:
                continue
            values, zero = constants[node.input[0]], constants.get(node.input[2])
            if values.dtype.name in ("int8", "int4") and zero is not None and zero.astype(np.int32).any():
                yield f"weights '{node.input[0]}' have a zero point; they have to be symmetric"


def macs_are_int8(model: onnx.ModelProto) -> Iterator[str]:
    """No layer may be left in float, or be of a kind that has no int8 form."""
    constants, made_by = initializers(model.graph), producers(model.graph)
    for node in model.graph.node:
        if node.op_type == "Scan" and Kind.of(attribute(node, "body", None).name) is not None:
            continue
        if node.op_type in LAYERS:
            if (why := expansion_problem(node, constants)) is not None:
                yield f"{_node_text(node)} has no int8 form: {why}; {_INSTEAD[node.op_type]}"
            else:
                yield (
                    f"{_node_text(node)} was left in float; quantization.target: cortex-m has it in int8, unless "
                    "quantization.op_types_to_quantize or nodes_to_exclude leave it out; or use convolutions over time"
                )
        elif node.op_type in _INSTEAD:
            yield f"{_node_text(node)} has no int8 form; {_INSTEAD[node.op_type]}"
        elif node.op_type in LINEAR:
            for name in node.input[:2]:
                maker = made_by.get(name)
                if name in constants or maker is None or maker.op_type != "DequantizeLinear":
                    yield f"{_node_text(node)} works in float on '{name}'; layers have to be int8"


def sums_are_of_integers(model: onnx.ModelProto) -> Iterator[str]:
    """Yield operands of sums and products after layers that are not quantized, as integer kernels require."""
    constants, made_by = initializers(model.graph), producers(model.graph)
    behind_layers: set[str] = set()
    for node in model.graph.node:
        inputs = [name for name in node.input if name and name not in constants]
        if node.op_type != "Shape" and (node.op_type in LINEAR or behind_layers & set(inputs)):
            behind_layers.update(node.output)
        real = [name for name in inputs if not _is_constant(name, constants, made_by)]
        if node.op_type in ("Add", "Sub", "Mul") and len(real) > 1 and behind_layers & set(real):
            for name in real:
                if name not in made_by or made_by[name].op_type != "DequantizeLinear":
                    yield f"{_node_text(node)} works in float on '{name}'; tensors that are added have to be int8"


def _is_constant(name: str, constants: Mapping[str, np.ndarray], made_by: Mapping[str, onnx.NodeProto]) -> bool:
    if name not in made_by:
        return name in constants
    return made_by[name].op_type == "Constant" or made_by[name].input[0] in constants


def known_operators(model: onnx.ModelProto) -> Iterator[str]:
    """All operators have to be among those that ST Edge AI reads."""
    for node in model.graph.node:
        if node.domain not in ("", "ai.onnx") or node.op_type not in ST_EDGE_AI:
            yield f"{_node_text(node)} is no operator that ST Edge AI reads"


def _node_text(node: onnx.NodeProto) -> str:
    domain = f"{node.domain}." if node.domain not in ("", "ai.onnx") else ""
    return f"operator {domain}{node.op_type} ('{node.name}')"

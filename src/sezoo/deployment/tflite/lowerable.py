"""Check that TensorFlow Lite has operators for a whole integer graph."""

from __future__ import annotations

from pathlib import Path

import onnx

from sezoo.base.errors import UserError
from sezoo.deployment.engine.conv import Conv
from sezoo.deployment.engine.expression import Expression
from sezoo.deployment.engine.integer_graph import IntegerGraph
from sezoo.deployment.engine.operators import Curve, Elementwise, LookupTable, Loop, Operator, Permute, Sweep
from sezoo.deployment.engine.qdq_reader import integer_graph_of
from sezoo.deployment.tflite.preparation import prepare_graph

__all__ = ["check_operators", "tflite_graph_of"]


def tflite_graph_of(model: onnx.ModelProto, path: Path) -> IntegerGraph:
    """Return the prepared integer graph of a static int8 model.

    Raises
    ------
    UserError : it is not a static int8 model, or it has an operator that TensorFlow Lite lacks.
    """
    graph = integer_graph_of(model, path)
    check_operators(graph, path)
    return prepare_graph(graph)


def check_operators(graph: IntegerGraph, path: Path) -> None:
    """Check that TensorFlow Lite has int8 operators for a whole graph.

    Raises
    ------
    UserError : it has not; the message names the tensor or operator, and what to do.
    """
    if graph.is_complex:
        raise UserError(
            f"{path} takes complex spectra, and a .tflite file is given magnitudes; deploy the model with "
            "deployment.backend: portable-c"
        )
    for operator in graph.operators:  # first what no other quantization would help
        if isinstance(operator, Loop | Sweep):
            raise UserError(
                f"{path}: recurrent layer '{operator.name}' has no operator in TensorFlow Lite that computes it as "
                "it was quantized; Cortex-M cores run it (deployment.backend: portable-c, benchmarking.targets: "
                "cortex-m55), or take a network of convolutions, such as utcn_live"
            )
    for operator in graph.operators:
        if not isinstance(operator, (Conv, Elementwise, LookupTable, Permute, Expression, Curve)):
            raise _not_in_int8(operator, path)
        unfolds = isinstance(operator, Permute) and (operator.index < 0).any()
        if unfolds or (isinstance(operator, Conv) and operator.rows > 1):
            raise UserError(
                f"{path}: '{operator.name}' unfolds a padded frame, or goes over several rows of one, for which "
                "TensorFlow Lite has no operator; deploy the model with deployment.backend: portable-c"
            )
    for tensor in graph.tensors:
        if tensor.bits != 8:
            raise UserError(
                f"{path}: tensor '{tensor.name}' has {tensor.bits} bits, and TensorFlow Lite has no convolution from "
                "int16 to int8; quantize the model with quantization.target: tflite"
            )
    for operator in graph.operators:
        if isinstance(operator, Expression | Curve):
            raise _not_in_int8(operator, path)


def _not_in_int8(operator: Operator, path: Path) -> UserError:
    return UserError(
        f"{path}: operator '{operator.name}' ({operator.kind}) computes in float32 or in 16 bits, for which "
        "TensorFlow Lite has no int8 operator; quantize every sum and product of it, or deploy the model with "
        "deployment.backend: portable-c"
    )

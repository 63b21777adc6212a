"""Operators that only move numbers about: they are run on the numbers of the items instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from sezoo.deployment.qdq_reader.nodes import Node, UnsupportedError
from sezoo.deployment.qdq_reader.values import Floats, Pending, Real

__all__ = ["MOVEMENTS", "moved"]

MOVEMENTS = {
    *("Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Slice", "Gather", "Split", "Concat", "Pad"),
    "Identity",
}


def moved(node: Node, values: Sequence[Real | Floats | Pending], opset: int) -> list[Real | Floats | Pending]:
    """What a movement makes of values of one kind: a value for each output.

    Raises
    ------
    UnsupportedError : its other inputs are no constants; it pads with anything but zeros; it puts together what is not
        rounded yet.
    """
    if len(values) > 1 and any(isinstance(value, Pending) for value in values):
        raise UnsupportedError(f"{node} reads a tensor that no QuantizeLinear has rounded")
    if len(values) == 1:
        (value,) = values
        parts = _run(node, [value.items], opset)
        return [replace(value, items=part) for part in parts]
    sources = tuple(source for value in values for source in value.sources)
    total = sum(source.size for source in sources)
    renumbered, offset = [], 0
    for value in values:
        frame, item = np.divmod(value.items, value.total)
        renumbered.append(np.where(value.items < 0, -1, frame * total + offset + item))
        offset += value.total
    (items,) = _run(node, renumbered, opset)
    return [type(values[0])(sources, items)]


def _run(node: Node, arrays: list[np.ndarray], opset: int) -> list[np.ndarray]:
    """The node on integers, by onnx's reference implementation."""
    constants = {}
    for position, name in enumerate(node.inputs):
        if (constant := node.constant(position)) is not None:
            constants[name] = constant
    names = list(dict.fromkeys(name for name in node.inputs if name and name not in constants))
    if len(names) != len(arrays) or (node.op_type != "Concat" and len(names) > 1):
        raise UnsupportedError(f"{node} has an operand that depends on the magnitudes")
    if node.op_type == "Pad":
        constants = _padding_with_nothing(node, constants)
    ends = [helper.make_tensor_value_info(name, onnx.TensorProto.INT64, None) for name in names]
    copy = onnx.NodeProto()
    copy.CopyFrom(node.proto)
    if node.op_type == "Pad" and len(copy.input) < 3:
        copy.input.append("nothing")
    outputs = [helper.make_tensor_value_info(name, onnx.TensorProto.INT64, None) for name in copy.output]
    weights = [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()]
    graph = helper.make_graph([copy], "movement", ends, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    feeds = dict(zip(names, arrays, strict=True))
    return [np.asarray(array, np.int64) for array in ReferenceEvaluator(model).run(None, feeds)]


def _padding_with_nothing(node: Node, constants: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    mode, value = node.attribute("mode", b"constant"), node.constant(2)
    if mode != b"constant" or (value is not None and value.any()):
        raise UnsupportedError(f"{node} pads with something else than zeros")
    name = node.inputs[2] if len(node.inputs) > 2 and node.inputs[2] else "nothing"
    return {**constants, name: np.array(-1, np.int64)}

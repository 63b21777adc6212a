"""Operators that only move or copy values; they are evaluated on item indices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import onnx
from onnx import helper, numpy_helper

from sezoo.deployment.engine.qdq_reader.nodes import Node, UnsupportedError, unrounded
from sezoo.deployment.engine.qdq_reader.values import (
    FloatView,
    MixedView,
    QuantizedView,
    UnroundedOutput,
    of_sources_in,
)
from sezoo.models.movements import RESHAPING, SELECTING

__all__ = ["MOVEMENTS", "fold_constants", "move"]

MOVEMENTS = {
    *(*RESHAPING, *SELECTING, "Concat", "DepthToSpace", "Expand", "Pad", "Resize", "ScatterElements", "ScatterND"),
    *("SpaceToDepth", "Tile", "Where"),
}

JOINING = {"Concat": (), "ScatterND": (1,), "ScatterElements": (1,), "Where": (0,)}
"""Operators that combine several tensors, with the positions of their other inputs."""


def move(
    node: Node, values: Sequence[QuantizedView | FloatView | MixedView | UnroundedOutput], opset: int
) -> list[QuantizedView | FloatView | MixedView | UnroundedOutput]:
    """Apply a movement to values of one kind, or to integers and states; return a value for each output.

    Raises
    ------
    UnsupportedError : the other inputs are not constant, the padding is not zero, or values to combine are not yet
        rounded.
    """
    if node.op_type == "Resize" and node.attribute("mode", b"nearest") != b"nearest":
        mode = node.attribute("mode", b"nearest").decode()
        raise UnsupportedError(f"{node} interpolates ({mode}); mode 'nearest' can be run")
    if len(values) > 1 and any(isinstance(value, UnroundedOutput) for value in values):
        raise unrounded(node)
    if len(values) == 1:
        (value,) = values
        parts = [_pad(node, value.items)] if node.op_type == "Pad" else _run(node, [value.items], opset)
        made = [replace(value, items=part) for part in parts]
        return [of_sources_in(each) for each in made] if isinstance(value, MixedView) else made
    sources = tuple(source for value in values for source in value.sources)
    total = sum(source.size for source in sources)
    renumbered, offset = [], 0
    for value in values:
        frame, item = np.divmod(value.items, value.total)
        renumbered.append(np.where(value.items < 0, -1, frame * total + offset + item))
        offset += value.total
    (items,) = _run(node, renumbered, opset)
    kinds = {type(value) for value in values}
    return [kinds.pop()(sources, items) if len(kinds) == 1 else of_sources_in(MixedView(sources, items))]


def fold_constants(node: Node, opset: int) -> list[np.ndarray]:
    """Evaluate a node whose inputs are all constants; return an array for each output."""
    return _evaluate(node, {}, opset)


def _run(node: Node, arrays: list[np.ndarray], opset: int) -> list[np.ndarray]:
    """Evaluate a node on arrays of item indices."""
    names = list(dict.fromkeys(name for name in node.inputs if name and node.constants.real(name) is None))
    feeds = dict(zip(names, arrays, strict=True))
    if node.op_type in JOINING and not any(node.inputs[place] in feeds for place in JOINING[node.op_type]):
        if node.attribute("reduction", b"none") != b"none":
            raise UnsupportedError(f"{node} adds to what is there; without a reduction it can be run")
        feeds |= _zeros(node)
    elif names != node.inputs[:1]:
        raise UnsupportedError(f"{node} has an operand that depends on the magnitudes")
    parts = _evaluate(node, feeds, opset)
    return [np.asarray(part, np.int64) for part in parts]


def _zeros(node: Node) -> dict[str, np.ndarray]:
    """Return the constant operands, which must be zeros, as arrays of the zero item -1."""
    joined = [name for place, name in enumerate(node.inputs) if place not in JOINING[node.op_type]]
    constants = {name: node.constants.real(name) for name in joined}
    found = {name: constant for name, constant in constants.items() if constant is not None}
    if any(constant.any() for constant in found.values()):
        raise UnsupportedError(f"{node} puts constants beside what comes from the magnitudes; zeros can be run")
    return {name: np.full(constant.shape, -1) for name, constant in found.items()}


def _evaluate(node: Node, feeds: dict[str, np.ndarray], opset: int) -> list[np.ndarray]:
    """Evaluate a node with onnx's reference implementation."""
    from onnx.reference import ReferenceEvaluator  # takes 0.1 s to import, and most models do not need it

    constants = {name: node.constant(position) for position, name in enumerate(node.inputs) if name not in feeds}
    weights = [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items() if name]
    inputs = [helper.make_tensor_value_info(name, onnx.TensorProto.INT64, None) for name in feeds]
    outputs = [helper.make_tensor_value_info(name, onnx.TensorProto.INT64, None) for name in node.proto.output]
    graph = helper.make_graph([node.proto], "movement", inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    return ReferenceEvaluator(model).run(None, feeds)


def _pad(node: Node, items: np.ndarray) -> np.ndarray:
    """Return a Pad's output: -1 for zeros, item indices for the other modes; negative pads crop."""
    mode, value = node.attribute("mode", b"constant").decode(), node.constant(2)
    if mode == "constant" and (np.any(value) if value is not None else node.attribute("value", 0.0)):
        raise UnsupportedError(f"{node} pads with something else than zeros; add the number behind a Pad of zeros")
    pads, axes = node.constant(1), node.constant(3)
    pads = np.asarray(node.attribute("pads", ()) if pads is None else pads, np.int64).reshape(2, -1)
    ends = np.zeros((2, items.ndim), np.int64)
    ends[:, np.arange(items.ndim) if axes is None else np.asarray(axes, np.int64)] = pads
    kept = tuple(
        slice(max(0, -first), size - max(0, -last)) for size, first, last in zip(items.shape, *ends, strict=True)
    )
    added = np.maximum(ends, 0).T
    return np.pad(items[kept], added, constant_values=-1) if mode == "constant" else np.pad(items[kept], added, mode)

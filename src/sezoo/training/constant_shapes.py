"""Reshapes and Pads by constants, where the exporter computes them from the input's shape at every call."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

from sezoo.models.onnx_session import open_session

__all__ = ["with_constant_shapes"]

BATCHES, FRAMES = (1, 2), (24, 37)
"""Of the two examples that show what a shape depends on."""

KINDS = {"Reshape": "shape", "Pad": "pads"}
"""Operators whose second input becomes a constant, and what it is called then."""

COPIED, INFERRED = 0, -1
"""ONNX's values in the shape of a Reshape, for an axis that is the input's and for one that the others leave."""


def with_constant_shapes(model: onnx.ModelProto, bins: int) -> onnx.ModelProto:
    """The model with constant shapes in all Reshapes that change nothing but known axes, and constant pads.

    Tracing leaves a Shape, Gather, Concat chain before each Reshape, which compilers for microcontrollers refuse and
    quantizers stumble over. The shapes are looked at for two batches and lengths: an axis in front that is the batch
    is copied, one other that follows the frames is inferred, and all others are what they always are. A shape that is
    anything else stays as it is.
    """
    made_by = {name: node for node in model.graph.node for name in node.output}
    known = {weight.name for weight in model.graph.initializer}
    known |= {name for name, node in made_by.items() if node.op_type == "Constant"}
    computed = [node for node in model.graph.node if node.op_type in KINDS and node.input[1] not in known]
    if not computed:
        return model
    first, second = _values(model, sorted({name for node in computed for name in node.input if name}), bins)
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    for node in changed.graph.node:
        if node.op_type not in KINDS or node.input[1] not in first:
            continue
        data, wanted = node.input[:2]
        if node.op_type == "Pad":
            constant = first[wanted] if np.array_equal(first[wanted], second[wanted]) else None
        else:
            batches = tuple(len(values[data]) if values[data].ndim else 0 for values in (first, second))
            constant = _constant(first[wanted], second[wanted], batches == BATCHES)
        if constant is not None:
            name = f"{node.output[0]}_{KINDS[node.op_type]}"
            changed.graph.initializer.append(numpy_helper.from_array(constant, name))
            node.input[1] = name
    del changed.graph.value_info[:]
    _without_dead_nodes(changed.graph)
    return changed


def _values(model: onnx.ModelProto, names: list[str], bins: int) -> list[dict[str, np.ndarray]]:
    """Those tensors' values for the two examples."""
    telling = onnx.ModelProto()
    telling.CopyFrom(model)
    told = {value.name for value in [*model.graph.input, *model.graph.output]}
    telling.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in told)
    session = open_session(telling)
    source = session.get_inputs()[0].name
    wanted = [name for name in names if name != source]
    values = []
    for batch, frames in zip(BATCHES, FRAMES, strict=True):
        example = np.ones((batch, bins, frames), np.float32)
        values.append({source: example, **dict(zip(wanted, session.run(wanted, {source: example}), strict=True))})
    return values


def _constant(first: np.ndarray, second: np.ndarray, batch_in_front: bool) -> np.ndarray | None:
    """What the shape is whatever the batch and the frames; None where that cannot be said in a Reshape.

    Parameters
    ----------
    batch_in_front : of what is reshaped: then it can be copied.
    """
    if first.shape != second.shape:
        return None
    shape, differ = first.copy(), first != second
    if batch_in_front and first.size and (first[0], second[0]) == BATCHES:
        shape[0], differ[0] = COPIED, False
    if differ.sum() > 1 or INFERRED in shape[~differ]:
        return None if differ.any() else shape
    shape[differ] = INFERRED
    return shape


def _without_dead_nodes(graph: onnx.GraphProto) -> None:
    """Drop what nobody uses any more, from the back."""
    used = {value.name for value in graph.output}
    living = []
    for node in reversed(graph.node):
        if used & set(node.output):
            living.append(node)
            used.update(node.input)
    del graph.node[:]
    graph.node.extend(reversed(living))
    weights = [weight for weight in graph.initializer if weight.name in used]
    del graph.initializer[:]
    graph.initializer.extend(weights)

"""Reshapes by constants, and whatever else the exporter computes from the input's shape at every call."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

from sezoo.models.onnx_file import graph_inputs
from sezoo.models.onnx_graph import UnusedNames, axes_of, copy_model, set_nodes
from sezoo.models.onnx_session import open_session
from sezoo.models.spectra import layout_of
from sezoo.models.states import magnitude_input, states_of

__all__ = ["with_constant_shapes"]

EXAMPLES = ((1, 24), (2, 37))
"""Batches and frames of the two examples that show what a shape depends on."""

BATCHES = tuple(batch for batch, _ in EXAMPLES)

COPIED, INFERRED = 0, -1
"""ONNX's values in the shape of a Reshape, for an axis that is the input's and for one that the others leave."""


def with_constant_shapes(model: onnx.ModelProto, multiple: int = 1) -> onnx.ModelProto:
    """The model with constant shapes in all Reshapes that change nothing but known axes, and other constants of shapes.

    Exporters leave a chain of Shape, Gather or Slice, and Concat before each Reshape, which compilers for
    microcontrollers refuse and quantizers stumble over. The shapes are looked at for two batches and lengths: an axis
    in front that is the batch is copied, one other that follows the frames is inferred, where more than one follows
    them those are copied that lie where they did, and all others are what they always are, as with a fixed length most
    are. A shape that is anything else stays as it is, and so does a model with states or of several inputs. What other
    operators read of shapes (the pads of a Pad, the scale of attention's scores) becomes a constant if it is the same
    for both.

    Parameters
    ----------
    multiple : of which the number of frames has to be one.
    """
    axes = axes_of(magnitude_input(model)) if len(graph_inputs(model)) == 1 and not states_of(model) else None
    layout = layout_of(axes)
    if layout is None or not isinstance(axes[layout.bins], int):
        return model
    made_by = {name: node for node in model.graph.node for name in node.output}
    known = {weight.name for weight in model.graph.initializer}
    known |= {name for name, node in made_by.items() if node.op_type == "Constant"}
    reshapes = [node for node in model.graph.node if node.op_type == "Reshape" and node.input[1] not in known]
    others = _read_of_shapes(model.graph, known)
    if not reshapes and not others:
        return model
    looked_at = sorted({name for node in reshapes for name in node.input} | others)
    of_batch, of_frames = axes[0], axes[layout.frames]
    shapes = [
        layout.axes(
            of_batch if isinstance(of_batch, int) else batch,
            axes[layout.bins],
            of_frames if isinstance(of_frames, int) else frames * multiple,
        )
        for batch, frames in EXAMPLES
    ]
    first, second = (_values(model, looked_at, shape) for shape in shapes)
    changed = copy_model(model)
    names = UnusedNames(changed.graph)
    constants: dict[str, str] = {}

    def constant(values: np.ndarray, name: str) -> str:
        name = names.new(name)
        changed.graph.initializer.append(numpy_helper.from_array(values, name))
        return name

    for name in sorted(others):
        if np.array_equal(first[name], second[name]):
            constants[name] = constant(first[name], f"{name}_constant")
    for node in changed.graph.node:
        if node.op_type == "Reshape" and node.input[1] not in known:
            data, wanted = node.input
            lengths = (_lengths(values[wanted], values[data].shape) for values in (first, second))
            shape = _constant(*lengths, first[data].shape, second[data].shape)
            if shape is not None:
                node.input[1] = constant(shape, f"{node.output[0]}_shape")
                _copy_axes(node)
        node.input[:] = [constants.get(name, name) for name in node.input]
    del changed.graph.value_info[:]
    _without_dead_nodes(changed.graph)
    return changed


def _copy_axes(node: onnx.NodeProto) -> None:
    """Have zeros in a Reshape's shape stand for the axes of its input; PyTorch's exporter says that they are zeros."""
    others = [entry for entry in node.attribute if entry.name != "allowzero"]
    del node.attribute[:]
    node.attribute.extend(others)


def _read_of_shapes(graph: onnx.GraphProto, known: set[str]) -> set[str]:
    """Names of the tensors that depend only on shapes and are read by an operator that also depends on values.

    Those of the shapes of Reshapes are left out, unless something else reads them. Pads may be computed of constants.
    """
    of_shapes = {node.input[1] for node in graph.node if node.op_type == "Pad" and len(node.input) > 1} - known
    for node in graph.node:
        inputs = {name for name in node.input if name}
        if node.op_type == "Shape" or (inputs & of_shapes and inputs <= of_shapes | known):
            of_shapes.update(node.output)
    return {
        name
        for node in graph.node
        if not set(node.output) <= of_shapes
        for place, name in enumerate(node.input)
        if name in of_shapes and (node.op_type, place) != ("Reshape", 1)
    }


def _values(model: onnx.ModelProto, names: list[str], shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Return the values of tensors for an example input of that shape."""
    probe = copy_model(model)
    known = {value.name for value in [*model.graph.input, *model.graph.output]}
    probe.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in known)
    session = open_session(probe)
    source = session.get_inputs()[0].name
    wanted = [name for name in names if name != source]
    example = np.ones(shape, np.float32)
    return {source: example, **dict(zip(wanted, session.run(wanted, {source: example}), strict=True))}


def _lengths(shape: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Return the lengths that a Reshape of `axes` to `shape` gives, those among them that it copies or infers."""
    lengths = shape.copy()
    for at in np.flatnonzero(shape == COPIED):
        lengths[at] = axes[at]
    lengths[shape == INFERRED] = np.prod(axes, dtype=np.int64) // max(1, np.prod(lengths[shape != INFERRED]))
    return lengths


def _constant(
    first: np.ndarray, second: np.ndarray, first_axes: tuple[int, ...], second_axes: tuple[int, ...]
) -> np.ndarray | None:
    """Return the shape that is valid for any batch and frames, or None if a Reshape cannot express it.

    Parameters
    ----------
    first_axes, second_axes : of what is reshaped, in both examples.
    """
    if first.shape != second.shape:
        return None
    shape, differ = first.copy(), first != second
    in_place = [
        at for at in np.flatnonzero(differ)
        if at < len(first_axes) and (first[at], second[at]) == (first_axes[at], second_axes[at])
    ]  # fmt: skip
    is_batch = 0 in in_place and (first[0], second[0]) == BATCHES
    copied = in_place if differ.sum() > 1 + is_batch else [0] if is_batch else []
    shape[copied], differ[copied] = COPIED, False
    if differ.sum() > 1 or INFERRED in shape[~differ]:
        return None if differ.any() or copied else shape
    shape[differ] = INFERRED
    return shape


def _without_dead_nodes(graph: onnx.GraphProto) -> None:
    """Remove unused nodes, from the last to the first."""
    used = {value.name for value in graph.output}
    living = []
    for node in reversed(graph.node):
        if used & set(node.output):
            living.append(node)
            used.update(node.input)
    set_nodes(graph, reversed(living))
    weights = [weight for weight in graph.initializer if weight.name in used]
    del graph.initializer[:]
    graph.initializer.extend(weights)

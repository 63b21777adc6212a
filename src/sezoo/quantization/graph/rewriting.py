"""Rewriting of a graph, node by node, with some operators replaced."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

import numpy as np
import onnx
from onnx import helper

from sezoo.models.onnx_graph import (
    UnusedNames,
    attribute,
    copy_model,
    copy_node,
    float_weights,
    initializers,
    keep_needed,
    layout,
    producers,
    readers,
    set_nodes,
    set_weights,
)
from sezoo.quantization.graph.linear_layers import behind_layers
from sezoo.quantization.graph.preparation import with_known_shapes

__all__ = ["Rewriter", "axes_of_reduction", "by_channel", "rewrite"]


class Rewriter:
    """The float graph's properties, and the part of the new graph written so far.

    Attributes
    ----------
    shapes, constants, weights, read_by, made_by : of the graph as it was, by the names of its tensors; `weights` are
        the constants in float32.
    kept : names of nodes that are to stay.
    behind_layers : names of the tensors that depend on a layer with weights, written anew or not.
    done : names of nodes that have gone into others.
    """

    def __init__(self, model: onnx.ModelProto, kept: Collection[str] = ()):
        self.model, self.kept = model, kept
        self.shapes, self.constants = layout(model), initializers(model.graph)
        self.weights = float_weights(model.graph)
        self.read_by, self.made_by = readers(model.graph), producers(model.graph)
        self.behind_layers = behind_layers(model.graph)
        self.outputs = {value.name for value in model.graph.output}
        self.done: set[str] = set()
        self._names = UnusedNames(model.graph)
        self._nodes: list[onnx.NodeProto] = []
        self._added: dict[str, np.ndarray] = {}

    def lengths(self, name: str) -> list[int | str]:
        """The axes of a tensor; none of one whose shape is not known."""
        return self.shapes.get(name, [])

    def only_reader(self, name: str) -> onnx.NodeProto | None:
        """The one node that reads a tensor; None where there are several, it is to stay, or the tensor is an output."""
        found = self.read_by.get(name, [])
        is_free = len(found) == 1 and name not in self.outputs and found[0].name not in self.kept
        return found[0] if is_free else None

    def constant(self, name: str, values: np.ndarray) -> str:
        """A constant of the new graph, by a name that nothing has yet."""
        name = self._names.new(name)
        self._added[name] = values
        return name

    def integers(self, name: str, *values: int) -> str:
        """A constant of whole numbers, such as the shape of a Reshape."""
        return self.constant(name, np.array(values, np.int64))

    def tensor(self, name: str) -> str:
        """A name for a tensor, that nothing has yet."""
        return self._names.new(name)

    def put(
        self, op_type: str, inputs: Sequence[str], output: str, name: str | None = None, **attributes: object
    ) -> str:
        """A node of the new graph; the name of its output."""
        name = self._names.new(f"{output}/{op_type}") if name is None else name
        self._nodes.append(helper.make_node(op_type, inputs, [output], name, **attributes))
        return output

    def keep(self, node: onnx.NodeProto) -> None:
        """A node of the graph as it was, or one made elsewhere."""
        self._nodes.append(copy_node(node))

    def finish(self) -> onnx.ModelProto:
        """The new model."""
        changed = copy_model(self.model)
        set_nodes(changed.graph, self._nodes)
        set_weights(changed.graph, self._added)
        keep_needed(changed.graph)
        return with_known_shapes(changed)


Form = Callable[[Rewriter, onnx.NodeProto], bool]
"""Writes other operators for a node, and says whether it has; without that it has written nothing."""


def rewrite(model: onnx.ModelProto, forms: Iterable[Form], kept: Collection[str] = ()) -> onnx.ModelProto:
    """The model with the first form that fits each node; the argument itself where none fits any.

    Parameters
    ----------
    model : float, with known shapes and node names.
    kept : names of nodes to leave as they are.
    """
    rewriter, forms, is_changed = Rewriter(model, kept), tuple(forms), False
    for node in model.graph.node:
        if node.name in rewriter.done:
            continue
        if node.name not in kept and any(form(rewriter, node) for form in forms):
            is_changed = True
        else:
            rewriter.keep(node)
    return rewriter.finish() if is_changed else model


def axes_of_reduction(graph: Rewriter, node: onnx.NodeProto) -> list[int]:
    """The axes of a ReduceMean or a ReduceSum, in order; none where they are not known."""
    dimensions = len(graph.lengths(node.input[0]))
    axes = attribute(node, "axes", None)
    if axes is None and len(node.input) > 1 and node.input[1]:
        axes = graph.constants.get(node.input[1])
    return sorted({int(axis) % dimensions for axis in axes}) if axes is not None and dimensions else []


def by_channel(graph: Rewriter, node: onnx.NodeProto, source: str, shape: Sequence[int | str]) -> np.ndarray | None:
    """(channels,) float32 of the constant beside `source`, where it is one number for each channel on axis 1."""
    others = [graph.weights.get(name) for name in node.input if name != source]
    if len(others) != 1 or others[0] is None or not isinstance(shape[1], int):
        return None
    wanted = [shape[1], *[1] * (len(shape) - 2)]
    given = list(others[0].shape)
    return others[0].reshape(-1) if given in (wanted, [1, *wanted]) else None

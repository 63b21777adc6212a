"""Channels that must be scaled together for a network to compute the same, determined from the graph.

Between two layers that multiply, a channel may be scaled by any positive factor: ReLU and its like are positively
homogeneous, f(s x) = s f(x), so the factor can be put into the weights before and taken out of those behind (Nagel et
al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019). Here every channel of every
tensor is a vertex, every operator ties the channels that must share a factor, and the connected components are what
can be scaled freely. What an operator does not let through is tied to a vertex whose factor is 1.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import numpy_helper

from sezoo.models.onnx_graph import attribute, layout

__all__ = ["ChannelTies", "channel_ties", "connected_components"]

HOMOGENEOUS = {"Relu", "LeakyRelu", "PRelu", "Identity", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"}
"""Operators of one activation whose outputs scale with it, channel by channel."""


@dataclass(frozen=True)
class ChannelTies:
    """The classes of channels that share a factor.

    Attributes
    ----------
    classes : of each channel of a tensor, (channels,) int; class 0 cannot be scaled.
    axis : of a tensor's channels, counted from the end.
    summed : classes of which a channel is added to another: the streams of residual networks.
    """

    classes: Mapping[str, np.ndarray]
    axis: Mapping[str, int]
    summed: frozenset[int]


def channel_ties(model: onnx.ModelProto) -> ChannelTies:
    """The ties of a model with known shapes."""
    ties = _Ties(model)
    for value in model.graph.input:
        ties.fix(value.name)
    for node in model.graph.node:
        if not ties.tie_node(node):
            for name in (*node.input, *node.output):
                ties.fix(name)
    for value in model.graph.output:
        ties.fix(value.name)
    return ties.result()


@dataclass
class _Ties:
    """The vertices of the tensors seen so far, and the edges between them; vertex 0 is the factor 1."""

    model: onnx.ModelProto
    vertices: dict[str, np.ndarray] = field(default_factory=dict)
    axis: dict[str, int] = field(default_factory=dict)
    fixed: set[str] = field(default_factory=set)
    edges: list[np.ndarray] = field(default_factory=list)
    sums: list[np.ndarray] = field(default_factory=list)
    by_weight: dict[str, list[tuple[np.ndarray, np.ndarray]]] = field(default_factory=lambda: defaultdict(list))
    count: int = 1

    def __post_init__(self) -> None:
        self.layout = layout(self.model)
        self.constants = {weight.name: weight for weight in self.model.graph.initializer}

    def result(self) -> ChannelTies:
        labels = connected_components(self.count, np.concatenate([np.zeros((2, 0), int), *self.edges], axis=1))
        labels = np.where(labels == labels[0], 0, labels + 1)
        summed = {int(label) for vertices in self.sums for label in labels[vertices]}
        classes = {name: labels[vertices] for name, vertices in self.vertices.items()}
        axis = {name: self.axis[name] - len(self.layout[name]) for name in classes}
        return ChannelTies(classes, axis, frozenset(summed))

    def fix(self, name: str) -> None:
        """No channel of this tensor may be scaled."""
        if name in self.vertices:
            self._tie(self.vertices[name], np.zeros_like(self.vertices[name]))
        self.fixed.add(name)

    def tie_node(self, node: onnx.NodeProto) -> bool:
        """Add what an operator ties; False if it lets no factor through, in the way it is used here."""
        match node.op_type:
            case "Conv" | "ConvTranspose":
                return self._tie_layer(node, axis=1)
            case "MatMul" | "Gemm":
                weight = self.constants.get(node.input[1])
                plain = attribute(node, "alpha", 1.0) == attribute(node, "beta", 1.0) == 1
                fits = weight is not None and len(weight.dims) == 2 and plain and not attribute(node, "transA", 0)
                return fits and self._tie_layer(node, axis=-1)
            case "Add" | "Sum":
                return self._tie_sum(node)
            case "Concat":
                return self._tie_parts(node.output[0], node.input, attribute(node, "axis", 0))
            case "Split":
                return self._tie_parts(node.input[0], node.output, attribute(node, "axis", 0))
            case "Transpose":
                return self._tie_transpose(node)
            case "Pad" | "Slice":
                return self._tie_cut(node)
            case "Squeeze" | "Unsqueeze":
                return self._tie_reshaped(node)
            case kind if kind in HOMOGENEOUS:
                return self._tie_equal(node.input[0], node.output[0])
        return False

    def _tie(self, first: np.ndarray, second: np.ndarray) -> None:
        self.edges.append(np.stack([first, second]))

    def _channels(self, name: str, axis: int) -> np.ndarray | None:
        """The vertices of a tensor's channels along this axis; None where that cannot be."""
        shape = self.layout.get(name)
        if shape is None or not -len(shape) <= axis < len(shape):
            return None
        axis %= len(shape)
        if name not in self.vertices:
            if not isinstance(shape[axis], int) or shape[axis] < 1:
                return None
            self.vertices[name], self.axis[name] = self.count + np.arange(shape[axis]), axis
            self.count += shape[axis]
            if name in self.fixed:
                self.fix(name)
        return self.vertices[name] if self.axis[name] == axis else None

    def _tie_layer(self, node: onnx.NodeProto, axis: int) -> bool:
        """Its weights take any factors; those of a weight that several layers share have to be the same."""
        if any(name and name not in self.constants for name in node.input[1:]):
            return False
        ends = self._channels(node.input[0], axis), self._channels(node.output[0], axis)
        if any(end is None for end in ends):
            return False
        for weight in node.input[1:]:
            for others in self.by_weight[weight]:
                if any(len(end) != len(other) for end, other in zip(ends, others, strict=True)):
                    return False
                for end, other in zip(ends, others, strict=True):
                    self._tie(end, other)
            self.by_weight[weight].append(ends)
        return True

    def _tie_equal(self, source: str, target: str, axis: int | None = None) -> bool:
        """`target` has the channels of `source`, along `axis` if that is another."""
        if source not in self.vertices:
            return False
        given, made = self.vertices[source], self._channels(target, self.axis[source] if axis is None else axis)
        if made is None or len(made) != len(given):
            return False
        self._tie(given, made)
        return True

    def _tie_sum(self, node: onnx.NodeProto) -> bool:
        addends = [name for name in node.input if name not in self.constants]
        known = next((name for name in addends if name in self.vertices), None)
        if known is None:
            return False
        axis = self.axis[known] - len(self.layout[known])  # from the end: broadcasting aligns there
        ends = [self._channels(name, axis) for name in (*addends, node.output[0])]
        if any(end is None or len(end) != len(ends[0]) for end in ends):
            return False
        for end in ends[1:]:
            self._tie(ends[0], end)
        if len(addends) > 1:
            self.sums.append(ends[0])
        return all(self._is_channelwise(name, axis, len(ends[0])) for name in node.input if name in self.constants)

    def _is_channelwise(self, constant: str, axis: int, channels: int) -> bool:
        """Whether a constant can be scaled channel by channel as it is stored, or holds zeros only."""
        dims = list(self.constants[constant].dims)
        return len(dims) >= -axis and dims[axis] == channels

    def _tie_parts(self, whole: str, parts: list[str], axis: int) -> bool:
        """Tensors side by side along an axis, be it that of the channels or another."""
        known = next((name for name in (whole, *parts) if name in self.vertices), None)
        if known is None or any(name in self.constants for name in (whole, *parts)):
            return False
        channel_axis = self.axis[known]
        ends = [self._channels(name, channel_axis) for name in parts]
        all_ = self._channels(whole, channel_axis)
        if all_ is None or any(end is None for end in ends):
            return False
        if axis % len(self.layout[whole]) == channel_axis:
            together = np.concatenate(ends)
            if len(together) != len(all_):
                return False
            self._tie(all_, together)
            return True
        if any(len(end) != len(all_) for end in ends):
            return False
        for end in ends:
            self._tie(all_, end)
        return True

    def _tie_transpose(self, node: onnx.NodeProto) -> bool:
        source = node.input[0]
        if source not in self.vertices:
            return False
        permutation = list(attribute(node, "perm", list(reversed(range(len(self.layout[source]))))))
        return self._tie_equal(source, node.output[0], permutation.index(self.axis[source]))

    def _tie_cut(self, node: onnx.NodeProto) -> bool:
        """Pad and Slice along other axes than the channels', padding with zeros."""
        source, target = node.input[0], node.output[0]
        if source not in self.vertices or target not in self.layout:
            return False
        if node.op_type == "Pad" and attribute(node, "mode", b"constant") == b"constant":
            value = node.input[2] if len(node.input) > 2 else ""
            if value and (value not in self.constants or numpy_helper.to_array(self.constants[value]).any()):
                return False
        elif node.op_type == "Slice":  # a backward slice keeps the number of channels and not their order
            axes = self._whole_numbers(node, 3)
            if axes is None or self.axis[source] in [axis % len(self.layout[source]) for axis in axes]:
                return False
        return self._tie_equal(source, target)

    def _tie_reshaped(self, node: onnx.NodeProto) -> bool:
        source, target = node.input[0], node.output[0]
        axes = attribute(node, "axes", None) or self._whole_numbers(node, 1)
        if source not in self.vertices or axes is None or target not in self.layout:
            return False
        longer = target if node.op_type == "Unsqueeze" else source
        inserted = {axis % len(self.layout[longer]) for axis in axes}
        kept = [axis for axis in range(len(self.layout[longer])) if axis not in inserted]  # by position in the shorter
        if node.op_type == "Unsqueeze":
            return self._tie_equal(source, target, kept[self.axis[source]])
        return self.axis[source] in kept and self._tie_equal(source, target, kept.index(self.axis[source]))

    def _whole_numbers(self, node: onnx.NodeProto, index: int) -> list[int] | None:
        """A constant input of integers; None if it is none, or is left out."""
        name = node.input[index] if len(node.input) > index else ""
        return numpy_helper.to_array(self.constants[name]).tolist() if name in self.constants else None


def connected_components(count: int, edges: np.ndarray) -> np.ndarray:
    """What `scipy.sparse.csgraph.connected_components` gives for an undirected graph, without its slow import.

    Parameters
    ----------
    count : of vertices.
    edges : the numbers of the two vertices of each, (2, edges) integers.

    Returns
    -------
    labels : of each vertex's component, (count,), numbered from 0 in the order of their first vertices.
    """
    lowest = np.arange(count)  # of the vertices that are known to be connected with one
    while True:
        ends = lowest[edges]
        lower = lowest.copy()
        for end in ends:
            np.minimum.at(lower, end, ends.min(axis=0))
        while not np.array_equal(further := lower[lower], lower):
            lower = further
        if np.array_equal(lower, lowest):
            return np.unique(lowest, return_inverse=True)[1]
        lowest = lower  # at least half of those that can become lower have

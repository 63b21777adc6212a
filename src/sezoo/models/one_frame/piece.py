"""The model of a piece while it is being written: its nodes, its states, and the zeros before the first frame."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import helper, numpy_helper

from sezoo.models.frame_axes import FrameTrace
from sezoo.models.onnx_graph import UnusedNames, copy_model, copy_node, producers, readers, set_weights

__all__ = ["END", "Piece", "set_attribute"]

END = np.iinfo(np.int64).max
"""Of a Slice: up to the last one."""


@dataclass
class Piece:
    """A copy of a model of whole clips that becomes one of a piece, node by node.

    Attributes
    ----------
    model : of whole clips; it is not changed.
    traced : which axis of its tensors are frames.
    padding : by the name of a tensor, how many frames of zeros the model of whole clips has before its first one, which
        that of a piece has not.
    states : state outputs by state inputs.
    nodes : those written so far, in order; what a node needs before it is put here first.
    behind : those that come right behind the node that is being written.
    late : tensors some frames late, by the names of those that they are made of and the frames.
    """

    model: onnx.ModelProto
    traced: FrameTrace
    padding: dict[str, int] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    behind: list[onnx.NodeProto] = field(default_factory=list)
    late: dict[tuple[str, int], str] = field(default_factory=dict)

    def __post_init__(self):
        self.written = copy_model(self.model)
        self.graph, self.names = self.written.graph, UnusedNames(self.written.graph)
        self.made_by = producers(self.model.graph)
        self._read_by = readers(self.model.graph)
        self._outputs = {value.name for value in self.model.graph.output}
        del self.graph.node[:], self.graph.value_info[:]

    def axis(self, name: str) -> int | None:
        """The axis of a tensor's frames; None where it has none."""
        return self.traced.axes.get(name)

    def value(self, name: str) -> np.ndarray:
        """A tensor as it was in a run of the model of whole clips: constants, and the shapes of all others."""
        return self.traced.values[name]

    def is_used(self, name: str) -> bool:
        """Whether a node reads a tensor, or it is an output of the model."""
        return bool(self._read_by[name]) or name in self._outputs

    def new_state(self, node: onnx.NodeProto, what: str, shape: tuple[int, ...]) -> tuple[str, str]:
        """Add a state to the graph, and return the names of its input and its output."""
        stem = (node.name or node.output[0]).strip("/").replace("/", ".")
        source = self.names.new(f"{stem}.{what}")
        target = self.names.new(f"{source}_out")
        self.graph.input.append(helper.make_tensor_value_info(source, onnx.TensorProto.FLOAT, shape))
        self.graph.output.append(helper.make_tensor_value_info(target, onnx.TensorProto.FLOAT, shape))
        self.states[source] = target
        return source, target

    def constant(self, name: str, values: np.ndarray) -> str:
        """Add a constant to the graph, and return the name that it got."""
        name = self.names.new(name)
        self.graph.initializer.append(numpy_helper.from_array(values, name))
        return name

    def slice_of(self, source: str, target: str, axis: int, start: int, end: int) -> onnx.NodeProto:
        """A node that cuts frames out of a tensor."""
        constants = {"start": start, "end": end, "axis": axis}
        names = {key: self.names.new(f"{target}.{key}") for key in constants}
        set_weights(self.graph, {names[key]: np.array([value], np.int64) for key, value in constants.items()})
        name = self.names.new(f"{target}.slice")
        return helper.make_node("Slice", [source, *names.values()], [target], name)

    def rounded_again(self, source: str, joined: str) -> str:
        """Quantize the past and the new frames of a tensor again, if it is one of an int8 model.

        That is exact for dequantized integers, and what reads them runs on integers.
        """
        chain: list[onnx.NodeProto] = []
        for kind in reversed(("QuantizeLinear", "DequantizeLinear")):
            node = self.made_by.get(chain[-1].input[0] if chain else source)
            if node is None or node.op_type != kind:
                return joined
            chain.append(node)
        for node in reversed(chain):
            copy = copy_node(node)
            copy.input[0], copy.output[0] = joined, self.names.new(f"{joined}.{node.op_type}")
            copy.name = self.names.new(f"{copy.output[0]}.node")
            self.nodes.append(copy)
            joined = copy.output[0]
        return joined


def set_attribute(node: onnx.NodeProto, name: str, value: object) -> None:
    """Set an attribute of a node."""
    kept = [entry for entry in node.attribute if entry.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute(name, value)])

"""The model that onnxruntime's quantizer edits, with an index of its nodes and of its initializers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableSequence
from dataclasses import dataclass
from typing import Any

import onnx
from onnxruntime.quantization import base_quantizer, qdq_quantizer
from onnxruntime.quantization.onnx_model import ONNXModel
from onnxruntime.quantization.quant_utils import find_by_name as onnxruntime_find_by_name

__all__ = ["IndexedModel"]

Index = dict[str, list[onnx.NodeProto]]
"""Nodes by the names of tensors."""


@dataclass(frozen=True)
class Initializers:
    """The constants of a model, with an index of them: of those of one name the first."""

    listed: Iterable[onnx.TensorProto]
    by_name: Mapping[str, onnx.TensorProto]

    def __iter__(self) -> Iterator[onnx.TensorProto]:
        """Those that the model has now."""
        return iter(self.listed)


def find_by_name(name: str, items: Iterable[Any]) -> Any | None:
    """What has a name, as onnxruntime's function of that name finds it, which goes through all for each."""
    if isinstance(items, Initializers):
        return items.by_name.get(name)
    return onnxruntime_find_by_name(name, items)


base_quantizer.find_by_name = qdq_quantizer.find_by_name = find_by_name
# There is no other way to have it asked: the quantizers' methods of hundreds of lines call it.


class IndexedModel(ONNXModel):
    """Replacement for onnxruntime's class that does not scan all nodes and initializers for each edit.

    A quantizer makes an edit or two for each tensor, so that its time grew with the square of the nodes.
    """

    def __init__(self, model: onnx.ModelProto):
        super().__init__(model)
        self._readers: Index = {}
        self._makers: Index = {}
        for node in model.graph.node:
            self._index(node)
        self._initializers = {tensor.name: tensor for tensor in reversed(model.graph.initializer)}
        self._constants = Initializers(model.graph.initializer, self._initializers)
        for tensor in model.graph.initializer:
            self._check_init(tensor)

    def input_name_to_nodes(self) -> Index:
        """Nodes by the tensors that they read, one as often as it reads the tensor; to be looked at only."""
        return self._readers

    def initializer(self) -> Initializers:
        """The constants."""
        return self._constants

    def get_initializer(self, name: str) -> onnx.TensorProto | None:
        """The initializer of a name."""
        return self._initializers.get(name)

    def add_initializer(self, tensor: onnx.TensorProto) -> None:
        """Add one, unless there is one of its name."""
        if tensor.name not in self._initializers:
            self.initializer_extend([tensor])

    def initializer_extend(self, inits: Iterable[onnx.TensorProto]) -> None:
        """Add some."""
        for tensor in inits:
            self.model.graph.initializer.append(self._check_init(tensor))
            self._initializers.setdefault(tensor.name, self.model.graph.initializer[-1])

    def remove_initializer(self, tensor: onnx.TensorProto) -> None:
        """Remove one, and the input of its name."""
        super().remove_initializer(tensor)
        self._initializers.pop(tensor.name, None)

    def add_node(self, node: onnx.NodeProto) -> None:
        """Add a node behind the others."""
        super().add_node(node)
        self._index(self.model.graph.node[-1])  # a copy

    def remove_node(self, node: onnx.NodeProto) -> None:
        """Remove a node, if it is there."""
        super().remove_node(node)
        for index, names in ((self._readers, node.input), (self._makers, node.output)):
            for name in names:
                _remove(index, name, node)

    def replace_node_input(self, node: onnx.NodeProto, old_input_name: str, new_input_name: str) -> None:
        """Have a node read another tensor."""
        _rename(self._readers, node, node.input, old_input_name, new_input_name)

    def replace_input_of_all_nodes(self, old_input_name: str, new_input_name: str) -> None:
        """Have all that read a tensor read another one."""
        for node in tuple(self._readers.get(old_input_name, ())):
            self.replace_node_input(node, old_input_name, new_input_name)

    def replace_input_of_nodes(self, old_input_name: str, new_input_name: str, node_names_set: set[str]) -> None:
        """Have those that read a tensor and have one of these names read another one."""
        for node in tuple(self._readers.get(old_input_name, ())):
            if node.name in node_names_set:
                self.replace_node_input(node, old_input_name, new_input_name)

    def replace_output_of_all_nodes(self, old_output_name: str, new_output_name: str) -> None:
        """Have what makes a tensor make one of another name."""
        for node in tuple(self._makers.get(old_output_name, ())):
            _rename(self._makers, node, node.output, old_output_name, new_output_name)

    def _index(self, node: onnx.NodeProto) -> None:
        for index, names in ((self._readers, node.input), (self._makers, node.output)):
            for name in filter(None, names):
                index.setdefault(name, []).append(node)


def _rename(index: Index, node: onnx.NodeProto, names: MutableSequence[str], old: str, new: str) -> None:
    """Put a new name in the place of an old one, wherever it stands among the names of a node."""
    if old == new:
        return
    for place, name in enumerate(names):
        if name == old:
            names[place] = new
            _remove(index, old, node)
            index.setdefault(new, []).append(node)


def _remove(index: Index, name: str, node: onnx.NodeProto) -> None:
    """Take a node out of those of a name, once; names of none are not there."""
    left = index.get(name, [])
    place = next((place for place, each in enumerate(left) if each is node), None)
    if place is not None:
        del left[place]
    if not left:
        index.pop(name, None)

"""The model that onnxruntime's quantizer edits, with an index of its nodes and of its initializers."""

from __future__ import annotations

from collections.abc import Iterable

import onnx
from onnxruntime.quantization.onnx_model import ONNXModel

__all__ = ["IndexedModel"]


class IndexedModel(ONNXModel):
    """Replacement for onnxruntime's class that does not scan all nodes and initializers for each edit.

    A quantizer makes an edit or two for each tensor, so that its time grew with the square of the nodes.
    """

    def __init__(self, model: onnx.ModelProto):
        super().__init__(model)
        self._readers = self.input_name_to_nodes()
        self._initializers = {tensor.name: tensor for tensor in reversed(model.graph.initializer)}
        for tensor in model.graph.initializer:
            self._check_init(tensor)

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
        added = self.model.graph.node[-1]  # a copy
        for name in filter(None, added.input):
            self._readers.setdefault(name, []).append(added)

    def replace_node_input(self, node: onnx.NodeProto, old_input_name: str, new_input_name: str) -> None:
        """Have a node read another tensor."""
        if old_input_name != new_input_name and old_input_name in node.input:
            ONNXModel.replace_node_input(node, old_input_name, new_input_name)
            self._readers.setdefault(new_input_name, []).append(node)

    def replace_input_of_all_nodes(self, old_input_name: str, new_input_name: str) -> None:
        """Have all that read a tensor read another one."""
        for node in tuple(self._readers.get(old_input_name, ())):  # some may have been given another one since
            self.replace_node_input(node, old_input_name, new_input_name)

    def replace_input_of_nodes(self, old_input_name: str, new_input_name: str, node_names_set: set[str]) -> None:
        """Have those that read a tensor and have one of these names read another one."""
        for node in tuple(self._readers.get(old_input_name, ())):
            if node.name in node_names_set:
                self.replace_node_input(node, old_input_name, new_input_name)

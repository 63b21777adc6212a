"""onnxruntime's QDQ quantizer without its loop over the channels of weights whose biases fit in 32 bits anyway."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization.base_quantizer import QuantizationParams
from onnxruntime.quantization.operators.activation import QDQRemovableActivation
from onnxruntime.quantization.operators.conv import QDQConv
from onnxruntime.quantization.operators.direct_q8 import QDQDirect8BitOp
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer, QDQQuantTensorType, QDQTensorQuantInfo
from onnxruntime.quantization.quant_utils import (
    ONNX_TYPE_TO_NP_TYPE,
    add_infer_metadata,
    model_has_infer_metadata,
)
from onnxruntime.quantization.registry import QDQRegistry

from sezoo.models.onnx_graph import attribute
from sezoo.quantization.graph.indexed_model import IndexedModel

__all__ = ["Quantizer"]

LEVELS = float(np.iinfo(np.int32).max) - float(np.iinfo(np.int32).min + 1)
"""Between the lowest and the highest integer of a bias."""

MARGIN = 1.0001
"""By which onnxruntime has the scale of a bias larger than it must be."""

LARGEST_IN_MEMORY = 2**30
"""Bytes of a model whose shapes are inferred without a file; protobuf holds twice as much."""


class Quantizer(QDQQuantizer):
    """The quantizer. It writes the same, but for what onnxruntime's cannot do.

    Those are the layers of `_with_one_scale`, and operators that have only their activations rounded.

    Attributes
    ----------
    activations_alone : types of such operators, see `sezoo.quantization.plan.Plan`.
    """

    activations_alone: frozenset[str] = frozenset()

    def __init__(self, model: onnx.ModelProto, *arguments: Any):
        """Take a model, which stays as it is, and what `QDQQuantizer` takes behind it."""
        if not model_has_infer_metadata(model) and model.ByteSize() < LARGEST_IN_MEMORY:
            # As onnxruntime does by a file in a temporary folder.
            model = onnx.shape_inference.infer_shapes(model)
            add_infer_metadata(model)
        super().__init__(model, *arguments)

    def calc_graph_quant_params(self) -> dict[str, Any]:
        """Scales and zero points of the activations, which is the first thing that goes through the graph."""
        self.model = IndexedModel(self.model.model)
        return super().calc_graph_quant_params()

    def is_input_a_initializer(self, input_name: str) -> bool:
        """Whether a tensor is a constant."""
        return self.model.get_initializer(input_name) is not None

    def quantize_model(self) -> onnx.ModelProto:
        """The QDQ model."""
        self._quantize_moved_tensors()
        for node in self.model.nodes():
            if node.op_type not in self.activations_alone or not super().should_quantize_node(node):
                continue
            for name in (*node.input, *node.output):
                if name and name not in self.initializers:
                    self.quantize_activation_tensor(name)
            for name in node.input:
                self.tensor_to_its_receiving_nodes.setdefault(name, []).append(node)
        return super().quantize_model()

    def _quantize_moved_tensors(self) -> None:
        """Tensors that are moved, and rounded by a later reader, have to be rounded before the first of their readers.

        Going through the nodes in order, onnxruntime leaves a mover in float whose input no node before it rounds.
        """
        if not self.activations_alone:
            return
        moved = {node.input[0] for node in self.model.nodes() if QDQRegistry.get(node.op_type) is QDQDirect8BitOp}
        for node in self.model.nodes():
            kind = QDQRegistry.get(node.op_type)
            if kind in (QDQDirect8BitOp, QDQRemovableActivation) or not super().should_quantize_node(node):
                continue
            for name in node.input[:1] if kind is QDQConv else node.input:
                if name in moved and name not in self.initializers:
                    self.quantize_activation_tensor(name)

    def should_quantize_node(self, node: onnx.NodeProto) -> bool:
        """Whether onnxruntime has to do it."""
        return node.op_type not in self.activations_alone and super().should_quantize_node(node)

    @cached_property
    def _with_one_scale(self) -> set[str]:
        """Weights whose channels are not those of the biases beside them, which take over their scales.

        A LayerNormalization over bins and channels has a bias of several axes. A transposed convolution in groups has
        the channels of one group along an axis of its weights.
        """
        found = set()
        for node in self.model.nodes():
            weight = self.initializers.get((*node.input, "", "")[1])
            if weight is None:
                continue
            if (node.op_type == "LayerNormalization" and len(weight.dims) > 1) or (
                node.op_type == "ConvTranspose" and attribute(node, "group", 1) > 1
            ):
                found.add(weight.name)
        return found

    def is_tensor_per_channel(
        self, tensor_name: str, default_axis: int, op_type: str | None = None
    ) -> tuple[bool, int | None]:
        """Whether a weight has a scale for each channel, and the axis of those."""
        if tensor_name in self._with_one_scale:
            return False, None
        return super().is_tensor_per_channel(tensor_name, default_axis, op_type)

    def _calc_initializer_quant_params(self) -> dict[str, QuantizationParams]:
        """Scales and zero points of the constants; those that the overrides have for channels are taken all at once."""
        wanted = self.tensors_to_quantize
        constants = {name: info for name, info in wanted.items() if self.is_input_a_initializer(name)}
        given = {name: self._given_by_channel(name, info) for name, info in constants.items()}
        given = {name: values for name, values in given.items() if values is not None}
        self.tensors_to_quantize = {name: info for name, info in constants.items() if name not in given}
        try:
            return super()._calc_initializer_quant_params() | given
        finally:
            self.tensors_to_quantize = wanted

    def _given_by_channel(self, name: str, info: QDQTensorQuantInfo) -> QuantizationParams | None:
        """The scales and zero points that the overrides have for a weight's channels; None where they have none."""
        overrides, weight = self.tensor_quant_overrides, self.model.get_initializer(name)
        if info.tensor_type is not QDQQuantTensorType.WEIGHT or not overrides.overrides_scale_zp(name):
            return None
        entries = overrides[name]
        axis = entries[0].get("axis", -1)
        if not 0 <= axis < len(weight.dims):
            return None
        kind = entries[0]["quant_type"].tensor_type if "quant_type" in entries[0] else self.weight_qType
        scale_type = onnx.helper.tensor_dtype_to_np_dtype(weight.data_type)
        return QuantizationParams(
            zero_point=np.array([entry["zero_point"] for entry in entries], ONNX_TYPE_TO_NP_TYPE[kind]),
            scale=np.array([entry["scale"] for entry in entries], scale_type),
            quant_type=kind,
            axis=axis,
        )

    def _adjust_weight_scale_for_int32_bias(
        self,
        input_scale: np.ndarray,
        weight_scale: np.ndarray,
        weight_name: str,
        bias_tp: onnx.TensorProto,
        is_per_channel: bool,
    ) -> tuple[bool, np.ndarray | None]:
        """Larger scales of weights, where the scale of a bias would be too small for its values.

        onnxruntime's own method is asked only where there is such a channel, which is rare: going through thousands
        of channels one by one takes longer than all the rest.
        """
        if is_per_channel and weight_scale.ndim == 1 and weight_scale.size:
            smallest = MARGIN * (2.0 * np.abs(onnx.numpy_helper.to_array(bias_tp))) / np.float64(LEVELS)
            scales = np.float64(np.asarray(input_scale).item()) * weight_scale.astype(np.float64)
            if smallest.shape == scales.shape and not np.any((scales < smallest) & (scales > 0)):
                return False, weight_scale
        return super()._adjust_weight_scale_for_int32_bias(
            input_scale, weight_scale, weight_name, bias_tp, is_per_channel
        )

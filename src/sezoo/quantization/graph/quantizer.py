"""onnxruntime's QDQ quantizer without its loop over the channels of weights whose biases fit in 32 bits anyway."""

from __future__ import annotations

import numpy as np
import onnx
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

__all__ = ["Quantizer"]

LEVELS = float(np.iinfo(np.int32).max) - float(np.iinfo(np.int32).min + 1)
"""Between the lowest and the highest integer of a bias."""

MARGIN = 1.0001
"""By which onnxruntime has the scale of a bias larger than it must be."""


class Quantizer(QDQQuantizer):
    """The quantizer; what it writes is the same."""

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

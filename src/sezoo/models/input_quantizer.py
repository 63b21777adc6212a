"""The input quantizer of an int8 model, read from the graph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper

from sezoo.models.states import inputs_besides_states

__all__ = ["InputQuantizer", "input_quantizer_of"]


@dataclass(frozen=True)
class InputQuantizer:
    """The scale and zero point that turn magnitudes into integers of `low` to `high`."""

    scale: np.float32
    zero_point: int
    low: int
    high: int

    def rounded_half_away(self, values: np.ndarray) -> np.ndarray:
        """Round as the board's C does: ``saturate(roundf(value / scale + zero_point))``.

        Parameters
        ----------
        values : float32 of any shape

        Returns
        -------
        rounded : what the integers stand for, float32. A QuantizeLinear that gets it gives just these integers.
        """
        exact = values / self.scale + np.float32(self.zero_point)
        whole = np.trunc(exact)
        # Not trunc(exact + 0.5): in float32 that rounds 0.49999997 up.
        whole += np.copysign(np.float32(1), exact) * (np.abs(exact - whole) >= np.float32(0.5))
        integers = np.clip(whole, self.low, self.high)
        return ((integers - np.float32(self.zero_point)) * self.scale).astype(np.float32, copy=False)


def input_quantizer_of(model: onnx.ModelProto) -> InputQuantizer | None:
    """The quantizer of the model's input, or None where the input is used in float, or in several ways."""
    source, *others = inputs_besides_states(model)
    readers = [node for node in model.graph.node if source.name in node.input]
    constants = {weight.name: weight for weight in model.graph.initializer}
    if others or len(readers) != 1 or readers[0].op_type != "QuantizeLinear":
        return None
    (_, scale, zero_point) = (*readers[0].input, "")[:3]
    if scale not in constants or (zero_point and zero_point not in constants):
        return None
    scale = numpy_helper.to_array(constants[scale])
    zero = numpy_helper.to_array(constants[zero_point]) if zero_point else np.zeros((), np.uint8)
    if scale.size != 1 or not np.issubdtype(zero.dtype, np.integer):
        return None
    limits = np.iinfo(zero.dtype)
    return InputQuantizer(np.float32(scale.item()), int(zero.item()), int(limits.min), int(limits.max))

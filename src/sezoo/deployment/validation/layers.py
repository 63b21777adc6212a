"""What the PC computed for a few patches, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

__all__ = ["Layer", "Vectors"]


@dataclass(frozen=True)
class Layer:
    """A tensor between two layers, or an end of the model.

    Attributes
    ----------
    name : of the float tensor.
    made_by : type and name of the node; "input" for the model's inputs.
    aliases : what else it may be called: the quantized tensor, the dequantized ones, the node.
    values : (samples, ...) integers, or float32 where it is not quantized.
    scale : of its quantizer; None in float.
    """

    name: str
    made_by: str
    aliases: tuple[str, ...]
    values: np.ndarray
    scale: float | None
    zero_point: int

    @property
    def step(self) -> float:
        """What one LSB is worth; of a tensor in float the 255th part of its range."""
        if self.scale is not None:
            return self.scale
        return float(np.ptp(self.values)) / 255 or 1.0

    @property
    def steps(self) -> np.ndarray:
        """The values in LSB, with 0 where the real value is 0: float64."""
        if self.scale is not None:
            return self.values.astype(np.float64) - self.zero_point
        return self.values.astype(np.float64) / self.step

    @property
    def real(self) -> np.ndarray:
        """The real values, float32."""
        if self.scale is None:
            return self.values
        return ((self.values.astype(np.float32) - np.float32(self.zero_point)) * np.float32(self.scale)).astype(
            np.float32
        )


@dataclass(frozen=True)
class Vectors:
    """What the PC computed.

    Attributes
    ----------
    layers : in graph order, the inputs first.
    inputs, outputs : names of the layers that are the model's ends, in the graph's order.
    mask : name of the layer that is the mask.
    frames : of a patch.
    """

    path: Path
    model: str
    layers: tuple[Layer, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    mask: str
    frames: int

    def layer(self, name: str) -> Layer:
        """The layer of that name."""
        return next(layer for layer in self.layers if layer.name == name)

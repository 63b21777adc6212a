"""The PC's results for a few patches, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

__all__ = ["Layer", "Vectors"]


@dataclass(frozen=True)
class Layer:
    """An intermediate tensor, or an input or output of the model.

    Attributes
    ----------
    name : name of the float tensor.
    made_by : type and name of the node; "input" for the model's inputs.
    aliases : other names: the quantized tensor, the dequantized ones, the node.
    values : (samples, ...) integers, or float32 if not quantized.
    scale : scale of its quantizer; None for float.
    """

    name: str
    made_by: str
    aliases: tuple[str, ...]
    values: np.ndarray
    scale: float | None
    zero_point: int

    @property
    def step(self) -> float:
        """Real value of one LSB; for a float tensor 1/255 of its range."""
        if self.scale is not None:
            return self.scale
        return float(np.ptp(self.values)) / 255 or 1.0

    @property
    def steps(self) -> np.ndarray:
        """The values in LSB, float64, 0 for the real value 0."""
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
    """The PC's results.

    Attributes
    ----------
    layers : layers in graph order, inputs first.
    inputs, outputs : names of the model's inputs and outputs, in the graph's order.
    mask : name of the mask's layer.
    frames : number of frames of a patch.
    """

    path: Path
    model: str
    layers: tuple[Layer, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    mask: str
    frames: int

    def layer(self, name: str) -> Layer:
        """Return the layer of that name."""
        return next(layer for layer in self.layers if layer.name == name)

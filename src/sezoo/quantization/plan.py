"""The plan of an int8 model: the float graph, the ranges, and exceptions for tensors and operators."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import onnx

from sezoo.quantization.calibration.options import Ranges
from sezoo.quantization.graph.wide_tensors import inputs_of_norms
from sezoo.quantization.recurrent.expansion import float_nodes, int16_tensors

__all__ = ["Grid", "Plan"]


class Grid(NamedTuple):
    """Quantization grid of a tensor: float32 scales and integer zero points, () or, along `axis`, (channels,)."""

    scale: np.ndarray
    zero_point: np.ndarray
    axis: int | None = None


@dataclass(frozen=True)
class Plan:
    """A float model and all that its int8 model is written from; a step of accuracy recovery makes a new one.

    Attributes
    ----------
    model : float; nobody changes it.
    exact : the same graph computing what the user's model does: its layers' outputs are what int8 aims at.
    ranges : of every activation that goes in or comes out of the operators.
    op_types : types of the operators to quantize.
    activations_alone : those among them whose activations are rounded, while their constants stay in float.
    weight_scales : of weights that are multiples of them already: (channels,) or () float32 and the channels' axis.
    int16 : names of activations that get 16 bits.
    in_float : names of nodes that are not quantized, whatever their type.
    int8_input : whether the model's input is rounded to 8 bits even where nothing that reads it is quantized.
    input_floor : the least that float operators are given of the rounded input, as a share of its step.
    fixed_ranges : names of activations whose ranges are part of a transform.
    grids : of activations and weights whose integers are fixed already, whatever the ranges and the weights are.
    unrounded : whether operators in float are given what other operators in float make as it is, though one in int8
        rounds it for itself; onnxruntime gives the rounded tensor to all that read it.
    """

    model: onnx.ModelProto
    exact: onnx.ModelProto
    ranges: Ranges
    op_types: tuple[str, ...]
    weight_scales: Mapping[str, tuple[np.ndarray, int]] = field(default_factory=dict)
    int16: frozenset[str] = frozenset()
    in_float: frozenset[str] = frozenset()
    fixed_ranges: frozenset[str] = frozenset()
    int8_input: bool = False
    unrounded: bool = False
    input_floor: float = 0.0
    activations_alone: frozenset[str] = frozenset()
    grids: Mapping[str, Grid] = field(default_factory=dict)

    def is_in_float(self, node: onnx.NodeProto) -> bool:
        """Whether a node of the model is not to be quantized."""
        return node.op_type not in self.op_types or node.name in self.in_float

    def with_int16_activations(self, names: Collection[str]) -> Plan:
        """These activations in 16 bits, and in twice the range, which costs one bit of the eight that are won."""
        names = (self.ranges.keys() & names) - self.int16 - self.fixed_ranges
        wider = {name: tuple(2 * end for end in self.ranges[name]) for name in names}
        return replace(self, ranges={**self.ranges, **wider}, int16=self.int16 | names)

    @classmethod
    def initial(
        cls,
        model: onnx.ModelProto,
        ranges: Ranges,
        op_types: Iterable[str],
        in_float: frozenset[str] = frozenset(),
        activations_alone: frozenset[str] = frozenset(),
    ) -> Plan:
        """The plain int8 model's plan; recurrent layers and norms have 16 bits, and twice the range, where need be."""
        wide = int16_tensors(model)
        if "LayerNormalization" in activations_alone:
            wide |= inputs_of_norms(model)
        wider = {name: tuple(2 * end for end in ranges[name]) for name in wide & ranges.keys()}
        return cls(
            model,
            model,
            {**ranges, **wider},
            tuple(op_types),
            int16=wide,
            in_float=in_float | float_nodes(model),
            activations_alone=activations_alone,
        )

"""A QDQ graph as a torch network: weights in float behind their rounding, and the scales of that as parameters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import onnx
import torch
from onnx import helper
from torch import nn

from sezoo.base.errors import UserError
from sezoo.models.onnx_graph import attribute, float_weights, initializers, node_label, producers, readers
from sezoo.models.states import magnitude_input, mask_output
from sezoo.training.quantization_aware.operator_types import Attributes, Inputs
from sezoo.training.quantization_aware.operators import OPERATORS
from sezoo.training.quantization_aware.rounding import fake_quantize, fake_quantize_bias

__all__ = ["QuantizedNetwork"]

LEARNED = {
    **dict.fromkeys(("Conv", "ConvTranspose", "Gemm"), (1, 2)), "MatMul": (0, 1), "PRelu": (1,),
    **dict.fromkeys(("LSTM", "GRU"), (1, 2, 3)), "LayerNormalization": (1, 2), "InstanceNormalization": (1, 2),
    "BatchNormalization": (1, 2),
}  # fmt: skip
"""Which inputs of which operators hold what a network has learned, where they are constants; other constants stay."""

LIMITS = {"int4": (-8, 7), "uint4": (0, 15), "int8": (-128, 127), "uint8": (0, 255)}
LIMITS |= {"int16": (-32768, 32767), "uint16": (0, 65535)}

Grids = dict[str, tuple[np.ndarray, np.ndarray, int | None]]


@dataclass(frozen=True)
class _Node:
    """A node of the graph: an operator of these tensors, or the rounding of the first of them by these grids.

    Attributes
    ----------
    grids : of the tensor itself; or of the input and of the weights, to which a bias is rounded.
    beta : the factor of a bias.
    done : names of tensors that no later node reads.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    op_type: str = ""
    attributes: Attributes = field(default_factory=dict)
    grids: tuple[str, ...] = ()
    beta: float = 1.0
    done: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Grid:
    """A quantizer, by its tensor's name: the axis of its channels, or None, and the integers that there are."""

    name: str
    axis: int | None
    zero_point: np.ndarray
    limits: tuple[int, int]


class QuantizedNetwork(nn.Module):
    """The masks that an int8 model makes, up to the rounding of sums in float32, with gradients to train it by.

    Weights are those of the float model; batch norms are part of them. Scales are trained as their logarithms (Jain
    et al., "Trained quantization thresholds", MLSys 2020); zero points stay.

    Parameters
    ----------
    float_model : whose weights are trained.
    int8_model : QDQ, its weights in float with their quantizers behind them.
    fixed : names of tensors whose scales stay as they are; None for all of them.
    constants : arrays that are not to be trained, though they are where weights are.

    Raises
    ------
    UserError : an operator that is not known here; nothing to train.
    """

    def __init__(
        self, float_model: onnx.ModelProto, int8_model: onnx.ModelProto, fixed: frozenset[str] | None = frozenset(),
        constants: Iterable[np.ndarray] = (),
    ):  # fmt: skip
        super().__init__()
        graph = int8_model.graph
        _check_operators(graph)
        self.source, self.mask = magnitude_input(int8_model).name, mask_output(int8_model).name
        self._weights = float_weights(float_model.graph)
        self._arrays = self._weights | initializers(graph)  # of biases the int8 model has integers only
        self._made_by, self._read_by = producers(graph), readers(graph)
        self.grids = {grid.name: grid for grid in map(self._grid, graph.node) if grid is not None}
        learned = self.learned = _learned_names(float_model, constants)
        self.weights = nn.ParameterDict(
            {_key(name): nn.Parameter(_tensor(self._weights[name])) for name in sorted(learned)}
        )
        if not self.weights:
            raise UserError("training.quantization_aware: the model has no weights to train")
        self.log_scales, self.scales = nn.ParameterDict(), nn.Module()
        for name, grid in self.grids.items():
            scale = _tensor(self._arrays[f"{name}_scale"])
            frozen = fixed is None or name in fixed or (name in self._weights and name not in learned)
            if frozen:
                self.scales.register_buffer(_key(name), scale)
            else:
                self.log_scales[_key(name)] = nn.Parameter(scale.log())
            self.register_buffer(f"zero_points/{_key(name)}", _tensor(grid.zero_point.astype(np.float32)))
        self.nodes = _with_ends([each for each in map(self._node, graph.node) if each is not None], self.mask)
        read = {name for node in self.nodes for name in node.inputs} - learned
        self.constant_names = [name for name in self._arrays if name in read]
        for name in self.constant_names:
            self.register_buffer(f"constants/{_key(name)}", _tensor(self._arrays[name]), persistent=False)
        del self._arrays, self._made_by, self._read_by, self._weights

    # -- the graph --------------------------------------------------------------------------------------

    def _grid(self, node: onnx.NodeProto) -> _Grid | None:
        if node.op_type != "QuantizeLinear":
            return None
        name = node.input[1].removesuffix("_scale")
        zero_point = self._arrays[node.input[2]] if len(node.input) > 2 else np.zeros((), np.uint8)
        kind = zero_point.dtype.name
        scale = self._arrays[node.input[1]]
        axis = next((each.i for each in node.attribute if each.name == "axis"), 1) if scale.ndim else None
        if name == node.input[1] or kind not in LIMITS:
            raise UserError(
                f"training.quantization_aware: {node_label(node)} rounds to {kind}, which is not known here"
            )
        return _Grid(name, axis, zero_point.astype(np.int32), LIMITS[kind])

    def _node(self, node: onnx.NodeProto) -> _Node | None:
        if node.op_type == "QuantizeLinear":
            return None  # with its DequantizeLinear
        if node.op_type == "DequantizeLinear":
            return self._rounding(node)
        attributes = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
        if node.op_type == "Constant":
            self._arrays[node.output[0]] = onnx.numpy_helper.to_array(attributes["value"])
            return None
        attributes["outputs"] = len(node.output)
        return _Node(tuple(node.input), tuple(node.output), node.op_type, attributes)

    def _rounding(self, node: onnx.NodeProto) -> _Node:
        before = self._made_by.get(node.input[0])
        if before is not None:
            grids = (before.input[1].removesuffix("_scale"),)
            return _Node((before.input[0],), tuple(node.output), grids=grids)
        (layer,) = {each.name: each for each in self._read_by[node.output[0]]}.values()
        grids = tuple(
            self._made_by[self._made_by[name].input[0]].input[1].removesuffix("_scale") for name in layer.input[:2]
        )
        beta = attribute(layer, "beta", 1.0)
        return _Node((node.input[0].removesuffix("_quantized"),), tuple(node.output), grids=grids, beta=beta)

    # -- computing --------------------------------------------------------------------------------------

    def forward(self, magnitude: torch.Tensor) -> torch.Tensor:
        """Magnitudes (batch, bins, frames) to a mask of the same shape."""
        values = {name: self.get_buffer(f"constants/{_key(name)}") for name in self.constant_names}
        values |= {self.source: magnitude, "": None}
        for node in self.nodes:
            inputs = [values[name] if name in values else self.weights[_key(name)] for name in node.inputs]
            results = self._results(node, inputs)
            values.update(zip(node.outputs, results, strict=False))  # a node may leave its last outputs out
            for name in node.done:
                del values[name]
        return values[self.mask]

    def _results(self, node: _Node, inputs: Inputs) -> Sequence[torch.Tensor]:
        if len(node.grids) == 1:
            return (self._round(node.grids[0], inputs[0]),)
        if node.grids:
            scales = [self._scale(name) for name in node.grids]
            return (fake_quantize_bias(inputs[0], (scales[0] * scales[1] * node.beta).detach()),)
        results = OPERATORS[node.op_type](inputs, node.attributes)
        return (results,) if isinstance(results, torch.Tensor) else results

    def _scale(self, name: str) -> torch.Tensor:
        key = _key(name)
        return self.log_scales[key].exp() if key in self.log_scales else self.scales.get_buffer(key)

    def _round(self, name: str, x: torch.Tensor) -> torch.Tensor:
        grid, scale, zero_point = self.grids[name], self._scale(name), self._zero_point(name)
        if grid.axis is not None:
            shape = [-1 if axis == grid.axis % x.ndim else 1 for axis in range(x.ndim)]
            scale, zero_point = scale.reshape(shape), zero_point.reshape(shape)
        return fake_quantize(x, scale, zero_point, grid.limits)

    def _zero_point(self, name: str) -> torch.Tensor:
        return self.get_buffer(f"zero_points/{_key(name)}")

    # -- what it has learned ----------------------------------------------------------------------------

    def learned_weights(self) -> dict[str, np.ndarray]:
        """The trained weights by their names in the float model."""
        return {name: _array(self.weights[_key(name)]) for name in self.learned}

    def learned_grids(self) -> Grids:
        """Scale, zero point and axis of each quantizer, by the names of the tensors."""
        return {name: (_array(self._scale(name)), grid.zero_point, grid.axis) for name, grid in self.grids.items()}


def _check_operators(graph: onnx.GraphProto) -> None:
    for node in graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear", "Constant"):
            continue
        if node.domain not in ("", "ai.onnx") or node.op_type not in OPERATORS:
            raise UserError(
                f"training.quantization_aware: {node_label(node)} cannot be trained; known are "
                f"{', '.join(sorted(OPERATORS))}"
            )


def _with_ends(nodes: Sequence[_Node], kept: str) -> list[_Node]:
    """Return the nodes, each with the tensors that are unused after it."""
    later, found = {kept}, []
    for node in reversed(nodes):
        made_here = {name for name in node.outputs if name and name not in later}
        made_before = {name for name in node.inputs if name not in later}
        later |= made_here | made_before
        found.append((node, made_here, made_before))
    made = {name for node in nodes for name in node.outputs}
    return [replace(node, done=tuple((here | before) & made - {""})) for node, here, before in reversed(found)]


def _learned_names(model: onnx.ModelProto, constants: Iterable[np.ndarray]) -> set[str]:
    """Return the names of the trained initializers: weights of layers, and constants added after them."""
    weights, read_by = float_weights(model.graph), readers(model.graph)
    found = {
        name
        for node in model.graph.node
        for position, name in enumerate(node.input)
        if name in weights and position in LEARNED.get(node.op_type, ())
    }
    for node in model.graph.node:
        if node.op_type == "MatMul" and found & set(node.input):
            behind = [each for each in read_by[node.output[0]] if each.op_type == "Add"]
            found |= {name for each in behind for name in each.input if name in weights}
    given = {_content(array) for array in constants if np.unique(array).size > 1}  # zeros are like any others
    return {name for name in found if _content(weights[name]) not in given}


def _content(array: np.ndarray) -> bytes:
    """Return a key that is equal for arrays of the same numbers in any order, as exporting transposes some."""
    return np.sort(np.asarray(array, np.float32), axis=None).tobytes()


def _key(name: str) -> str:
    """A tensor's name as torch allows it for a parameter."""
    return name.replace(".", "|") or "|"


def _tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.array(array))


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy().copy()  # it is trained on

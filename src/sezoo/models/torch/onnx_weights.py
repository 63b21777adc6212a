"""Weights of a float ONNX model, put back into the torch network that it was exported from."""

from __future__ import annotations

import logging
from collections import deque
from pathlib import Path
from typing import NoReturn

import numpy as np
import onnx
import torch
from torch import nn

from sezoo.base.errors import UserError
from sezoo.base.shipped import model_text
from sezoo.models.contract import check_contract
from sezoo.models.mask_model import MaskModel
from sezoo.models.onnx_file import load_onnx, quantized_nodes
from sezoo.models.onnx_graph import float_weights, node_label
from sezoo.models.spectra import random_input

__all__ = ["load_onnx_weights"]

log = logging.getLogger(__name__)

AGREEMENT = 1e-3
"""Largest difference between the masks of the file and of the network with its weights."""

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d, nn.ConvTranspose2d)
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
GATES = {"GRU": (1, 0, 2), "LSTM": (0, 2, 3, 1)}
"""The place of each of torch's gates among ONNX's: r, z, n among z, r, h, and i, f, g, o among i, o, f, c."""

OPERATORS = {"Conv", "ConvTranspose", "GRU", "LSTM", "BatchNormalization", "PRelu"}
"""Those with weights that the layers below have."""


def load_onnx_weights(network: nn.Module, path: Path, magnitudes: np.ndarray | None = None) -> None:
    """Load the weights of a float ONNX model into the network that it was exported from, or one with the same layers.

    Layers are matched in the order in which they are computed. Batch norms that the export folded into the convolution
    before them are unfolded: each gets the mean and the variance that its input has for `magnitudes` as its statistics,
    and gives them back by its weight and bias, so that the network computes what the file does.
    Where it does not, because it has another look-ahead or another level, say, the log warns: training can start there.

    Parameters
    ----------
    network : maps magnitudes (batch, bins, frames) to masks; it is left in evaluation mode.
    path : of the model.
    magnitudes : (clips, bins, frames) float32, of recordings where the network is to be trained further; None takes
        random ones, which do for a network that is only run.

    Raises
    ------
    UserError : no float mask model, or one with other layers or other shapes than the network has.
    """
    model = load_onnx(path)
    bins = _bins(model, path)
    if magnitudes is None:
        magnitudes = random_input(0, (2, bins, 40))
    network.eval()
    with torch.inference_mode():
        layers = _layers_in_order(network, torch.from_numpy(magnitudes[:1, :, :8]))
        loading = _Loading(model, path)
        loading.load(layers)
        _unfold(network, loading.folded, torch.from_numpy(magnitudes))
        mask = network(torch.from_numpy(magnitudes)).numpy()
    difference = float(np.abs(mask - MaskModel(model, path)(magnitudes)).max())
    if difference > AGREEMENT:
        log.warning(
            "%s: the network has its weights, but its masks differ by up to %.2g: model_specific is not what the "
            "model was trained with (look-ahead, level, activations?)",
            model_text(path), difference,
        )  # fmt: skip


def _bins(model: onnx.ModelProto, path: Path) -> int:
    if quantized_nodes(model):
        raise UserError(f"model.state_dict_path: {path} is an int8 model; weights are taken from its float model")
    contract = check_contract(model, path)
    if contract.states:
        raise UserError(
            f"model.state_dict_path: {path} takes one frame a call; weights are taken from the model of whole clips"
        )
    return contract.bins


def _layers_in_order(network: nn.Module, magnitude: torch.Tensor) -> list[tuple[str, nn.Module]]:
    """Layers with weights of their own, by name, in the order in which they are computed."""
    layers: list[tuple[str, nn.Module]] = []
    hooks = [
        layer.register_forward_hook(lambda layer, _, __, name=name: layers.append((name, layer)))
        for name, layer in network.named_modules()
        if next(layer.parameters(recurse=False), None) is not None
    ]
    network(magnitude)
    for hook in hooks:
        hook.remove()
    return layers


class _Loading:
    """The weights of a model, given to layer after layer.

    Attributes
    ----------
    folded : batch norms whose scale is in the convolution before them, with the bias that is left to them.
    """

    def __init__(self, model: onnx.ModelProto, path: Path):
        self.path = path
        self.weights = float_weights(model.graph)
        self.nodes = deque(node for node in model.graph.node if node.op_type in OPERATORS)
        self.folded: list[tuple[nn.Module, torch.Tensor]] = []

    def load(self, layers: list[tuple[str, nn.Module]]) -> None:
        """Give each layer the weights of the next operators."""
        before: tuple[nn.Module, torch.Tensor] | None = None
        for name, layer in layers:
            bias = None
            if isinstance(layer, CONVOLUTIONS):
                bias = self._convolution(name, layer)
            elif isinstance(layer, nn.GRU | nn.LSTM):
                self._recurrent(name, layer)
            elif isinstance(layer, BATCH_NORMS):
                self._batch_norm(name, layer, before)
            elif isinstance(layer, nn.PReLU):
                self._copy(name, layer.weight, self._values(self._next(name, "PRelu"), 1))
            else:
                raise UserError(
                    f"model.state_dict_path: weights of {name}, a {type(layer).__name__}, are not read from ONNX; give "
                    "torch weights (.pth)"
                )
            before = None if bias is None else (layer, bias)
        if self.nodes:
            self._does_not_fit(f"{node_label(self.nodes[0])} has no layer in the network")

    def _convolution(self, name: str, layer: nn.Module) -> torch.Tensor:
        """Load a convolution, and return its bias."""
        node = self._next(name, "ConvTranspose" if "Transpose" in type(layer).__name__ else "Conv")
        self._copy(name, layer.weight, self._values(node, 1))
        bias = self._values(node, 2) if len(node.input) > 2 else np.zeros(layer.out_channels, np.float32)
        if layer.bias is not None:
            self._copy(name, layer.bias, bias)
        return torch.from_numpy(bias.copy())

    def _batch_norm(self, name: str, layer: nn.Module, before: tuple[nn.Module, torch.Tensor] | None) -> None:
        if self.nodes and self.nodes[0].op_type == "BatchNormalization":
            node = self._next(name, "BatchNormalization")
            parts = (layer.weight, layer.bias, layer.running_mean, layer.running_var)
            for index, tensor in enumerate(parts, 1):
                self._copy(name, tensor, self._values(node, index))
            return
        if before is None:
            self._does_not_fit(f"it has no batch norm {name}, and no convolution into which it can be folded")
        convolution, bias = before
        if convolution.bias is not None:
            convolution.bias.zero_()
        self.folded.append((layer, bias))

    def _recurrent(self, name: str, layer: nn.GRU | nn.LSTM) -> None:
        kind = type(layer).__name__
        for number in range(layer.num_layers):
            node = self._next(name, kind)
            weights, recurrent, biases = (self._values(node, index) for index in (1, 2, 3))
            size = layer.hidden_size
            for direction in range(2 if layer.bidirectional else 1):
                suffix = f"_l{number}{'_reverse' if direction else ''}"
                parts = {
                    "weight_ih": weights[direction], "weight_hh": recurrent[direction],
                    "bias_ih": biases[direction][: len(biases[direction]) // 2],
                    "bias_hh": biases[direction][len(biases[direction]) // 2 :],
                }  # fmt: skip
                for part, values in parts.items():
                    gates = [values[gate * size : (gate + 1) * size] for gate in GATES[kind]]
                    self._copy(name, getattr(layer, part + suffix), np.concatenate(gates))

    def _next(self, name: str, kind: str) -> onnx.NodeProto:
        found = self.nodes.popleft() if self.nodes else None
        if found is None or found.op_type != kind:
            there = f"{node_label(found)}, a {found.op_type}" if found is not None else "nothing more"
            self._does_not_fit(f"where the network has {name}, a {kind}, the file has {there}")
        return found

    def _values(self, node: onnx.NodeProto, index: int) -> np.ndarray:
        if index >= len(node.input) or node.input[index] not in self.weights:
            self._does_not_fit(f"{node_label(node)} has no weights here, or computed ones")
        return self.weights[node.input[index]]

    def _copy(self, name: str, tensor: torch.Tensor, values: np.ndarray) -> None:
        if tensor.numel() != values.size or [n for n in tensor.shape if n > 1] != [n for n in values.shape if n > 1]:
            self._does_not_fit(f"{name} is {values.shape} in the file, but {tuple(tensor.shape)} in the network")
        tensor.copy_(torch.from_numpy(values.copy()).reshape(tensor.shape))

    def _does_not_fit(self, reason: str) -> NoReturn:
        raise UserError(
            f"model.state_dict_path: {self.path} does not fit the network: {reason}; set model_type and "
            "model_specific as the model was trained with"
        )


def _unfold(network: nn.Module, folded: list[tuple[nn.Module, torch.Tensor]], magnitudes: torch.Tensor) -> None:
    """Give batch norms the statistics of their inputs, which their weights and biases take back."""
    for norm, bias in folded:  # nothing but the bias
        norm.running_mean.zero_()
        norm.running_var.fill_(1 - norm.eps)
        norm.weight.fill_(1)
        norm.bias.copy_(bias)
    inputs: dict[nn.Module, torch.Tensor] = {}
    hooks = [
        norm.register_forward_pre_hook(lambda norm, given: inputs.__setitem__(norm, given[0])) for norm, _ in folded
    ]
    network(magnitudes)
    for hook in hooks:
        hook.remove()
    for norm, bias in folded:
        by_channel = inputs[norm].transpose(0, 1).flatten(1)
        mean, variance = by_channel.mean(1), by_channel.var(1)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.copy_(bias + mean)

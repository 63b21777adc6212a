"""Weights of a torch network, read from a file and matched to the network by name, or else by shape or by order."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from itertools import zip_longest
from pathlib import Path

import numpy as np
import torch
from torch import nn

from sezoo.base.errors import UserError
from sezoo.base.foreign_text import short_list
from sezoo.base.text import pluralize
from sezoo.models.torch.file import check_tensors, read_torch_file
from sezoo.models.torch.networks.stft_tcnn import WEIGHT_AXES, StftTcnn
from sezoo.models.torch.onnx_weights import load_onnx_weights

__all__ = ["load_weights"]

log = logging.getLogger(__name__)

StateDict = Mapping[str, torch.Tensor]

KEYS = ("state_dict", "model_state_dict", "model_state", "MODEL_STATE", "model")
"""Where training scripts keep the state dict in a checkpoint."""

STANDARD_NAMES = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}
"""What torch's own layers call their tensors: where both sides do, these are no matter of the implementation."""

SHOWN = 3
"""Names that a message lists."""


def load_weights(network: nn.Module, path: Path, magnitudes: np.ndarray | None = None) -> None:
    """Load a state dict, or the weights of a float ONNX model, into a network.

    The file holds a state dict, or a checkpoint with one under one of `KEYS`. A prefix that all names have and
    the network does not know (`module.`, `_orig_mod.`) is dropped. Every name must then be there, and no other.
    Where no name at all fits, but the tensors have the network's shapes in the network's order, they are taken in
    that order, and the log says so: another implementation of the same architecture saved them.

    An ONNX model's weights have lost their names: see `load_onnx_weights`.

    Only tensors and plain containers are read, never objects, so that a file cannot run code.

    Parameters
    ----------
    path : of what `torch.save` wrote, with tensors of any device, or of an ONNX model (`.onnx`).
    magnitudes : for an ONNX model's weights, see `load_onnx_weights`.

    Raises
    ------
    UserError : no such file, no torch file, damaged, no state dict in it, or not of this network.
    """
    if path.suffix.lower() == ".onnx":
        load_onnx_weights(network, path, magnitudes)
        return
    wanted = network.state_dict()
    found = _without_prefix(_state_dict(path), wanted)
    if found.keys() & wanted.keys():
        _check_names(network, found, wanted, path)
        _check_shapes(network, {name: (name, found[name]) for name in wanted}, wanted, path)
    else:
        found = _in_order(network, found, wanted, path)
    network.load_state_dict(found)


def _state_dict(path: Path) -> StateDict:
    content = _read(path)
    candidates = [content, *(content.get(key) for key in KEYS)] if isinstance(content, Mapping) else []
    for candidate in candidates:
        if (
            isinstance(candidate, Mapping)
            and candidate
            and all(isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in candidate.items())
        ):
            return candidate
    if isinstance(content, Mapping):
        holds = f"{pluralize(len(content), 'key')}{_first(map(str, content))}"
    else:
        holds = f"a {type(content).__name__}"
    raise UserError(
        f"{path}: there is no state dict in it: it holds {holds}; a state dict is needed, alone or as one of "
        f"{', '.join(KEYS)}"
    )


def _read(path: Path) -> object:
    if not path.is_file():
        raise UserError(f"there is no file {path} with torch weights")
    content = read_torch_file(path)
    check_tensors(content, path)
    return content


def _without_prefix(found: StateDict, wanted: StateDict) -> StateDict:
    """`found` without the first parts of its names that all share, if it fits by name then; else as it is."""
    names = list(found)
    while not wanted.keys() & set(names):
        first = {name.partition(".")[0] for name in names}
        if len(first) > 1 or not all("." in name for name in names):
            return found
        names = [name.partition(".")[2] for name in names]
    return dict(zip(names, found.values(), strict=True))


def _check_names(network: nn.Module, found: StateDict, wanted: StateDict, path: Path) -> None:
    missing = [name for name in wanted if name not in found]
    unexpected = [name for name in found if name not in wanted]
    if missing or unexpected:
        raise UserError(
            f"{path} does not fit the network: {len(missing)} of its {pluralize(len(wanted), 'tensor')} missing"
            f"{_first(missing)}, {len(unexpected)} unexpected{_first(unexpected)}{_layers_hint(network, found)}"
        )


def _check_shapes(
    network: nn.Module, found: Mapping[str, tuple[str, torch.Tensor]], wanted: StateDict, path: Path
) -> None:
    """`found` has for each name of the network the name in the file, and the tensor."""
    for name, tensor in wanted.items():
        file_name, file_tensor = found[name]
        if file_tensor.shape != tensor.shape:
            here = "" if file_name == name else f" {name}"
            raise UserError(
                f"{path} does not fit the network: {file_name} is {tuple(file_tensor.shape)} in the file, but"
                f"{here} {tuple(tensor.shape)} in the network{_shape_hint(network, name, file_tensor, tensor)}"
            )


def _in_order(network: nn.Module, found: StateDict, wanted: StateDict, path: Path) -> StateDict:
    """The tensors of the file under the network's names, first to first and so on."""
    if len(found) != len(wanted):
        _check_names(network, found, wanted, path)
    pairs = dict(zip(wanted, found.items(), strict=True))
    _check_shapes(network, pairs, wanted, path)
    for name, (file_name, _) in pairs.items():
        here, there = (text.rpartition(".")[2] for text in (name, file_name))
        if here != there and {here, there} <= STANDARD_NAMES:
            raise UserError(
                f"{path} does not fit the network: no name is the same, and where the network has {name} in its "
                f"order, the file has {file_name}"
            )
    log.warning(
        "%s: no name of a tensor is the network's, but all %d shapes are, in the same order (%s is taken as %s ...); "
        "they are loaded in that order",
        *(path, len(wanted), next(iter(found)), next(iter(wanted))),
    )
    return {name: tensor for name, (_, tensor) in pairs.items()}


def _first(names: Iterable[str]) -> str:
    """` (a, b, c and 9 more)`: the first few names."""
    names = list(names)
    return f" ({short_list(names, SHOWN)})" if names else ""


def _layers_hint(network: nn.Module, found: StateDict) -> str:
    if not isinstance(network, StftTcnn):
        return ""
    layers = len({name.split(".")[1] for name in found if name.startswith("net.")})
    if layers in (0, len(network.net)):
        return ""
    return (
        f"; the file has {pluralize(layers, 'residual layer')}, model_specific.n_blocks x num_layers makes "
        f"{len(network.net)}"
    )


def _shape_hint(network: nn.Module, name: str, found: torch.Tensor, wanted: torch.Tensor) -> str:
    if not isinstance(network, StftTcnn):
        return ""
    axes = WEIGHT_AXES.get(".".join(name.split(".")[-2:]), ())
    for key, there, here in zip_longest(axes, found.shape, wanted.shape):
        if key and there and there != here:
            return f"; model_specific.{key}: {there} would fit"
    return ""

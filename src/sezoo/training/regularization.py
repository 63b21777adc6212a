"""Weights and activations kept small, which makes the int8 model better."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import torch
from torch import nn

from sezoo.base.errors import UserError
from sezoo.base.text import closest_match
from sezoo.config.sections import Regularization

__all__ = ["ActivationPenalty", "clip_weights_"]

KEY = "training.regularization.act_reg_layer_types"
DEFAULT_TYPES = Regularization().act_reg_layer_types
"""Layers of the STFT-TCNN; a network of the user's own may have only some of them."""


@torch.no_grad()
def clip_weights_(network: nn.Module, maximum: float) -> None:
    """Limit every weight of the network to -maximum .. maximum, in place.

    The parameters called `weight` (in recurrent layers `weight_ih_l0` and so on), those of norms and of PReLU among
    them. Biases are left as they are: an int8 model holds them in 32 bits.
    """
    for name, parameter in network.named_parameters():
        if name.rpartition(".")[2].startswith("weight"):
            parameter.clamp_(-maximum, maximum)


class ActivationPenalty:
    """A penalty on large outputs of layers, which an int8 model would need a coarse scale for.

    Of each layer's output a the mean of ``relu(abs(a) - threshold)``, squared before the mean for "l2"; the penalty
    is the mean over the layers, so a layer counts the same however large its output is. A layer inside another one
    counts beside it. A layer that returns several tensors is represented by the first.

    Hooks watch the layers from the start until `close`, or until the end of a `with` block. A forward pass of the
    network forgets the one before it.

    Parameters
    ----------
    network : whose layers are watched.
    layer_types : class names of the layers. Where they are the configuration's default, the network need not have all.
    threshold : magnitude above which an output is penalised.
    penalty_type : "l1" or "l2".

    Raises
    ------
    UserError : the network has no layer of one of the types; with the default ones, of any.
    """

    def __init__(
        self, network: nn.Module, layer_types: Iterable[str], threshold: float, penalty_type: Literal["l1", "l2"]
    ):
        layer_types = set(layer_types)
        _check_types(network, layer_types)
        self.threshold = threshold
        self.exponent = {"l1": 1, "l2": 2}[penalty_type]
        self._penalties: list[torch.Tensor] = []
        self._hooks = [network.register_forward_pre_hook(self._forget)]
        for layer in network.modules():
            if type(layer).__name__ in layer_types:
                self._hooks.append(layer.register_forward_hook(self._note))

    def value(self) -> torch.Tensor:
        """The penalty of the last forward pass, a scalar with its gradient; 0 if no layer was run."""
        return torch.stack(self._penalties).mean() if self._penalties else torch.zeros(())

    def close(self) -> None:
        """Watch no longer."""
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()
        self._penalties.clear()

    def __enter__(self) -> ActivationPenalty:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _forget(self, *_: Any) -> None:
        self._penalties.clear()

    def _note(self, layer: nn.Module, inputs: Any, output: Any) -> None:
        while isinstance(output, list | tuple) and output:
            output = output[0]
        if isinstance(output, torch.Tensor) and output.is_floating_point():
            excess = torch.relu(output.float().abs() - self.threshold)  # half precision would overflow in the square
            self._penalties.append((excess**self.exponent).mean())


def _check_types(network: nn.Module, layer_types: set[str]) -> None:
    there = list(dict.fromkeys(type(layer).__name__ for layer in network.modules()))
    # By value, not by whether it was set: a run's resolved configuration has the default written out.
    if layer_types == set(DEFAULT_TYPES):
        if layer_types.isdisjoint(there):
            raise UserError(f"{KEY}: the network has none of {', '.join(DEFAULT_TYPES)}; it has {', '.join(there)}")
        return
    for unknown in sorted(layer_types.difference(there)):
        near = closest_match(unknown, there)
        raise UserError(
            f"{KEY}: the network has no layer {unknown!r}"
            f"{f'; did you mean {near}?' if near else ''}; it has {', '.join(there)}"
        )

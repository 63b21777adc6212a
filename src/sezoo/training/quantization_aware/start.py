"""Conversion of the int8 model that quantization would write to a network trained with its integers, and back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import onnx
from torch import nn

from sezoo.base.errors import UserError
from sezoo.base.files import atomic_write
from sezoo.models.mask_model import MaskModel
from sezoo.training.export import mask_differences
from sezoo.training.quantization_aware.network import Grids, QuantizedNetwork

__all__ = ["Int8Start", "aware_network", "export_with_integers"]

AGREEMENT = 1e-3
"""Largest mean difference between torch's mask and the int8 model's: a sum just between two integers may go either way,
and all that follows with it."""


class Int8Start(Protocol):
    """The quantized form of a trained float model, before quantization-aware training.

    Attributes
    ----------
    float_model : whose weights are trained.
    int8_model : QDQ; its weights are in float, each behind a QuantizeLinear and a DequantizeLinear.
    fixed : names of tensors whose scales are not to be trained.
    """

    float_model: onnx.ModelProto
    int8_model: onnx.ModelProto
    fixed: frozenset[str]

    def finished(self, weights: Mapping[str, np.ndarray], grids: Grids) -> tuple[onnx.ModelProto, onnx.ModelProto]:
        """The float model with these weights, which carries its integers, and the int8 model that it quantizes to."""


def aware_network(
    start: Int8Start, ranges: Literal["learned", "calibrated"], trained: nn.Module | None = None
) -> QuantizedNetwork:
    """The network to train, with the integers that quantization would begin with.

    Parameters
    ----------
    ranges : "learned" trains the scales of weights and activations; "calibrated" leaves them as they are.
    trained : the network that the float model is of: its buffers, and its parameters without a gradient, are not
        trained; None for a model that was ONNX from the beginning.

    Raises
    ------
    UserError : the model has an operator that cannot be trained, or nothing to train.
    """
    constants = []
    if trained is not None:
        norms = [each for each in trained.modules() if isinstance(each, nn.modules.batchnorm._NormBase)]
        folded = {id(buffer) for norm in norms for buffer in norm.buffers()}  # into the layers before them
        constants += [each for each in trained.buffers() if each.is_floating_point() and id(each) not in folded]
        constants += [each for each in trained.parameters() if not each.requires_grad]
    return QuantizedNetwork(
        start.float_model,
        start.int8_model,
        start.fixed if ranges == "learned" else None,
        [tensor.detach().cpu().numpy() for tensor in constants],
    )


def export_with_integers(network: QuantizedNetwork, path: Path, *, start: Int8Start, bins: int) -> None:
    """Write the trained float model, which carries its integers, after comparing what it quantizes to with the network.

    Raises
    ------
    UserError : the int8 model has other scales, or makes other masks.
    """
    network = network.cpu().eval()
    grids = network.learned_grids()
    float_model, int8_model = start.finished(network.learned_weights(), grids)
    written = {weight.name: weight for weight in int8_model.graph.initializer}
    for name, (scale, _, _) in grids.items():
        if not np.array_equal(onnx.numpy_helper.to_array(written[f"{name}_scale"]), scale):
            raise UserError(
                f"training.quantization_aware: '{name}' would be quantized by another scale than the trained"
            )
    int8 = MaskModel(int8_model, path)
    for difference in mask_differences(network, int8, bins):
        mean = float(difference.mean())
        if not mean <= AGREEMENT:
            raise UserError(f"training.quantization_aware: the int8 model's mask differs from torch's by {mean:.2g}")
    with atomic_write(path) as temporary:
        onnx.save(float_model, temporary)

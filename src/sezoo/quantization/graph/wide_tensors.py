"""Activations that need more than 8 bits wherever a model has them."""

from __future__ import annotations

import onnx

from sezoo.models.onnx_graph import producers
from sezoo.quantization.graph.linear_layers import behind_layers

__all__ = ["inputs_of_norms"]

NORMS = ("LayerNormalization", "InstanceNormalization")

MOVERS = {"Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Slice", "Identity"}
"""What comes out of them has the integers of what goes in."""


def inputs_of_norms(model: onnx.ModelProto) -> frozenset[str]:
    """Names of the tensors that normalizations behind layers read, and of those that they were moved from.

    A normalization makes quiet frames as loud as others, and with them the steps that they were rounded in.
    """
    made_by, behind = producers(model.graph), behind_layers(model.graph)
    found = set()
    for node in model.graph.node:
        name = node.input[0] if node.op_type in NORMS else ""
        while name in behind:
            found.add(name)
            maker = made_by[name]
            name = maker.input[0] if maker.op_type in MOVERS else ""
    return frozenset(found)

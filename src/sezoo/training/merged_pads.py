"""Zeros before a convolution as its own: unequal ones, which torch's convolutions do not have and ONNX's do."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from sezoo.models.onnx_graph import attribute, initializers, keep_needed, readers

__all__ = ["with_merged_pads"]


def with_merged_pads(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with zero Pads merged into the convolutions that are their only readers, so that nothing is copied.

    Parameters
    ----------
    model : whose Pads have constant sizes; it is changed.
    """
    graph = model.graph
    constants, read_by = initializers(graph), readers(graph)
    outputs = {value.name for value in graph.output}
    for pad in [node for node in graph.node if node.op_type == "Pad"]:
        sizes = constants.get(pad.input[1])
        readers_of_it = read_by[pad.output[0]]
        alone = len(readers_of_it) == 1 and readers_of_it[0].op_type == "Conv" and pad.output[0] not in outputs
        if sizes is None or not alone or not _is_of_zeros(pad, sizes, constants):
            continue
        (convolution,) = readers_of_it
        spatial = len(sizes) // 2 - 2
        added = [*sizes[2 : 2 + spatial], *sizes[4 + spatial :]]
        own = attribute(convolution, "pads", [0] * 2 * spatial)
        kept = [entry for entry in convolution.attribute if entry.name != "pads"]
        del convolution.attribute[:]
        total = [int(one + other) for one, other in zip(own, added, strict=True)]
        convolution.attribute.extend([*kept, helper.make_attribute("pads", total)])
        convolution.input[0] = pad.input[0]
    keep_needed(graph)
    return model


def _is_of_zeros(pad: onnx.NodeProto, sizes: np.ndarray, constants: dict[str, np.ndarray]) -> bool:
    """Whether it only adds zeros, and none to the batch or the channels."""
    value = constants.get(pad.input[2]) if len(pad.input) > 2 and pad.input[2] else np.float32(0)
    per_axis = sizes.reshape(2, -1) if len(pad.input) < 4 and sizes.size % 2 == 0 else np.full((2, 2), -1)
    constant = attribute(pad, "mode", b"constant") == b"constant"
    return constant and value is not None and not value.any() and not per_axis[:, :2].any() and per_axis.min() >= 0

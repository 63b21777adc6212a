"""Networks of (batch, frames, bins), as recurrent ones often are: transposed at both ends they are as all others."""

from __future__ import annotations

import onnx
from onnx import helper

from sezoo.models.nested_graphs import reads_of, rename_reads
from sezoo.models.onnx_graph import unused_name

__all__ = ["is_made_frames_last", "with_frames_last"]

MARK = "sezoo_frames_last"
"""How the names of the added nodes begin."""


def with_frames_last(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model of one input (batch, frames, bins) as one of (batch, bins, frames), in place; others as they are.

    Which axis is which is clear where the last one is fixed and the one before is dynamic, or where the last one is
    ``n_fft // 2 + 1`` of a power of two, and the one before is that of no usual ``n_fft``.
    """
    graph = model.graph
    weights = {weight.name for weight in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    bins = _last_bins(inputs[0]) if len(inputs) == 1 else None
    outputs = [value for value in graph.output if bins is not None and _last_bins(value, (bins,)) == bins]
    if not outputs:
        return model
    renamed = {value.name: unused_name(graph, f"{value.name}_frames_first") for value in (inputs[0], *outputs)}
    for node in graph.node:
        for place, name in enumerate(node.output):
            node.output[place] = renamed.get(name, name)
        if any(name in renamed for name in reads_of(node)):
            rename_reads(node, renamed)
    for value in (inputs[0], *outputs):
        is_input = value is inputs[0]
        ends = (value.name, renamed[value.name]) if is_input else (renamed[value.name], value.name)
        name = unused_name(graph, f"{MARK}_{value.name}")
        node = helper.make_node("Transpose", [ends[0]], [ends[1]], name=name, perm=[0, 2, 1])
        graph.node.insert(0, node) if is_input else graph.node.append(node)
        dims = value.type.tensor_type.shape.dim
        frames = onnx.TensorShapeProto.Dimension()
        frames.CopyFrom(dims[1])
        dims[1].CopyFrom(dims[2])
        dims[2].CopyFrom(frames)
    return model


def is_made_frames_last(model: onnx.ModelProto) -> bool:
    """Whether `with_frames_last` has changed it."""
    return any(node.name.startswith(MARK) for node in model.graph.node)


def _last_bins(value: onnx.ValueInfoProto, allowed: tuple[int, ...] = ()) -> int | None:
    """The bins of a tensor (batch, frames, bins); None where its axes do not say that it is one.

    Parameters
    ----------
    allowed : numbers of bins that it may have; empty for any.
    """
    dims = value.type.tensor_type.shape.dim
    if len(dims) != 3 or dims[2].dim_value < 2 or (allowed and dims[2].dim_value not in allowed):
        return None
    frames, bins = dims[1].dim_value, dims[2].dim_value  # 0 is dynamic
    is_clear = not frames or bool(allowed) or (_is_of_power_of_two(bins) and not _may_be_bins(frames))
    return bins if is_clear else None


def _is_of_power_of_two(bins: int) -> bool:
    """Whether a transform of a power of two samples, from 64 on, makes this number of bins."""
    n_fft = 2 * (bins - 1)
    return n_fft >= 64 and n_fft & (n_fft - 1) == 0


def _may_be_bins(axis: int) -> bool:
    """Whether a usual transform makes this number of bins: of 320, 400, 480 or 882 samples, as well as of 512."""
    n_fft = 2 * (axis - 1)
    return n_fft >= 64 and (n_fft % 8 == 0 or n_fft % 441 == 0)

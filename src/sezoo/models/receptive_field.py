"""The receptive field of a model: the frames before and after a frame that its mask depends on."""

from __future__ import annotations

from math import prod
from pathlib import Path

import numpy as np
import onnx

from sezoo.base.errors import UserError
from sezoo.models.axes import with_dynamic_axes
from sezoo.models.mask_model import MaskModel
from sezoo.models.onnx_graph import copy_model
from sezoo.models.spectra import MAGNITUDES, random_input
from sezoo.models.states import bins_of, fix_lengths, frames_of, magnitude_input, states_of

__all__ = [
    "LONGEST_FIELD",
    "RECURRENT",
    "longest_reach",
    "lookahead_without_bound",
    "receptive_field",
    "receptive_field_of",
    "recurrent_lookahead",
    "without_quantizers",
]

LONGEST_FIELD = 4096
"""Frames on either side up to which a receptive field is searched."""

SHORT = 1024
"""Frames of a clip, a multiple of what networks need, that shows with another of twice as many which axes grow."""

QUIET = np.float32(0.25)
"""Of the frame that is changed, against the others."""

SATURATING = {"Sigmoid", "Tanh", "HardSigmoid", "Clip"}

UNKNOWN_CUT = 16
"""Frames that a Slice is taken to cut off, where the shapes in the graph do not say it."""

RECURRENT = {"LSTM", "GRU", "RNN", "Loop", "Scan"}


def receptive_field_of(model: onnx.ModelProto, path: Path) -> tuple[int, int] | None:
    """The receptive field of a float or an int8 model.

    Parameters
    ----------
    path : for messages.

    Returns
    -------
    (before, after) frames; None where there is no bound (recurrent models and those with states), or none was found.
    """
    if states_of(model) or _is_recurrent(model):
        return None  # without bound, though what is long past vanishes in rounding
    try:
        return receptive_field(_prepared_for_trial(model, path), bins_of(model), longest_reach(model))
    except UserError:  # a model that cannot be run on these shapes still has axes and operators to tell of
        return None


def recurrent_lookahead(model: onnx.ModelProto, path: Path) -> int | None:
    """Return the look-ahead in frames of a model with recurrent layers or states.

    Parameters
    ----------
    path : for messages.

    Returns
    -------
    lookahead : in frames; None where there is no bound, as with a layer that goes backwards in time, and for models
        with neither, whose field has one.
    """
    if states_of(model):
        return 0
    if not _is_recurrent(model):
        return None
    try:
        return lookahead_without_bound(_prepared_for_trial(model, path), bins_of(model), longest_reach(model))
    except UserError:  # as above
        return None


def lookahead_without_bound(model: MaskModel, bins: int, reach: int) -> int | None:
    """Return the look-ahead in frames, whatever the context before, determined by running the model.

    Parameters
    ----------
    reach : frames ahead beyond which only a layer without bound can look.

    Returns
    -------
    lookahead : in frames; None where it has no bound.
    """
    middle = min(reach + 1, LONGEST_FIELD, (model.frames or LONGEST_FIELD) - 1)
    changed = _changed_masks(model, bins, middle, model.frames or middle + 1)
    return None if changed[0] or not changed.any() else int(middle - min(middle, np.flatnonzero(changed)[0]))


def _is_recurrent(model: onnx.ModelProto) -> bool:
    return any(node.op_type in RECURRENT for node in model.graph.node)


def _without_saturation(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose functions that end at limits pass their values on.

    A sigmoid that is at 1 in every bin shows no influence; an int8 model's often is, once its ReLUs are gone with the
    quantizers.
    """
    passing = copy_model(model)
    for node in passing.graph.node:
        if node.op_type in SATURATING:
            replacement = onnx.helper.make_node("Identity", node.input[:1], node.output, name=node.name)
            node.CopyFrom(replacement)
    return passing


def _prepared_for_trial(model: onnx.ModelProto, path: Path) -> MaskModel:
    """The model without what hides influences, and with frames as many as one likes, if the graph allows that."""
    exact = _without_saturation(without_quantizers(model))
    if isinstance(frames_of(model), int):
        exact = with_dynamic_axes(exact, axes=("frames",)) or exact
    return MaskModel(exact, path)


def without_quantizers(model: onnx.ModelProto) -> onnx.ModelProto:
    """A QDQ model with every QuantizeLinear - DequantizeLinear pair passed by, to see what depends on what.

    Rounding hides small influences, and whether one frame of the input reaches another of the mask is a
    question about the graph. The masks are not the float model's: a ReLU that was left to a quantizer's range
    is gone too. Models without such pairs come back as they are.
    """
    of_integers = {name for node in model.graph.node if node.op_type != "DequantizeLinear" for name in node.input}
    quantizers = {
        node.output[0]: node.input[0]
        for node in model.graph.node
        if node.op_type == "QuantizeLinear" and node.output[0] not in of_integers
    }
    # A DequantizeLinear of a weight has no quantizer before it, and stays.
    passed_by = {
        node.output[0]: quantizers[node.input[0]]
        for node in model.graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in quantizers
    }
    outputs = {value.name for value in model.graph.output}

    def source(name: str) -> str:
        while name in passed_by:
            name = passed_by[name]
        return name

    exact = copy_model(model)
    del exact.graph.node[:]
    for node in model.graph.node:
        if node.output[0] in quantizers:
            continue
        if node.output[0] in passed_by:
            if node.output[0] in outputs:  # the mask itself is dequantized: it keeps its name
                exact.graph.node.append(onnx.helper.make_node("Identity", [source(node.output[0])], node.output))
            continue
        copy = exact.graph.node.add()
        copy.CopyFrom(node)
        copy.input[:] = [source(name) for name in node.input]
    return exact


def receptive_field(model: MaskModel, bins: int, reach: int) -> tuple[int, int] | None:
    """Return the number of frames before and after a frame that its mask depends on, by running the model.

    One frame of a random input is changed; the frames of the mask that change are those whose field it is
    in. That holds for any architecture, however the graph is written. An int8 model can round small
    influences away: ask the float one. A running level of the clip does not count, as a mask depends on it
    little, and on all frames of a second: patches have that of their own frames.

    Parameters
    ----------
    reach : frames on either side beyond which there can be no influence, `longest_reach` of the graph.

    Returns
    -------
    (before, after) frames; None where they reach the ends of what was tried.
    """
    if model.frames is not None:
        return _field_within(model, bins, (model.frames - 1) // 2, model.frames)
    middle = min(reach, LONGEST_FIELD) + 1
    return _field_within(model, bins, middle, 2 * middle + 1)


def longest_reach(model: onnx.ModelProto) -> int:
    """A bound of the receptive field on either side from the kernels and the cuts in the graph, in frames.

    The spans of all kernels over frames and the frames that are cut off, added up as if all were in one chain. Zeros
    that make a tensor late or early are as many as these at most, for the mask has as many frames as the input. Where
    the shapes in the graph do not say which axis of a kernel is that of frames, the longest spans are, times all
    strides.
    """
    weights = {weight.name: weight.dims for weight in model.graph.initializer}
    kernels = []  # of each: what it goes over, the span and the stride on each of its axes
    for node in model.graph.node:
        attributes = {attribute.name: list(attribute.ints) for attribute in node.attribute}
        kernel = attributes.get("kernel_shape")
        if kernel is None and node.op_type in ("Conv", "ConvTranspose"):
            kernel = list(weights.get(node.input[1], (0, 0, 1)))[2:]
        if kernel:
            ones = [1] * len(kernel)
            dilations, strides = (attributes.get(name) or ones for name in ("dilations", "strides"))
            spans = [(size - 1) * dilation for size, dilation in zip(kernel, dilations, strict=True)]
            kernels.append((node.input[0], spans, strides))
    slices = [node for node in model.graph.node if node.op_type == "Slice"]
    is_plain = not slices and all(len(spans) == 1 == max(strides) for _, spans, strides in kernels)
    lengths = {} if is_plain else _lengths(model)
    steps = {name: {axis: step for axis, (step, _) in of_axes.items()} for name, of_axes in lengths.items()}
    cut = sum(_frames_cut(node, lengths) for node in slices)
    if steps and all(steps.get(value) for value, _, _ in kernels):
        return cut + sum(
            max(spans[axis - 2] * step + step - 1 if axis >= 2 else max(spans) for axis, step in steps[value].items())
            for value, spans, _ in kernels
        )
    return cut + sum(max(spans) for _, spans, _ in kernels) * prod(max(strides) for _, _, strides in kernels)


def _frames_cut(node: onnx.NodeProto, lengths: dict[str, dict[int, tuple[int, int]]]) -> int:
    """A bound of the frames that a Slice cuts off."""
    ends = (node.input[0], node.output[0])
    if any(name not in lengths for name in ends):
        return UNKNOWN_CUT
    before, after = ([step * length for step, length in lengths[name].values()] for name in ends)
    return max(before) - min(after) if before and after else 0


def _lengths(model: onnx.ModelProto) -> dict[str, dict[int, tuple[int, int]]]:
    """The axes of each value that grow with the frames, as (frames from one element to the next, elements of a clip).

    Empty where that cannot be inferred.
    """
    try:
        short, long = (_shapes(model, frames) for frames in (SHORT, 2 * SHORT))
    except onnx.shape_inference.InferenceError:
        return {}
    return {
        name: {
            axis: (max(1, SHORT // (after - before)), before)
            for axis, (before, after) in enumerate(zip(shape, long[name], strict=True))
            if after > before
        }
        for name, shape in short.items()
        if len(shape) == len(long.get(name, ())) and all((*shape, *long[name]))
    }


def _shapes(model: onnx.ModelProto, frames: int) -> dict[str, list[int]]:
    """The shape of each value of a graph for a clip of `frames` frames; 0 for unknown axes."""
    of_clip = copy_model(model)
    del of_clip.graph.value_info[:]
    for value in of_clip.graph.output:
        value.type.tensor_type.ClearField("shape")
    given = magnitude_input(of_clip)
    fix_lengths(of_clip, given, 1, frames)
    inferred = onnx.shape_inference.infer_shapes(of_clip, data_prop=True).graph
    return {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (given, *inferred.value_info, *inferred.output)
    }


def _field_within(model: MaskModel, bins: int, middle: int, frames: int) -> tuple[int, int] | None:
    changed = _changed_masks(model, bins, middle, frames)
    if not changed.any() or changed[0] or changed[-1]:
        return None
    first, last = np.flatnonzero(changed)[[0, -1]]
    # A frame changes the masks after it as far as they look back, and those before it as far as they look ahead. Its
    # own mask counts though it does not change: that may be saturated, or of earlier frames alone.
    return max(0, int(last - middle)), max(0, int(middle - first))


def _changed_masks(model: MaskModel, bins: int, middle: int, frames: int) -> np.ndarray:
    """The frames whose mask changes with another random spectrum in frame `middle`.

    That frame is quieter than the others, so that it is never the loudest of the frames that a running level is of.
    """
    layout = getattr(model, "layout", MAGNITUDES)  # torch networks have magnitudes
    changed = np.zeros(frames, bool)
    for seed, level in enumerate((0.1, 1.0, 10.0)):  # where one saturates or cuts off, another does not
        one = np.float32(level) * random_input(2 * seed, (1, bins, frames), layout)
        one[:, :, middle] *= QUIET
        other = one.copy()
        other[:, :, middle] = np.float32(level) * QUIET * random_input(2 * seed + 1, (1, bins, 1), layout)[:, :, 0]
        changed |= (model(one) != model(other)).any(axis=(0, 1))
    return changed

"""Batch normalization, means and transposed convolutions as convolutions, which is what they are to integer kernels.

- Batch normalization that stands alone (behind a ReLU, say) multiplies and adds by channel: a depthwise convolution of
  one tap. Its weights are exact in int8, as each has a scale of its own.
- A mean over bins or channels, and an average pooling, is a convolution whose weights are all the same number, which
  is exact too.
- A transposed convolution of stride s makes s outputs of each input: a convolution with s times the outputs, which are
  put side by side along the axis (sub-pixel convolution: Shi et al., "Is the deconvolution layer the same as a
  convolutional layer?", 2016). In the rows of the integer graph they lie so already, and nothing is moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from sezoo.models.onnx_graph import attribute
from sezoo.quantization.graph.rewriting import Rewriter, axes_of_reduction

__all__ = ["FORMS", "FORMS_IN_GROUPS"]


def _batch_norm(graph: Rewriter, node: onnx.NodeProto) -> bool:
    if node.op_type != "BatchNormalization" or attribute(node, "training_mode", 0):
        return False
    source, shape = node.input[0], graph.lengths(node.input[0])
    affine = _affine(graph, node)
    if affine is None or len(shape) not in (3, 4):
        return False
    factor, offset = affine
    ones = [1] * (len(shape) - 2)
    if source not in graph.behind_layers:  # what comes before the first layers can be left in float
        spread = (-1, *ones)
        product = graph.tensor(f"{node.name}/product")
        graph.put("Mul", [source, graph.constant(f"{node.name}/factor", factor.reshape(spread))], product)
        added = graph.constant(f"{node.name}/offset", offset.reshape(spread))
        graph.put("Add", [product, added], node.output[0], node.name)
        return True
    weight = graph.constant(f"{node.name}/weight", factor.reshape(-1, 1, *ones))
    bias = graph.constant(f"{node.name}/bias", offset)
    graph.put("Conv", [source, weight, bias], node.output[0], node.name, group=len(factor), kernel_shape=ones)
    return True


def _affine(graph: Rewriter, node: onnx.NodeProto) -> tuple[np.ndarray, np.ndarray] | None:
    """The factor and the offset of each channel of a batch normalization: (channels,) float32."""
    given = [graph.weights.get(name) for name in node.input[1:5]]
    if any(values is None for values in given):
        return None
    scale, offset, mean, variance = (values.astype(np.float64) for values in given)
    factor = scale / np.sqrt(variance + attribute(node, "epsilon", 1e-5))
    return factor.astype(np.float32), (offset - mean * factor).astype(np.float32)


# -- means -----------------------------------------------------------------------------------------------


def _mean(graph: Rewriter, node: onnx.NodeProto) -> bool:
    """A ReduceMean or a ReduceSum over axes of known lengths, or a pooling over all positions."""
    shape = graph.lengths(node.input[0])
    if node.op_type == "GlobalAveragePool":
        axes, keepdims = list(range(2, len(shape))), True
    elif node.op_type in ("ReduceMean", "ReduceSum"):
        axes, keepdims = axes_of_reduction(graph, node), bool(attribute(node, "keepdims", 1))
    else:
        return False
    is_known = all(isinstance(shape[axis], int) for axis in axes)
    if not axes or not is_known or 0 in axes or len(shape) not in (3, 4) or node.input[0] not in graph.behind_layers:
        return False
    factor = 1.0 if node.op_type == "ReduceSum" else 1 / np.prod([shape[axis] for axis in axes])
    order, source = list(range(len(shape))), node.input[0]
    if not isinstance(shape[1], int):  # frames are no channels
        order = [0, *axes, *(axis for axis in order if axis not in (0, *axes))]
        source = graph.put("Transpose", [source], graph.tensor(f"{node.name}/turned"), perm=order)
    turned = [shape[axis] for axis in order]
    kernel = [length if axis in axes else 1 for axis, length in zip(order, turned, strict=True)][2:]
    over_channels = order[1] in axes
    weight = np.full((1, turned[1], *kernel) if over_channels else (turned[1], 1, *kernel), factor, np.float32)
    made = node.output[0]
    inner = made if order == sorted(order) and keepdims else graph.tensor(f"{node.name}/mean")
    graph.put(
        "Conv",
        [source, graph.constant(f"{node.name}/weight", weight)],
        inner,
        node.name,
        group=1 if over_channels else turned[1],
        kernel_shape=kernel,
    )
    if order != sorted(order):
        back = [order.index(axis) for axis in range(len(order))]
        after = made if keepdims else graph.tensor(f"{node.name}/mean")
        inner = graph.put("Transpose", [inner], after, perm=back)
    if not keepdims:
        graph.put("Squeeze", [inner, graph.integers(f"{node.name}/axes", *axes)], made)
    return True


def _average_pool(graph: Rewriter, node: onnx.NodeProto) -> bool:
    shape, kernel = graph.lengths(node.input[0]), attribute(node, "kernel_shape", [])
    if node.op_type != "AveragePool" or len(shape) not in (3, 4) or not isinstance(shape[1], int):
        return False
    pads = attribute(node, "pads", [0] * 2 * len(kernel))
    how = attribute(node, "auto_pad", b"NOTSET")
    if attribute(node, "ceil_mode", 0) or how not in (b"NOTSET", b"VALID"):
        return False
    if any(pads) and not attribute(node, "count_include_pad", 0):
        return False
    given = {name: attribute(node, name, None) for name in ("strides", "dilations")}
    kept = {name: values for name, values in given.items() if values is not None}
    weight = np.full((shape[1], 1, *kernel), 1 / np.prod(kernel), np.float32)
    inputs = [node.input[0], graph.constant(f"{node.name}/weight", weight)]
    pads = [0] * len(pads) if how == b"VALID" else pads
    graph.put("Conv", inputs, node.output[0], node.name, group=shape[1], kernel_shape=kernel, pads=pads, **kept)
    return True


# -- transposed convolutions -----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Axis:
    """An axis of a transposed convolution as one of the convolution that is written for it.

    Attributes
    ----------
    taps : of the convolution; `weight_at[phase][tap]` is the tap of the transposed one, -1 for a zero.
    before, behind : zeros around its input.
    cut, length : of the outputs put side by side: what is cut off at the beginning, and what is left; None for all.
    """

    stride: int
    taps: int
    weight_at: list[list[int]]
    before: int
    behind: int
    dilation: int = 1
    cut: int = 0
    length: int | None = None
    positions: int | None = None


def _axis(size: int | str, taps: int, stride: int, dilation: int, pads: tuple[int, int], extra: int) -> _Axis | None:
    """None where there is no convolution for it: frames that are multiplied, or more cut off than there is."""
    before, behind = pads
    if stride == 1:
        reach = dilation * (taps - 1)
        if before > reach or behind - extra > reach:
            return None
        flipped = [list(range(taps))[::-1]]
        return _Axis(1, taps, flipped, reach - before, reach - behind + extra, dilation)
    if dilation != 1 or not isinstance(size, int):
        return None
    # Output position u = p + before, without cutting, is of phase u % stride and of input positions up to u // stride.
    length = (size - 1) * stride + taps - before - behind + extra
    reach = -(-taps // stride)
    first, last = before // stride, (before + length - 1) // stride
    if length < 1 or last < size - 1 or first > reach - 1:
        return None
    weight_at = [
        [tap if (tap := phase + (reach - 1 - place) * stride) < taps else -1 for place in range(reach)]
        for phase in range(stride)
    ]
    positions = last - first + 1
    return _Axis(
        stride, reach, weight_at, reach - 1 - first, last - (size - 1), 1, before - first * stride, length, positions
    )


def _transposed_conv(graph: Rewriter, node: onnx.NodeProto) -> bool:
    if node.op_type != "ConvTranspose" or node.input[1] not in graph.weights:
        return False
    weights, shape = graph.weights[node.input[1]], graph.lengths(node.input[0])
    axes = _axes(node, weights.shape[2:], shape[2:])
    if axes is None or len(shape) != weights.ndim or sum(axis.stride > 1 for axis in axes) > 1:
        return False
    groups = attribute(node, "group", 1)
    bias = np.zeros(weights.shape[1] * groups, np.float32)
    if len(node.input) > 2 and node.input[2]:
        if node.input[2] not in graph.weights:
            return False
        bias = graph.weights[node.input[2]]
    end = node.output[0]
    behind = graph.only_reader(end)
    if behind is not None and behind.op_type == "BatchNormalization" and (affine := _affine(graph, behind)):
        factor, offset = affine
        per_group = factor.reshape(groups, 1, weights.shape[1], *[1] * len(axes))
        weights = (weights.reshape(groups, -1, *weights.shape[1:]) * per_group).reshape(weights.shape)
        bias = bias * factor + offset
        graph.done.add(behind.name)
        end, behind = behind.output[0], graph.only_reader(behind.output[0])
    kernel, phases = [axis.taps for axis in axes], max(axis.stride for axis in axes)
    matrix = _sub_pixel_weights(weights, axes, groups)
    bias = np.repeat(bias.reshape(groups, 1, -1), phases, 1).reshape(-1).astype(np.float32)
    inputs = [
        node.input[0],
        graph.constant(f"{node.name}/weight", matrix),
        graph.constant(f"{node.name}/bias", bias),
    ]
    settings = {
        "group": groups,
        "kernel_shape": kernel,
        "pads": [*(axis.before for axis in axes), *(axis.behind for axis in axes)],
        "dilations": [axis.dilation for axis in axes],
    }
    if phases == 1:
        graph.put("Conv", inputs, end, node.name, **settings)
        return True
    last = graph.put("Conv", inputs, graph.tensor(f"{node.name}/phases"), node.name, **settings)
    if behind is not None and behind.op_type in FUNCTIONS and len(behind.input) == 1:
        # before the outputs are moved, a convolution and its ReLU are one
        copy = {entry.name: onnx.helper.get_attribute_value(entry) for entry in behind.attribute}
        last = graph.put(behind.op_type, [last], graph.tensor(f"{behind.name}/phases"), behind.name, **copy)
        graph.done.add(behind.name)
        end = behind.output[0]
    _side_by_side(graph, last, end, axes, groups, weights.shape[1])
    return True


FUNCTIONS = ("Relu", "LeakyRelu", "Sigmoid", "Tanh", "Elu", "HardSwish", "HardSigmoid", "Softplus")
"""Of one value, without constants beside it."""


def _axes(node: onnx.NodeProto, kernel: Sequence[int], sizes: Sequence[int | str]) -> list[_Axis] | None:
    spatial = len(kernel)
    strides, dilations = (attribute(node, name, [1] * spatial) for name in ("strides", "dilations"))
    pads, extra = attribute(node, "pads", [0] * 2 * spatial), attribute(node, "output_padding", [0] * spatial)
    if attribute(node, "output_shape", None) or attribute(node, "auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        return None
    axes = [
        _axis(size, taps, stride, dilation, (pads[number], pads[number + spatial]), more)
        for number, (size, taps, stride, dilation, more) in enumerate(
            zip(sizes, kernel, strides, dilations, extra, strict=False)
        )
    ]
    return None if len(axes) != spatial or None in axes else axes


def _sub_pixel_weights(weights: np.ndarray, axes: Sequence[_Axis], groups: int) -> np.ndarray:
    """(inputs, outputs of a group, *taps) to (groups * phases * outputs of a group, inputs of a group, *taps)."""
    inputs, outputs = weights.shape[:2]
    grouped = weights.reshape(groups, inputs // groups, outputs, *weights.shape[2:])
    phases = next((number for number, axis in enumerate(axes) if axis.stride > 1), None)
    parts = []
    for phase in range(1 if phases is None else axes[phases].stride):
        part = grouped
        for number, axis in enumerate(axes):
            taken = np.array(axis.weight_at[phase if number == phases else 0])
            part = np.take(part, np.maximum(taken, 0), axis=number + 3)
            part = part * (taken >= 0).reshape([-1 if number + 3 == at else 1 for at in range(part.ndim)])
        parts.append(np.moveaxis(part, 1, 2))  # (groups, outputs, inputs, *taps)
    together = np.stack(parts, axis=1)
    return np.ascontiguousarray(together.reshape(-1, *together.shape[3:]), np.float32)


def _side_by_side(graph: Rewriter, source: str, output: str, axes: Sequence[_Axis], groups: int, channels: int) -> None:
    """(batch, groups * phases * channels, *positions) to (batch, groups * channels, *positions), phases in turn."""
    (number,) = (at for at, axis in enumerate(axes) if axis.stride > 1)
    axis = axes[number]
    lengths: list[int] = [-1] * len(axes)
    lengths[number] = axis.positions
    apart = [0, *([groups] if groups > 1 else []), axis.stride, channels]
    phase_at, place = len(apart) - 2, len(apart) + number
    order = [at for at in range(len(apart) + len(axes)) if at != phase_at]
    order.insert(order.index(place) + 1, phase_at)
    shape = graph.integers(f"{output}/apart", *apart, *lengths)
    split = graph.put("Reshape", [source, shape], graph.tensor(f"{output}/split"))
    turned = graph.put("Transpose", [split], graph.tensor(f"{output}/turned"), perm=order)
    lengths[number] = axis.positions * axis.stride
    is_whole = axis.cut == 0 and axis.length == lengths[number]
    joined = output if is_whole else graph.tensor(f"{output}/joined")
    shape = graph.integers(f"{output}/shape", 0, channels * groups, *lengths)
    graph.put("Reshape", [turned, shape], joined)
    if not is_whole:
        ends = (axis.cut, axis.cut + axis.length, number + 2)
        graph.put("Slice", [joined, *(graph.integers(f"{output}/ends", end) for end in ends)], output)


def _transposed_conv_in_groups(graph: Rewriter, node: onnx.NodeProto) -> bool:
    return attribute(node, "group", 1) > 1 and _transposed_conv(graph, node)


FORMS = (_batch_norm, _mean, _average_pool, _transposed_conv)

FORMS_IN_GROUPS = (_transposed_conv_in_groups,)
"""Of layers whose channels have one scale for all in a QDQ model, where convolutions have one for each."""
"""See `rewriting.rewrite`."""

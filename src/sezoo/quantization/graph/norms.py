"""Normalization that is written out in means, differences and roots, as one LayerNormalization.

In one operator nothing is rounded between the mean and the quotient, where int8 would lose the small differences. That
by the root of the mean of squares (RMSNorm) is one too: of the values and their negatives.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx

from sezoo.models.onnx_graph import attribute, opset_of
from sezoo.quantization.graph.rewriting import Rewriter, axes_of_reduction, by_channel

__all__ = ["FORMS", "OPSET"]

OPSET = 17
"""That LayerNormalization came with; until then nothing changed its meaning but RoiAlign."""


MEANS_BY_INPUT = 18
"""From here on the axes of a ReduceMean are an input."""


def _layer_norm(graph: Rewriter, node: onnx.NodeProto) -> bool:
    """``(x - mean) / sqrt(variance + epsilon)``, and a factor and an offset behind it."""
    centred, root = _quotient(graph, node)
    if centred is None or root is None:
        return False
    source, axes = _centred_tensor(graph, centred)
    if axes != root.axes or not _can_be_normalized(graph, source, axes):
        return False
    shape = graph.lengths(source)
    end, affine = _with_affine(graph, node, shape, axes)
    _put_normalization(graph, node, source, axes, end, affine, root.epsilon)
    return True


def _rms_norm(graph: Rewriter, node: onnx.NodeProto) -> bool:
    """``x / sqrt(mean(x * x) + epsilon)``, and a factor behind it; or the operator for it."""
    if node.op_type == "RMSNormalization":
        source, shape = node.input[0], graph.lengths(node.input[0])
        axes = list(range(attribute(node, "axis", -1) % max(len(shape), 1), len(shape)))
        factor = graph.weights.get(node.input[1]) if len(node.input) > 1 and node.input[1] else np.ones(1, np.float32)
        if factor is None or not _can_be_normalized(graph, source, axes):
            return False
        affine = [_over(factor, len(shape), axes), np.zeros(1, np.float32)]
        _put_normalization(
            graph, node, source, axes, node.output[0], affine, attribute(node, "epsilon", 1e-5), mirrored=True
        )
        return True
    source, root = _quotient(graph, node)
    if source is None or root is None or not _can_be_normalized(graph, source, root.axes):
        return False
    end, affine = _with_affine(graph, node, graph.lengths(source), root.axes)
    _put_normalization(graph, node, source, root.axes, end, affine, root.epsilon, mirrored=True)
    return True


def _over(values: np.ndarray, dimensions: int, axes: list[int]) -> np.ndarray:
    """Return a constant, broadcast to `dimensions` axes, reduced to the axes along which it varies."""
    values = values.reshape([1] * (dimensions - values.ndim) + list(values.shape))
    return values.reshape([values.shape[axis] for axis in axes])


def _can_be_normalized(graph: Rewriter, source: str, axes: list[int]) -> bool:
    shape = graph.lengths(source) if source in graph.behind_layers else []
    return bool(shape) and bool(axes) and 0 not in axes and all(isinstance(shape[axis], int) for axis in axes)


def _put_normalization(
    graph: Rewriter,
    node: onnx.NodeProto,
    source: str,
    axes: list[int],
    end: str,
    affine: list[np.ndarray],
    epsilon: float,
    *,
    mirrored: bool = False,
) -> None:
    """A LayerNormalization over these axes; `mirrored`, of the values and beside each of them its negative.

    Those have a mean of 0, so that their variance is the mean of the squares: what is divided by is the root of that.
    """
    shape, name = graph.lengths(source), node.name
    order = [axis for axis in range(len(shape)) if axis not in axes] + axes
    is_turned = order != list(range(len(shape)))
    if is_turned:
        source = graph.put("Transpose", [source], graph.tensor(f"{name}/turned"), perm=order)
    sizes = [shape[axis] for axis in axes]
    inputs = [np.ascontiguousarray(np.broadcast_to(values, sizes), np.float32) for values in affine]
    if mirrored:
        minus = graph.constant(f"{name}/minus", np.full(1, -1, np.float32))  # a product is rounded, where Neg is not
        negative = graph.put("Mul", [source, minus], graph.tensor(f"{name}/negative"))
        source = graph.put("Concat", [source, negative], graph.tensor(f"{name}/mirrored"), axis=len(shape) - 1)
        inputs = [np.concatenate([values, values], -1) for values in inputs]
    constants = [
        graph.constant(f"{name}/{what}", values) for what, values in zip(("factor", "offset"), inputs, strict=True)
    ]
    made = graph.tensor(f"{name}/normalized") if is_turned or mirrored else end
    graph.put("LayerNormalization", [source, *constants], made, name, axis=-len(axes), epsilon=epsilon)
    if mirrored:
        half = [
            graph.integers(f"{name}/{what}", each) for what, each in (("first", 0), ("last", sizes[-1]), ("at", -1))
        ]
        made = graph.put("Slice", [made, *half], graph.tensor(f"{name}/half") if is_turned else end)
    if is_turned:
        graph.put("Transpose", [made], end, perm=[order.index(axis) for axis in range(len(order))])


def _maker(graph: Rewriter, name: str) -> onnx.NodeProto | None:
    """The node that makes a tensor, past Transposes of one number, which onnxruntime's folding leaves behind."""
    maker = graph.made_by.get(name)
    while maker is not None and maker.op_type == "Transpose" and set(graph.lengths(maker.output[0])) == {1}:
        maker = graph.made_by.get(maker.input[0])
    return maker


def _origin(graph: Rewriter, name: str) -> str:
    """The tensor that one is the transpose of."""
    while (maker := graph.made_by.get(name)) is not None and maker.op_type == "Transpose":
        name = maker.input[0]
    return name


def _quotient(graph: Rewriter, node: onnx.NodeProto) -> tuple[str | None, RootMeanSquare | None]:
    """Return the tensor that is divided by its root mean square, and that root."""
    if node.op_type == "Div":
        pairs = [(node.input[0], _maker(graph, node.input[1]))]
    elif node.op_type == "Mul":
        pairs = [(one, _inverse(graph, _maker(graph, other))) for one, other in (node.input, list(node.input)[::-1])]
    else:
        return None, None
    for divided, root in pairs:
        if (found := _root_mean_square(graph, root, divided)) is not None:
            return divided, found
    return None, None


def _inverse(graph: Rewriter, node: onnx.NodeProto | None) -> onnx.NodeProto | None:
    """The node of which one makes the reciprocal; None where it makes something else."""
    if node is None:
        return None
    if node.op_type == "Reciprocal":
        return _maker(graph, node.input[0])
    numerator = graph.constants.get(node.input[0]) if node.op_type == "Div" else None
    is_one = numerator is not None and numerator.size == 1 and numerator.item() == 1
    return _maker(graph, node.input[1]) if is_one else None


@dataclass(frozen=True)
class RootMeanSquare:
    """``sqrt(mean(square) + epsilon)`` over some axes."""

    square: onnx.NodeProto
    axes: list[int]
    epsilon: float


def _root_mean_square(graph: Rewriter, root: onnx.NodeProto | None, divided: str) -> RootMeanSquare | None:
    """Return the root mean square that a node computes, or None."""
    if root is None or root.op_type != "Sqrt":
        return None
    total = _maker(graph, root.input[0])
    if total is None or total.op_type != "Add":
        return None
    for one, other in (total.input, list(total.input)[::-1]):
        epsilon, mean = graph.weights.get(other), _maker(graph, one)
        if epsilon is None or epsilon.size != 1 or mean is None or mean.op_type != "ReduceMean":
            continue
        square = graph.made_by.get(mean.input[0])
        if square is not None and _is_square_of(graph, square, divided) and attribute(mean, "keepdims", 1):
            axes = axes_of_reduction(graph, mean)
            return RootMeanSquare(square, axes, float(epsilon.item())) if axes else None
    return None


def _is_square_of(graph: Rewriter, node: onnx.NodeProto, root: str) -> bool:
    if node.op_type == "Pow":
        exponent = graph.constants.get(node.input[1])
        if exponent is None or exponent.size != 1 or exponent.item() != 2:
            return False
        squared = {node.input[0]}
    elif node.op_type == "Mul":
        squared = set(node.input)
    else:
        return False
    centred = _centred_tensor(graph, root)
    return all(name == root or (centred[1] and _centred_tensor(graph, name) == centred) for name in squared)


def _centred_tensor(graph: Rewriter, name: str) -> tuple[str, list[int]]:
    """The tensor of which one is the difference from its mean over some axes; no axes where it is none."""
    node = graph.made_by.get(name)
    mean = _maker(graph, node.input[1]) if node is not None and node.op_type == "Sub" else None
    if mean is None or mean.op_type != "ReduceMean" or not attribute(mean, "keepdims", 1):
        return "", []
    source = node.input[0]
    if mean.input[0] == source:
        return source, axes_of_reduction(graph, mean)
    is_of_all = set(graph.lengths(mean.output[0])) == {1} and _origin(graph, mean.input[0]) == _origin(graph, source)
    return source, [axis for axis, length in enumerate(graph.lengths(source)) if length != 1] if is_of_all else []


def _with_affine(
    graph: Rewriter, node: onnx.NodeProto, shape: list[int | str], axes: list[int]
) -> tuple[str, list[np.ndarray]]:
    """The last output, and a factor and an offset over the axes, of the Mul and the Add behind a normalization."""
    found, end = [np.ones(1, np.float32), np.zeros(1, np.float32)], node.output[0]
    for number, op_type in enumerate(("Mul", "Add")):
        behind = graph.only_reader(end)
        if behind is None or behind.op_type != op_type:
            continue
        others = [graph.weights.get(name) for name in behind.input if name != end]
        if len(others) != 1 or others[0] is None or others[0].ndim > len(shape):
            break
        values = others[0].reshape([1] * (len(shape) - others[0].ndim) + list(others[0].shape))
        if any(length != 1 and axis not in axes for axis, length in enumerate(values.shape)):
            break
        found[number] = _over(values, len(shape), axes)
        graph.done.add(behind.name)
        end = behind.output[0]
    return end, found


def _affine(graph: Rewriter, node: onnx.NodeProto) -> bool:
    """A factor and an offset for each channel, as behind a normalization in groups: a depthwise convolution."""
    source = next((name for name in node.input if name not in graph.constants), None)
    shape = graph.lengths(source) if source else []
    if node.op_type != "Mul" or source not in graph.behind_layers or len(shape) not in (3, 4):
        return False
    factor, behind = by_channel(graph, node, source, shape), graph.only_reader(node.output[0])
    if factor is None or behind is None or behind.op_type != "Add":
        return False
    offset = by_channel(graph, behind, node.output[0], shape)
    if offset is None:
        return False
    ones = [1] * (len(shape) - 2)
    weight = graph.constant(f"{node.name}/weight", factor.reshape(-1, 1, *ones))
    bias = graph.constant(f"{node.name}/bias", offset)
    graph.put("Conv", [source, weight, bias], behind.output[0], node.name, group=len(factor), kernel_shape=ones)
    graph.done.add(behind.name)
    return True


def _written_out(graph: Rewriter, node: onnx.NodeProto) -> bool:
    """A normalization that no layer comes before: in means and differences, which are computed in float there."""
    source, has_mean = node.input[0], node.op_type == "LayerNormalization"
    if (
        not (has_mean or node.op_type == "RMSNormalization")
        or source in graph.behind_layers
        or not graph.lengths(source)
    ):
        return False
    dimensions, name = len(graph.lengths(source)), node.name
    axes = list(range(attribute(node, "axis", -1) % dimensions, dimensions))

    def put(op_type: str, inputs: list[str], what: str, **attributes: object) -> str:
        return graph.put(op_type, inputs, graph.tensor(f"{name}/{what}"), **attributes)

    opset = opset_of(graph.model)

    def mean_of(read: str, what: str) -> str:
        if opset >= MEANS_BY_INPUT:
            return put("ReduceMean", [read, graph.integers(f"{name}/axes", *axes)], what, keepdims=1)
        return put("ReduceMean", [read], what, axes=axes, keepdims=1)

    centred = put("Sub", [source, mean_of(source, "mean")], "centred") if has_mean else source
    variance = mean_of(put("Mul", [centred, centred], "square"), "variance")
    epsilon = graph.constant(f"{name}/epsilon", np.full(1, attribute(node, "epsilon", 1e-5), np.float32))
    root = put("Sqrt", [put("Add", [variance, epsilon], "positive")], "deviation")
    parts = [("Div", root), *zip(("Mul", "Add"), filter(None, node.input[1:]), strict=False)]
    for number, (op_type, other) in enumerate(parts):
        is_last = number == len(parts) - 1
        made = node.output[0] if is_last else graph.tensor(f"{name}/{op_type}")
        centred = graph.put(op_type, [centred, other], made, name if is_last else None)
    return True


FORMS = (_layer_norm, _rms_norm, _written_out, _affine)
"""See `rewriting.rewrite`."""

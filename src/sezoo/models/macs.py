"""Multiply-accumulates of a model, counted node by node from the shapes."""

from __future__ import annotations

from math import prod

import onnx

from sezoo.models.constant_shapes import with_constant_shapes
from sezoo.models.onnx_graph import attribute, axes_of, copy_model
from sezoo.models.states import batch_of_one, fix_lengths, frames_of, magnitude_input

__all__ = ["BIAS_INPUT", "DATA_INPUTS", "macs_by_node", "macs_per_frame", "multiply_accumulates"]

FRAMES = 64
"""That a model is tried on."""

DATA_INPUTS = {
    **dict.fromkeys(("QLinearConv", "QGemm"), (0, 3)),
    **dict.fromkeys(("QLinearMatMul", "QLinearAdd", "QLinearMul"), (0, 3)),
    **dict.fromkeys(("ConvInteger", "MatMulInteger"), (0, 1)),
}
"""Where operators on integers have their two tensors, and the weights second; all else are scales and zero points."""


BIAS_INPUT = {"QLinearConv": 8, "QGemm": 6}


def macs_per_frame(model: onnx.ModelProto) -> float | None:
    """MAC that a frame costs; None where a shape cannot be inferred.

    From two lengths, so that what does not grow with the frames does not count. Shapes that the graph computes from
    the input's are made constants for it, as far as they are with a batch of 1.
    """
    model = copy_model(model)
    fix_lengths(model, magnitude_input(model), 1, None)
    try:
        model = with_constant_shapes(model)
    except Exception:  # it does not run, which `_problem` tells of; onnxruntime's exceptions have no base class
        return None
    frames = frames_of(model)
    if isinstance(frames, int):
        macs = multiply_accumulates(model, frames)
        return None if macs is None else macs / frames
    short, long = multiply_accumulates(model, 64), multiply_accumulates(model, 128)
    return None if short is None or long is None else (long - short) / 64


def multiply_accumulates(model: onnx.ModelProto, frames: int) -> int | None:
    """MAC of one pass over (1, bins, `frames`): convolutions, matrix products, recurrent layers.

    None where the shape of one of them cannot be inferred.
    """
    counts = macs_by_node(model, frames)
    return None if None in counts.values() else sum(counts.values())


def macs_by_node(model: onnx.ModelProto, frames: int = FRAMES) -> dict[str, int | None]:
    """Return the multiply-accumulates of each node by its first output; None if a shape cannot be inferred."""
    fixed = copy_model(model)
    batch_of_one(fixed)
    fix_lengths(fixed, magnitude_input(fixed), 1, frames)
    del fixed.graph.value_info[:]
    for output in fixed.graph.output:
        output.type.tensor_type.ClearField("shape")
    try:
        fixed = onnx.shape_inference.infer_shapes(fixed, data_prop=True)
    except onnx.shape_inference.InferenceError:  # an operator that onnx does not know
        return {node.output[0]: None for node in fixed.graph.node}
    shapes = {weight.name: list(weight.dims) for weight in fixed.graph.initializer}
    for value in (*fixed.graph.input, *fixed.graph.value_info, *fixed.graph.output):
        axes = axes_of(value)
        if axes is not None and all(isinstance(axis, int) for axis in axes):
            shapes[value.name] = axes
    counts: dict[str, int | None] = {}
    for node in fixed.graph.node:
        try:
            counts[node.output[0]] = _node_macs(node, shapes)
        except (KeyError, ValueError, IndexError):  # a shape that is not known, or not one that the operator takes
            counts[node.output[0]] = None
    return counts


def _node_macs(node: onnx.NodeProto, shapes: dict[str, list[int]]) -> int:
    def shape(name: str) -> list[int]:
        return shapes[name]  # KeyError: not known

    source, weight = ((*node.input, *[""] * 4)[place] for place in DATA_INPUTS.get(node.op_type, (0, 1)))
    match node.op_type:
        case "Conv" | "QLinearConv" | "ConvInteger":  # an output is a sum over the kernel and the group's inputs
            return prod(shape(node.output[0])) * prod(shape(weight)[1:])
        case "ConvTranspose":  # every input value goes into as many sums as the kernel has weights
            return prod(shape(source)) * prod(shape(weight)[1:])
        case "MatMul" | "QLinearMatMul" | "MatMulInteger":
            return prod(shape(node.output[0])) * shape(source)[-1]
        case "Gemm" | "QGemm":
            return prod(shape(node.output[0])) * shape(source)[0 if attribute(node, "transA", 0) else -1]
        case "Einsum":  # a product for every value of the output and every value that is summed over
            terms = attribute(node, "equation", b"").decode().replace(" ", "").partition("->")[0].split(",")
            lengths: dict[str, int] = {}
            for term, name in zip(terms, node.input, strict=True):
                for axis, length in zip(_einsum_axes(term, len(shape(name))), shape(name), strict=True):
                    lengths[axis] = max(length, lengths.get(axis, 1))
            return prod(lengths.values()) * (len(terms) - 1)
        case "LSTM" | "GRU" | "RNN":
            steps, batch = shape(node.input[0])[:2]
            return steps * batch * (prod(shape(node.input[1])) + prod(shape(node.input[2])))
        case "Scan":
            return _scan_macs(node, shapes)
    return 0


def _einsum_axes(term: str, rank: int) -> list[str]:
    """The names of an input's axes; those that an ellipsis stands for are counted from the last."""
    before, ellipsis, after = term.partition("...")
    unnamed = range(rank - len(before) - len(after), 0, -1) if ellipsis else ()
    return [*before, *(f"...{place}" for place in unnamed), *after]


def _scan_macs(node: onnx.NodeProto, shapes: dict[str, list[int]]) -> int:
    """Return the multiply-accumulates of a Scan body's products with outer weights, with one row per batch item."""
    body, axes = attribute(node, "body", None), attribute(node, "scan_input_axes", None)
    sequences = node.input[-attribute(node, "num_scan_inputs", 0) :]
    weights = [each.input[1] for each in body.node if each.op_type == "MatMul" and each.input[1] in shapes]
    if not weights:
        return 0
    axis = axes[0] if axes else 0
    steps, rest = shapes[sequences[0]][axis], [size for at, size in enumerate(shapes[sequences[0]]) if at != axis]
    return steps * prod(rest[:-1]) * sum(prod(shapes[name]) for name in weights)

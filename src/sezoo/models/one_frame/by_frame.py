"""Operators that process each frame independently, so that a piece needs no earlier frames."""

from __future__ import annotations

import onnx

from sezoo.models.frame_axes import EVERY_OTHER_FRAME
from sezoo.models.one_frame.piece import Piece
from sezoo.models.onnx_graph import attribute

__all__ = ["why_not_by_frame"]

BY_FRAME = {
    *("Abs", "Add", "And", "BatchNormalization", "Cast", "Ceil", "Clip", "Cos"),
    *("DepthToSpace", "Div", "Dropout", "Elu", "Equal", "Erf", "Exp", "Expand"),
    *("Floor", "Gelu", "Greater", "GreaterOrEqual", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu"),
    *("Less", "LessOrEqual", "Log", "Max", "Min", "Mish", "Mul", "Neg"),
    *("Not", "Or", "PRelu", "Pow", "Reciprocal", "Relu", "Resize", "Round"),
    *("Selu", "Sigmoid", "Sign", "Sin", "Softplus", "Softsign", "SpaceToDepth", "Sqrt"),
    *("Sub", "Sum", "Tanh", "ThresholdedRelu", "Upsample", "Where"),
}
"""Operators that work on every frame for itself, if only their output has as many of them."""

NORMS = ("LayerNormalization", "RMSNormalization")
"""Operators that work along an axis and all behind it."""

ALONG = {
    **dict.fromkeys(("Concat", "Split", "Gather", "Softmax", "LogSoftmax", "CumSum", "TopK", "ArgMax"), "axis"),
    **dict.fromkeys(NORMS, "axis"),
}
"""Operators that work along an axis, and the attribute with it."""


def why_not_by_frame(piece: Piece, node: onnx.NodeProto, source: str) -> str | None:
    """Why a node cannot work on a frame of this input for itself, with a remedy; None where it can."""
    kind = node.op_type
    axis, rank = piece.axis(source), piece.value(source).ndim
    later = "works over all frames of a clip, later ones too; take a running mean, or one over bins or channels"
    if kind.startswith("Reduce"):
        found = attribute(node, "axes", None)
        if found is None and len(node.input) > 1 and node.input[1]:
            found = piece.value(node.input[1]).tolist()
        axes = range(rank) if not found else [each % rank for each in found]
        return later if axis in axes else None
    if kind in ("GlobalAveragePool", "GlobalMaxPool", "InstanceNormalization", "GroupNormalization"):
        return later if axis >= (1 if kind == "GroupNormalization" else 2) else None
    if kind in ALONG:
        defaults = {"Gather": 0, "Split": 0, "TopK": -1, "ArgMax": 0}
        along = attribute(node, ALONG[kind], defaults.get(kind, -1))
        if kind == "CumSum":
            along = int(piece.value(node.input[1]))
        along %= rank
        return later if along == axis or (kind in NORMS and along <= axis) else None
    if kind in ("MatMul", "Gemm"):
        return None if piece.axis(node.output[0]) is not None and not _is_contracted(piece, node) else later
    if kind == "Einsum" and "." not in (equation := attribute(node, "equation", b"->").decode().replace(" ", "")):
        inputs, _, made = equation.partition("->")
        letters = {
            term[piece.axis(name)]
            for name, term in zip(node.input, inputs.split(","), strict=True)
            if piece.axis(name) is not None
        }
        return None if len(letters) == 1 and letters <= set(made) else later
    if kind == "Attention":
        return None if _is_within_frames(piece, node) else EVERY_OTHER_FRAME
    if kind in BY_FRAME:
        return None
    return "is an operator of which it is not known what it does with frames; write it in others"


def _is_contracted(piece: Piece, node: onnx.NodeProto) -> bool:
    """Whether a product adds up over frames."""
    for place, name in enumerate(node.input[:2]):
        axis = piece.axis(name)
        if axis is None:
            continue
        rank = piece.value(name).ndim
        summed = rank - 1 if place == 0 else max(0, rank - 2)
        if node.op_type == "Gemm" and attribute(node, ("transA", "transB")[place], 0):
            summed = rank - 1 - summed
        if axis == summed:
            return True
    return False


def _is_within_frames(piece: Piece, node: onnx.NodeProto) -> bool:
    """Whether the frames of all that an Attention reads are its batch or, where those have an axis, its heads.

    A mask is broadcast to (batch, heads, queries, keys), so that axes are counted from the last one.
    """
    read = [name for name in node.input if name and piece.axis(name) is not None]
    places = {piece.axis(name) - piece.value(name).ndim for name in read}
    return len(places) == 1 and places <= ({-3} if piece.value(node.input[0]).ndim == 3 else {-4, -3})

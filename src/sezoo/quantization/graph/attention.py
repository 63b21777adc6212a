"""The operator Attention of opset 23 as the two products and the softmax that it is."""

from __future__ import annotations

import numpy as np
import onnx

from sezoo.models.onnx_graph import attribute
from sezoo.quantization.graph.rewriting import Rewriter

__all__ = ["FORMS"]

SPECIAL = ("is_causal", "qk_matmul_output_mode", "softcap", "q_num_heads", "kv_num_heads")
"""Attributes that are 0 where each query looks at all keys, and heads are an axis."""


def _attention(graph: Rewriter, node: onnx.NodeProto) -> bool:
    """Queries, keys and values of (batch, heads, tokens, channels), without a mask."""
    if node.op_type != "Attention" or len([name for name in node.input if name]) != 3 or len(node.output) != 1:
        return False
    shapes = [graph.lengths(name) for name in node.input]
    if any(attribute(node, name, 0) for name in SPECIAL) or any(len(shape) != 4 for shape in shapes):
        return False
    if len({shape[1] for shape in shapes}) > 1 or not isinstance(shapes[0][3], int):
        return False
    query, key, value = node.input
    name = node.name
    turned = graph.put("Transpose", [key], graph.tensor(f"{name}/keys"), perm=[0, 1, 3, 2])
    scores = graph.put("MatMul", [query, turned], graph.tensor(f"{name}/scores"))
    scale = np.full(1, attribute(node, "scale", shapes[0][3] ** -0.5), np.float32)
    scaled = [scores, graph.constant(f"{name}/scale", scale)]
    shares = graph.put("Mul", scaled, graph.tensor(f"{name}/scaled"))
    shares = graph.put("Softmax", [shares], graph.tensor(f"{name}/shares"), axis=-1)
    graph.put("MatMul", [shares, value], node.output[0], name)
    return True


FORMS = (_attention,)
"""See `rewriting.rewritten`."""

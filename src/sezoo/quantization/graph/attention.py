"""The operator Attention of opset 23 as the two products and the softmax that it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx

from sezoo.models.onnx_graph import attribute
from sezoo.quantization.graph.rewriting import Rewriter

__all__ = ["FORMS"]

SPECIAL = ("is_causal", "qk_matmul_output_mode", "softcap")
"""Attributes that are 0 where each query looks at all keys."""


def _attention(graph: Rewriter, node: onnx.NodeProto) -> bool:
    """Queries, keys and values of (batch, heads, tokens, channels) or (batch, tokens, heads * channels).

    There is no mask. There may be fewer heads of keys and values, each for several of the queries in turn.
    """
    if node.op_type != "Attention" or len([name for name in node.input if name]) != 3 or len(node.output) != 1:
        return False
    if any(attribute(node, name, 0) for name in SPECIAL):
        return False
    shapes = [graph.lengths(name) for name in node.input]
    if {len(shape) for shape in shapes} == {3}:
        counts = [attribute(node, name, 0) for name in ("q_num_heads", "kv_num_heads", "kv_num_heads")]
        channels = [shape[2] for shape in shapes]
    elif {len(shape) for shape in shapes} == {4}:
        counts, channels = [shape[1] for shape in shapes], [shape[3] for shape in shapes]
    else:
        return False
    if not all(isinstance(each, int) and each for each in (*counts, *channels)) or counts[0] % counts[1]:
        return False
    parts = _Heads(graph, node, len(shapes[0]) == 3)
    query = parts.of("queries", node.input[0], counts[0], counts[0], channels[0])
    key, value = (
        parts.of(what, name, count, counts[0], wide)
        for what, name, count, wide in zip(("keys", "values"), node.input[1:], counts[1:], channels[1:], strict=True)
    )
    name, depth = node.name, channels[0] // counts[0] if parts.joined else channels[0]
    turned = graph.put("Transpose", [key], graph.tensor(f"{name}/keys"), perm=[0, 1, 3, 2])
    scores = graph.put("MatMul", [query, turned], graph.tensor(f"{name}/scores"))
    scale = np.full(1, attribute(node, "scale", depth**-0.5), np.float32)
    scaled = [scores, graph.constant(f"{name}/scale", scale)]
    shares = graph.put("Mul", scaled, graph.tensor(f"{name}/scaled"))
    shares = graph.put("Softmax", [shares], graph.tensor(f"{name}/shares"), axis=-1)
    if not parts.joined:
        graph.put("MatMul", [shares, value], node.output[0], name)
        return True
    mixed = graph.put("MatMul", [shares, value], graph.tensor(f"{name}/mixed"), name)
    mixed = graph.put("Transpose", [mixed], graph.tensor(f"{name}/tokens"), perm=[0, 2, 1, 3])
    width = channels[2] // counts[2] * counts[0]
    graph.put("Reshape", [mixed, graph.integers(f"{name}/joined", 0, 0, width)], node.output[0])
    return True


@dataclass(frozen=True)
class _Heads:
    """The operands of a node with an axis of their heads, (batch, heads, tokens, channels).

    Attributes
    ----------
    joined : they are given as (batch, tokens, heads * channels).
    """

    graph: Rewriter
    node: onnx.NodeProto
    joined: bool

    def of(self, what: str, source: str, count: int, wanted: int, channels: int) -> str:
        """The operand with `wanted` heads, of which it has `count`."""
        graph, name = self.graph, f"{self.node.name}/{what}"
        if self.joined:
            shape = graph.integers(f"{name}/shape", 0, 0, count, channels // count)
            source = graph.put("Reshape", [source, shape], graph.tensor(f"{name}/apart"))
            source = graph.put("Transpose", [source], graph.tensor(f"{name}/heads"), perm=[0, 2, 1, 3])
        if count < wanted:
            each = graph.integers(f"{name}/each", *np.repeat(np.arange(count), wanted // count))
            source = graph.put("Gather", [source, each], graph.tensor(f"{name}/repeated"), axis=1)
        return source


FORMS = (_attention,)
"""See `rewriting.rewrite`."""

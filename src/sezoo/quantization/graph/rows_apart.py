"""A layer over rows in which an exporter has joined frames and bins, as one over frames and bins again.

PyTorch flattens all but the last axis before a linear layer in its attention, and makes axes of them again behind it.
"""

from __future__ import annotations

import numpy as np
import onnx

from sezoo.models.onnx_graph import attribute
from sezoo.quantization.graph.rewriting import Rewriter

__all__ = ["FORMS"]

KEPT, REST = 0, -1
"""In the shape of a Reshape: the axis of the input, and what the others leave."""


def _rows_apart(graph: Rewriter, node: onnx.NodeProto) -> bool:
    """A Gemm or a MatMul with constant weights on the right, of a Reshape of (a, b, ...) to (a b, ...).

    With the heads of attention in the second axis, (a, b heads, channels of one), the Reshape behind shows what `a` is.
    """
    if node.op_type not in ("Gemm", "MatMul") or node.input[1] not in graph.weights:
        return False
    scaled = [attribute(node, name, usual) != usual for name, usual in (("alpha", 1.0), ("beta", 1.0), ("transA", 0))]
    joining, rows = graph.made_by.get(node.input[0]), graph.lengths(node.input[0])
    if joining is None or joining.op_type != "Reshape" or len(rows) != 2 or any(scaled):
        return False
    before, width = graph.lengths(joining.input[0]), rows[1]
    if len(before) < 3 or not all(isinstance(length, int) for length in (*before[2:], width)):
        return False
    of_both = np.prod(before[2:], dtype=np.int64) == width
    if not of_both and (not isinstance(before[0], int) or _first_axis_behind(graph, node) != before[0]):
        return False
    matrix = graph.weights[node.input[1]]
    matrix = np.ascontiguousarray(matrix.T if attribute(node, "transB", 0) else matrix)
    source = joining.input[0]
    if len(before) > 3 or not of_both:
        shape = graph.integers(f"{node.name}/apart/shape", KEPT, KEPT if of_both else REST, width)
        source = graph.put("Reshape", [source, shape], graph.tensor(f"{node.name}/apart"))
    weight = graph.constant(f"{node.name}/matrix", matrix)
    made = graph.put("MatMul", [source, weight], graph.tensor(f"{node.name}/product"), node.name)
    if len(node.input) > 2 and node.input[2]:
        made = graph.put("Add", [made, node.input[2]], graph.tensor(f"{node.name}/sum"))
    graph.put("Reshape", [made, graph.integers(f"{node.name}/joined", -1, matrix.shape[1])], node.output[0])
    return True


def _first_axis_behind(graph: Rewriter, node: onnx.NodeProto) -> int | str | None:
    """Return the first axis of the Reshape behind a layer, and its bias; None if something else is there."""
    reader = graph.only_reader(node.output[0])
    if reader is not None and reader.op_type == "Add":
        reader = graph.only_reader(reader.output[0])
    lengths = graph.lengths(reader.output[0]) if reader is not None and reader.op_type == "Reshape" else []
    return lengths[0] if len(lengths) > 2 else None


FORMS = (_rows_apart,)
"""See `rewriting.rewrite`."""

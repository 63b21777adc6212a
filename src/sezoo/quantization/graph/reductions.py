"""Norms and other sums over bins or channels by ReduceSum and ReduceMax, and running sums over them as a matrix."""

from __future__ import annotations

import numpy as np
import onnx

from sezoo.models.onnx_graph import attribute, copy_node
from sezoo.quantization.graph.rewriting import Rewriter, axes_of_reduction

__all__ = ["FORMS"]

SUMS = {"ReduceL1": ("Abs", None), "ReduceL2": ("Mul", "Sqrt"), "ReduceSumSquare": ("Mul", None)}
"""What is added up, and the function of the sum."""


def _sum(graph: Rewriter, node: onnx.NodeProto) -> bool:
    source = node.input[0]
    if node.op_type not in SUMS or source not in graph.behind_layers or not (axes := axes_of_reduction(graph, node)):
        return False
    (term, behind), name = SUMS[node.op_type], node.name
    terms = graph.put(term, [source] * (2 if term == "Mul" else 1), graph.tensor(f"{name}/terms"))
    end = graph.tensor(f"{name}/sum") if behind else node.output[0]
    given = [terms, graph.integers(f"{name}/axes", *axes)]
    graph.put("ReduceSum", given, end, name, keepdims=attribute(node, "keepdims", 1))
    if behind:
        graph.put(behind, [end], node.output[0])
    return True


def _least(graph: Rewriter, node: onnx.NodeProto) -> bool:
    """A ReduceMin, which is the largest of what is negated."""
    source = node.input[0]
    if node.op_type != "ReduceMin" or source not in graph.behind_layers or not axes_of_reduction(graph, node):
        return False
    copy = copy_node(node)
    copy.op_type = "ReduceMax"
    minus = graph.constant(f"{node.name}/minus", np.full(1, -1, np.float32))  # a product is rounded, where Neg is not
    copy.input[0] = graph.put("Mul", [source, minus], graph.tensor(f"{node.name}/negative"))
    copy.output[0] = graph.tensor(f"{node.name}/largest")
    graph.keep(copy)
    graph.put("Mul", [copy.output[0], minus], node.output[0])
    return True


def _running_sum(graph: Rewriter, node: onnx.NodeProto) -> bool:
    """A CumSum over an axis of known length: a product with a triangle of ones."""
    shape = graph.lengths(node.input[0])
    if node.op_type != "CumSum" or node.input[1] not in graph.constants or len(shape) not in (3, 4):
        return False
    axis = int(graph.constants[node.input[1]].item()) % len(shape)
    if axis == 0 or not isinstance(shape[axis], int) or node.input[0] not in graph.behind_layers:
        return False
    ones = np.tri(shape[axis], k=-attribute(node, "exclusive", 0), dtype=np.float32).T  # from each to those behind it
    matrix = graph.constant(
        f"{node.name}/ones", np.ascontiguousarray(ones.T if attribute(node, "reverse", 0) else ones)
    )
    order = [*(each for each in range(len(shape)) if each != axis), axis]
    is_last = order == list(range(len(shape)))
    source = node.input[0]
    if not is_last:
        source = graph.put("Transpose", [source], graph.tensor(f"{node.name}/turned"), perm=order)
    made = node.output[0] if is_last else graph.tensor(f"{node.name}/sums")
    graph.put("MatMul", [source, matrix], made, node.name)
    if not is_last:
        graph.put("Transpose", [made], node.output[0], perm=[order.index(each) for each in range(len(shape))])
    return True


FORMS = (_sum, _least, _running_sum)
"""See `rewriting.rewrite`."""

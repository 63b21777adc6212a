"""Comparisons and what is chosen by them, as products with numbers that are 0 or 1.

`a > b` is ``relu(sign(a - b))``, a function of one tensor, and exact in int8 too. What a Where chooses by it is the sum
of both, one of them times 0. A Where of two tensors by a constant moves numbers, and stays.
"""

from __future__ import annotations

import numpy as np
import onnx

from sezoo.quantization.graph.rewriting import Rewriter

__all__ = ["FORMS"]

LARGEST = 1e4
"""A constant beyond which a choice has no range to be rounded in: what masks attention, say."""

COMPARED = {
    "Greater": (0, 1, False),
    "Less": (1, 0, False),
    "GreaterOrEqual": (1, 0, True),
    "LessOrEqual": (0, 1, True),
}
"""The operand that is larger where the step is 1, the other one, and whether 1 less the step is meant."""

JOINED = {"Not": ("", ""), "And": ("Min", "Max"), "Or": ("Max", "Min")}
"""Operators on comparisons, and what they are on numbers, and on those inverted."""


def _where(graph: Rewriter, node: onnx.NodeProto) -> bool:
    if node.op_type != "Where" or not set(node.input) & graph.behind_layers:
        return False
    condition, chosen, other = node.input
    constants = [graph.constants.get(name) for name in node.input]
    if any(values is not None and np.abs(values).max(initial=0) > LARGEST for values in constants[1:]):
        return False
    if constants[0] is None:
        if _extreme(graph, node):
            return True
        if not _is_comparison(graph, condition):
            return False
        step = _step(graph, condition, node.name)
        one = graph.constant(f"{node.name}/1", np.ones(1, np.float32))
        steps = [step, graph.put("Sub", [one, step], graph.tensor(f"{node.name}/otherwise"))]
    elif any(values is not None for values in constants[1:]):
        return _by_constants(graph, node, constants)
    else:
        return False
    parts = [
        graph.put("Mul", [name, step], graph.tensor(f"{node.name}/part"))
        for name, step, values in zip((chosen, other), steps, constants[1:], strict=True)
        if values is None or values.any()
    ]
    graph.put("Add" if len(parts) == 2 else "Identity", parts, node.output[0], node.name)
    return True


def _by_constants(graph: Rewriter, node: onnx.NodeProto, constants: list[np.ndarray | None]) -> bool:
    """A tensor in some places, numbers in the others."""
    condition, chosen, other = constants
    is_kept = condition if chosen is None else ~condition
    given, numbers = (node.input[1], other) if chosen is None else (node.input[2], chosen)
    factor = graph.constant(f"{node.name}/kept", is_kept.astype(np.float32))
    if not numbers.any():
        graph.put("Mul", [given, factor], node.output[0], node.name)
        return True
    added = graph.constant(f"{node.name}/numbers", np.where(is_kept, 0, numbers).astype(np.float32))
    part = graph.put("Mul", [given, factor], graph.tensor(f"{node.name}/part"))
    graph.put("Add", [part, added], node.output[0], node.name)
    return True


def _extreme(graph: Rewriter, node: onnx.NodeProto) -> bool:
    """The larger or the smaller one of what is compared."""
    compared = graph.made_by.get(node.input[0])
    if compared is None or compared.op_type not in COMPARED:
        return False
    larger = compared.input[0 if compared.op_type.startswith("Greater") else 1]
    smaller = compared.input[1 if compared.op_type.startswith("Greater") else 0]
    for kind, pair in (("Max", (larger, smaller)), ("Min", (smaller, larger))):
        if all(_are_the_same(graph, *names) for names in zip(pair, node.input[1:], strict=True)):
            graph.put(kind, node.input[1:], node.output[0], node.name)
            return True
    return False


def _are_the_same(graph: Rewriter, one: str, other: str) -> bool:
    """Whether two tensors are one, or the same number."""
    numbers = [graph.constants.get(name) for name in (one, other)]
    if one == other or any(values is None or values.size != 1 for values in numbers):
        return one == other
    return bool(numbers[0].item() == numbers[1].item())


def _cast(graph: Rewriter, node: onnx.NodeProto) -> bool:
    """A comparison as a number."""
    kind = next((entry.i for entry in node.attribute if entry.name == "to"), 0)
    if node.op_type != "Cast" or kind != onnx.TensorProto.FLOAT or not _is_comparison(graph, node.input[0]):
        return False
    graph.put("Identity", [_step(graph, node.input[0], node.name)], node.output[0], node.name)
    return True


def _is_comparison(graph: Rewriter, name: str) -> bool:
    """Return whether a tensor is the comparison of two floats after layers."""
    made_by = graph.made_by.get(name)
    if made_by is None:
        return False
    if made_by.op_type in JOINED:
        return all(_is_comparison(graph, each) for each in made_by.input)
    return made_by.op_type in COMPARED and name in graph.behind_layers


def _step(graph: Rewriter, name: str, at: str, *, inverted: bool = False) -> str:
    """1 where a comparison holds, else 0."""
    node = graph.made_by[name]
    if node.op_type == "Not":
        return _step(graph, node.input[0], at, inverted=not inverted)
    if node.op_type in JOINED:
        kind = JOINED[node.op_type][inverted]
        parts = [_step(graph, each, at, inverted=inverted) for each in node.input]
        return graph.put(kind, parts, graph.tensor(f"{at}/both"))
    larger, smaller, is_inverse = COMPARED[node.op_type]
    inverted ^= is_inverse
    a, b = node.input[larger], node.input[smaller]
    zero = [graph.constants.get(each) for each in (a, b)]
    if zero[1] is not None and not zero[1].any():
        difference = a
    elif zero[0] is not None and not zero[0].any():
        minus = graph.constant(f"{at}/minus", np.full(1, -1, np.float32))  # a product is rounded, where Neg is not
        difference = graph.put("Mul", [b, minus], graph.tensor(f"{at}/negative"))
    else:
        difference = graph.put("Sub", [a, b], graph.tensor(f"{at}/difference"))
    sign = graph.put("Sign", [difference], graph.tensor(f"{at}/sign"))
    step = graph.put("Relu", [sign], graph.tensor(f"{at}/step"))
    if not inverted:
        return step
    one = graph.constant(f"{at}/1", np.ones(1, np.float32))
    return graph.put("Sub", [one, step], graph.tensor(f"{at}/otherwise"))


FORMS = (_where, _cast)
"""See `rewriting.rewrite`."""

"""An Einsum of two operands as Transposes, Reshapes and a MatMul, which is what it is wherever nothing is repeated.

With constants for each of the letters that are kept it is a convolution in groups; where nothing is summed, a Mul. Of
one operand it is a sum over axes and a Transpose.
"""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_letters

import numpy as np
import onnx

from sezoo.models.onnx_graph import attribute
from sezoo.quantization.graph.grouped_products import GroupedProduct
from sezoo.quantization.graph.rewriting import Rewriter

__all__ = ["FORMS"]

Axes = Sequence[int | str]


def _of_one_operand(graph: Rewriter, node: onnx.NodeProto) -> bool:
    """An order of axes, and a sum over those that the output leaves out."""
    if node.op_type != "Einsum" or len(node.input) != 1:
        return False
    terms = _terms(attribute(node, "equation", b"").decode(), [len(graph.lengths(node.input[0]))])
    if terms is None or not {*terms[1]} <= {*terms[0]} or len(terms[0]) != len(graph.lengths(node.input[0])):
        return False
    (term, made), source = terms, node.input[0]
    summed = [axis for axis, letter in enumerate(term) if letter not in made]
    kept = "".join(letter for letter in term if letter in made)
    if summed:
        end = node.output[0] if kept == made else graph.tensor(f"{node.name}/sum")
        axes = graph.integers(f"{node.name}/axes", *summed)
        source = graph.put("ReduceSum", [source, axes], end, node.name, keepdims=0)
    if kept != made or not summed:
        graph.put("Transpose", [source], node.output[0], perm=[kept.index(letter) for letter in made])
    return True


def _einsum(graph: Rewriter, node: onnx.NodeProto) -> bool:
    """A sum over letters that both operands have, for every letter that both and the output have."""
    if node.op_type != "Einsum" or len(node.input) != 2:
        return False
    shapes = [graph.lengths(name) for name in node.input]
    terms = _terms(attribute(node, "equation", b"").decode(), [len(shape) for shape in shapes])
    if terms is None or any(len(shape) != len(term) for shape, term in zip(shapes, terms, strict=False)):
        return False
    pairs = [
        [shape[term.index(each)] for shape, term in zip(shapes, terms, strict=False)] for each in _common_letters(terms)
    ]
    if any((1 in pair or all(isinstance(length, int) for length in pair)) and len({*pair}) > 1 for pair in pairs):
        return False  # one of them is spread
    left, right, made = terms
    operands = [*node.input]
    if operands[0] in graph.weights and operands[1] not in graph.weights:  # weights on the right, as layers have them
        left, right, operands, shapes = right, left, operands[::-1], shapes[::-1]
    batch = [letter for letter in left if letter in right and letter in made]
    summed = [letter for letter in left if letter in right and letter not in made]
    rows, columns = ([letter for letter in term if letter not in (*batch, *summed)] for term in (left, right))
    if set(made) != {*batch, *rows, *columns}:
        return False
    if not summed:
        return _without_sums(graph, node, (left, right, made), operands)
    lengths = dict(zip((*left, *right), (*shapes[0], *shapes[1]), strict=True))
    if operands[1] in graph.weights and not batch:
        return _with_weights(graph, node, (left, made), (rows, summed, columns), operands, right)
    if operands[1] in graph.weights:
        product = GroupedProduct(operands[0], lengths, graph.weights[operands[1]], left, right, made)
        return product.put(graph, node)
    groups = [_length(lengths, letters) for letters in (rows, summed, columns)]
    if None in groups or sum(isinstance(lengths[letter], str) for letter in batch) > 1:
        return False
    known = [lengths[letter] if isinstance(lengths[letter], int) else -1 for letter in batch]
    a = _matrix(graph, node, operands[0], left, (batch, rows, summed), (known, groups[0], groups[1]), "left")
    b = _matrix(graph, node, operands[1], right, (batch, summed, columns), (known, groups[1], groups[2]), "right")
    order, is_in_shape = [*batch, *rows, *columns], len(rows) == len(columns) == 1
    is_in_order = order == list(made)
    end = node.output[0] if is_in_shape and is_in_order else graph.tensor(f"{node.name}/product")
    product = graph.put("MatMul", [a, b], end, node.name)
    if not is_in_shape:
        shape = graph.integers(f"{node.name}/shape", *known, *(int(lengths[letter]) for letter in (*rows, *columns)))
        end = node.output[0] if is_in_order else graph.tensor(f"{node.name}/shaped")
        product = graph.put("Reshape", [product, shape], end)
    if not is_in_order:
        graph.put("Transpose", [product], node.output[0], perm=[order.index(letter) for letter in made])
    return True


def _with_weights(
    graph: Rewriter,
    node: onnx.NodeProto,
    terms: tuple[str, str],
    letters: tuple[list[str], list[str], list[str]],
    operands: list[str],
    of_weights: str,
) -> bool:
    """The product with a matrix of constants, which may keep all other axes as they are."""
    (left, made), (rows, summed, columns) = terms, letters
    if len(summed) != 1 or len(columns) != 1 or len(left) not in (2, 3, 4):
        return False
    matrix = np.einsum(f"{of_weights}->{summed[0]}{columns[0]}", graph.weights[operands[1]])
    order = [*rows, summed[0]]
    source = _transpose(graph, node, operands[0], left, order, "left")
    weight = graph.constant(f"{node.name}/matrix", np.ascontiguousarray(matrix))
    order = [*rows, columns[0]]
    end = node.output[0] if order == list(made) else graph.tensor(f"{node.name}/product")
    graph.put("MatMul", [source, weight], end, node.name)
    if end != node.output[0]:
        graph.put("Transpose", [end], node.output[0], perm=[order.index(letter) for letter in made])
    return True


def _common_letters(terms: tuple[str, str, str]) -> set[str]:
    """The letters that both operands have."""
    return {*terms[0]} & {*terms[1]}


def _without_sums(graph: Rewriter, node: onnx.NodeProto, terms: tuple[str, str, str], operands: Sequence[str]) -> bool:
    """A product of each number with each, or with its own: a Mul of both with all axes."""
    parts = []
    for what, name, term in zip(("left", "right"), operands, terms, strict=False):
        order = [letter for letter in terms[2] if letter in term]
        part = _transpose(graph, node, name, term, order, what)
        missing = [axis for axis, letter in enumerate(terms[2]) if letter not in term]
        if missing:
            axes = graph.integers(f"{node.name}/{what}/axes", *missing)
            part = graph.put("Unsqueeze", [part, axes], graph.tensor(f"{node.name}/{what}/spread"))
        parts.append(part)
    graph.put("Mul", parts, node.output[0], node.name)
    return True


def _terms(equation: str, ranks: Sequence[int]) -> tuple[str, ...] | None:
    """The letters of the operands and of the output; None where one is repeated in a term.

    Dots, which stand for the axes that an operand has besides, become letters.
    """
    inputs, arrow, made = equation.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if len(terms) != len(ranks) or (not arrow and "." in equation):
        return None
    others = [letter for letter in ascii_letters if letter not in equation]
    hidden = [rank - len(term.replace("...", "")) for term, rank in zip(terms, ranks, strict=True) if "..." in term]
    if not all(0 <= count <= len(others) for count in hidden):
        return None
    most = max(hidden, default=0)
    dots = others[:most]
    terms = [
        term.replace("...", "".join(dots[most - (rank - len(term.replace("...", ""))) :]))
        for term, rank in zip(terms, ranks, strict=True)
    ]
    made, inputs = made.replace("...", "".join(dots)), ",".join(terms)
    if not arrow:
        made = "".join(sorted(letter for letter in set(inputs) - {","} if inputs.count(letter) == 1))
    if any(len(set(term)) != len(term) for term in (*terms, made)):
        return None
    return (*terms, made)


def _length(lengths: dict[str, int | str], letters: Sequence[str]) -> int | None:
    """Return the product of the lengths of these axes, or None if one is unknown."""
    found = [lengths[letter] for letter in letters]
    return int(np.prod(found, dtype=np.int64)) if all(isinstance(length, int) for length in found) else None


def _transpose(graph: Rewriter, node: onnx.NodeProto, name: str, term: str, order: list[str], what: str) -> str:
    if order == list(term):
        return name
    made = graph.tensor(f"{node.name}/{what}")
    return graph.put("Transpose", [name], made, perm=[term.index(letter) for letter in order])


def _matrix(
    graph: Rewriter,
    node: onnx.NodeProto,
    name: str,
    term: str,
    letters: tuple[list[str], list[str], list[str]],
    sizes: tuple[list[int], int, int],
    what: str,
) -> str:
    """An operand as matrices, (*batch, rows, columns)."""
    source = _transpose(graph, node, name, term, [*letters[0], *letters[1], *letters[2]], what)
    if len(letters[1]) == len(letters[2]) == 1:
        return source
    shape = graph.integers(f"{node.name}/{what}/shape", *sizes[0], *sizes[1:])
    return graph.put("Reshape", [source, shape], graph.tensor(f"{node.name}/{what}/matrix"))


FORMS = (_einsum, _of_one_operand)
"""See `rewriting.rewrite`."""

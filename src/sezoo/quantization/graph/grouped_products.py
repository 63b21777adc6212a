"""Products with a constant matrix for each group, head or bin, as convolutions in groups.

Layers of several heads or groups (a `MatMul` whose weights have three axes or more, or an `Einsum`) multiply each of
them by a matrix of its own; that is a 1x1 convolution whose channels are the numbers of all groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from sezoo.quantization.graph.rewriting import Rewriter

__all__ = ["FORMS", "GroupedProduct"]

KEPT = 0
"""In the shape of a Reshape: the axis of the input."""

LETTERS = "abcefghijklmnopqrstuvw"


@dataclass(frozen=True)
class GroupedProduct:
    """A product of an activation and constants, in Einstein's notation.

    Attributes
    ----------
    source, lengths : the activation, and the length of each of its axes by its letter.
    weights : float32
    term, of_weights, made : the letters of the activation, of the weights and of the output.
    """

    source: str
    lengths: dict[str, int | str]
    weights: np.ndarray
    term: str
    of_weights: str
    made: str

    @property
    def groups(self) -> list[str]:
        """The letters that all three have."""
        return [letter for letter in self.of_weights if letter in self.term and letter in self.made]

    @property
    def summed(self) -> list[str]:
        """Axes that the output lacks."""
        return [letter for letter in self.of_weights if letter in self.term and letter not in self.made]

    @property
    def columns(self) -> list[str]:
        """Axes of only the weights."""
        return [letter for letter in self.of_weights if letter not in self.term]

    @property
    def rows(self) -> list[str]:
        """Axes of only the activation."""
        return [letter for letter in self.term if letter not in self.of_weights]

    def put(self, graph: Rewriter, node: onnx.NodeProto) -> bool:
        """Write it for a node, and the constant that an Add behind it adds; False where it has no such form."""
        groups, summed, columns, rows = self.groups, self.summed, self.columns, self.rows
        if not groups or not summed or not 1 <= len(rows) <= 3 or set(self.made) != {*groups, *columns, *rows}:
            return False
        batch, *positions = rows
        places = [self.lengths[letter] for letter in positions]
        if sum(isinstance(length, str) for length in places) > 1:
            return False
        known = [length if isinstance(length, int) else -1 for length in places] or [1]
        sizes = dict(zip(self.of_weights, self.weights.shape, strict=True))
        count = [int(np.prod([sizes[letter] for letter in letters])) for letters in (groups, summed, columns)]
        name, order = node.name, [batch, *groups, *summed, *positions]
        source = self.source
        if order != list(self.term):
            perm = [self.term.index(letter) for letter in order]
            source = graph.put("Transpose", [source], graph.tensor(f"{name}/groups"), perm=perm)
        shape = graph.integers(f"{name}/channels/shape", KEPT, count[0] * count[1], *known)
        source = graph.put("Reshape", [source, shape], graph.tensor(f"{name}/channels"))
        matrices = np.einsum(f"{self.of_weights}->{''.join((*groups, *columns, *summed))}", self.weights)
        ones = [1] * len(known)
        kernel = np.ascontiguousarray(matrices.reshape(count[0] * count[2], count[1], *ones), np.float32)
        given = [source, graph.constant(f"{name}/weight", kernel)]
        end = node.output[0]
        if (bias := self._bias_behind(graph, end, sizes)) is not None:
            behind = graph.only_reader(end)
            graph.done.add(behind.name)
            end = behind.output[0]
            given.append(graph.constant(f"{name}/bias", bias))
        made = graph.put("Conv", given, graph.tensor(f"{name}/made"), name, group=count[0], kernel_shape=ones)
        apart = [sizes[letter] for letter in (*groups, *columns)]
        shape = graph.integers(f"{name}/apart/shape", KEPT, *apart, *(known if positions else ()))
        order = [batch, *groups, *columns, *positions]
        is_in_order = order == list(self.made)
        made = graph.put("Reshape", [made, shape], end if is_in_order else graph.tensor(f"{name}/apart"))
        if not is_in_order:
            graph.put("Transpose", [made], end, perm=[order.index(letter) for letter in self.made])
        return True

    def _bias_behind(self, graph: Rewriter, product: str, sizes: dict[str, int]) -> np.ndarray | None:
        """(outputs,) float32 that the one Add behind it adds to each; None where it is none, or varies otherwise."""
        behind = graph.only_reader(product)
        if behind is None or behind.op_type != "Add":
            return None
        others = [graph.weights.get(name) for name in behind.input if name != product]
        if len(others) != 1 or others[0] is None or others[0].ndim > len(self.made):
            return None
        values = others[0].reshape([1] * (len(self.made) - others[0].ndim) + list(others[0].shape))
        letters = [*self.groups, *self.columns]
        if any(length != 1 for letter, length in zip(self.made, values.shape, strict=True) if letter not in letters):
            return None
        kept = [letter for letter in self.made if letter in letters]
        values = values.reshape([values.shape[self.made.index(letter)] for letter in kept])
        spread = np.broadcast_to(values, [sizes[letter] for letter in kept])
        return np.ascontiguousarray(spread.transpose([kept.index(letter) for letter in letters]).ravel(), np.float32)


def _with_matrices(graph: Rewriter, node: onnx.NodeProto) -> bool:
    """A MatMul with constant weights of three axes or more on one side."""
    if node.op_type != "MatMul" or sum(name in graph.weights for name in node.input) != 1:
        return False
    from_left = node.input[0] in graph.weights
    weights, source = graph.weights[node.input[0 if from_left else 1]], node.input[1 if from_left else 0]
    shape = graph.lengths(source)
    if weights.ndim < 3 or len(shape) < weights.ndim or len(shape) - 2 > len(LETTERS):
        return False
    outer = LETTERS[: len(shape) - 2]
    of_weights = outer[len(outer) - (weights.ndim - 2) :]
    if any(
        shape[outer.index(letter)] == 1 != length for letter, length in zip(of_weights, weights.shape, strict=False)
    ):
        return False  # the weights make several of one
    kept = [letter for letter, length in zip(of_weights, weights.shape, strict=False) if length != 1]
    weights = weights.reshape([length for length in weights.shape[:-2] if length != 1] + list(weights.shape[-2:]))
    ends = ("zx", "xy") if from_left else ("yx", "xz")  # x is summed, y a row and z a column of the activation
    term, of_weights = outer + ends[1 if from_left else 0], "".join(kept) + ends[0 if from_left else 1]
    made = outer + ("zy" if from_left else "yz")
    return _product(source, shape, weights, (term, of_weights, made)).put(graph, node)


def _product(
    source: str, shape: Sequence[int | str], weights: np.ndarray, terms: tuple[str, str, str]
) -> GroupedProduct:
    return GroupedProduct(source, dict(zip(terms[0], shape, strict=True)), weights, *terms)


FORMS = (_with_matrices,)
"""See `rewriting.rewrite`."""

"""Expressions of several tensors (sums, products, limits) that the integer graph evaluates with a single rounding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sezoo.deployment.engine.tensor import Tensor

__all__ = ["Expression"]

Tree = "Tensor | np.ndarray | tuple[str, Tree, Tree]"
"""A tensor, constants (1,) or (items,) float32, or ``add``, ``sub``, ``mul``, ``max`` or ``min`` of two trees."""


@dataclass(frozen=True, eq=False)
class Expression:
    """Sums, products and limits of tensors with the same number of items, computed in float32 and rounded once.

    An integer q represents ``(q - zero_point) * scale``; each operation of the tree is rounded to float32, and the
    result is multiplied by `inverse`, which is 1 / scale of the output.
    """

    name: str
    tree: Tree
    output: Tensor
    inverse: np.float32
    low: int
    high: int
    kind = "Expression"
    macs = 0

    @cached_property
    def inputs(self) -> tuple[Tensor, ...]:
        """Input tensors, without duplicates."""
        return tuple(dict.fromkeys(leaf for leaf in leaves(self.tree) if isinstance(leaf, Tensor)))

    @cached_property
    def constants(self) -> tuple[np.ndarray, ...]:
        """Constants of more than one number, in the order of use."""
        return tuple(leaf for leaf in leaves(self.tree) if isinstance(leaf, np.ndarray) and leaf.size > 1)


def leaves(tree: Tree) -> Iterator[Tensor | np.ndarray]:
    """Yield the tensors and constants of an expression, from left to right."""
    if isinstance(tree, tuple):
        for branch in tree[1:]:
            yield from leaves(branch)
    else:
        yield tree

"""Operators of the integer graph on groups of items of a row: normalization and softmax."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sezoo.deployment.engine.tensor import OneInput, Tensor

__all__ = ["Normalize", "Softmax"]


class _GroupOperator(OneInput):
    """An operator on `groups` groups of equal size within each row of its single input."""

    groups: int

    @property
    def size(self) -> int:
        """Number of items per group."""
        return self.input.items // self.groups


@dataclass(frozen=True, eq=False)
class Normalize(_GroupOperator):
    """Groups of items of a row normalized to zero mean and unit variance, times a factor, plus an offset.

    A row consists of `groups` groups of equal size. For n items q of a group, with the exact sums S of q and Q of
    q * q, ``n q - S`` is multiplied by ``1 / sqrt(float32(n Q - S S) + epsilon)`` and by `factor`, increased by
    `offset`, and multiplied by `inverse`, each step rounded to float32.

    Attributes
    ----------
    factor, offset : (items,) float32
    epsilon : float32, epsilon of the variance times (n / scale of the input) squared.
    inverse : 1 / scale of the output.
    """

    name: str
    input: Tensor
    output: Tensor
    groups: int
    factor: np.ndarray
    offset: np.ndarray
    epsilon: np.float32
    inverse: np.float32
    low: int
    high: int
    kind = "Normalize"
    macs = 0


@dataclass(frozen=True, eq=False)
class Softmax(_GroupOperator):
    """Softmax over groups of items of a row.

    With the largest item q0 of a group and d = q0 - q, the exponential ``table[d]`` is multiplied by 1 / the exact sum
    over the group, and by `inverse`, each step rounded to float32. For 16 bits the exponential is the product of two
    entries, for the low and the high byte of d: ``(table[d % 256] * table[256 + d // 256] + 2^19) >> 20``.

    Attributes
    ----------
    table : (256,) int32, ``exp(-i * scale of the input)`` in steps of 2^-20; for 16 bits (512,), with 256 more for
        256 i.
    inverse : 1 / scale of the output.
    """

    name: str
    input: Tensor
    output: Tensor
    groups: int
    table: np.ndarray
    inverse: np.float32
    low: int
    high: int
    kind = "Softmax"
    macs = 0

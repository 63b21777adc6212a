"""A TensorFlow Lite model in memory: tensors and operators, before they are bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from sezoo.deployment.tflite.operators import Kind

__all__ = ["FileOperator", "FileTensor", "TfliteGraph"]


@dataclass(frozen=True, eq=False)
class FileTensor:
    """A tensor.

    Attributes
    ----------
    dtype : int8 or int32.
    scales : (1,) or, along `axis`, one for each channel; None where it is not quantized.
    data : of a constant.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    scales: np.ndarray | None = None
    zero_point: int = 0
    axis: int = 0
    data: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class FileOperator:
    """An operator; tensors by their numbers. `options` are those that differ from the schema's defaults."""

    kind: Kind
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: dict[str, int]


@dataclass
class TfliteGraph:
    """A model of one subgraph, which operators are added to in the order in which they are run."""

    tensors: list[FileTensor] = field(default_factory=list)
    operators: list[FileOperator] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)

    def tensor(
        self, name: str, shape: Sequence[int], dtype: type = np.int8, scales: object = None, zero_point: int = 0
    ) -> int:
        """A tensor that an operator makes or a program fills: its number."""
        scales = None if scales is None else np.atleast_1d(np.asarray(scales, np.float32))
        return self._added(FileTensor(name, _shape(shape), np.dtype(dtype), scales, zero_point))

    def like(self, name: str, shape: Sequence[int], other: int) -> int:
        """A tensor quantized as another one: its number."""
        there = self.tensors[other]
        return self._added(FileTensor(name, _shape(shape), there.dtype, there.scales, there.zero_point))

    def constant(self, name: str, values: np.ndarray, scales: object = None, zero_point: int = 0, axis: int = 0) -> int:
        """A constant of int8 or int32: its number."""
        values = np.ascontiguousarray(values)
        scales = None if scales is None else np.atleast_1d(np.asarray(scales, np.float32))
        return self._added(FileTensor(name, values.shape, values.dtype, scales, zero_point, axis, values))

    def integers(self, name: str, values: object) -> int:
        """A constant of shapes and indices, int32: its number."""
        return self.constant(name, np.asarray(values, np.int32))

    def add(self, kind: Kind, inputs: Sequence[int], output: int, **options: int) -> int:
        """Add an operator: the number of its output."""
        self.operators.append(FileOperator(kind, tuple(inputs), (output,), options))
        return output

    def _added(self, tensor: FileTensor) -> int:
        self.tensors.append(tensor)
        return len(self.tensors) - 1


def _shape(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(int(length) for length in shape)

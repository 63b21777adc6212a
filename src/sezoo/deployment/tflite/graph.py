"""A TensorFlow Lite model in memory: tensors and operators, before serialization."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from sezoo.deployment.tflite.operators import Kind

__all__ = ["FileOperator", "FileTensor", "TfliteGraph"]


@dataclass(frozen=True, eq=False)
class FileTensor:
    """A tensor of a .tflite file.

    Attributes
    ----------
    dtype : int8 or int32.
    scales : (1,), or one per channel along `axis`; None if not quantized.
    data : values of a constant; None for other tensors.
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
    """An operator, with its tensors by number, and the options that differ from the schema's defaults."""

    kind: Kind
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: dict[str, int]


@dataclass
class TfliteGraph:
    """A model of one subgraph, to which operators are added in execution order."""

    tensors: list[FileTensor] = field(default_factory=list)
    operators: list[FileOperator] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)

    def tensor(
        self, name: str, shape: Sequence[int], dtype: type = np.int8, scales: object = None, zero_point: int = 0
    ) -> int:
        """Add a tensor that an operator or the application writes; return its number."""
        scales = None if scales is None else np.atleast_1d(np.asarray(scales, np.float32))
        return self._append(FileTensor(name, _shape(shape), np.dtype(dtype), scales, zero_point))

    def like(self, name: str, shape: Sequence[int], other: int) -> int:
        """Add a tensor with the quantization of another one; return its number."""
        there = self.tensors[other]
        return self._append(FileTensor(name, _shape(shape), there.dtype, there.scales, there.zero_point))

    def constant(self, name: str, values: np.ndarray, scales: object = None, zero_point: int = 0, axis: int = 0) -> int:
        """Add a constant of int8 or int32; return its number."""
        values = np.ascontiguousarray(values)
        scales = None if scales is None else np.atleast_1d(np.asarray(scales, np.float32))
        return self._append(FileTensor(name, values.shape, values.dtype, scales, zero_point, axis, values))

    def integers(self, name: str, values: object) -> int:
        """Add an int32 constant, e.g. a shape or indices; return its number."""
        return self.constant(name, np.asarray(values, np.int32))

    def add(self, kind: Kind, inputs: Sequence[int], output: int, **options: int) -> int:
        """Add an operator; return the number of its output."""
        self.operators.append(FileOperator(kind, tuple(inputs), (output,), options))
        return output

    def _append(self, tensor: FileTensor) -> int:
        self.tensors.append(tensor)
        return len(self.tensors) - 1


def _shape(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(int(length) for length in shape)

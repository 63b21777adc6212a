"""The operators of the integer graph beside the convolution and the expression, and the loops that run some of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from sezoo.deployment.engine.conv import Conv
from sezoo.deployment.engine.expression import Expression
from sezoo.deployment.engine.product import Product
from sezoo.deployment.engine.tensor import Tensor

__all__ = [
    "Curve",
    "Elementwise",
    "ExternalNetwork",
    "KeptRows",
    "LookupTable",
    "Loop",
    "Normalize",
    "Operator",
    "Permute",
    "Softmax",
    "State",
    "Sweep",
    "unroll",
]


@dataclass(frozen=True, eq=False)
class Elementwise:
    """``add`` or ``mul`` of two tensors of the same number of items.

    Each input is ``(q - zero_point) * scale`` with `scales`, whose sign makes a subtraction of an addition; both are
    added or multiplied, multiplied by `inverse`, which is 1 / scale of the output or a neighbour of it that rounds
    every pair as the division by the scale does, and rounded.
    """

    kind: str
    name: str
    a: Tensor
    b: Tensor
    output: Tensor
    scales: tuple[np.float32, np.float32]
    inverse: np.float32
    low: int
    high: int
    macs = 0

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """The tensors that it reads."""
        return (self.a, self.b)


@dataclass(frozen=True, eq=False)
class Curve:
    """A function of one int16 value, by straight lines between 1025 points.

    ``table[i] + (((table[i + 1] - table[i]) * rest + 32) >> 6)`` with ``i = (x + 32768) >> 6`` and ``rest`` the six
    lowest bits of ``x``. An output of 8 bits has its points in steps 256 times as fine, and is rounded by
    ``(value + 128) >> 8``.

    Attributes
    ----------
    table : (1025,) int16, for x from -32768 to 32768 in steps of 64.
    """

    name: str
    input: Tensor
    output: Tensor
    table: np.ndarray
    kind = "Curve"
    macs = 0

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """The tensors that it reads."""
        return (self.input,)


@dataclass(frozen=True, eq=False)
class LookupTable:
    """A function of one value, by a table that onnxruntime filled: (256,) int8, for -128 to 127 in order."""

    name: str
    input: Tensor
    output: Tensor
    table: np.ndarray
    kind = "Lookup"
    macs = 0

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """The tensors that it reads."""
        return (self.input,)


@dataclass(frozen=True, eq=False)
class Permute:
    """Items in another order, from one row or several.

    Attributes
    ----------
    index : (items,) of the inputs' rows one behind the other; -1 is a zero.
    """

    name: str
    inputs: tuple[Tensor, ...]
    output: Tensor
    index: np.ndarray
    kind = "Rearrange"
    macs = 0


class _OfGroups:
    """An operator on `groups` of equal size within each row of its one input."""

    input: Tensor
    groups: int

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """The tensors that it reads."""
        return (self.input,)

    @property
    def size(self) -> int:
        """Items of a group."""
        return self.input.items // self.groups


@dataclass(frozen=True, eq=False)
class Normalize(_OfGroups):
    """Groups of items of a row without their mean and over their standard deviation, times a factor, plus an offset.

    A row has `groups` of equal size, one behind the other. With n items q of a group and their sums S of q and Q of
    q * q, which are exact, ``n q - S`` is multiplied by ``1 / sqrt(float32(n Q - S S) + epsilon)``, by its `factor`,
    increased by its `offset`, and multiplied by `inverse`, each step rounded to float32.

    Attributes
    ----------
    factor, offset : (items,) float32
    epsilon : float32, that of the variance times (n / scale of the input) squared.
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
class Softmax(_OfGroups):
    """Groups of items of a row, each with the sum 1.

    With the largest item q0 of a group and d = q0 - q, the power ``table[d]`` is multiplied by 1 / the sum of all, and
    by `inverse`, each step rounded to float32; the sum is exact. Of 16 bits the power is that of the low byte of d
    times that of the high one: ``(table[d % 256] * table[256 + d // 256] + 2^19) >> 20``.

    Attributes
    ----------
    table : (256,) int32, ``exp(-i * scale of the input)`` in steps of 2^-20; of 16 bits 256 more behind, for 256 i.
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


@dataclass(frozen=True, eq=False)
class State:
    """What is handed from frame to frame: `before` is read in a frame, and `after` takes its place in the next.

    Attributes
    ----------
    first : (items,) integers of the first frame.
    """

    before: Tensor
    after: Tensor
    first: np.ndarray


@dataclass(frozen=True, eq=False)
class Loop:
    """Operators that are run frame by frame, as what they make of one frame goes into the next.

    Attributes
    ----------
    inputs : rows of all frames; an operator inside sees the row of its frame.
    output : made by one of the operators, or one of the states before a frame.
    """

    name: str
    inputs: tuple[Tensor, ...]
    output: Tensor
    operators: tuple[Operator, ...]
    states: tuple[State, ...]
    kind = "Loop"

    @property
    def macs(self) -> int:
        """Multiplications a frame."""
        return sum(operator.macs for operator in self.operators)


@dataclass(frozen=True, eq=False)
class Sweep:
    """Operators that are run step by step within a frame, from bin to bin say; every frame begins with `first` states.

    Attributes
    ----------
    inputs : rows of a frame, with the items of the first step, then those of the next.
    parts : the rows of a step, one of each input.
    output : a row of a frame, as those of the inputs.
    part : of a step; made by one of the operators, or one of the states before a step.
    """

    name: str
    inputs: tuple[Tensor, ...]
    parts: tuple[Tensor, ...]
    output: Tensor
    part: Tensor
    operators: tuple[Operator, ...]
    states: tuple[State, ...]
    kind = "Sweep"

    @property
    def steps(self) -> int:
        """Of a frame."""
        return self.output.items // self.part.items

    @property
    def macs(self) -> int:
        """Multiplications a frame."""
        return self.steps * sum(operator.macs for operator in self.operators)


@dataclass(frozen=True, eq=False)
class KeptRows:
    """Rows of earlier frames that a network outside is handed, and hands back with the newest among them.

    Attributes
    ----------
    lag : frames from the newest frame of a stream to the newest of these rows.
    """

    tensor: Tensor
    rows: int
    lag: int

    @property
    def bytes(self) -> int:
        """Of all rows, which have no gaps between them."""
        return self.rows * self.tensor.items

    @property
    def early(self) -> int:
        """Calls of one frame after which some of the rows are still of frames before the clip."""
        return self.rows - 1 + self.lag


@dataclass(frozen=True, eq=False)
class ExternalNetwork:
    """A network that another program computes: integers of all frames in, integers of all frames out.

    Attributes
    ----------
    after : frames by which a stream's output lags behind its inputs.
    states : what a stream hands on from call to call.
    """

    name: str
    inputs: tuple[Tensor, ...]
    output: Tensor
    after: int = 0
    states: tuple[KeptRows, ...] = ()
    kind = "Outside"
    macs = 0


Operator = (
    Conv
    | Product
    | Elementwise
    | Expression
    | Curve
    | LookupTable
    | Normalize
    | Softmax
    | Permute
    | Loop
    | Sweep
    | ExternalNetwork
)


def unroll(operators: Iterable[Operator]) -> Iterator[Operator]:
    """Operators in the order in which they are run, those of a loop or a sweep before itself."""
    for operator in operators:
        if isinstance(operator, Loop | Sweep):
            yield from unroll(operator.operators)
        yield operator

"""Operators of the integer graph other than convolutions, products and expressions, and the loops that run them."""

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
    "ExternalState",
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

    Each input is ``(q - zero_point) * scale`` with its scale from `scales`; a negative scale makes an addition a
    subtraction. The sum or product is multiplied by `inverse` and rounded. `inverse` is 1 / scale of the output, or a
    neighbouring float32 that rounds every pair of inputs as the division by the scale does.
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
        """Input tensors."""
        return (self.a, self.b)


@dataclass(frozen=True, eq=False)
class Curve:
    """A function of one int16 value, by linear interpolation between 1025 points.

    ``table[i] + (((table[i + 1] - table[i]) * rest + 32) >> 6)`` with ``i = (x + 32768) >> 6`` and ``rest`` the six
    lowest bits of ``x``. For an 8-bit output the points are in steps 256 times as fine, and the result is
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
        """Input tensors."""
        return (self.input,)


@dataclass(frozen=True, eq=False)
class LookupTable:
    """A function of one int8 value, as a table computed by onnxruntime: (256,) int8, for -128 to 127 in order."""

    name: str
    input: Tensor
    output: Tensor
    table: np.ndarray
    kind = "Lookup"
    macs = 0

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """Input tensors."""
        return (self.input,)


@dataclass(frozen=True, eq=False)
class Permute:
    """A permutation or selection of the items of one or several rows.

    Attributes
    ----------
    index : (items,) indices into the concatenated rows of the inputs; -1 is a zero.
    """

    name: str
    inputs: tuple[Tensor, ...]
    output: Tensor
    index: np.ndarray
    kind = "Rearrange"
    macs = 0


class _GroupOperator:
    """An operator on `groups` groups of equal size within each row of its single input."""

    input: Tensor
    groups: int

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """Input tensors."""
        return (self.input,)

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


@dataclass(frozen=True, eq=False)
class State:
    """A state of a loop: `before` is read in a frame, and `after` takes its place in the next one.

    Attributes
    ----------
    first : (items,) initial value, integers.
    """

    before: Tensor
    after: Tensor
    first: np.ndarray


@dataclass(frozen=True, eq=False)
class Loop:
    """Operators that run frame by frame because they feed a state from each frame into the next.

    Attributes
    ----------
    inputs : tensors with the rows of all frames; an operator inside reads the row of its frame.
    output : output of one of the operators, or the `before` tensor of a state.
    """

    name: str
    inputs: tuple[Tensor, ...]
    output: Tensor
    operators: tuple[Operator, ...]
    states: tuple[State, ...]
    kind = "Loop"

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations per frame."""
        return sum(operator.macs for operator in self.operators)


@dataclass(frozen=True, eq=False)
class Sweep:
    """Operators that run step by step within a frame, e.g. from bin to bin; each frame starts with the initial states.

    Attributes
    ----------
    inputs : tensors with one row per frame: the items of the first step, then those of the next.
    parts : tensors with the items of one step, one for each input.
    output : tensor with one row per frame, in the layout of the inputs.
    part : output of one step: output of one of the operators, or the `before` tensor of a state.
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
        """Number of steps per frame."""
        return self.output.items // self.part.items

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations per frame."""
        return self.steps * sum(operator.macs for operator in self.operators)


@dataclass(frozen=True, eq=False)
class ExternalState:
    """A state of an external network: rows of earlier frames, which the network receives and returns updated.

    Attributes
    ----------
    lag : number of frames by which the newest of these rows lags behind the newest frame of the stream.
    """

    tensor: Tensor
    rows: int
    lag: int

    @property
    def bytes(self) -> int:
        """Size in bytes of all rows, without gaps."""
        return self.rows * self.tensor.items

    @property
    def warmup_calls(self) -> int:
        """Number of calls of one frame after which some rows still belong to frames before the clip."""
        return self.rows - 1 + self.lag


@dataclass(frozen=True, eq=False)
class ExternalNetwork:
    """A network that another program computes, from the integers of all frames to the integers of all frames.

    Attributes
    ----------
    after : number of frames by which a stream's output lags behind its inputs.
    states : states that a stream passes from call to call.
    """

    name: str
    inputs: tuple[Tensor, ...]
    output: Tensor
    after: int = 0
    states: tuple[ExternalState, ...] = ()
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
    """Yield the operators in execution order; the operators of a loop or a sweep come before the loop or sweep."""
    for operator in operators:
        if isinstance(operator, Loop | Sweep):
            yield from unroll(operator.operators)
        yield operator

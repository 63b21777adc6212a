"""Operators of the integer graph on one or two tensors, the loops that run operators, and the type of all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from sezoo.deployment.engine.conv import Conv
from sezoo.deployment.engine.expression import Expression
from sezoo.deployment.engine.external import ExternalNetwork
from sezoo.deployment.engine.group_operators import Normalize, Softmax
from sezoo.deployment.engine.product import Product
from sezoo.deployment.engine.tensor import OneInput, Tensor, TwoInputs

__all__ = [
    "Curve",
    "Elementwise",
    "LookupTable",
    "Loop",
    "Operator",
    "Permute",
    "State",
    "Sweep",
    "unroll",
]


@dataclass(frozen=True, eq=False)
class Elementwise(TwoInputs):
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


@dataclass(frozen=True, eq=False)
class Curve(OneInput):
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


@dataclass(frozen=True, eq=False)
class LookupTable(OneInput):
    """A function of one int8 value, as a table computed by onnxruntime: (256,) int8, for -128 to 127 in order."""

    name: str
    input: Tensor
    output: Tensor
    table: np.ndarray
    kind = "Lookup"
    macs = 0


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
    def given(self) -> tuple[Tensor, ...]:
        """The tensors that exist before the first operator of a step: the parts of the inputs, and the states."""
        return (*self.parts, *(state.before for state in self.states))

    @property
    def steps(self) -> int:
        """Number of steps per frame."""
        return self.output.items // self.part.items

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations per frame."""
        return self.steps * sum(operator.macs for operator in self.operators)


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

"""A static int8 model as a short list of integer operators, which is what runs on the chip.

Every tensor is a row of integers for each frame. What ONNX calls channels and frequencies is the order inside a row:
all channels of the first position, then those of the next. Time is what the rows are counted by, so that the same
operators work on a patch and on a stream.

Convolutions requantize in float32 and round half to even, as onnxruntime does (`interpreter` says precisely how): with
double rounding in the manner of TFLite, masks are off by 0.6 in places.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sezoo.models.spectra import MAGNITUDE_MASK

__all__ = [
    "Conv",
    "Curve",
    "Elementwise",
    "Expression",
    "FloatStep",
    "IntegerGraph",
    "Lookup",
    "Loop",
    "Normalize",
    "Operator",
    "Outside",
    "Rearrange",
    "Site",
    "Softmax",
    "State",
    "Sweep",
    "Tensor",
    "unrolled",
]

ROW = 16
"""Rows begin at multiples of so many integers, and weights are padded to it: one vector register of Helium."""


def padded(items: int) -> int:
    """The number of integers that a row of `items` takes."""
    return -(-items // ROW) * ROW


@dataclass(frozen=True)
class Tensor:
    """Integers, a row of `items` for each frame.

    Attributes
    ----------
    name : of the float tensor in the ONNX graph that they stand for.
    bits : 8 or 16, signed.
    scale, zero_point : an integer q stands for ``(q - zero_point) * scale``.
    """

    name: str
    items: int
    scale: np.float32
    zero_point: int
    bits: int = 8

    @property
    def low(self) -> int:
        """The lowest integer."""
        return -(1 << (self.bits - 1))

    @property
    def high(self) -> int:
        """The highest integer."""
        return (1 << (self.bits - 1)) - 1

    @property
    def row_bytes(self) -> int:
        """What a row takes in memory."""
        return padded(self.items) * self.bits // 8

    @property
    def dtype(self) -> np.dtype:
        """Of its integers in numpy."""
        return np.dtype(np.int8 if self.bits == 8 else np.int16)


@dataclass(frozen=True, eq=False)
class Conv:
    """A convolution over positions and frames; with one position it is over frames alone.

    Attributes
    ----------
    weights : (groups, outputs per group, taps in time, taps over positions, inputs per group) int8
    bias : (outputs,) int64, in units of the accumulator; the input's zero point has no part in it
    multiplier : (outputs,) float32, from the accumulator to steps of the output
    positions : of the output; those of the input are `positions_in`.
    stride, dilation, pad : over positions; `pad` positions stand before the first one.
    dilation_time, before : over frames; `before` frames stand before the first one in a patch. What lies beyond
        an edge is zero, which is the input's zero point.
    rows : of a frame, one behind the other in its input: what was kept of earlier frames, and this one. Where there
        are several, taps in time go over those, and every frame stands alone.
    low, high : what the output is clamped to: its type's limits, or those of a ReLU or a Clip.
    """

    name: str
    input: Tensor
    output: Tensor
    weights: np.ndarray
    bias: np.ndarray
    multiplier: np.ndarray
    positions_in: int
    positions: int
    low: int
    high: int
    stride: int = 1
    dilation: int = 1
    pad: int = 0
    dilation_time: int = 1
    before: int = 0
    rows: int = 1
    kind = "Conv"

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """The tensors that it reads."""
        return (self.input,)

    @property
    def groups(self) -> int:
        """Groups of channels that do not see each other."""
        return self.weights.shape[0]

    @property
    def channels_in(self) -> int:
        """Channels of a position of the input."""
        return self.groups * self.weights.shape[4]

    @property
    def channels_out(self) -> int:
        """Channels of a position of the output."""
        return self.groups * self.weights.shape[1]

    @property
    def taps(self) -> int:
        """Taps in time."""
        return self.weights.shape[2]

    @property
    def span(self) -> int:
        """Frames before and after a frame that its output depends on, together."""
        return 0 if self.rows > 1 else (self.taps - 1) * self.dilation_time

    @property
    def after(self) -> int:
        """Frames after a frame that its output depends on."""
        return self.span - self.before

    @property
    def is_depthwise(self) -> bool:
        """Whether every channel is by itself."""
        return self.groups > 1 and self.weights.shape[1] == self.weights.shape[4] == 1

    @property
    def is_pointwise(self) -> bool:
        """Whether it sees one position of one frame, and is a matrix product."""
        alone = self.weights.shape[2:4] == (1, 1) and self.stride == 1 and self.positions == self.positions_in
        return self.groups == 1 and alone

    @property
    def macs(self) -> int:
        """Multiplications a frame, those with padding among them."""
        return self.weights.size * self.positions

    @cached_property
    def folded_bias(self) -> np.ndarray:
        """The bias with the input's zero point in it: (outputs,) int64."""
        return self.bias - self.input.zero_point * self.weights.sum(axis=(2, 3, 4), dtype=np.int64).ravel()

    @property
    def largest_accumulator(self) -> int:
        """No accumulator is larger in magnitude, whatever the input."""
        heaviest = np.abs(self.weights.astype(np.int64)).sum(axis=(2, 3, 4)).ravel()
        return int((heaviest * -self.input.low + np.abs(self.folded_bias)).max())


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


Tree = "Tensor | np.ndarray | tuple[str, Tree, Tree]"
"""A tensor, constants (1,) or (items,) float32, or ``add``, ``sub``, ``mul``, ``max`` or ``min`` of two trees."""


@dataclass(frozen=True, eq=False)
class Expression:
    """Sums, products and limits of tensors of the same number of items, in float32, and rounded once.

    An integer is ``(q - zero_point) * scale``; each operation of the tree is rounded to float32, and the result is
    multiplied by `inverse`, which is 1 / scale of the output.
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
        """The tensors that it reads, each once."""
        return tuple(dict.fromkeys(leaf for leaf in leaves(self.tree) if isinstance(leaf, Tensor)))

    @cached_property
    def constants(self) -> tuple[np.ndarray, ...]:
        """Those of several numbers, in the order in which they are used."""
        return tuple(leaf for leaf in leaves(self.tree) if isinstance(leaf, np.ndarray) and leaf.size > 1)


def leaves(tree: Tree) -> Iterator[Tensor | np.ndarray]:
    """The tensors and constants of an expression, from left to right."""
    if isinstance(tree, tuple):
        for branch in tree[1:]:
            yield from leaves(branch)
    else:
        yield tree


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
class Lookup:
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
class Rearrange:
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

    With the largest item q0 of a group, ``table[q0 - q]`` is multiplied by 1 / their sum, and by `inverse`, each step
    rounded to float32; the sum is exact.

    Attributes
    ----------
    table : (256,) int32, ``exp(-i * scale of the input)`` in steps of 2^-20.
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
class FloatStep:
    """A step in float32 before the first integer: of the magnitudes of a frame, item by item.

    Attributes
    ----------
    kind : one of `sezoo.deployment.engine.prologue.KINDS`.
    inputs : names of rows of floats (of integers for `dequantize`). "magnitude" is the frame's magnitudes, "spectrum"
        its real parts, and behind those its imaginary ones.
    output : name of the row that it makes; of the tensor for `quantize`.
    items : of the row.
    constant : (items,) or (1,) float32, where the second operand is one.
    first : whether the constant is the first operand.
    index : (items,) for `gather`, into the inputs' rows one behind the other.
    tensor : that `quantize` makes and `dequantize` reads.
    window : frames, the newest among them, that `peak` is the largest of. Those before a clip or a patch are zeros.
    """

    kind: str
    inputs: tuple[str, ...]
    output: str
    items: int
    constant: np.ndarray | None = None
    first: bool = False
    index: np.ndarray | None = None
    tensor: Tensor | None = None
    window: int = 1


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
class Outside:
    """A network that another program computes: integers of all frames in, integers of all frames out."""

    name: str
    inputs: tuple[Tensor, ...]
    output: Tensor
    kind = "Outside"
    macs = 0


Operator = Conv | Elementwise | Expression | Curve | Lookup | Normalize | Softmax | Rearrange | Loop | Sweep | Outside


def unrolled(operators: Iterable[Operator]) -> Iterator[Operator]:
    """Operators in the order in which they are run, those of a loop or a sweep before itself."""
    for operator in operators:
        if isinstance(operator, Loop | Sweep):
            yield from unrolled(operator.operators)
        yield operator


@dataclass(frozen=True, eq=False)
class Site:
    """Where the integers of the ONNX graph are to be found.

    Attributes
    ----------
    name : of the tensor of integers in the ONNX graph.
    tensor : that has them in its rows.
    items : in the shape of the ONNX tensor, ``frame * items of a row + item``.
    offset : what the ONNX graph's integers are larger by, 128 for uint8.
    """

    name: str
    tensor: Tensor
    items: np.ndarray
    offset: int


@dataclass(frozen=True, eq=False)
class IntegerGraph:
    """What a patch of magnitudes goes through on its way to the mask, or one of spectra to what its kind says.

    Attributes
    ----------
    bins, frames : of a patch.
    kind : `sezoo.models.spectra.KINDS`: what goes in and what comes out.
    prologue : what is done in float, frame by frame, the last steps of which make `entries`.
    entries : the tensors of integers that the operators begin with.
    operators : in the order in which they are run.
    result : the tensor that the mask is looked up from.
    mask_table : (256,) float32, the mask for integers from -128 to 127; of 16 bits (1025,), between whose points are
        straight lines as in a `Curve`; None where integers stand for it as they are.
    mask_index : (values,) the item of `result` for each bin, or for each real part and then each imaginary one.
    sites : the tensors of integers of the ONNX graph that are in these rows as they are.
    """

    bins: int
    frames: int
    prologue: tuple[FloatStep, ...]
    entries: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    result: Tensor
    mask_table: np.ndarray | None
    mask_index: np.ndarray
    sites: tuple[Site, ...] = ()
    kind: str = MAGNITUDE_MASK

    @property
    def is_complex(self) -> bool:
        """Whether real and imaginary parts go in and come out."""
        return self.kind != MAGNITUDE_MASK

    @property
    def values(self) -> int:
        """Numbers of a frame that go in, and as many that come out."""
        return 2 * self.bins if self.is_complex else self.bins

    @property
    def macs_per_frame(self) -> int:
        """Multiplications and additions of the convolutions for one frame."""
        return sum(operator.macs for operator in self.operators)

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        convs = [operator for operator in unrolled(self.operators) if isinstance(operator, Conv)]
        return sum(conv.weights.size + conv.bias.size for conv in convs)

    @property
    def loops(self) -> tuple[Loop, ...]:
        """The loops, none of which is in another."""
        return tuple(operator for operator in self.operators if isinstance(operator, Loop))

    @property
    def frame_loop(self) -> Loop | None:
        """All of a model of one frame that hands its states on; None of another model."""
        only = self.operators[0] if len(self.operators) == 1 else None
        return only if isinstance(only, Loop) and self.frames == 1 else None

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All tensors of integers outside loops, in the order in which they are made."""
        return (*self.entries, *(operator.output for operator in self.operators))

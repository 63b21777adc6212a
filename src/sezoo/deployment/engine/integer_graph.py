"""A static int8 model as what runs on the chip: a few steps in float, then a short list of integer operators.

Time is what rows are counted by, so that the same operators work on a patch and on a stream.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sezoo.deployment.engine.conv import Conv
from sezoo.deployment.engine.operators import Loop, Operator, unroll
from sezoo.deployment.engine.tensor import Tensor
from sezoo.models.spectra import MAGNITUDE_MASK

__all__ = ["FloatStep", "IntegerGraph", "TensorLocation"]


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
class TensorLocation:
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
    sites: tuple[TensorLocation, ...] = ()
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
        convs = [operator for operator in unroll(self.operators) if isinstance(operator, Conv)]
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

"""A static int8 model as it runs on the chip: a float front end, then a list of integer operators.

Tensors have one row per frame, so that the same operators work on a patch and on a stream.
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
    """A float32 step of the front end, which computes one row per frame.

    Attributes
    ----------
    kind : one of `sezoo.deployment.engine.prologue.KINDS`.
    inputs : names of rows of floats (of integers for `dequantize`). "magnitude" is the frame's magnitudes, "spectrum"
        its real parts followed by its imaginary parts.
    output : name of the output row; name of the tensor for `quantize`.
    items : number of items of the output row.
    constant : (items,) or (1,) float32, if one operand is a constant.
    first : whether the constant is the first operand.
    index : (items,) for `gather`, indices into the concatenated rows of the inputs.
    tensor : output of `quantize` or input of `dequantize`.
    window : number of frames, including the newest, of which `peak` takes the maximum; frames before a clip or a patch
        are zeros.
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
    """Location of the integers of an ONNX tensor in the integer graph.

    Attributes
    ----------
    name : name of the integer tensor in the ONNX graph.
    tensor : tensor of the integer graph whose rows hold the integers.
    items : positions in the shape of the ONNX tensor, ``frame * items of a row + item``.
    offset : difference of the ONNX graph's integers to these, 128 for uint8.
    """

    name: str
    tensor: Tensor
    items: np.ndarray
    offset: int


@dataclass(frozen=True, eq=False)
class IntegerGraph:
    """A network from patches of magnitudes to masks, or from patches of spectra to the output of its kind.

    Attributes
    ----------
    bins, frames : size of a patch.
    kind : type of input and output, one of `sezoo.models.spectra.KINDS`.
    prologue : steps of the float front end, computed frame by frame; the last ones quantize to `inputs`.
    inputs : integer inputs of the operators.
    operators : operators in execution order.
    output : integers, from which the mask is computed.
    mask_table : (256,) float32, the mask for integers from -128 to 127; for 16 bits (1025,) points, interpolated
        linearly as in a `Curve`; None if the mask is the dequantized output.
    mask_index : (values,) item of `output` for each bin, or for each real part followed by each imaginary part.
    sites : locations of the ONNX graph's integer tensors whose values are stored unchanged.
    """

    bins: int
    frames: int
    prologue: tuple[FloatStep, ...]
    inputs: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    output: Tensor
    mask_table: np.ndarray | None
    mask_index: np.ndarray
    sites: tuple[TensorLocation, ...] = ()
    kind: str = MAGNITUDE_MASK

    @property
    def is_complex(self) -> bool:
        """Whether input and output are complex, stored as real and imaginary parts."""
        return self.kind != MAGNITUDE_MASK

    @property
    def values(self) -> int:
        """Number of floats of a frame, in the input as in the output."""
        return 2 * self.bins if self.is_complex else self.bins

    @property
    def macs_per_frame(self) -> int:
        """Multiply-accumulate operations per frame."""
        return sum(operator.macs for operator in self.operators)

    @property
    def parameters(self) -> int:
        """Number of weights and biases."""
        convs = [operator for operator in unroll(self.operators) if isinstance(operator, Conv)]
        return sum(conv.weights.size + conv.bias.size for conv in convs)

    @property
    def loops(self) -> tuple[Loop, ...]:
        """The loops over frames, which are never nested."""
        return tuple(operator for operator in self.operators if isinstance(operator, Loop))

    @property
    def frame_loop(self) -> Loop | None:
        """The loop that a stateful one-frame model consists of; None for other models."""
        only = self.operators[0] if len(self.operators) == 1 else None
        return only if isinstance(only, Loop) and self.frames == 1 else None

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All integer tensors outside loops, in the order in which they are computed."""
        return (*self.inputs, *(operator.output for operator in self.operators))

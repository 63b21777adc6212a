"""The schedule of a process() call: its steps in order, and how many rows and bytes each of them works on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from sezoo.audio.stft import Stft
from sezoo.deployment.c_package.call_frames import Engine
from sezoo.deployment.engine.conv import Conv
from sezoo.deployment.engine.integer_graph import IntegerGraph
from sezoo.deployment.engine.operators import Loop, Operator, Sweep, unroll
from sezoo.deployment.engine.product import Product
from sezoo.deployment.engine.stream_plan import StreamPlan, stream_plan
from sezoo.deployment.engine.tensor import ROW, Tensor, padded

__all__ = ["FLOAT", "LARGEST_SUM", "Schedule"]

FLOAT = 4
"""Bytes of a float32."""

SHORTEST_OF_ONE = 32
"""Smallest n_fft that the transform of a single frame supports; see sezoo_fft_forward_one."""


LARGEST_PIECE = 5 * ROW
"""Largest number of integers per tap in time that Helium's kernel reads in place, if there are several taps."""

MOST_PADDING = 1.34
"""Largest factor by which padding may enlarge the weights so that taps in time can be read in place."""

LARGEST_SUM = 1 << 23
"""Bound on sums: 256 times a smaller sum fits int32."""


@dataclass(frozen=True, eq=False)
class Schedule:
    """An integer graph with the engine that runs it, in the order of execution."""

    graph: IntegerGraph
    engine: Engine
    stft: Stft

    @cached_property
    def steps(self) -> tuple[Operator, ...]:
        """All operators in execution order; the operators of a loop stand before the loop."""
        return tuple(unroll(self.graph.operators))

    @cached_property
    def place(self) -> dict[int, int]:
        """Index of each operator in `steps`, by the operator's id()."""
        return {id(operator): index for index, operator in enumerate(self.steps)}

    @cached_property
    def in_loops(self) -> frozenset[str]:
        """Names of the tensors inside loops and sweeps, which hold one row at a time."""
        outside = {tensor.name for tensor in self.graph.tensors}
        return frozenset({tensor.name for tensor in self.tensors} - outside)

    @cached_property
    def tensors(self) -> tuple[Tensor, ...]:
        """All tensors of a call, including those inside loops and sweeps."""
        inputs = chain.from_iterable(sweep.given for sweep in self.steps if isinstance(sweep, Sweep))
        return (*self.graph.inputs, *(each.output for each in self.steps), *inputs)

    def rows(self, operator: Operator) -> int:
        """Return the number of rows that an operator computes at a time."""
        return 1 if any(each is operator for each in self._loop_operators) else self.engine.frames_computed

    @cached_property
    def _loop_operators(self) -> tuple[Operator, ...]:
        """The operators inside loops and sweeps."""
        return tuple(operator for loop in self.steps if isinstance(loop, Loop | Sweep) for operator in loop.operators)

    def is_dense(self, conv: Conv) -> bool:
        """Return whether a convolution is computed row by row, as a dense layer."""
        alone = conv.groups == 1 and conv.positions == 1 and self.rows(conv) == 1
        return conv.output.bits > 8 or alone

    def pieces(self, conv: Conv) -> int:
        """Return the number of parts of a weight row whose activations are read in place: the taps in time, or 1."""
        piece = conv.weights[0, 0, 0].size
        is_contiguous = conv.groups == 1 and (conv.dilation == 1 or conv.weights.shape[3] == 1)
        fits = piece <= LARGEST_PIECE if conv.input.bits == 8 else self.is_dense(conv)
        grown = conv.taps * padded(piece) / padded(conv.taps * piece)
        return conv.taps if is_contiguous and fits and grown <= MOST_PADDING else 1

    def depth(self, conv: Conv) -> int:
        """Return the number of weights per output of a convolution, including padding."""
        pieces = self.pieces(conv)
        return pieces * padded(conv.weights[0, 0].size // pieces)

    @cached_property
    def stream(self) -> StreamPlan | None:
        """Lags and history rows of all tensors; None for the patch engine."""
        return stream_plan(self.graph) if self.engine.is_stream else None

    def history_rows(self, tensor: Tensor) -> int:
        """Return the number of rows of earlier calls that stand before a tensor's new rows."""
        return self.stream.history_rows[tensor.name] if self.stream else 0

    def lag(self, tensor: Tensor) -> int:
        """Return the number of frames by which a tensor's newest row lags behind the newest input frame."""
        return self.stream.lag[tensor.name] if self.stream else 0

    def first_row(self, operator: Operator, operand: int) -> int:
        """Return the first row of a buffer that an operator reads; a negative row lies beyond the edge of a patch."""
        if self.stream:
            return self.stream.first_row(operator, operand)
        return -operator.before if isinstance(operator, Conv) else 0

    def scratch_bytes(self, operator: Operator) -> int:
        """Return the scratch memory of a convolution or a product in bytes; see SEZOO_SCRATCH in sezoo_kernels.h."""
        if isinstance(operator, Product):
            return 4 * operator.columns
        if not isinstance(operator, Conv):
            return 0
        if operator.is_depthwise:
            return padded(operator.channels_in) * operator.input.bits // 8 + 16
        depth = self.depth(operator)
        columns = 0 if operator.is_pointwise and operator.positions == 1 else 4 * depth * operator.input.bits // 8 + 16
        return 4 * depth + 16 + columns

    @property
    def is_one_frame(self) -> bool:
        """Whether a call transforms a single frame; SEZOO_ONE_FRAME in sezoo_spectra.h."""
        return self.engine.frames_computed == 1 and self.stft.n_fft >= SHORTEST_OF_ONE and not self.graph.is_complex

    @property
    def spectrum_stays(self) -> bool:
        """Whether a call outputs the frame that it computes, so that its spectrum stays in memory until then."""
        return self.is_one_frame and self.engine.first_computed == self.engine.first_output

    @cached_property
    def float_rows(self) -> dict[str, int]:
        """Number of floats in each row that the prologue computes, by the row's name."""
        return {step.output: step.items for step in self.graph.prologue if step.kind != "quantize"} | {
            # Integers that only the prologue uses have no rows in the network.
            step.output: -(-step.items * step.tensor.bits // 8 // FLOAT)
            for step in self.graph.prologue
            if step.kind == "quantize" and step.tensor not in self.graph.inputs
        }

    @cached_property
    def window_bytes(self) -> dict[str, int]:
        """Size in bytes of the earlier frames in the window of each `peak` step, by the name of its output."""
        peaks = [step for step in self.graph.prologue if step.kind == "peak"]
        return {step.output: (step.window - 1) * step.items * FLOAT for step in peaks}

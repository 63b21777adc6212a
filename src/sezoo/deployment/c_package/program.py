"""The execution plan of the generated C: the steps of a process() call, and the memory layout of their buffers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from sezoo.audio.stft import Stft
from sezoo.deployment.c_package.call_frames import Engine
from sezoo.deployment.engine.conv import Conv
from sezoo.deployment.engine.integer_graph import IntegerGraph
from sezoo.deployment.engine.memory_plan import Buffer, MemoryPlan, plan_memory
from sezoo.deployment.engine.operators import Elementwise, ExternalNetwork, LookupTable, Loop, Operator, Sweep, unroll
from sezoo.deployment.engine.product import Product
from sezoo.deployment.engine.stream_plan import StreamPlan, stream_plan
from sezoo.deployment.engine.tensor import ROW, Tensor, padded

__all__ = ["LANES", "LARGEST_SUM", "Program", "magnitude_row"]

LANES = 4
"""Number of frames that one Fourier transform processes in parallel, if a call computes more than one."""


SHORTEST_OF_ONE = 32
"""Smallest n_fft that the transform of a single frame supports; see sezoo_fft_forward_one."""


FLOAT = 4
"""Bytes of a float32."""

LARGEST_PIECE = 5 * ROW
"""Largest number of integers per tap in time that Helium's kernel reads in place, if there are several taps."""

MOST_PADDING = 1.34
"""Largest factor by which padding may enlarge the weights so that taps in time can be read in place."""

LARGEST_SUM = 1 << 23
"""Bound on sums: 256 times a smaller sum fits int32."""


def magnitude_row(values: int) -> int:
    """Return the stride in floats between the rows of two frames' magnitudes, or real and imaginary parts."""
    return -(-values // LANES) * LANES


def _sweep_inputs(sweep: Sweep) -> list[Tensor]:
    """Return the tensors that exist before the first operator of a step: the parts of the inputs, and the states."""
    return [*sweep.parts, *(state.before for state in sweep.states)]


@dataclass(frozen=True, eq=False)
class Program:
    """An integer graph with its engine and the layout of all buffers.

    Buffer lifetimes are counted in steps: step 0 quantizes the input, step i + 1 runs operator i of `steps`, and the
    last step computes samples.
    """

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
        return frozenset({tensor.name for tensor in self._tensors} - outside)

    @cached_property
    def _tensors(self) -> tuple[Tensor, ...]:
        """All tensors of a call, including those inside loops and sweeps."""
        inputs = chain.from_iterable(_sweep_inputs(sweep) for sweep in self.steps if isinstance(sweep, Sweep))
        return (*self.graph.entries, *(each.output for each in self.steps), *inputs)

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

    @cached_property
    def history_offsets(self) -> dict[str, int]:
        """Offset in bytes, in the history between calls, of the history rows of each tensor that has any."""
        offsets, end = {}, 0
        for tensor in self.graph.tensors:
            if self.history_rows(tensor):
                offsets[tensor.name] = end
                end += self.history_rows(tensor) * tensor.row_bytes
        return offsets

    @cached_property
    def state_offsets(self) -> dict[str, int]:
        """Offset in bytes, in the history, of each state of a loop; the states follow the history rows."""
        offsets, end = {}, sum(self.history_rows(tensor) * tensor.row_bytes for tensor in self.graph.tensors)
        for loop in self.graph.loops:
            for state in loop.states:
                offsets[state.before.name] = end
                end += state.before.row_bytes
        return offsets

    @cached_property
    def outside_offsets(self) -> dict[str, int]:
        """Offset in bytes, in the history, of each state of an external network, which has no other history."""
        offsets, end = {}, 0
        for operator in self.steps:
            for state in operator.states if isinstance(operator, ExternalNetwork) else ():
                offsets[state.tensor.name] = end
                end += padded(state.bytes)
        return offsets

    @cached_property
    def integer_bytes(self) -> int:
        """Size in bytes of all history rows and states."""
        states = sum(state.before.row_bytes for loop in self.graph.loops for state in loop.states)
        outside = sum(
            padded(state.bytes) for each in self.steps if isinstance(each, ExternalNetwork) for state in each.states
        )
        return outside + states + sum(self.history_rows(tensor) * tensor.row_bytes for tensor in self.graph.tensors)

    @cached_property
    def float_history(self) -> dict[str, tuple[int, int]]:
        """Offset and size in bytes of the float history of each `peak` step of a stream, by the name of its output.

        Floats follow the integers in the history. A patch starts with zeros, and has its floats in the arena.
        """
        places, end = {}, self.integer_bytes
        for name, size in self.window_bytes.items() if self.stream else ():
            places[name] = end, size
            end += size
        return places

    @cached_property
    def window_bytes(self) -> dict[str, int]:
        """Size in bytes of the earlier frames in the window of each `peak` step, by the name of its output."""
        peaks = [step for step in self.graph.prologue if step.kind == "peak"]
        return {step.output: (step.window - 1) * step.items * FLOAT for step in peaks}

    @cached_property
    def history_bytes(self) -> int:
        """Size in bytes of the whole history, integers and floats."""
        return self.integer_bytes + sum(size for _, size in self.float_history.values())

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
    def memory(self) -> MemoryPlan:
        """Offsets of tensors, scratch memory, spectra and magnitudes in the arena."""
        graph, last = self.graph, len(self.steps) + 1
        states = set(self.state_offsets)
        first_step, last_step = self._lifetimes(last)
        shared = self._in_place(last_step)
        places: dict[str, Buffer] = {}
        tensors = {tensor.name: tensor for tensor in self._tensors}
        for tensor in tensors.values():
            if tensor.name in states:
                continue
            first = shared.get(tensor.name, tensor.name)
            rows = 1 if tensor.name in self.in_loops else self.history_rows(tensor) + self.engine.frames_computed
            places[first] = Buffer(
                f"tensor {first}", rows * tensor.row_bytes, first_step[first], last_step[tensor.name]
            )
        row = magnitude_row(graph.values)
        # The transform of one frame works in the memory of its magnitudes (forward) and of its mask (inverse).
        spectra, magnitudes, mask = (
            (self.stft.n_fft,) * 3 if self.is_one_frame else (self.stft.n_fft * LANES, LANES * row, graph.values)
        )
        buffers = [
            *places.values(),
            *(Buffer(f"scratch {i}", self.scratch_bytes(each), i + 1, i + 1) for i, each in enumerate(self.steps)),
            Buffer("analysis", spectra * FLOAT, 0, last if self.spectrum_stays else 0),
            Buffer("magnitudes", max(magnitudes, row) * FLOAT, 0, 0),
            *(Buffer(f"row {name}", size * FLOAT, 0, 0) for name, size in self.float_rows.items()),
            *(Buffer(f"window {name}", 0 if self.stream else size, 0, 0) for name, size in self.window_bytes.items()),
            Buffer("synthesis", 0 if self.spectrum_stays else spectra * FLOAT, last, last),
            Buffer("mask", max(mask, graph.values) * FLOAT, last, last),
        ]
        plan = plan_memory(buffer for buffer in buffers if buffer.size)
        offsets = plan.offsets | {f"tensor {name}": plan.offsets[f"tensor {first}"] for name, first in shared.items()}
        return MemoryPlan(offsets, plan.size)

    def _lifetimes(self, last: int) -> tuple[dict[str, int], dict[str, int]]:
        """Return the first and the last step that need each tensor, by the tensor's name.

        Inputs and outputs of a loop or a sweep live from its first step to its last step.
        """
        first_step = {tensor.name: 0 for tensor in self.graph.entries}
        place = {id(operator): index + 1 for index, operator in enumerate(self.steps)}
        for operator in self.steps:
            first_step.setdefault(operator.output.name, place[id(operator)])
        last_step = dict(first_step)
        for operator in self.steps:
            for tensor in operator.inputs:
                last_step[tensor.name] = place[id(operator)]
        for loop in (operator for operator in self.steps if isinstance(operator, Loop | Sweep)):
            first, end = place[id(next(unroll(loop.operators)))], place[id(loop)]
            first_step[loop.output.name] = first
            live = [*loop.inputs, *(state.after for state in loop.states)]
            if isinstance(loop, Sweep):
                first_step |= dict.fromkeys((tensor.name for tensor in _sweep_inputs(loop)), first)
                live += [loop.part, *_sweep_inputs(loop)]
            for tensor in (loop.output, *live):
                last_step[tensor.name] = max(last_step.get(tensor.name, 0), end)
        last_step[self.graph.result.name] = last
        return first_step, last_step

    def _in_place(self, last_step: dict[str, int]) -> dict[str, str]:
        """Return the outputs computed in place of their input, each with the tensor that first used the memory.

        An operator on single integers can overwrite an input that no later step reads. Streams have none, as rows
        start at different offsets in their buffers.
        """
        shared: dict[str, str] = {}
        if self.engine.is_stream:
            return shared
        for index, operator in enumerate(self.graph.operators):
            if isinstance(operator, Elementwise | LookupTable):
                for tensor in operator.inputs:
                    is_last = last_step[tensor.name] == index + 1
                    if is_last and tensor.row_bytes == operator.output.row_bytes:
                        shared[operator.output.name] = shared.get(tensor.name, tensor.name)
                        break
        return shared

    @cached_property
    def float_rows(self) -> dict[str, int]:
        """Number of floats in each row that the prologue computes, by the row's name."""
        return {step.output: step.items for step in self.graph.prologue if step.kind != "quantize"} | {
            # Integers that only the prologue uses have no rows in the network.
            step.output: -(-step.items * step.tensor.bits // 8 // FLOAT)
            for step in self.graph.prologue
            if step.kind == "quantize" and step.tensor not in self.graph.entries
        }

    @property
    def arena_bytes(self) -> int:
        """Size of the working memory of a call in bytes; kernels read up to 15 integers beyond the end of a row."""
        bits = max(tensor.bits for tensor in (*self.graph.entries, *(operator.output for operator in self.steps)))
        return self.memory.size + ROW * bits // 8

    @property
    def state_bytes(self) -> int:
        """Size in bytes of the state between calls: buffered samples, the output ring, and the history."""
        samples = 2 * (self.stft.win_length + (self.engine.frames_buffered - 1) * self.stft.hop_length)
        return samples + 2 * FLOAT * self.stft.win_length + self.history_bytes

"""What the generated C does in a call: which rows of which buffers its steps read and write, and where those lie."""

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
"""Frames that a Fourier transform is made of at a time, where a call computes more than one."""


SHORTEST_OF_ONE = 32
"""Samples from which on the transform of one frame is there; see sezoo_fft_forward_one."""


FLOAT = 4
"""Bytes."""

LARGEST_PIECE = 5 * ROW
"""Integers of a tap in time that Helium's kernel takes from where they lie, if there are several."""

MOST_PADDING = 1.34
"""By how much weights may grow so that taps in time can be read from where they lie."""

LARGEST_SUM = 1 << 23
"""Below it 256 times a sum is an int32."""


def magnitude_row(values: int) -> int:
    """Floats from one frame's magnitudes, or real and imaginary parts, to the next one's."""
    return -(-values // LANES) * LANES


def _begun(sweep: Sweep) -> list[Tensor]:
    """What is there before the first operator of a step."""
    return [*sweep.parts, *(state.before for state in sweep.states)]


@dataclass(frozen=True, eq=False)
class Program:
    """An integer graph, an engine, and the places of all buffers.

    The steps are numbered: 0 makes the integers of the beginning, step i + 1 is operator i of `steps`, the last one
    makes samples.
    """

    graph: IntegerGraph
    engine: Engine
    stft: Stft

    @cached_property
    def steps(self) -> tuple[Operator, ...]:
        """All operators in the order in which they are run; those of a loop are before the loop."""
        return tuple(unroll(self.graph.operators))

    @cached_property
    def place(self) -> dict[int, int]:
        """Where an operator is among the steps, by its id."""
        return {id(operator): index for index, operator in enumerate(self.steps)}

    @cached_property
    def in_loops(self) -> frozenset[str]:
        """Names of the tensors that are made inside loops and sweeps, a row at a time."""
        outside = {tensor.name for tensor in self.graph.tensors}
        return frozenset({tensor.name for tensor in self._made} - outside)

    @cached_property
    def _made(self) -> tuple[Tensor, ...]:
        """All tensors that are made in a call."""
        begun = chain.from_iterable(_begun(sweep) for sweep in self.steps if isinstance(sweep, Sweep))
        return (*self.graph.entries, *(each.output for each in self.steps), *begun)

    def rows(self, operator: Operator) -> int:
        """Rows that an operator makes at a time."""
        return 1 if any(each is operator for each in self._in_loops) else self.engine.frames_computed

    @cached_property
    def _in_loops(self) -> tuple[Operator, ...]:
        """The operators in loops and sweeps."""
        return tuple(operator for loop in self.steps if isinstance(loop, Loop | Sweep) for operator in loop.operators)

    def is_dense(self, conv: Conv) -> bool:
        """Whether a convolution is computed row by row."""
        alone = conv.groups == 1 and conv.positions == 1 and self.rows(conv) == 1
        return conv.output.bits > 8 or alone

    def pieces(self, conv: Conv) -> int:
        """Parts of a row of weights whose activations are read from different places: its taps in time, or one."""
        piece = conv.weights[0, 0, 0].size
        is_contiguous = conv.groups == 1 and (conv.dilation == 1 or conv.weights.shape[3] == 1)
        fits = piece <= LARGEST_PIECE if conv.input.bits == 8 else self.is_dense(conv)
        grown = conv.taps * padded(piece) / padded(conv.taps * piece)
        return conv.taps if is_contiguous and fits and grown <= MOST_PADDING else 1

    def depth(self, conv: Conv) -> int:
        """Weights of an output of a convolution, padded."""
        pieces = self.pieces(conv)
        return pieces * padded(conv.weights[0, 0].size // pieces)

    @cached_property
    def stream(self) -> StreamPlan | None:
        """Lags and kept rows; None of patches."""
        return stream_plan(self.graph) if self.engine.is_stream else None

    def kept(self, tensor: Tensor) -> int:
        """Rows of earlier calls in front of a tensor's new ones."""
        return self.stream.kept[tensor.name] if self.stream else 0

    def lag(self, tensor: Tensor) -> int:
        """Frames by which its newest row lags behind."""
        return self.stream.lag[tensor.name] if self.stream else 0

    def first_row(self, operator: Operator, operand: int) -> int:
        """The row of a buffer that an operator begins to read at; less than 0 is beyond a patch's edge."""
        if self.stream:
            return self.stream.first_row(operator, operand)
        return -operator.before if isinstance(operator, Conv) else 0

    @cached_property
    def history_offsets(self) -> dict[str, int]:
        """Where the kept rows of the tensors that have some lie between calls, in bytes."""
        offsets, end = {}, 0
        for tensor in self.graph.tensors:
            if self.kept(tensor):
                offsets[tensor.name] = end
                end += self.kept(tensor) * tensor.row_bytes
        return offsets

    @cached_property
    def state_offsets(self) -> dict[str, int]:
        """Where the states of loops lie between frames, in bytes, behind the kept rows."""
        offsets, end = {}, sum(self.kept(tensor) * tensor.row_bytes for tensor in self.graph.tensors)
        for loop in self.graph.loops:
            for state in loop.states:
                offsets[state.before.name] = end
                end += state.before.row_bytes
        return offsets

    @cached_property
    def outside_offsets(self) -> dict[str, int]:
        """Where the rows lie between calls that a network outside is handed, in bytes, in place of all of the above."""
        offsets, end = {}, 0
        for operator in self.steps:
            for state in operator.states if isinstance(operator, ExternalNetwork) else ():
                offsets[state.tensor.name] = end
                end += padded(state.bytes)
        return offsets

    @cached_property
    def integer_bytes(self) -> int:
        """Kept rows and states together."""
        states = sum(state.before.row_bytes for loop in self.graph.loops for state in loop.states)
        outside = sum(
            padded(state.bytes) for each in self.steps if isinstance(each, ExternalNetwork) for state in each.states
        )
        return outside + states + sum(self.kept(tensor) * tensor.row_bytes for tensor in self.graph.tensors)

    @cached_property
    def kept_floats(self) -> dict[str, tuple[int, int]]:
        """Where a stream keeps the floats of earlier frames that a `peak` needs, and how many bytes, by its output.

        They lie behind the rows of integers. A patch begins with zeros, and has them in the arena.
        """
        places, end = {}, self.integer_bytes
        for name, size in self.window_bytes.items() if self.stream else ():
            places[name] = end, size
            end += size
        return places

    @cached_property
    def window_bytes(self) -> dict[str, int]:
        """Bytes of the earlier frames that each `peak` looks at, by its output."""
        peaks = [step for step in self.graph.prologue if step.kind == "peak"]
        return {step.output: (step.window - 1) * step.items * FLOAT for step in peaks}

    @cached_property
    def history_bytes(self) -> int:
        """All kept rows together."""
        return self.integer_bytes + sum(size for _, size in self.kept_floats.values())

    def scratch_bytes(self, operator: Operator) -> int:
        """What a convolution or a product needs besides its rows; see SEZOO_SCRATCH in sezoo_kernels.h."""
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
        """Whether a call has one frame to transform, which is SEZOO_ONE_FRAME in sezoo_spectra.h."""
        return self.engine.frames_computed == 1 and self.stft.n_fft >= SHORTEST_OF_ONE and not self.graph.is_complex

    @property
    def spectrum_stays(self) -> bool:
        """Whether the frame that the network computes comes out in the same call, and its spectrum is kept for that."""
        return self.is_one_frame and self.engine.first_computed == self.engine.first_output

    @cached_property
    def memory(self) -> MemoryPlan:
        """The places of tensors, scratch memory, spectra and magnitudes."""
        graph, last = self.graph, len(self.steps) + 1
        held = set(self.state_offsets)
        made, needed = self._lives(last)
        shared = self._in_place(needed)
        places: dict[str, Buffer] = {}
        tensors = {tensor.name: tensor for tensor in self._made}
        for tensor in tensors.values():
            if tensor.name in held:
                continue
            first = shared.get(tensor.name, tensor.name)
            rows = 1 if tensor.name in self.in_loops else self.kept(tensor) + self.engine.frames_computed
            places[first] = Buffer(f"tensor {first}", rows * tensor.row_bytes, made[first], needed[tensor.name])
        row = magnitude_row(graph.values)
        # The transform of one frame works where its magnitudes are next, and where its mask was.
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

    def _lives(self, last: int) -> tuple[dict[str, int], dict[str, int]]:
        """The steps from which on, and up to which, each tensor is needed.

        What goes into a loop or a sweep and what comes out of it is there from its first step to its last one.
        """
        made = {tensor.name: 0 for tensor in self.graph.entries}
        place = {id(operator): index + 1 for index, operator in enumerate(self.steps)}
        for operator in self.steps:
            made.setdefault(operator.output.name, place[id(operator)])
        needed = dict(made)
        for operator in self.steps:
            for tensor in operator.inputs:
                needed[tensor.name] = place[id(operator)]
        for loop in (operator for operator in self.steps if isinstance(operator, Loop | Sweep)):
            first, end = place[id(next(unroll(loop.operators)))], place[id(loop)]
            made[loop.output.name] = first
            held = [*loop.inputs, *(state.after for state in loop.states)]
            if isinstance(loop, Sweep):
                made |= dict.fromkeys((tensor.name for tensor in _begun(loop)), first)
                held += [loop.part, *_begun(loop)]
            for tensor in (loop.output, *held):
                needed[tensor.name] = max(needed.get(tensor.name, 0), end)
        needed[self.graph.result.name] = last
        return made, needed

    def _in_place(self, needed: dict[str, int]) -> dict[str, str]:
        """Outputs that take the place of an input which nobody reads any more, and the tensor that had it first.

        An operator that looks at one integer at a time can write over what it has read. A stream's rows do not begin
        at the same row of their buffers.
        """
        shared: dict[str, str] = {}
        if self.engine.is_stream:
            return shared
        for index, operator in enumerate(self.graph.operators):
            if isinstance(operator, Elementwise | LookupTable):
                for tensor in operator.inputs:
                    is_last = needed[tensor.name] == index + 1
                    if is_last and tensor.row_bytes == operator.output.row_bytes:
                        shared[operator.output.name] = shared.get(tensor.name, tensor.name)
                        break
        return shared

    @cached_property
    def float_rows(self) -> dict[str, int]:
        """Items of the rows of floats that the prologue makes."""
        return {step.output: step.items for step in self.graph.prologue if step.kind != "quantize"} | {
            # Integers that are used in the prologue alone have no rows in the network.
            step.output: -(-step.items * step.tensor.bits // 8 // FLOAT)
            for step in self.graph.prologue
            if step.kind == "quantize" and step.tensor not in self.graph.entries
        }

    @property
    def arena_bytes(self) -> int:
        """The block of memory that a call needs; kernels read up to 15 integers beyond the end of a row."""
        bits = max(tensor.bits for tensor in (*self.graph.entries, *(operator.output for operator in self.steps)))
        return self.memory.size + ROW * bits // 8

    @property
    def state_bytes(self) -> int:
        """What lives from call to call: samples, the ring of the output, and kept rows."""
        samples = 2 * (self.stft.win_length + (self.engine.frames_buffered - 1) * self.stft.hop_length)
        return samples + 2 * FLOAT * self.stft.win_length + self.history_bytes

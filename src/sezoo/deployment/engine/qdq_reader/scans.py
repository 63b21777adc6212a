"""Conversion of a Scan over frames (to a `Loop`) or over an axis within a frame, such as bins (to a `Sweep`)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import onnx

from sezoo.deployment.engine.operators import Loop, State, Sweep
from sezoo.deployment.engine.qdq_reader.layouts import Layout, in_time, laid_out, laid_out_in_time
from sezoo.deployment.engine.qdq_reader.loops import begin_state, loop_states
from sezoo.deployment.engine.qdq_reader.nodes import Node, UnsupportedError
from sezoo.deployment.engine.qdq_reader.values import QuantizedView, Source
from sezoo.deployment.engine.tensor import Tensor

if TYPE_CHECKING:
    from sezoo.deployment.engine.qdq_reader.reader import Reader

__all__ = ["read_scan"]


def read_scan(reader: Reader, node: Node) -> dict[str, QuantizedView]:
    """Add the loop or sweep of a Scan to the reader's operators, and return its output values by name.

    Raises
    ------
    UnsupportedError : the Scan runs backwards over frames; its initial states are not constant; its body has a node
        without an integer form.
    """
    body: onnx.GraphProto = node.attribute("body", None)
    sequences = node.attribute("num_scan_inputs", 0)
    count = len(node.inputs) - sequences
    given = list(zip(node.inputs[count:], node.attribute("scan_input_axes", [0] * sequences), strict=True))
    layouts = [_layout(reader, node, name) for name, _ in given]
    axes = [axis % reader.values[name].items.ndim for name, axis in given]
    over_frames = [layout.axis == axis for layout, axis in zip(layouts, axes, strict=True)]
    if any(over_frames) != all(over_frames):
        raise UnsupportedError(f"{node} goes over frames in one of its inputs and over something else in another")
    inner = reader.inside(body, 1 if any(over_frames) else reader.frames)
    names, ends = [value.name for value in body.input], [value.name for value in body.output]
    first = {
        name: _first(reader, node, outside, inner) for outside, name in zip(node.inputs[:count], names, strict=False)
    }
    for name, constant in first.items():
        begin_state(inner, name, constant.shape)
    scan = _ScanReader(
        reader, node, inner, names[count:], [name for name, _ in given], layouts, axes, ends[count:], count
    )
    rows = scan.loop_inputs() if any(over_frames) else scan.sweep_inputs()
    inner.read_nodes(body.node)
    states = loop_states(inner, dict(zip(names[:count], ends[:count], strict=True)), first)
    return scan.loop(rows, states) if any(over_frames) else scan.sweep(rows, states)


def _layout(reader: Reader, node: Node, name: str) -> Layout:
    value = reader.value(node, name)
    if not isinstance(value, QuantizedView) or not value.is_rounded:
        raise UnsupportedError(f"{node} works in float: its input '{name}' is not quantized")
    return laid_out_in_time(value, reader.frames, node)


def _first(reader: Reader, node: Node, name: str, inner: Reader) -> np.ndarray:
    """Return the initial value of a state."""
    constant = reader.constants.real(name)
    if constant is None:
        raise UnsupportedError(
            f"{node} begins with '{name}', which is no constant; deploy the int8 model of whole clips, which the C "
            "package runs frame by frame by itself, or quantize the one-frame form of the float model"
        )
    if inner.frames > 1 and not (len(constant) == inner.frames and (constant == constant[:1]).all()):
        raise UnsupportedError(f"{node} begins with other states in some frames than in others")
    return constant


@dataclass(frozen=True, eq=False)
class _ScanReader:
    """A Scan and its properties that are known before its body is read.

    Attributes
    ----------
    names, outside : names of the input sequences, inside the body and outside.
    axes : axis of each input sequence that the Scan iterates over.
    ends : names of the output sequences inside the body.
    count : number of states.
    """

    reader: Reader
    node: Node
    inner: Reader
    names: list[str]
    outside: list[str]
    layouts: list[Layout]
    axes: list[int]
    ends: list[str]
    count: int

    def loop_inputs(self) -> list[Tensor]:
        """Return the tensors with the rows of all frames, of which the body reads one at a time."""
        if any(any(self.node.attribute(key, [])) for key in ("scan_input_directions", "scan_output_directions")):
            raise UnsupportedError(
                f"{self.node} goes backwards over the frames, of which a stream does not know the last"
            )
        tensors = []
        for name, outside, layout in zip(self.names, self.outside, self.layouts, strict=True):
            tensor = self._row(outside, layout.row, name)
            self.inner.values[name] = QuantizedView(
                (Source(tensor),), np.arange(tensor.items).reshape(layout.row.shape)
            )
            tensors.append(tensor)
        return tensors

    def loop(self, inputs: list[Tensor], states: list[State]) -> dict[str, QuantizedView]:
        """Add the operator, and return its output value."""
        name, end, axis, _ = self._sequence()
        value = self._rounded_output(name, end)
        tensor = self.inner.row(value, value.items.ravel(), f"{name}/row")
        inside = tuple(self.inner.operators)
        self.reader.operators.append(Loop(name, tuple(dict.fromkeys(inputs)), tensor, inside, tuple(states)))
        items = np.arange(tensor.items).reshape(value.items.shape)
        return {
            name: QuantizedView(
                (Source(tensor),), in_time(items, tensor.items, self.reader.frames, axis % (items.ndim + 1))
            )
        }

    def sweep_inputs(self) -> list[tuple[Tensor, Tensor]]:
        """Return each row of a frame, and the part of it that the body reads at a time."""
        directions = self.node.attribute("scan_input_directions", [0] * len(self.names))
        pairs = []
        for name, outside, layout, axis, backwards in zip(
            self.names, self.outside, self.layouts, self.axes, directions, strict=True
        ):
            steps = np.moveaxis(layout.row, layout.place(axis), 0)
            tensor = self._row(outside, steps[::-1] if backwards else steps, name)
            part = replace(tensor, name=f"{self.node.output}/{name}/step", items=steps[0].size)
            items = np.arange(part.items).reshape(steps.shape[1:])
            frames_at = None if layout.axis is None else layout.axis - (axis < layout.axis)
            self.inner.values[name] = QuantizedView(
                (Source(part),), in_time(items, part.items, self.reader.frames, frames_at)
            )
            pairs.append((tensor, part))
        return pairs

    def sweep(self, pairs: list[tuple[Tensor, Tensor]], states: list[State]) -> dict[str, QuantizedView]:
        """Add the operator, and return its output value."""
        name, end, axis, backwards = self._sequence()
        value = self._rounded_output(name, end)
        layout = laid_out(value, self.reader.frames, self.node)
        part = self.inner.row(value, layout.row.ravel(), f"{name}/step")
        steps = pairs[0][0].items // pairs[0][1].items
        output = replace(part, name=name, items=steps * part.items)
        tensors, parts = zip(*pairs, strict=True)
        self.reader.operators.append(
            Sweep(name, tensors, parts, output, part, tuple(self.inner.operators), tuple(states))
        )
        rows = np.arange(output.items).reshape(steps, *layout.row.shape)
        frames_at = None if layout.axis is None else layout.axis + 1
        items = in_time(rows[::-1] if backwards else rows, output.items, self.reader.frames, frames_at)
        return {name: QuantizedView((Source(output),), np.moveaxis(items, 0, axis % items.ndim))}

    def _row(self, outside: str, order: np.ndarray, name: str) -> Tensor:
        return self.reader.row(self.reader.values[outside], order.ravel(), f"{self.node.output}/{name}")

    def _sequence(self) -> tuple[str, str, int, int]:
        """Return the only output sequence: its name outside and inside, its axis, and whether it runs backwards."""
        names = list(self.node.proto.output)[self.count :]
        zeros = [0] * len(names)
        axes, directions = (self.node.attribute(f"scan_output_{key}", zeros) for key in ("axes", "directions"))
        every = zip(names, self.ends, axes, directions, strict=True)
        read = [each for each in every if each[0] and each[0] in self.reader.read_names]
        if len(read) != 1:
            raise UnsupportedError(f"{self.node} gives {len(read)} sequences that something reads; one can be run")
        return read[0]

    def _rounded_output(self, name: str, end: str) -> QuantizedView:
        value = self.inner.values.get(end)
        if not isinstance(value, QuantizedView) or not value.is_rounded:
            raise UnsupportedError(f"{self.node} gives '{name}', which is not rounded to integers inside")
        return value

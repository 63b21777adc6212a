"""What is run frame by frame: the body of a Scan, or a whole model of one frame with states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import onnx

from sezoo.deployment.engine.integer_graph import Loop, State, Tensor
from sezoo.deployment.engine.qdq_reader.nodes import Node, UnsupportedError
from sezoo.deployment.engine.qdq_reader.values import FloatRow, Floats, Pending, Real, Source, laid_out

if TYPE_CHECKING:
    from sezoo.deployment.engine.qdq_reader.reader import Reader

__all__ = ["Held", "begin_state", "held_states", "read_scan", "rounded_states"]


@dataclass(frozen=True, eq=False)
class Held:
    """Integers that a quantizer makes of a state, or of some of its items; or of floats that stand beside states.

    Attributes
    ----------
    state : name of the state before a frame; of the row, where it is another one.
    tensor : that they are.
    items : of the state, in the order of the tensor.
    """

    state: str
    tensor: Tensor
    items: np.ndarray


def begin_state(reader: Reader, name: str, shape: tuple[int, ...]) -> None:
    """Let a reader know of a state before a frame, of which no quantizer has made integers yet."""
    row = FloatRow(f"state {name}", int(np.prod(shape)))
    reader.states[row.name] = name
    reader.values[name] = Floats((row,), np.arange(row.size).reshape(shape))


def rounded_states(reader: Reader, value: Floats, tensor: Tensor, node: object) -> Real:
    """Integers of states, of parts of one, or of states and what stands beside them, as in a convolution's cache.

    What has been rounded to the same steps before is not rounded again.
    """
    if len(value.sources) == 1 and not _covering(reader, value.sources[0], value.items.ravel(), tensor):
        layout = laid_out(value, reader.frames, node)
        tensor = replace(tensor, items=len(layout.natural))
        reader.held.append(Held(reader.states[value.sources[0].name], tensor, layout.natural))
        return Real((Source(tensor),), layout.items_at(np.arange(tensor.items)))
    if reader.frames != 1:
        raise UnsupportedError(f"{node} puts states of several frames together")
    items, sources, start, offset = np.empty_like(value.items), [], 0, 0
    for row in value.sources:
        inside = (value.items >= offset) & (value.items < offset + row.size)
        wanted = value.items[inside] - offset
        offset += row.size
        if not inside.any():
            continue
        held = _covering(reader, row, wanted, tensor) or _rounded_row(reader, row, np.unique(wanted), tensor, node)
        place = np.full(row.size, -1)
        place[held.items] = np.arange(len(held.items))
        items[inside] = place[wanted] + start
        sources.append(Source(held.tensor))
        start += held.tensor.items
    items[value.items < 0] = -1
    return Real(tuple(sources), items)


def _covering(reader: Reader, row: FloatRow, wanted: np.ndarray, tensor: Tensor) -> Held | None:
    """What has some items of a row already, in the steps of a tensor."""
    name = reader.states.get(row.name, row.name)
    for held in (*reader.held, *reader.beside_states):
        steps = [(each.scale, each.zero_point, each.bits) for each in (held.tensor, tensor)]
        if held.state == name and steps[0] == steps[1] and np.isin(wanted, held.items).all():
            return held
    return None


def _rounded_row(reader: Reader, row: FloatRow, wanted: np.ndarray, tensor: Tensor, node: object) -> Held:
    tensor = replace(tensor, name=f"{tensor.name}/{row.name}", items=len(wanted))
    if row.name in reader.states:
        held = Held(reader.states[row.name], tensor, wanted)
        reader.held.append(held)
        return held
    rounded = reader.steps.quantized(Floats((row,), wanted[np.newaxis]), tensor, node)
    held = Held(row.name, rounded.sources[0].tensor, wanted)
    reader.beside_states.append(held)
    return held


def held_states(reader: Reader, after: Mapping[str, str], first: Mapping[str, np.ndarray]) -> list[State]:
    """The states of a frame that has been read.

    Parameters
    ----------
    after : names of the tensors that take the states' places, by the states' names.
    first : what the states are before the first frame, real numbers.

    Raises
    ------
    UnsupportedError : a state that something else comes of than can be rounded in its steps.
    """
    states = []
    for number, held in enumerate(reader.held):
        name = after[held.state]
        value = reader.values.get(name)
        if value is None:
            raise UnsupportedError(
                f"the state '{held.state}' becomes '{name}', which does not come from int8 operators"
            )
        tensor = held.tensor
        new = _row_of(reader, value, held, f"{tensor.name}/after/{number}")
        real = np.ravel(first[held.state])[held.items].astype(np.float32)
        integers = np.clip(np.rint(real / tensor.scale) + np.float32(tensor.zero_point), tensor.low, tensor.high)
        states.append(State(tensor, new, integers.astype(tensor.dtype)))
    return states


def _row_of(reader: Reader, value: Real | Floats | Pending, held: Held, name: str) -> Tensor:
    """What takes a state's place, in its steps and its order."""
    wanted = replace(held.tensor, name=name)
    if isinstance(value, Floats):
        rounded = rounded_states(
            reader, replace(value, items=value.items.ravel()[held.items][np.newaxis]), wanted, name
        )
        return reader.row(rounded, rounded.items[0], f"{name}/row")
    flat = value.items.ravel()[held.items][np.newaxis]
    if isinstance(value, Real):
        value = _of_sources_in(Real(value.sources, flat))
        rounded = reader.rounded_to(wanted, value, f"the state '{held.state}'")
    else:
        if len(flat[0]) != value.total:
            raise UnsupportedError(f"the state '{held.state}' is a part of a tensor that no QuantizeLinear has rounded")
        rounded = reader.rounded_to(wanted, value, f"the state '{held.state}'")
        rounded = Real(rounded.sources, flat)
    return reader.row(rounded, rounded.items[0], f"{name}/row")


def _of_sources_in(value: Real) -> Real:
    """A value without the sources that none of its items comes from; it is one frame."""
    kept, items, offset = [], value.items.copy(), 0
    start = 0
    for source in value.sources:
        inside = (value.items >= offset) & (value.items < offset + source.size)
        if inside.any():
            items[inside] = value.items[inside] - offset + start
            kept.append(source)
            start += source.size
        offset += source.size
    return Real(tuple(kept), items)


# -- Scan ------------------------------------------------------------------------------------------------


def read_scan(reader: Reader, node: Node) -> dict[str, Real]:
    """The loop of a Scan over frames, which goes to the reader's operators: values of its outputs by name.

    Raises
    ------
    UnsupportedError : it goes backwards, or over something else than frames; it begins with states that are no
        constants; its body has something without an integer form.
    """
    body: onnx.GraphProto = node.attribute("body", None)
    sequences = node.attribute("num_scan_inputs", 0)
    count = len(node.inputs) - sequences
    for key in ("scan_input_directions", "scan_output_directions"):
        if any(node.attribute(key, [])):
            raise UnsupportedError(f"{node} goes backwards over the frames, of which a stream does not know the last")
    inner = reader.inside(body)
    names = [value.name for value in body.input]
    first = {}
    for outside, name in zip(node.inputs[:count], names, strict=False):
        constant = reader.constants.real(outside)
        if constant is None:
            raise UnsupportedError(
                f"{node} begins with '{outside}', which is no constant; states of the model itself can be run where it "
                "takes one frame"
            )
        first[name] = constant
        begin_state(inner, name, constant.shape)
    axes = node.attribute("scan_input_axes", [0] * sequences)
    inputs = []
    for outside, name, axis in zip(node.inputs[count:], names[count:], axes, strict=True):
        value = reader.value(node, outside)
        if not isinstance(value, Real) or not value.is_rounded:
            raise UnsupportedError(f"{node} works in float: its input '{outside}' is not quantized")
        layout = laid_out(value, reader.frames, node)
        if layout.axis != axis % value.items.ndim or layout.before or layout.after or (layout.row < 0).any():
            raise UnsupportedError(f"{node} goes over something else than frames")
        tensor = reader.row(value, layout.row.ravel(), f"{node.output}/{name}")
        inputs.append(tensor)
        inner.values[name] = Real((Source(tensor),), np.arange(tensor.items).reshape(layout.row.shape))
    inner.read_nodes(body.node)
    ends = [value.name for value in body.output]
    states = held_states(inner, dict(zip(names[:count], ends[:count], strict=True)), first)
    return _outputs(reader, node, inner, inputs, states, ends[count:], count)


def _outputs(
    reader: Reader,
    node: Node,
    inner: Reader,
    inputs: list[Tensor],
    states: list[State],
    ends: list[str],
    count: int,
) -> dict[str, Real]:
    names = list(node.proto.output)[count:]
    read = [(name, end) for name, end in zip(names, ends, strict=True) if name and name in reader.read_names]
    if len(read) != 1:
        raise UnsupportedError(f"{node} gives {len(read)} sequences that something reads; one can be run")
    (name, end) = read[0]
    axes = node.attribute("scan_output_axes", [0] * len(names))
    value = inner.values.get(end)
    if not isinstance(value, Real) or not value.is_rounded:
        raise UnsupportedError(f"{node} gives '{name}', which is not rounded to integers inside")
    order = value.items.ravel()
    tensor = inner.row(value, order, f"{name}/row")
    loop = Loop(name, tuple(dict.fromkeys(inputs)), tensor, tuple(inner.operators), tuple(states))
    reader.operators.append(loop)
    items = np.arange(tensor.items).reshape(value.items.shape)
    frame = np.arange(reader.frames).reshape(-1, *[1] * items.ndim) * tensor.items
    axis = axes[names.index(name)]
    return {name: Real((Source(tensor),), np.moveaxis(frame + items, 0, axis if axis >= 0 else items.ndim + 1 + axis))}

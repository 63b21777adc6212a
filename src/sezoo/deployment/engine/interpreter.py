"""The integer operators in numpy, the reference that the C kernels match byte for byte.

The argument `arithmetic` selects a runtime's rounding; the default is that of onnxruntime and of the C package.

A convolution sums int8 x int8 exactly and requantizes in float32: ``rint(float32(accumulator) * multiplier)`` with
ties to even, clamped, plus the zero point. The multiplier is ``(scale of the input * scale of the weights) / scale of
the output``, each step rounded to float32. An addition is ``rint((a + b) * inverse)``, with an `inverse` that rounds
all pairs of integers as onnxruntime's division by the output's scale does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping

import numpy as np

from sezoo.deployment.engine.arithmetic import ONNXRUNTIME, Arithmetic, requantize
from sezoo.deployment.engine.conv import Conv
from sezoo.deployment.engine.expression import Expression, Tree
from sezoo.deployment.engine.external import ExternalNetwork
from sezoo.deployment.engine.group_operators import Normalize, Softmax
from sezoo.deployment.engine.integer_graph import IntegerGraph
from sezoo.deployment.engine.operators import Curve, Elementwise, LookupTable, Loop, Operator, Sweep
from sezoo.deployment.engine.product import Product
from sezoo.deployment.engine.prologue import rows_of, run_prologue
from sezoo.deployment.engine.tensor import Tensor

__all__ = ["initial_states", "mask_of", "run_graph", "run_loop", "run_operator", "run_tensors"]

F = np.float32

LARGEST_OF_FLOAT32 = 1 << 24
"""Bound up to which float32 represents all integers."""

Extend = Callable[[Conv, np.ndarray], np.ndarray]
"""Function that adds the frames before and after a convolution's input that the convolution needs."""


def run_graph(
    graph: IntegerGraph,
    magnitude: np.ndarray,
    arithmetic: Arithmetic = ONNXRUNTIME,
    float_history: MutableMapping[str, np.ndarray] | None = None,
) -> np.ndarray:
    """Compute the mask of a patch, or the output that the graph's kind specifies.

    Parameters
    ----------
    magnitude : (bins, frames) float32, or complex64
    float_history : see `run_prologue`.

    Returns
    -------
    mask : (bins, frames) of the same type.
    """
    entries = run_prologue(graph.prologue, rows_of(magnitude), float_history)
    return mask_of(graph, run_tensors(graph, entries, arithmetic)[graph.output.name])


def mask_of(graph: IntegerGraph, result: np.ndarray) -> np.ndarray:
    """Return the mask (bins, frames) float32, or complex64, for the integers (frames, items) of the last tensor."""
    integers = result[:, graph.mask_index].astype(np.int32)
    if graph.mask_table is None:
        values = (integers - graph.output.zero_point).astype(F).T * graph.output.scale
    elif graph.output.bits == 16:
        place, rest = np.divmod(integers.T + 32768, 64)
        first, next_one = graph.mask_table[place], graph.mask_table[place + 1]
        values = first + (next_one - first) * (rest.astype(F) * F(1 / 64))
    else:
        values = graph.mask_table[integers + 128].T
    if not graph.is_complex:
        return values
    mask = np.empty((graph.bins, len(result)), np.complex64)
    mask.real, mask.imag = np.split(values, 2)
    return mask


def run_tensors(
    graph: IntegerGraph, entries: Mapping[str, np.ndarray], arithmetic: Arithmetic = ONNXRUNTIME
) -> dict[str, np.ndarray]:
    """Compute all tensors of a patch outside loops, including `entries`: (frames, items) int8 or int16 by name."""
    values = dict(entries)
    for operator in graph.operators:
        inputs = [values[tensor.name] for tensor in operator.inputs]
        values[operator.output.name] = run_operator(operator, inputs, arithmetic=arithmetic)
    return values


def run_operator(
    operator: Operator,
    inputs: list[np.ndarray],
    extend: Extend | None = None,
    arithmetic: Arithmetic = ONNXRUNTIME,
) -> np.ndarray:
    """Run one operator on (frames, items) of each input, and return (frames, items) of its output.

    Parameters
    ----------
    extend : adds the frames before and after a convolution's input; None pads with zeros, as at the edges of a patch.
    """
    if isinstance(operator, Conv):
        accumulators = _accumulators(operator, (extend or _with_edges)(operator, inputs[0]))
        return arithmetic.conv(operator, accumulators).reshape(len(accumulators), -1)
    if isinstance(operator, Elementwise):
        return arithmetic.elementwise(operator, *inputs)
    if isinstance(operator, Product):
        return _product(operator, *inputs)
    if isinstance(operator, LookupTable):
        return arithmetic.table(operator)[inputs[0].astype(np.int64) + 128]
    if isinstance(operator, Expression):
        return _expression(operator, inputs)
    if isinstance(operator, Curve):
        return _curve(operator, inputs[0])
    if isinstance(operator, Normalize):
        return _normalize(operator, inputs[0])
    if isinstance(operator, Softmax):
        return _softmax(operator, inputs[0])
    if isinstance(operator, Loop):
        return run_loop(operator, inputs, initial_states(operator))
    if isinstance(operator, Sweep):
        return _sweep(operator, inputs)
    if isinstance(operator, ExternalNetwork):
        raise TypeError(f"{operator.name} is computed by another program")
    zeros = np.full((len(inputs[0]), 1), operator.output.zero_point, operator.output.dtype)
    return np.concatenate([*inputs, zeros], axis=1)[:, operator.index]


def initial_states(loop: Loop) -> dict[str, np.ndarray]:
    """Return the initial states of a loop: (1, items) by the names of the `before` tensors."""
    return {state.before.name: state.first[np.newaxis] for state in loop.states}


def run_loop(loop: Loop, inputs: list[np.ndarray], states: dict[str, np.ndarray]) -> np.ndarray:
    """Run a loop over frames on (frames, items) of each input, and return (frames, items) of its output.

    Parameters
    ----------
    states : states before the first frame; updated in place to the states after the last one.
    """
    made = np.empty((len(inputs[0]), loop.output.items), loop.output.dtype)
    for frame, row in enumerate(made):
        values = {tensor.name: rows[[frame]] for tensor, rows in zip(loop.inputs, inputs, strict=True)} | states
        for operator in loop.operators:
            values[operator.output.name] = run_operator(operator, [values[each.name] for each in operator.inputs])
        row[:] = values[loop.output.name][0]
        states |= {state.before.name: values[state.after.name] for state in loop.states}
    return made


def _sweep(sweep: Sweep, inputs: list[np.ndarray]) -> np.ndarray:
    """Run a sweep step by step, on all frames at once."""
    frames = len(inputs[0])
    values = {state.before.name: np.tile(state.first, (frames, 1)) for state in sweep.states}
    steps = [rows.reshape(frames, sweep.steps, -1) for rows in inputs]
    made = np.empty((frames, sweep.steps, sweep.part.items), sweep.output.dtype)
    for step in range(sweep.steps):
        values |= {part.name: rows[:, step] for part, rows in zip(sweep.parts, steps, strict=True)}
        for operator in sweep.operators:
            values[operator.output.name] = run_operator(operator, [values[each.name] for each in operator.inputs])
        made[:, step] = values[sweep.part.name]
        values |= {state.before.name: values[state.after.name] for state in sweep.states}
    return made.reshape(frames, -1)


def _with_edges(conv: Conv, rows: np.ndarray) -> np.ndarray:
    if not conv.before and not conv.after:  # in a loop over frames padding would take longer than the sums
        return rows
    edges = ((conv.before, conv.after), (0, 0))
    return np.pad(rows, edges, constant_values=conv.input.zero_point)


def _accumulators(conv: Conv, rows: np.ndarray) -> np.ndarray:
    """Return the accumulators (frames, positions, outputs) int64 for input rows (frames + span, items)."""
    frames = len(rows) - conv.span
    # Floats represent these sums exactly, and their matrix products are fast.
    real = F if conv.largest_sum <= LARGEST_OF_FLOAT32 else np.float64
    grid = rows.reshape(len(rows), conv.rows, conv.positions_in, conv.channels_in).astype(real)
    reach = (conv.weights.shape[3] - 1) * conv.dilation
    behind = max(0, (conv.positions - 1) * conv.stride + reach + 1 - conv.pad - conv.positions_in)
    if conv.pad or behind:
        grid = np.pad(grid, ((0, 0), (0, 0), (conv.pad, behind), (0, 0)), constant_values=conv.input.zero_point)
    total = np.zeros((frames, conv.positions, conv.channels_out), real)
    weights, size = conv.weights.astype(real), conv.weights.shape[4]
    for tap in range(conv.taps):
        first = tap * conv.dilation_time
        now = grid[:, first] if conv.rows > 1 else grid[first : first + frames, 0]
        for place in range(conv.weights.shape[3]):
            begin = place * conv.dilation
            taken = now[:, begin : begin + (conv.positions - 1) * conv.stride + 1 : conv.stride]
            if conv.is_depthwise:
                total += taken * weights[:, 0, tap, place, 0]
                continue
            for group, matrix in enumerate(weights[:, :, tap, place]):
                inward = slice(group * size, (group + 1) * size)
                outward = slice(group * len(matrix), (group + 1) * len(matrix))
                total[:, :, outward] += taken[:, :, inward] @ matrix.T
    return total.astype(np.int64) + conv.folded_bias


def _product(operator: Product, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    left, right = (
        rows.reshape(len(rows), operator.groups, -1, operator.depth).astype(np.float64) - tensor.zero_point
        for rows, tensor in ((a, operator.a), (b, operator.b))
    )
    sums = left @ right.swapaxes(2, 3)  # exact: float64 represents all of these sums
    steps = sums.astype(F).reshape(len(a), -1) * operator.multiplier
    return requantize(steps, operator.output, operator.low, operator.high)


def _expression(operator: Expression, inputs: list[np.ndarray]) -> np.ndarray:
    rows = dict(zip(operator.inputs, inputs, strict=True))
    real = {each: (row.astype(np.int32) - each.zero_point).astype(F) * each.scale for each, row in rows.items()}
    return requantize(_value(operator.tree, real) * operator.inverse, operator.output, operator.low, operator.high)


OPERATIONS = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "max": np.maximum, "min": np.minimum}


def _value(tree: Tree, real: Mapping[Tensor, np.ndarray]) -> np.ndarray:
    if isinstance(tree, tuple):
        return OPERATIONS[tree[0]](*(_value(branch, real) for branch in tree[1:]))
    return real[tree] if isinstance(tree, Tensor) else tree


def _curve(operator: Curve, x: np.ndarray) -> np.ndarray:
    place, rest = np.divmod(x.astype(np.int32) + 32768, 64)
    table = operator.table.astype(np.int32)
    value = table[place] + (((table[place + 1] - table[place]) * rest + 32) >> 6)
    if operator.output.bits == 8:
        value = np.minimum((value + 128) >> 8, operator.output.high)
    return value.astype(operator.output.dtype)


def _normalize(operator: Normalize, rows: np.ndarray) -> np.ndarray:
    grouped = rows.reshape(len(rows), operator.groups, operator.size).astype(np.int64)
    total, squares = grouped.sum(axis=2, keepdims=True), (grouped**2).sum(axis=2, keepdims=True)
    spread = (operator.size * squares - total**2).astype(F) + operator.epsilon
    centred = (operator.size * grouped - total).astype(F) * (F(1) / np.sqrt(spread))
    steps = (centred.reshape(rows.shape) * operator.factor + operator.offset) * operator.inverse
    return requantize(steps, operator.output, operator.low, operator.high)


def _softmax(operator: Softmax, rows: np.ndarray) -> np.ndarray:
    grouped = rows.reshape(len(rows), operator.groups, operator.size).astype(np.int64)
    distance, table = grouped.max(axis=2, keepdims=True) - grouped, operator.table.astype(np.int64)
    if operator.input.bits == 8:
        parts = table[distance]
    else:
        parts = (table[distance % 256] * table[256 + distance // 256] + (1 << 19)) >> 20
    shares = parts.astype(F) * (F(1) / parts.sum(axis=2, keepdims=True, dtype=np.int64).astype(F))
    return requantize((shares * operator.inverse).reshape(rows.shape), operator.output, operator.low, operator.high)

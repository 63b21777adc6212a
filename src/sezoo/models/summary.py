"""`sezoo model FILE`: what an ONNX mask model is, read from the graph and found by running it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import onnx

from sezoo.base.errors import UserError
from sezoo.models.constant_shapes import with_constant_shapes
from sezoo.models.contract import declared_contract
from sezoo.models.mask_model import MaskModel
from sezoo.models.onnx_file import axes_of, graph_inputs, load_onnx, quantized_nodes
from sezoo.models.onnx_graph import attribute
from sezoo.models.receptive_field import receptive_field_of, recurrent_lookahead
from sezoo.models.spectra import layout_of
from sezoo.models.states import (
    batch_of_one,
    fix_lengths,
    frames_of,
    likely_states,
    magnitude_input,
    states_of,
    states_text,
    with_states,
)

__all__ = ["ModelSummary", "describe", "macs_by_node", "macs_per_frame", "multiply_accumulates", "summary_of"]


FRAMES, MOST_VALUES = 64, 10_000_000
"""That a model is tried on, and above which it is not tried."""

MOST_ROWS = 20
"""Of inputs, and of outputs, in a table."""


@dataclass(frozen=True)
class ModelSummary:
    """What is known of a model.

    Attributes
    ----------
    bytes : of the model, with weights that lie in a file of their own.
    inputs, outputs : name and axes of each.
    parameters : number of weights, in float or int8.
    macs_per_frame : multiply-accumulate operations; None where a shape is unknown.
    operators : how many of each; constants are none.
    field : frames that the mask of a frame depends on, (before, after); None without bound or not found.
    lookahead : frames after a frame that its mask depends on; None where that is not known.
    states : state outputs by the state inputs that take them in the next call.
    states_are_guessed : the file does not name them, but shapes and names say so.
    problem : why it is no mask model that onnxruntime loads and runs; None if it is one.
    """

    bytes: int
    opset: int
    inputs: dict[str, list[str | int] | None]
    outputs: dict[str, list[str | int] | None]
    operators: dict[str, int]
    parameters: int
    quantized: bool
    macs_per_frame: float | None
    field: tuple[int, int] | None
    lookahead: int | None
    states: dict[str, str]
    states_are_guessed: bool
    problem: str | None


def summary_of(path: Path) -> ModelSummary:
    """Look at a model.

    Raises
    ------
    UserError : the file is no ONNX model.
    """
    model = load_onnx(path)
    inputs, named = graph_inputs(model), states_of(model)
    if not named:
        model = with_states(model, likely_states(model))
    states = states_of(model)
    fits = _fits(model)
    field = receptive_field_of(model, path) if fits else None
    return ModelSummary(
        bytes=model.ByteSize(),
        opset=next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0),
        inputs={value.name: axes_of(value) for value in inputs},
        outputs={value.name: axes_of(value) for value in model.graph.output},
        operators=dict(Counter(node.op_type for node in model.graph.node if node.op_type != "Constant").most_common()),
        parameters=_parameters(model),
        quantized=quantized_nodes(model) > 0,
        macs_per_frame=macs_per_frame(model) if fits else None,
        field=field,
        lookahead=field[1] if field else recurrent_lookahead(model, path),
        states=states,
        states_are_guessed=states != named,
        problem=_problem(model, path),
    )


def _problem(model: onnx.ModelProto, path: Path) -> str | None:
    """Why a model is no mask model that can be loaded and run, in words; None if it is one."""
    try:
        contract = declared_contract(model, path)
        loaded = MaskModel(model, path)
        shape = (loaded.batch or 1, contract.bins, loaded.frames or FRAMES)
        if prod(shape) <= MOST_VALUES:
            loaded(np.zeros(shape, np.float32))
    except UserError as error:
        return str(error).removeprefix(str(path)).lstrip(": ")
    return None


def _fits(model: onnx.ModelProto) -> bool:
    """Whether it is one spectrum to one tensor, besides states."""
    states = states_of(model)
    sources = [value for value in graph_inputs(model) if value.name not in states]
    masks = [value for value in model.graph.output if value.name not in states.values()]
    known = {value.name for value in (*graph_inputs(model), *model.graph.output)}
    return (
        len(sources) == len(masks) == 1
        and layout_of(axes_of(sources[0])) is not None
        and known.issuperset([*states, *states.values()])
    )


def _parameters(model: onnx.ModelProto) -> int:
    """Weights of the graph; scales, zero points and shapes are none."""
    scales = {name for node in model.graph.node for name in _scales_of(node)}
    integers = (onnx.TensorProto.INT64, onnx.TensorProto.BOOL)
    constants = [weight for weight in model.graph.initializer if weight.data_type not in integers]
    return sum(prod(weight.dims) for weight in constants if weight.name not in scales)


DATA_INPUTS = {
    **dict.fromkeys(("QLinearConv", "QGemm"), (0, 3)),
    **dict.fromkeys(("QLinearMatMul", "QLinearAdd", "QLinearMul"), (0, 3)),
    **dict.fromkeys(("ConvInteger", "MatMulInteger"), (0, 1)),
}
"""Where operators on integers have their two tensors, and the weights second; all else are scales and zero points."""

BIAS_INPUT = {"QLinearConv": 8, "QGemm": 6}


def _scales_of(node: onnx.NodeProto) -> list[str]:
    """The inputs of a node that say what its integers stand for."""
    if node.op_type in DATA_INPUTS:
        data = (*DATA_INPUTS[node.op_type], BIAS_INPUT.get(node.op_type))
        return [name for place, name in enumerate(node.input) if place not in data]
    return list(node.input[1:]) if "Linear" in node.op_type else []


# -- multiply-accumulate operations --------------------------------------------------------------------


def macs_per_frame(model: onnx.ModelProto) -> float | None:
    """MAC that a frame costs; None where a shape cannot be inferred.

    From two lengths, so that what does not grow with the frames does not count. Shapes that the graph computes from
    the input's are made constants for it.
    """
    try:
        model = with_constant_shapes(model)
    except Exception:  # it does not run, which `_problem` tells of; onnxruntime's exceptions have no base class
        return None
    frames = frames_of(model)
    if isinstance(frames, int):
        macs = multiply_accumulates(model, frames)
        return None if macs is None else macs / frames
    short, long = multiply_accumulates(model, 64), multiply_accumulates(model, 128)
    return None if short is None or long is None else (long - short) / 64


def multiply_accumulates(model: onnx.ModelProto, frames: int) -> int | None:
    """MAC of one pass over (1, bins, `frames`): convolutions, matrix products, recurrent layers.

    None where the shape of one of them cannot be inferred.
    """
    counts = macs_by_node(model, frames)
    return None if None in counts.values() else sum(counts.values())


def macs_by_node(model: onnx.ModelProto, frames: int = FRAMES) -> dict[str, int | None]:
    """The same for each node, by the name of its first output; None where a shape cannot be inferred."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    batch_of_one(fixed)
    fix_lengths(fixed, magnitude_input(fixed), 1, frames)
    del fixed.graph.value_info[:]
    for output in fixed.graph.output:
        output.type.tensor_type.ClearField("shape")
    try:
        fixed = onnx.shape_inference.infer_shapes(fixed, data_prop=True)
    except onnx.shape_inference.InferenceError:  # an operator that onnx does not know
        return {node.output[0]: None for node in fixed.graph.node}
    shapes = {weight.name: list(weight.dims) for weight in fixed.graph.initializer}
    for value in (*fixed.graph.input, *fixed.graph.value_info, *fixed.graph.output):
        axes = axes_of(value)
        if axes is not None and all(isinstance(axis, int) for axis in axes):
            shapes[value.name] = axes
    counts: dict[str, int | None] = {}
    for node in fixed.graph.node:
        try:
            counts[node.output[0]] = _node_macs(node, shapes)
        except (KeyError, ValueError, IndexError):  # a shape that is not known, or not one that the operator takes
            counts[node.output[0]] = None
    return counts


def _node_macs(node: onnx.NodeProto, shapes: dict[str, list[int]]) -> int:
    def shape(name: str) -> list[int]:
        return shapes[name]  # KeyError: not known

    source, weight = [node.input[place] for place in DATA_INPUTS.get(node.op_type, ())] or ("", "")
    match node.op_type:
        case "QLinearConv" | "ConvInteger":
            return prod(shape(node.output[0])) * prod(shape(weight)[1:])
        case "QLinearMatMul" | "MatMulInteger":
            return prod(shape(node.output[0])) * shape(source)[-1]
        case "QGemm":
            transposed = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
            return prod(shape(node.output[0])) * shape(source)[0 if transposed else -1]
        case "Conv":  # every output value is a sum over the kernel and the group's input channels
            return prod(shape(node.output[0])) * prod(shape(node.input[1])[1:])
        case "ConvTranspose":  # every input value goes into so many sums
            return prod(shape(node.input[0])) * prod(shape(node.input[1])[1:])
        case "MatMul":
            return prod(shape(node.output[0])) * shape(node.input[0])[-1]
        case "Gemm":
            transposed = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
            return prod(shape(node.output[0])) * shape(node.input[0])[0 if transposed else -1]
        case "Einsum":  # a product for every value of the output and every value that is summed over
            terms = attribute(node, "equation", b"").decode().replace(" ", "").partition("->")[0].split(",")
            lengths: dict[str, int] = {}
            for term, name in zip(terms, node.input, strict=True):
                for axis, length in zip(_einsum_axes(term, len(shape(name))), shape(name), strict=True):
                    lengths[axis] = max(length, lengths.get(axis, 1))
            return prod(lengths.values()) * (len(terms) - 1)
        case "LSTM" | "GRU" | "RNN":
            steps, batch = shape(node.input[0])[:2]
            return steps * batch * (prod(shape(node.input[1])) + prod(shape(node.input[2])))
        case "Scan":
            return _scan_macs(node, shapes)
    return 0


def _einsum_axes(term: str, rank: int) -> list[str]:
    """The names of an input's axes; those that an ellipsis stands for are counted from the last."""
    before, ellipsis, after = term.partition("...")
    unnamed = range(rank - len(before) - len(after), 0, -1) if ellipsis else ()
    return [*before, *(f"...{place}" for place in unnamed), *after]


def _scan_macs(node: onnx.NodeProto, shapes: dict[str, list[int]]) -> int:
    """Of the products in a Scan's body whose weights come from outside, each with as many rows as there are batches."""
    body, axes = attribute(node, "body", None), attribute(node, "scan_input_axes", None)
    sequences = node.input[-attribute(node, "num_scan_inputs", 0) :]
    weights = [each.input[1] for each in body.node if each.op_type == "MatMul" and each.input[1] in shapes]
    if not weights:
        return 0
    axis = axes[0] if axes else 0
    steps, rest = shapes[sequences[0]][axis], [size for at, size in enumerate(shapes[sequences[0]]) if at != axis]
    return steps * prod(rest[:-1]) * sum(prod(shapes[name]) for name in weights)


# -- what a person reads -------------------------------------------------------------------------------


def describe(path: Path, summary: ModelSummary, latency_ms: float | None) -> None:
    """Print what a model is.

    Parameters
    ----------
    latency_ms : of a stream with one frame a call; None where the look-ahead is not known.
    """
    from rich.table import Table

    from sezoo.base.terminal import stdout_console

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for name, value in _rows(path, summary):
        table.add_row(name, value)
    if latency_ms is not None:
        table.add_row("latency", f"{latency_ms:.4g} ms in the stream engine, 1 frame a call")
    stdout_console(200).print(table)


def _rows(path: Path, summary: ModelSummary):
    yield "file", f"{path}, {summary.bytes / 2**20:.2f} MiB, opset {summary.opset}"
    for kind, ends in (("input", summary.inputs), ("output", summary.outputs)):
        for name, axes in list(ends.items())[:MOST_ROWS]:
            yield kind, f"{name} {_axes_text(axes)}"
        if len(ends) > MOST_ROWS:
            yield kind, f"and {len(ends) - MOST_ROWS} more"
    if summary.states:
        named = "not named in the file; it could be" if summary.states_are_guessed else "named in the file:"
        yield "states", f"{named} quantization.states: {states_text(summary.states)}"
    yield "operators", ", ".join(f"{count} {name}" for name, count in summary.operators.items())
    yield "parameters", f"{summary.parameters:,}{' (int8)' if summary.quantized else ''}"
    macs = summary.macs_per_frame
    yield "MAC per frame", f"{macs:,.0f}" if macs is not None else "unknown: a shape cannot be inferred"
    if summary.states:
        yield "receptive field", "without bound: stateful"
    elif summary.lookahead is None:
        yield "receptive field", "not found: longer than the input, or not a mask model"
    elif summary.field is None:
        yield "receptive field", f"all frames before (recurrent), {summary.lookahead} after"
    else:
        before, after = summary.field
        yield "receptive field", f"{before} frames before, {after} after: {before + 1 + after} in all"
    if summary.problem is not None:
        yield "not usable", summary.problem


def _axes_text(axes: list[str | int] | None) -> str:
    if axes is None:
        return "(shape unknown)"
    return "(" + ", ".join(f"{axis}" if axis != "" else "?" for axis in axes) + ")"

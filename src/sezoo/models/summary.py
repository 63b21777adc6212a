"""`sezoo model FILE`: properties of an ONNX mask model, from its graph and from running it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import prod
from pathlib import Path

import onnx

from sezoo.base.errors import UserError
from sezoo.base.shipped import model_text
from sezoo.base.text import latency_text
from sezoo.models.contract import declared_contract
from sezoo.models.likely_states import guess_states
from sezoo.models.macs import BIAS_INPUT, DATA_INPUTS, FRAMES, macs_per_frame
from sezoo.models.mask_model import MaskModel, mask_among
from sezoo.models.onnx_file import graph_inputs, load_onnx, quantized_nodes
from sezoo.models.onnx_graph import axes_of, axes_text, copy_model, keep_needed, opset_of
from sezoo.models.receptive_field import receptive_field_of, recurrent_lookahead
from sezoo.models.silence import problem_with_silence
from sezoo.models.spectra import layout_of, random_input
from sezoo.models.states import (
    inputs_besides_states,
    magnitude_input,
    mask_output,
    outputs_besides_states,
    states_of,
    states_text,
    with_states,
)

__all__ = ["ModelSummary", "describe", "summary_of"]

MOST_VALUES = 10_000_000
"""Above which a model is not tried."""

MOST_ROWS = 20
"""Of inputs, and of outputs, in a table."""


@dataclass(frozen=True)
class ModelSummary:
    """Properties of a model.

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
        model = with_states(model, guess_states(model))
    states = states_of(model)
    network = _with_mask_alone(model)
    fits, problem = _has_mask_signature(network), _problem(model, path)
    outputs = {value.name: axes_of(value) for value in model.graph.output}
    if fits and problem is None:  # exporters may declare the length of their example, though any has its mask
        outputs[mask_output(network).name] = axes_of(magnitude_input(network))
    field = receptive_field_of(network, path) if fits else None
    return ModelSummary(
        bytes=model.ByteSize(),
        opset=opset_of(model),
        inputs={value.name: axes_of(value) for value in inputs},
        outputs=outputs,
        operators=dict(Counter(node.op_type for node in model.graph.node if node.op_type != "Constant").most_common()),
        parameters=_parameters(model),
        quantized=quantized_nodes(model) > 0,
        macs_per_frame=macs_per_frame(network) if fits else None,
        field=field,
        lookahead=field[1] if field else recurrent_lookahead(model, path),
        states=states,
        states_are_guessed=states != named,
        problem=problem,
    )


def _with_mask_alone(model: onnx.ModelProto) -> onnx.ModelProto:
    """The part of a model of several outputs that makes the mask, where it is clear which one that is."""
    inputs, outputs = graph_inputs(model), model.graph.output
    layout = layout_of(axes_of(inputs[0])) if len(inputs) == 1 and len(outputs) > 1 else None
    if layout is None:
        return model
    mask = mask_among({value.name: axes_of(value) for value in outputs}, axes_of(inputs[0])[layout.bins])
    part = copy_model(model)
    for value in [value for value in part.graph.output if mask is not None and value.name != mask]:
        part.graph.output.remove(value)
    keep_needed(part.graph)
    return part


def _problem(model: onnx.ModelProto, path: Path) -> str | None:
    """Return why a model is not a mask model that can be loaded and run, or None if it is."""
    try:
        contract = declared_contract(model, path)
        loaded = MaskModel(model, path)
        shape = (loaded.batch or 1, contract.bins, loaded.frames or FRAMES)
        if prod(shape) > MOST_VALUES:
            return None
        loaded(random_input(0, shape, loaded.layout))
    except UserError as error:
        return str(error).removeprefix(str(path)).lstrip(": ")
    return problem_with_silence(loaded, shape)


def _has_mask_signature(model: onnx.ModelProto) -> bool:
    """Whether it is one spectrum to one tensor, besides states."""
    states = states_of(model)
    sources, masks = inputs_besides_states(model), outputs_besides_states(model)
    known = {value.name for value in (*graph_inputs(model), *model.graph.output)}
    return (
        len(sources) == len(masks) == 1
        and (layout := layout_of(axes := axes_of(sources[0]))) is not None
        and isinstance(axes[layout.bins], int)
        and known.issuperset([*states, *states.values()])
    )


def _parameters(model: onnx.ModelProto) -> int:
    """Weights of the graph; scales, zero points and shapes are none."""
    scales = {name for node in model.graph.node for name in _scales_of(node)}
    integers = (onnx.TensorProto.INT64, onnx.TensorProto.BOOL)
    constants = [weight for weight in model.graph.initializer if weight.data_type not in integers]
    return sum(prod(weight.dims) for weight in constants if weight.name not in scales)


def _scales_of(node: onnx.NodeProto) -> list[str]:
    """The inputs of a node that say what its integers stand for."""
    if node.op_type in DATA_INPUTS:
        data = (*DATA_INPUTS[node.op_type], BIAS_INPUT.get(node.op_type))
        return [name for place, name in enumerate(node.input) if place not in data]
    return list(node.input[1:]) if "Linear" in node.op_type else []


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
    table.add_column(overflow="fold")  # a path longer than a line, of which the end counts
    for name, value in _rows(path, summary):
        table.add_row(name, value)
    if latency_ms is not None:
        table.add_row("latency", f"{latency_text(latency_ms)} in the stream engine, 1 frame a call")
    stdout_console(200).print(table)


def _rows(path: Path, summary: ModelSummary):
    yield "file", f"{model_text(path)}, {summary.bytes / 2**20:.2f} MiB, opset {summary.opset}"
    for kind, ends in (("input", summary.inputs), ("output", summary.outputs)):
        for name, axes in list(ends.items())[:MOST_ROWS]:
            yield kind, f"{name} {axes_text(axes)}"
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

"""Conversion of a static int8 model to an integer graph, with checks of what is supported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx

from sezoo.base.errors import UserError
from sezoo.base.text import pluralize
from sezoo.deployment.engine.integer_graph import IntegerGraph
from sezoo.deployment.engine.operators import Loop
from sezoo.deployment.engine.qdq_reader.layouts import in_time
from sezoo.deployment.engine.qdq_reader.loops import begin_state, loop_states
from sezoo.deployment.engine.qdq_reader.masks import mask_of
from sezoo.deployment.engine.qdq_reader.nodes import Constants, UnsupportedError
from sezoo.deployment.engine.qdq_reader.past_frames import without_past_frames
from sezoo.deployment.engine.qdq_reader.reader import Reader
from sezoo.deployment.engine.qdq_reader.values import FloatRow, FloatView
from sezoo.models.contract import Contract, declared_contract
from sezoo.models.mask_model import MaskModel
from sezoo.models.onnx_file import quantized_nodes
from sezoo.models.onnx_graph import axes_of, initializers, opset_of
from sezoo.models.spectra import MAGNITUDE_MASK
from sezoo.models.spectra import Layout as Spectrum
from sezoo.models.states import input_layout

__all__ = ["integer_graph_of"]

LISTED = "docs/deployment.md lists the operators that the C package can run"
"""Reference for the user, in the error about an unsupported operator."""


LARGEST_SCALE = 1e10
"""Largest scale for which the product of two scales fits float32."""


def integer_graph_of(model: onnx.ModelProto, path: Path) -> IntegerGraph:
    """Return the integer graph of a static int8 model.

    Parameters
    ----------
    path : path of the model, for messages.

    Raises
    ------
    UserError : the model is float or dynamic, or has states or operators without an integer form.
    """
    if not quantized_nodes(model):
        raise UserError(f"{path} is a float model; the static int8 model is needed, which quantization makes of it")
    contract = declared_contract(model, path)
    if not isinstance(contract.frames, int):
        raise UserError(
            f"{path} takes any number of frames; the static int8 model is needed, which quantization writes beside it"
        )
    if isinstance(contract.batch, int) and contract.batch != 1:
        raise UserError(f"{path} takes {contract.batch} patches at a time; a static model with a batch of 1 is needed")
    _check_constants(model, path)
    if not contract.kind:
        contract = replace(contract, kind=MaskModel(model, path).kind)
    try:
        return _graph_of(model, contract)
    except UnsupportedError as error:
        raise UserError(f"{path}: {error}; {LISTED}") from error


def _check_constants(model: onnx.ModelProto, path: Path) -> None:
    """Reject a model with 4-bit weights, or with a scale that is not positive or too large."""
    constants = initializers(model.graph)
    for node in model.graph.node:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
            continue
        values, scale = (constants.get(name) for name in node.input[:2])
        if values is not None and values.dtype.name in ("int4", "uint4"):
            raise UserError(
                f"{path}: the weights '{node.input[0]}' have 4 bits, which only the STM32N6 has kernels for; "
                "quantize with quantization.weight_bits: 8"
            )
        if scale is not None and not np.all((scale > 0) & (scale <= LARGEST_SCALE)):
            raise UserError(
                f"{path}: the scale '{node.input[1]}' has the value {_worst(scale):g}; allowed: above 0, up to "
                f"{LARGEST_SCALE:g}"
            )


def _worst(scale: np.ndarray) -> float:
    """Return the first scale that is not allowed."""
    values = scale.ravel()
    return float(values[np.argmin((values > 0) & (values <= LARGEST_SCALE))])


def _graph_of(model: onnx.ModelProto, contract: Contract) -> IntegerGraph:
    opset = opset_of(model)
    spectrum = input_layout(model)
    model, states, windows = without_past_frames(model)
    reader = Reader(Constants(initializers(model.graph), {}), contract.frames, opset)
    reader.windows = windows
    row, order = _input_row(contract, spectrum)
    reader.values[contract.input] = FloatView((row,), in_time(order, row.size, contract.frames, spectrum.frames))
    if states and contract.frames != 1:
        raise UnsupportedError(
            f"it has {pluralize(len(states), 'state')} and takes {contract.frames} frames; a model with states can be "
            "run where it takes one frame a call: quantize with quantization.static_sequence_length: 1"
        )
    shapes = {value.name: tuple(axes_of(value)) for value in model.graph.input if value.name in states}
    for name, shape in shapes.items():
        begin_state(reader, name, shape)
    reader.read_nodes(model.graph.node, [value.name for value in model.graph.output])
    result, index, table = mask_of(reader, contract.output, spectrum)
    operators = tuple(reader.operators)
    if states:
        held = loop_states(reader, states, {name: np.zeros(shape) for name, shape in shapes.items()})
        entries = tuple(reader.steps.tensors)
        operators = (Loop("frame", entries, result, tuple(reader.operators), tuple(held)),)
    used = {tensor.name for operator in operators for tensor in operator.inputs} | {result.name}
    return IntegerGraph(
        bins=contract.bins,
        frames=contract.frames,
        prologue=tuple(reader.steps.steps),
        inputs=tuple(tensor for tensor in reader.steps.tensors if tensor.name in used),
        operators=operators,
        output=result,
        mask_table=table,
        mask_index=index,
        sites=tuple(reader.sites),
        kind=contract.kind,
    )


def _input_row(contract: Contract, spectrum: Spectrum) -> tuple[FloatRow, np.ndarray]:
    """Return the row of a frame's input, and the items of the model's input without the time axis."""
    bins = np.arange(contract.bins)[np.newaxis]
    if contract.kind == MAGNITUDE_MASK:
        return FloatRow("magnitude", contract.bins), bins
    parts = np.stack([bins, bins + contract.bins], 1)  # (1, 2, bins)
    return FloatRow("spectrum", 2 * contract.bins), parts if spectrum.parts == 1 else np.moveaxis(parts, 1, 2)

"""A float model made ready for quantization: opset, batch axis, folded constants and batch norms, known shapes."""

from __future__ import annotations

import logging
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, version_converter

from sezoo.base.errors import UserError
from sezoo.base.text import pluralize
from sezoo.models.constant_shapes import with_constant_shapes
from sezoo.models.contract import Contract
from sezoo.models.mask_model import MaskModel
from sezoo.models.nested_graphs import graphs_of
from sezoo.models.onnx_file import graph_inputs
from sezoo.models.onnx_graph import UnusedNames, copy_model, opset_of, producers
from sezoo.models.onnx_session import open_session
from sezoo.models.spectra import random_input
from sezoo.models.states import fix_lengths, input_layout, magnitude_input, mask_output
from sezoo.quantization.quantizable import (
    in_float32,
    with_flat_biases,
    with_names_apart,
    with_nested_reads_apart,
    with_own_biases,
    without_other_outputs,
)

__all__ = ["MIN_OPSET", "check_weights", "prepare", "with_known_shapes", "with_used_opsets"]

log = logging.getLogger(__name__)

MIN_OPSET = 13
"""From here on QuantizeLinear has an axis; per-channel scales written below it make a file nobody can load."""

SAME_MASK = 1e-4
"""Largest difference of the masks before and after, which rounding alone explains."""

HALF_MASK = 0.05
"""The same where the model before computes in half precision."""


def prepare(
    model: onnx.ModelProto, path: Path, contract: Contract, *, target_opset: int | None = None
) -> onnx.ModelProto:
    """Make a float model ready for quantization, computing the same masks.

    Converts the opset upward to `MIN_OPSET`, or to the one that is asked for, makes a batch axis fixed at 1
    dynamic where the graph allows it (not with states, which belong to one clip), gives Reshapes constant shapes
    where the graph computes them from the input's, folds constants and batch normalization (onnxruntime's basic
    level, which keeps to standard operators), gives every node a name of its own and infers every tensor's shape.

    Parameters
    ----------
    path : of the model, for messages.
    target_opset : `quantization.target_opset`.

    Raises
    ------
    UserError : the model cannot be converted or computes something else afterwards.
    """
    prepared = without_other_outputs(model, {contract.output, *contract.states.values()})
    prepared, halves = in_float32(prepared)
    if halves:
        log.info("%s computes in 16 bits (%s): it is computed in float32", path, pluralize(halves, "tensor"))
    prepared = _at_opset(_with_constant_weights(prepared), path, target_opset)
    prepared = _with_fitting_batch(prepared, path, contract)
    if prepared is not model:  # what follows onnxruntime does to every model that it loads; this it does not
        tolerance = HALF_MASK if halves else SAME_MASK
        _check_same_mask(model, prepared, path, contract, target_opset or MIN_OPSET, tolerance)
    prepared = _with_sums_apart(fold_constants(prepared))
    for rewritten in (with_flat_biases, with_own_biases, with_nested_reads_apart, with_names_apart):
        prepared = rewritten(prepared)
    return with_known_shapes(_with_node_names(prepared))


def check_weights(model: onnx.ModelProto, path: Path) -> None:
    """Check that all weights are numbers: recurrent operators may give masks that look right with others.

    Raises
    ------
    UserError : NaN or infinite weights.
    """
    for weight in model.graph.initializer:
        if weight.data_type == onnx.TensorProto.FLOAT:
            values = onnx.numpy_helper.to_array(weight, str(path.parent))
            bad = values.size - np.count_nonzero(np.isfinite(values))
            if bad:
                raise UserError(
                    f"{path}: {bad} of the {values.size} weights '{weight.name}' are NaN or infinite; the training "
                    "diverged: export an earlier checkpoint"
                )


def _with_node_names(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with a name for each node, which is how later steps and the user speak of it."""
    given = Counter(node.name for node in model.graph.node)
    names = UnusedNames(model.graph)
    for node in model.graph.node:
        if not node.name:
            node.name = names.new(f"{node.op_type}_{next(filter(None, node.output))}")
        elif given[node.name] > 1:
            given[node.name] -= 1
            node.name = names.new(node.name)
    return model


def _check_same_mask(
    before: onnx.ModelProto, after: onnx.ModelProto, path: Path, contract: Contract, opset: int, tolerance: float
) -> None:
    magnitude = random_input(0, (1, contract.bins, 31), input_layout(before))
    difference = np.abs(MaskModel(after, path).whole(magnitude) - MaskModel(before, path).whole(magnitude)).max()
    if difference > tolerance:
        raise UserError(
            f"{path}: converted to opset {opset} its mask differs by {difference:.2g}; re-export the model with "
            "that opset or a later one"
        )


def _with_constant_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without the weights among its inputs, where old exporters list them.

    There they are defaults that a caller may replace: nothing is folded into them, and the int8 model
    would ask for the float weights that it has no use for.
    """
    inputs = graph_inputs(model)
    if len(inputs) == len(model.graph.input):
        return model
    constant = copy_model(model)
    constant.ir_version = max(model.ir_version, 4)  # before, the list was compulsory
    del constant.graph.input[:]
    constant.graph.input.extend(inputs)
    return constant


def _at_opset(model: onnx.ModelProto, path: Path, wanted: int | None) -> onnx.ModelProto:
    opset = opset_of(model)
    if not opset or opset == wanted or (wanted is None and opset >= MIN_OPSET):
        return model
    target = wanted or MIN_OPSET
    log.info("%s has opset %d: it is converted to opset %d first", path, opset, target)
    try:
        return version_converter.convert_version(model, target)
    except Exception as error:  # the converter raises RuntimeError, ValidationError and others alike
        reason = str(error).splitlines()[0]
        key = "" if wanted is None else "quantization.target_opset: "
        raise UserError(
            f"{key}{path}: opset {opset} cannot be converted to {target} ({reason}); re-export the model with opset "
            f"{target}{'' if wanted else ' or later'}"
        ) from error


def _with_fitting_batch(model: onnx.ModelProto, path: Path, contract: Contract) -> onnx.ModelProto:
    """The model with constant shapes, and a dynamic batch axis if that makes as many of them constant as a batch of 1.

    States belong to one clip, so that a model with some keeps its batch.
    """
    from sezoo.models.axes import with_dynamic_axes

    dynamic = with_dynamic_axes(model, axes=("batch",)) if contract.batch == 1 and not contract.states else model
    if dynamic is None:
        log.info("%s: the graph works for a batch of 1 only; the int8 models keep that axis", path)
        return with_constant_shapes(model, contract.multiple)
    constant = with_constant_shapes(dynamic, contract.multiple)
    if _reshapes_computed(constant) and not contract.states:
        fixed = copy_model(model)
        for value in (magnitude_input(fixed), mask_output(fixed)):
            fix_lengths(fixed, value, 1, None)
        fixed = with_constant_shapes(fixed, contract.multiple)
        if _reshapes_computed(fixed) < _reshapes_computed(constant):
            log.info("%s: the int8 models have a batch of 1, with which the shapes in the graph are constants", path)
            return fixed
    if contract.batch == 1 and not contract.states:
        log.info("%s: its batch axis, fixed to 1, is made dynamic", path)
    return constant


def _reshapes_computed(model: onnx.ModelProto) -> int:
    """Number of Reshapes whose shape is known only while the model runs."""
    made_by, constants = producers(model.graph), {weight.name for weight in model.graph.initializer}
    shapes = {node.input[1] for node in model.graph.node if node.op_type == "Reshape"} - constants
    return sum(made_by[name].op_type != "Constant" for name in shapes)


def fold_constants(model: onnx.ModelProto) -> onnx.ModelProto:
    """Constants and batch normalization folded by onnxruntime's basic optimisations.

    Raises
    ------
    UserError : onnxruntime cannot load the model, or write the folded one to the folder for temporary files.
    """
    with tempfile.TemporaryDirectory() as folder:
        optimised = Path(folder) / "model.onnx"
        try:
            open_session(model, optimization="basic", optimized_model_path=optimised)
            return with_used_opsets(onnx.load(optimised))
        except Exception as error:  # neither onnxruntime's nor protobuf's exceptions have a useful base class
            reason = str(error).strip().splitlines()[0]
            raise UserError(f"the model cannot be preprocessed by way of {optimised.parent}: {reason}") from error


def _with_sums_apart(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with a MatMul and an Add, where folding made a Gemm of two that add one activation to another.

    A cell adds what comes from its state to what comes from the frame. As the bias of a Gemm that would be
    no constant, which onnxruntime's quantizer warns of and integer kernels do not know.
    """
    constants, names = {weight.name for weight in model.graph.initializer}, UnusedNames(model.graph)
    nodes = list(model.graph.node)
    del model.graph.node[:]
    for node in nodes:
        settings = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        is_plain = {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0}.items() >= settings.items()
        if node.op_type != "Gemm" or len(node.input) < 3 or node.input[2] in constants or not is_plain:
            model.graph.node.append(node)
            continue
        left, right, added = node.input
        product = names.new(f"{node.output[0]}/product")
        matmul = helper.make_node("MatMul", [left, right], [product], name=names.new(f"{node.name}/MatMul"))
        model.graph.node.append(matmul)
        model.graph.node.append(helper.make_node("Add", [product, added], node.output, name=node.name))
    return model


def with_used_opsets(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model importing the operator sets that its nodes use, and no others.

    onnxruntime imports every set that it knows, among them ones that other tools refuse.
    """
    used = {node.domain for graph in graphs_of(model.graph) for node in graph.node}
    kept = [entry for entry in model.opset_import if entry.domain in used or entry.domain in ("", "ai.onnx")]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    return model


def with_known_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model after a new shape inference of all tensors."""
    del model.graph.value_info[:]
    return onnx.shape_inference.infer_shapes(model, data_prop=True)

"""A float model that is to be quantized: checked, folded, written in what its target has, and its target."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx

from sezoo.base.errors import UserError
from sezoo.config.sections import Config
from sezoo.models.axes import with_dynamic_frames
from sezoo.models.contract import Contract, check_contract, check_power
from sezoo.models.onnx_file import load_configured
from sezoo.models.spectra import MAGNITUDE_MASK, with_kind
from sezoo.models.states import magnitude_input, with_states
from sezoo.quantization.calibration.options import Ranges
from sezoo.quantization.calibration.ranges import tensors_to_calibrate
from sezoo.quantization.graph.integer_forms import (
    ACTIVATIONS_ALONE,
    nodes_before_layers,
    with_integer_forms,
    with_scales_of_channels,
)
from sezoo.quantization.graph.preparation import check_weights, prepare, with_known_shapes
from sezoo.quantization.graph.qdq import nodes_in_float, operators_to_quantize, write_qdq
from sezoo.quantization.graph.static_shape import check_axis_name
from sezoo.quantization.graph.wide_tensors import int8_only
from sezoo.quantization.options import calibration_options
from sezoo.quantization.overrides import check_overrides, tensor_overrides
from sezoo.quantization.plan import Plan
from sezoo.quantization.recovery.input_precision import with_int16_input
from sezoo.quantization.recovery.recipe import check_steps
from sezoo.quantization.recurrent.expansion import LAYERS, expand
from sezoo.quantization.target import TARGETS, Target, check_settings, check_target, target_of
from sezoo.quantization.trained import is_trained

__all__ = ["PreparedModel", "check_model", "check_quantization_settings", "prepared_model"]

log = logging.getLogger(__name__)


def check_quantization_settings(config: Config) -> None:
    """Check of the settings what needs neither the model nor a recording.

    Raises
    ------
    UserError : settings that do not go together, or that the target does not have.
    """
    calibration_options(config.quantization)
    tensor_overrides(config.quantization)
    check_steps(config.quantization.accuracy_recovery)
    check_settings(config.quantization, target_of(config))


def check_model(path: Path, config: Config) -> None:
    """Check a float model that is to be quantized.

    Raises
    ------
    UserError : the model or the settings are not fit for it.
    """
    prepared_model(path, config)


@dataclass(frozen=True)
class PreparedModel:
    """A checked float model, ready for calibration.

    Attributes
    ----------
    op_types : types of its operators that are quantized; of those in `activations_alone` nothing but activations.
    in_float : names of the nodes that are not.
    contract : what it maps to what.
    int16 : names of the tensors that are rounded to 16 bits if they are rounded.
    """

    model: onnx.ModelProto
    op_types: list[str]
    in_float: frozenset[str]
    activations_alone: frozenset[str]
    contract: Contract
    int16: frozenset[str]

    def plan(self, ranges: Ranges) -> Plan:
        """The plain int8 model's."""
        plan = Plan.initial(self.model, ranges, self.op_types, self.in_float, self.activations_alone)
        return plan.with_int16_activations(self.int16)


def prepared_model(path: Path, config: Config) -> tuple[PreparedModel, Target]:
    """The checked float model, and for what it is quantized."""
    settings = config.quantization
    check_quantization_settings(config)
    model = with_kind(with_states(load_configured(path), settings.states), config.model.kind)
    check_weights(model, path)
    model = with_dynamic_frames(model, path)
    contract = check_contract(model, path, n_fft=config.preprocessing.n_fft)
    if contract.kind != MAGNITUDE_MASK:
        model = with_kind(model, contract.kind)  # so do all files that are made of it
        check_power(contract, config.preprocessing.power, path)
    check_axis_name(settings.static_axis_name, contract, path)
    if is_trained(model):  # it was prepared before it was trained, and is not to be changed
        prepared = with_known_shapes(model)
    else:
        prepared = prepare(model, path, contract, target_opset=settings.target_opset)
    op_types = operators_to_quantize(prepared, settings.op_types_to_quantize, path)
    in_float, alone = nodes_in_float(prepared, settings, path), frozenset()
    if not is_trained(model):
        prepared, op_types = _with_layers_written_out(prepared, op_types, config)
        if target_of(config).reader is not None and settings.op_types_to_quantize is None:
            prepared, alone = (
                with_integer_forms(prepared, in_float, opset_is_fixed=settings.target_opset is not None),
                ACTIVATIONS_ALONE,
            )
            op_types = sorted({*op_types, *alone})
        elif not target_of(config).rules and settings.op_types_to_quantize is None and settings.per_channel:
            prepared = with_scales_of_channels(prepared, in_float)
        in_float = nodes_in_float(prepared, settings, path) | nodes_before_layers(prepared, alone)
    check_overrides(prepared, settings)
    int16: frozenset[str] = frozenset()
    if settings.activation_bits == 16:
        narrow = int8_only(prepared) if target_of(config).reader is not None else frozenset()
        int16 = frozenset(tensors_to_calibrate(prepared, set(op_types))) - narrow
    return _for_target(path, PreparedModel(prepared, op_types, in_float, alone, contract, int16), config)


def _with_layers_written_out(
    prepared: onnx.ModelProto, op_types: list[str], config: Config
) -> tuple[onnx.ModelProto, list[str]]:
    """The model with LSTM and GRU written out, and the types of operators to quantize.

    Such a layer needs 16 bits inside; without those, or where it is not to be quantized, it stays as it is.
    """
    settings, target = config.quantization, target_of(config)
    kinds = set(LAYERS) & set(op_types) if settings.op_types_to_quantize else LAYERS
    if "Int16" in target.activation_types and kinds:
        kept = set(settings.nodes_to_exclude or ())
        if settings.nodes_to_quantize:
            kept |= {node.name for node in prepared.graph.node} - set(settings.nodes_to_quantize)
        written = expand(prepared, kinds, kept)
        if written is not prepared:
            prepared, op_types = written, sorted({*op_types, "Conv", "Scan"} - set(LAYERS))
    return prepared, op_types


def _for_target(path: Path, prepared: PreparedModel, config: Config) -> tuple[PreparedModel, Target]:
    """The model and the target, if the one can be made to fit the other.

    What comes before the first layers is left in float where the target's reader takes the model in no other way. A
    board that nobody asked to quantize for can be passed over.

    Raises
    ------
    UserError : the model cannot meet the rules of `quantization.target`.
    """
    target, model = target_of(config), prepared.model
    if not target.rules or is_trained(model):  # the plan that comes with it is checked
        return prepared, target
    any_range = (np.float32(-1), np.float32(1))
    names = {magnitude_input(model).name, *tensors_to_calibrate(model, set(prepared.op_types))}
    plan = replace(prepared.plan(dict.fromkeys(names, any_range)), int8_input=target.int8_input)
    fitting = prepared
    if not target.can_read(write_qdq(plan, config.quantization)):
        plan = replace(plan, in_float=with_int16_input(plan).in_float)
        fitting = replace(prepared, in_float=plan.in_float)
    try:
        check_target(write_qdq(plan, config.quantization), target, path)
    except UserError as error:
        if config.quantization.target is not None:
            raise
        log.warning("%s; quantization.target is not set: generic is taken instead", error)
        return prepared, TARGETS["generic"]
    return fitting, target

"""Activations of 16 bits with weights of 8, as one key."""

import numpy as np
import pytest

import mask_graphs as graphs
from quantizers import mask_error, quantization, ready
from sezoo.base.errors import UserError
from sezoo.config.sections import Quantization
from sezoo.config.validation import build_config
from sezoo.models.onnx_graph import initializers
from sezoo.quantization.calibration.ranges import calibrate
from sezoo.quantization.graph.qdq import quantized
from sezoo.quantization.options import calibration_options
from sezoo.quantization.plan import Plan
from sezoo.quantization.target import TARGETS, check_settings


def test_all_activations_are_int16_and_all_weights_int8():
    settings, clips = quantization(), graphs.magnitudes(*[30] * 4)
    prepared, op_types = ready(graphs.tcnn(), settings)
    ranges = calibrate(prepared, [[clip] for clip in clips], op_types, calibration_options(settings))
    plan = Plan.first(prepared, ranges, op_types)
    narrow, wide = quantized(plan, settings), quantized(plan.with_int16_activations(), settings)
    constants = initializers(wide.graph)
    zeros = [constants[node.input[2]] for node in wide.graph.node if node.op_type == "QuantizeLinear"]
    assert zeros and all(zero.dtype == np.int16 for zero in zeros)
    assert any(values.dtype == np.int8 and values.ndim > 1 for values in constants.values())
    assert mask_error(prepared, wide, clips) < mask_error(prepared, narrow, clips) / 3
    for name, (low, high) in plan.with_int16_activations().ranges.items():
        assert (low, high) == tuple(2 * end for end in plan.ranges[name])


def test_a_target_without_kernels_refuses_them():
    with pytest.raises(UserError, match=r"quantization\.activation_bits: activations in Int16, which .*: stm32n6 does"):
        check_settings(Quantization(activation_bits=16), TARGETS["stm32n6"])
    for name in ("generic", "cortex-m"):
        check_settings(Quantization(activation_bits="16"), TARGETS[name])


def test_wrong_values_are_named():
    for changes, words in (
        ({"activation_bits": 12}, "quantization.activation_bits: found 12"),
        (
            {"activation_bits": 16, "activation_type": "UInt8"},
            "found 16, but activation_type is UInt8",
        ),
    ):
        with pytest.raises(UserError, match=words):
            build_config({"operation_mode": "quantization", "model": {"onnx_path": "m.onnx"}, "quantization": changes})

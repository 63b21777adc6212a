"""More than 8 bits at the input, or just 8 where float operators read it."""

from dataclasses import replace

import numpy as np
import onnx
import pytest

import foreign_graphs
import mask_graphs as graphs
from quantizers import quantization, ready
from recovery_bench import bench_of
from sezoo.models.mask_model import MaskModel
from sezoo.quantization.graph.qdq import write_qdq
from sezoo.quantization.recovery.input_precision import first_activations, with_int8_input
from sezoo.quantization.recovery.range_choice import input_floor
from sezoo.quantization.recovery.steps import int16_input, split_input

MODELS = {
    "tcnn": graphs.tcnn,
    "viewed": graphs.viewed,
    "power": foreign_graphs.log_power_prologue,
    "images": foreign_graphs.conv_transpose_encoder_decoder,
    "gated": foreign_graphs.gated,
}


def made(build, count=10, **how):
    prepared, _ = ready(build(**how))
    return bench_of(prepared, graphs.magnitudes(*[40] * count), quantization())


def quantizers(model):
    """Integer type and scale by the name of what is quantized."""
    weights = {weight.name: onnx.numpy_helper.to_array(weight) for weight in model.graph.initializer}
    return {
        node.input[0]: (weights[node.input[2]].dtype.name, weights[node.input[1]], weights[node.input[2]])
        for node in model.graph.node
        if node.op_type == "QuantizeLinear"
    }


@pytest.mark.parametrize("name", MODELS)
def test_a_split_input_is_exact_in_float(name):
    plan, context = made(MODELS[name])
    split = split_input(plan, context)
    assert split.exact is not plan.exact
    onnx.checker.check_model(split.exact, full_check=True)
    for clip in graphs.magnitudes(30, 17, seed=5):
        masks = [MaskModel(model, "m")(clip) for model in (plan.exact, split.exact)]
        # the residual stream is given the coarse part: exact as long as it is what an 8-bit tensor holds anyway
        limit = 0.05 if name in ("tcnn", "gated") else 2e-5
        np.testing.assert_allclose(masks[1], masks[0], atol=limit)


def test_the_parts_of_a_split_input_are_whole_steps():
    """The quantizer behind the split has the coarse part's steps: it rounds nothing but the fine part."""
    plan, context = made(graphs.tcnn)
    split = split_input(plan, context)
    model = context.write_model(split)
    (both,) = [name for name in quantizers(model) if name.endswith("/both")]
    step = next(value for name, value in weights_of(split.exact).items() if name.endswith("/step"))
    assert quantizers(model)[both][0] == "int8"
    assert quantizers(model)[both][1] == pytest.approx(step, rel=1e-6)
    assert quantizers(model)["input/coarse"][1] == pytest.approx(step, rel=1e-6)


def weights_of(model):
    return {weight.name: onnx.numpy_helper.to_array(weight) for weight in model.graph.initializer}


@pytest.mark.parametrize("step", [int16_input, split_input])
def test_a_finer_input_comes_closer(step):
    """Loud clips and quiet ones: for the quiet ones a step of the input is a lot."""
    prepared, _ = ready(foreign_graphs.two_nodes())
    clips = [clip * np.float32(level) for clip in graphs.magnitudes(*[40] * 10) for level in (1, 0.02)]
    plan, context = bench_of(prepared, clips, quantization())
    assert context.score(context.write_model(step(plan, context))) > context.score(context.write_model(plan)) + 1


def test_an_int16_input_is_symmetric_and_alone():
    plan, context = made(graphs.tcnn)
    model = context.write_model(int16_input(plan, context))
    found = quantizers(model)
    assert found["input"][0] == "int16"
    assert found["input"][2] == 0
    assert {kind for name, (kind, _, _) in found.items() if name != "input"} == {"int8"}


def test_first_activations_are_those_in_front_of_the_first_layers():
    plan, _ = made(foreign_graphs.log_power_prologue)
    (name,) = first_activations(plan)
    made_by = {out: node.op_type for node in plan.exact.graph.node for out in node.output}
    assert made_by[name] == "Pow"
    assert first_activations(made(graphs.tcnn)[0]) == ["input"]


def test_an_8_bit_input_in_front_of_float_operators_and_its_floor():
    plan, context = made(foreign_graphs.log_power_prologue)
    rounded = with_int8_input(plan, context.fit)
    before = context.score(context.write_model(rounded))
    assert quantizers(context.write_model(rounded))["input"][0] == "int8"
    assert before < context.score(context.write_model(plan))  # that is what 8 bits cost in front of a power
    floored = input_floor(rounded, context)
    assert floored.input_floor > 0
    assert context.score(context.write_model(floored)) > before + 1
    onnx.checker.check_model(context.write_model(floored), full_check=True)


def test_an_input_that_is_quantized_needs_neither():
    plan, context = made(graphs.tcnn)
    rounded = with_int8_input(plan, context.fit)
    assert input_floor(rounded, context) is rounded
    assert list(quantizers(write_qdq(rounded, quantization()))) == list(quantizers(write_qdq(plan, quantization())))


def test_16_bits_behind_a_relu_do_not_lose_it():
    """onnxruntime leaves the Relu to the quantizer, which cuts nothing off if it is symmetric."""
    plan, context = made(foreign_graphs.attention_gate)
    relus = {node.output[0] for node in plan.exact.graph.node if node.op_type == "Relu"}
    finer = replace(plan, int16=frozenset(relus))
    assert context.score(context.write_model(finer)) > context.score(context.write_model(plan)) - 1


@pytest.mark.parametrize(
    "overrides",
    [
        {"activation_overrides": [["input", {"quant_type": "Int16"}]]},
        {"weight_overrides": [["b0.in.weight", {"quant_type": "Int4", "axis": 0}]]},
    ],
    ids=str,
)
@pytest.mark.parametrize("step", [int16_input, split_input])
def test_an_input_that_the_user_decided_on_is_left_alone(step, overrides):
    prepared, _ = ready(graphs.tcnn())
    plan, context = bench_of(prepared, graphs.magnitudes(*[40] * 4), quantization(**overrides))
    assert step(plan, context) is plan
    plain = replace(context, settings=quantization())
    assert step(plan, plain) is not plan

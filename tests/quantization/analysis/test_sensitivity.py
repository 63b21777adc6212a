import dataclasses

import numpy as np
import onnx
import pytest

import recurrent_graphs
from foreign_graphs import log_power_prologue
from mask_graphs import lstm, magnitudes, read_twice, tcnn
from quantizers import quantization, ready
from recovery_bench import STFT, bench_of, excerpts_of
from sezoo.base.errors import UserError
from sezoo.models.onnx_file import quantized_nodes
from sezoo.models.onnx_graph import initializers, readers
from sezoo.quantization.analysis.sensitivity import sensitivity
from sezoo.quantization.fidelity.context import RecoveryContext
from sezoo.quantization.fidelity.scorer import FidelityScorer, mask_function
from sezoo.quantization.options import calibration_options
from sezoo.quantization.recovery.input_precision import with_int8_input
from sezoo.quantization.recovery.steps import rounding

CLIPS = magnitudes(60, 50, 70, 40, 60, 50)


def on_bench(model, **settings):
    chosen = quantization(**settings)
    return bench_of(ready(model, chosen)[0], CLIPS, chosen)


def silently(items, total, what):
    assert total == len(items)
    assert what
    return iter(items)


def with_outlier(model):
    """A huge weight for a channel that is always zero: nothing changes but the scale of the other weights."""
    for weight in model.graph.initializer:
        values = onnx.numpy_helper.to_array(weight).copy()
        if weight.name == "b1.in.bias":
            values[0] = -1000  # the Relu behind gives 0
        if weight.name == "b1.dw.weight":
            values[0] *= 1000
        weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    return model


class Written:
    """A bench that keeps what it has written."""

    def __init__(self, monkeypatch, context):
        self.models, written = [], type(context).write_model

        def keeping(context, plan, **how):
            self.models.append(written(context, plan, **how))
            return self.models[-1]

        monkeypatch.setattr(type(context), "write_model", keeping)


def test_a_weight_outlier_comes_first():
    losses = sensitivity(*on_bench(with_outlier(tcnn(blocks=2)), per_channel=False), silently)
    assert (losses[0].name, losses[0].op_type, losses[0].nodes) == ("node_b1.dw", "Conv", 1)
    assert losses[1].closeness > losses[0].closeness + 3
    assert [loss.closeness for loss in losses] == sorted(loss.closeness for loss in losses)


def test_layers_stand_alone_and_others_with_their_like():
    losses = sensitivity(*on_bench(tcnn(blocks=2)), silently)
    layers = {f"node_b{block}.{part}" for block in (0, 1) for part in ("in", "dw", "out")}
    assert {loss.name: loss.nodes for loss in losses} == {**dict.fromkeys(layers, 1), "Add": 2, "Sigmoid": 1}


def test_one_layer_and_its_inputs_are_quantized(monkeypatch):
    plan, context = on_bench(tcnn(blocks=1))
    written = Written(monkeypatch, context)
    sensitivity(dataclasses.replace(plan, op_types=("Conv",)), context, silently)
    assert len(written.models) == 3
    for model, weight in zip(written.models, ("b0.in", "b0.dw", "b0.out"), strict=True):
        constants = initializers(model.graph)
        assert [name for name, values in constants.items() if values.dtype == np.int8 and values.ndim == 3] == [
            f"{weight}.weight_quantized"
        ]
        quantizers = [node for node in model.graph.node if node.op_type == "QuantizeLinear"]
        assert len(quantizers) == 1  # of its input; its output is the input of the next


def test_the_mask_is_rounded_with_the_layer_that_makes_it(monkeypatch):
    plan, context = on_bench(read_twice())
    written = Written(monkeypatch, context)
    sensitivity(plan, context, silently)
    of_sigmoid = written.models[-1]
    assert [node.input[0] for node in of_sigmoid.graph.node if node.op_type == "QuantizeLinear"] == [
        "sum",
        "mask_QuantizeLinear_Input",
    ]


def test_what_stays_in_float_is_left_out():
    plan, context = on_bench(lstm())
    plan = dataclasses.replace(plan, in_float=frozenset({"node_shifted"}))
    assert {loss.op_type for loss in sensitivity(plan, context, silently)} == {"MatMul", "Sigmoid"}


def test_refitted_weights_of_layers_in_float_do_not_count():
    plan, context = on_bench(tcnn(blocks=2))
    refitted = rounding(plan, context)
    assert refitted.weight_scales
    assert sensitivity(refitted, context, silently) == sensitivity(plan, context, silently)


def test_an_input_of_8_bits_in_front_of_float_operators_stands_for_itself(monkeypatch):
    plan, context = on_bench(log_power_prologue())
    plain = sensitivity(plan, context, silently)
    written = Written(monkeypatch, context)
    losses = sensitivity(with_int8_input(plan, context.fit), context, silently)
    (of_input,) = [loss for loss in losses if loss.name == "input"]
    assert (of_input.op_type, of_input.nodes) == ("input", 0)
    assert of_input.closeness < 60
    assert [loss for loss in losses if loss is not of_input] == plain
    (alone,) = [model for model in written.models if readers(model.graph)["input"][0].op_type == "QuantizeLinear"]
    assert quantized_nodes(alone) == 2


def test_the_plan_and_the_settings_stay_as_they_are():
    plan, context = on_bench(tcnn(blocks=1))
    before = context.write_model(plan).SerializeToString()
    sensitivity(plan, context, silently)
    assert context.write_model(plan).SerializeToString() == before
    assert quantized_nodes(plan.model) == 0


def test_a_refusal_is_no_silence(monkeypatch):
    plan, context = on_bench(tcnn(blocks=1))

    def refuse(context, plan):
        raise UserError("refused")

    monkeypatch.setattr(type(context), "write_model", refuse)
    with pytest.raises(UserError, match="refused"):
        sensitivity(plan, context, silently)


def test_recurrent_layers_are_named_as_such():
    """Their products with the input are convolutions, and the Scan is what they were."""
    plan, settings = recurrent_graphs.plan_of(recurrent_graphs.recurrent("LSTM", "GRU"), CLIPS[:3])
    fit = excerpts_of(CLIPS[:2])
    judge = FidelityScorer(mask_function(plan.exact), fit, STFT)
    losses = sensitivity(plan, RecoveryContext(settings, calibration_options(settings), fit, judge, judge, 1), silently)
    found = {loss.name: loss.op_type for loss in losses}
    assert (found["layer0"], found["layer1"], found["node_head"]) == ("LSTM", "GRU", "Conv")
    assert all(loss.closeness < 90 for loss in losses if loss.name in ("layer0", "layer1"))

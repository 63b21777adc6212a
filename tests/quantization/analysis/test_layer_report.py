import dataclasses
import json
import logging
import re

import numpy as np
import onnx
import pytest

from foreign_graphs import log_power_prologue
from mask_graphs import BINS, Graph, clip_then_relu, lstm, magnitudes, tcnn
from quantizers import quantization, ready, weights_of
from recovery_bench import bench_of, excerpts_of
from sezoo.quantization.analysis import layer_report, log_report
from sezoo.quantization.analysis.range_convergence import convergence
from sezoo.quantization.recovery.input_precision import with_int8_input
from sezoo.quantization.recovery.recipe import RecoveryResult
from sezoo.quantization.recovery.steps import int16_input, rounding, split_input
from sezoo.results.quantization import LayerLoss, LayerReport, StepOutcome, Weakness
from stateful_graphs import cached_convolution, gru_layer, lstm_cell

CLIPS = magnitudes(60, 50, 70, 40, 60, 50)


def one_convolution():
    graph = Graph()
    graph.conv("input", "mask", BINS, BINS, bias=False)
    return graph.model()


def on_bench(model, clips=CLIPS, **settings):
    chosen = quantization(**settings)
    return bench_of(ready(model, chosen)[0], clips, chosen)


def reported(plan, context, clips=CLIPS):
    model = context.write_model(plan)
    return layer_report(RecoveryResult(plan, model, 20.0, 30.0, ()), context, excerpts_of(clips))


def with_range(plan, name, factor):
    return dataclasses.replace(plan, ranges=plan.ranges | {name: tuple(factor * end for end in plan.ranges[name])})


def sqnr(exact, rounded):
    exact, rounded = exact.astype(np.float64), rounded.astype(np.float64)
    return 10 * np.log10(np.square(exact).sum() / np.square(rounded - exact).sum())


def through_int8(values, low, high):
    """Values after a quantizer for that range, and that quantizer's step and ends."""
    low, high = min(low, 0), max(high, 0)
    step = np.float32((np.float64(high) - np.float64(low)) / 255)
    zero = np.rint(-128 - low / step)
    integers = np.clip(np.rint(values / step) + zero, -128, 127)
    return ((integers - zero) * step).astype(np.float32), step, ((-128 - zero) * step, (127 - zero) * step)


def by_name(entries):
    return {entry.name: entry for entry in entries}


@pytest.mark.parametrize("factor", [1.0, 0.4])
def test_one_layer_by_hand(factor):
    plan, context = on_bench(one_convolution())
    plan = with_range(plan, "input", np.float32(factor))
    report = reported(plan, context)
    heard = np.concatenate(CLIPS, axis=2)[0]
    rounded, step, ends = through_int8(heard, *plan.ranges["input"])
    given = by_name(report.tensors)["input"]
    assert (given.dtype, given.op_type, given.made_by) == ("int8", "input", "")
    assert (given.low, given.high) == pytest.approx(ends)
    assert (given.seen_low, given.seen_high) == pytest.approx((heard.min(), heard.max()))
    assert given.sqnr == pytest.approx(sqnr(heard, rounded), abs=1e-3)
    assert given.accumulated_sqnr == pytest.approx(given.sqnr)
    beyond = heard > ends[1] + step / 2
    assert given.saturated == pytest.approx(beyond.mean())
    assert (given.saturated > 0) == (factor < 1)
    errors = np.square(rounded - heard, dtype=np.float64)
    assert given.saturation_noise == pytest.approx(errors[beyond].sum() / errors.sum(), abs=1e-3)
    assert given.rms_steps == pytest.approx(np.sqrt(np.square(heard, dtype=np.float64).mean()) / step, rel=1e-4)

    weight = weights_of(plan.exact)["mask.weight"][:, :, 0]
    scales = (np.abs(weight).max(axis=1, keepdims=True) / 127).astype(np.float32)
    rounded_weight = np.rint(weight / scales) * scales
    (layer,) = report.layers
    assert layer.weight_sqnr == pytest.approx(sqnr(weight, rounded_weight), abs=1e-3)
    assert (layer.precision, layer.weight_bytes, layer.macs, layer.macs_share) == ("int8", BINS**2, BINS**2, 1)
    assert report.macs_shares == {"int8": 1}

    before = rounded_weight @ rounded
    behind, _, _ = through_int8(before, *plan.ranges["mask"])
    mask = by_name(report.tensors)["mask"]
    assert (mask.op_type, mask.made_by) == ("Conv", "node_mask")
    assert mask.sqnr == pytest.approx(sqnr(before, behind), abs=0.02)  # sums of another order round otherwise
    assert mask.accumulated_sqnr == pytest.approx(sqnr(weight @ heard, behind), abs=0.02)


def test_activations_that_the_quantizer_replaces_are_no_error_of_it():
    report = reported(*on_bench(clip_then_relu()))
    tensor = by_name(report.tensors)["relu"]
    assert tensor.op_type == "Conv+Clip+Relu"
    assert tensor.made_by == "node_conv"
    assert (tensor.seen_low, tensor.seen_high) == (0, pytest.approx(2, abs=0.05))
    assert tensor.saturated < 0.01
    assert tensor.sqnr > 30
    assert {"conv", "clip"}.isdisjoint(by_name(report.tensors))


@pytest.mark.parametrize(("factor", "word"), [(0.1, "saturates"), (30.0, "times as wide")])
def test_a_bad_range_is_named_worst(factor, word):
    plan, context = on_bench(tcnn(blocks=2))
    report = reported(with_range(plan, "b1.in.relu", np.float32(factor)), context)
    assert (report.worst[0].name, report.worst[0].what) == ("b1.in.relu", "activation")
    assert word in report.worst[0].advice
    assert len(report.worst) == 5
    assert list(report.worst) == sorted(report.worst, key=lambda weakness: weakness.sqnr)


def test_bad_weights_are_named_worst():
    model = tcnn(blocks=1)
    weight = next(each for each in model.graph.initializer if each.name == "b0.dw.weight")
    values = onnx.numpy_helper.to_array(weight).copy()
    values[0] *= 100
    weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    plan, context = on_bench(model, per_channel=False)
    report = reported(plan, context)
    weak = by_name(each for each in report.worst if each.what == "weights")["node_b0.dw"]
    assert weak.advice == "one scale for all weights: quantization.per_channel: True"
    finer = by_name(reported(*on_bench(model, per_channel=True)).layers)["node_b0.dw"]
    assert finer.weight_sqnr > by_name(report.layers)["node_b0.dw"].weight_sqnr + 3


def test_refitted_weights_are_no_weakness():
    plan, context = on_bench(tcnn(blocks=1))
    report = reported(rounding(plan, context), context)
    assert all(layer.fitted for layer in report.layers)
    assert all(weakness.what == "activation" for weakness in report.worst)


def test_what_stays_in_float_is_told():
    plan, context = on_bench(lstm())
    report = reported(plan, context)
    layers = by_name(report.layers)
    recurrent, head = layers["node_states"], layers["node_projected"]
    assert (recurrent.precision, recurrent.weight_sqnr) == ("float", None)
    assert recurrent.weight_bytes == 4 * 4 * 16 * (BINS + 16)
    assert head.precision == "int8"
    assert report.macs_shares["float"] == pytest.approx(4 * (BINS + 16) / (4 * (BINS + 16) + BINS))
    assert sum(report.macs_shares.values()) == pytest.approx(1)
    given = by_name(report.tensors)["input"]
    assert (given.dtype, given.low, given.sqnr, given.accumulated_sqnr) == ("float", None, None, None)
    assert report.in_float["LSTM"] == 1
    told = report.mostly_in_float
    assert told.startswith("86 % of the multiply-accumulates stay in float (1 LSTM") and "C package" in told
    assert "What helps: a plain forward LSTM, which quantization.target: cortex-m has in int8" in told


def test_an_int8_model_is_not_mostly_in_float():
    assert reported(*on_bench(one_convolution())).mostly_in_float == ""


def test_an_operator_without_kernels_counts_as_work_in_float():
    """Einsum is not quantized: its products are in float, and it is named with what to write in its place."""
    graph = Graph()
    graph.node(
        "Einsum",
        ["input", graph.random("turn", BINS, BINS, fan_in=BINS)],
        "turned",
        equation="b i ... , i j -> b j ...",
    )
    graph.node("Sin", ["turned"], "bent")
    graph.depthwise("bent", "mask", BINS, 1)
    report = reported(*on_bench(graph.model()))
    assert report.macs_shares["float"] == pytest.approx(BINS / (BINS + 3))
    assert "(1 Einsum; besides them 1 Sin)" in report.mostly_in_float
    assert "write Einsum as MatMul" in report.mostly_in_float


def test_a_product_of_two_activations_has_no_weights():
    graph = Graph()
    graph.node("Transpose", ["input"], "turned", perm=[0, 2, 1])
    graph.node("MatMul", ["input", "turned"], "alike")
    graph.node("MatMul", ["alike", "input"], "mask")
    report = reported(*on_bench(graph.model()))
    assert [(layer.precision, layer.weight_sqnr, layer.weight_bytes) for layer in report.layers] == [
        ("int8", None, 0)
    ] * 2
    assert report.macs_shares == {"int8": 1}


def test_a_layer_in_float_has_exact_weights():
    plan, context = on_bench(tcnn(blocks=2))
    report = reported(dataclasses.replace(plan, in_float=frozenset({"node_b1.dw"})), context)
    layer = by_name(report.layers)["node_b1.dw"]
    assert (layer.precision, layer.weight_sqnr) == ("float", None)
    assert report.macs_shares["float"] == pytest.approx(layer.macs_share)


def test_an_input_of_16_bits():
    plan, context = on_bench(tcnn(blocks=2))
    report = reported(int16_input(plan, context), context)
    given = by_name(report.tensors)["input"]
    assert given.dtype == "int16"
    assert given.sqnr > by_name(reported(plan, context).tensors)["input"].sqnr + 30
    assert by_name(report.layers)["node_b0.in"].precision == "int16"
    assert set(report.macs_shares) == {"int8", "int16"}


def test_an_input_of_8_bits_in_front_of_float_operators():
    plan, context = on_bench(log_power_prologue())
    assert "input" not in plan.ranges
    report = reported(with_int8_input(plan, context.fit), context)
    given = by_name(report.tensors)["input"]
    assert (given.dtype, given.made_by, given.low) == ("int8", "", 0)
    assert given.sqnr == pytest.approx(given.accumulated_sqnr)


def test_an_input_that_is_split():
    plan, context = on_bench(tcnn(blocks=2))
    plan = split_input(plan, context)
    report = reported(plan, context)
    assert by_name(report.tensors)["input/fine"].dtype == "float"
    both = next(weakness for weakness in report.worst if weakness.name == "input/both")
    assert "nothing is to be done" in both.advice
    assert not report.convergence.tensor.startswith("input/")


@pytest.mark.parametrize("model", [lstm_cell(), cached_convolution(), gru_layer()], ids=["cell", "cache", "layer"])
def test_models_with_states(model):
    from sezoo.models.likely_states import guess_states
    from sezoo.models.states import states_of, with_states

    model = with_states(model, guess_states(model))
    plan, context = on_bench(model)
    report = reported(plan, context)
    tensors = by_name(report.tensors)
    for name in states_of(model):
        if name in tensors:  # fed back from call to call, they are not the zeros that a clip begins with
            assert tensors[name].seen_high > tensors[name].seen_low
    masks = [tensor for tensor in report.tensors if tensor.name == "mask"]
    assert all(mask.accumulated_sqnr > 15 for mask in masks)
    assert report.macs_shares


def test_tensors_are_looked_at_in_parts_that_fit_into_memory(monkeypatch):
    plan, context = on_bench(tcnn(blocks=2))
    at_once = reported(plan, context)
    monkeypatch.setattr("sezoo.quantization.analysis.tensors.VALUES_AT_ONCE", 3000)
    assert reported(plan, context).tensors == at_once.tensors


def test_few_excerpts_are_run(monkeypatch):
    monkeypatch.setattr("sezoo.quantization.analysis.report.MOST_EXCERPTS", 2)
    clips = magnitudes(20, 20, 20, 20, 20)
    clips[1] *= 1000
    report = reported(*on_bench(one_convolution()), clips)
    assert by_name(report.tensors)["input"].seen_high == max(clips[0].max(), clips[3].max())


# -- calibration -----------------------------------------------------------------------------------------


def convergence_on(loudest, **settings):
    """With clips of noise up to these magnitudes."""
    rng = np.random.default_rng(0)
    clips = [rng.uniform(0, loud, (1, BINS, 60)).astype(np.float32) for loud in loudest]
    plan, context = on_bench(tcnn(blocks=1), clips, **settings)
    return convergence(plan, dataclasses.replace(context, fit=excerpts_of(clips)))


MEAN = {"extra_options": {"CalibMovingAverage": True}}


@pytest.mark.parametrize("settings", [{}, MEAN])
def test_clips_of_one_kind_converge(settings):
    found = convergence_on([1.0] * 16, **settings)
    assert found.enough
    assert found.excerpts == 16
    assert found.sentence.startswith("the calibration set is large enough; ranges from half of its 16 excerpts differ")


@pytest.mark.parametrize("settings", [{}, MEAN])
@pytest.mark.parametrize("loudest", [[20.0, 1.0] * 8, [20.0] * 8 + [1.0] * 8], ids=["by turns", "in rows"])
def test_clips_of_two_kinds_do_not_converge(loudest, settings):
    found = convergence_on(loudest, **settings)
    assert not found.enough
    assert "would help" in found.sentence
    assert f"'{found.tensor}'" in found.sentence


def test_one_loud_clip_is_too_few():
    assert not convergence_on([1.0] * 7 + [20.0] + [1.0] * 8).enough


def test_of_three_excerpts_nothing_is_said():
    plan, context = on_bench(one_convolution())
    assert convergence(plan, dataclasses.replace(context, fit=context.fit[:3])) is None


# -- the file and the log --------------------------------------------------------------------------------


def strict_json(path):
    def refuse(word):
        raise AssertionError(word)

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def test_the_file_is_json_without_nan(tmp_path):
    report = reported(*on_bench(tcnn(blocks=1)))
    report = dataclasses.replace(
        report,
        plain=-np.inf,
        closeness=np.nan,
        steps=(StepOutcome("rounding", "rounds", -np.inf, 30.0, True),),
        sensitivity=(LayerLoss("node_b0.in", "Conv", 1, 12.5),),
    )
    path = report.write(tmp_path / "run")
    assert [each.name for each in path.parent.iterdir()] == ["quantization_report.json"]
    read = strict_json(path)
    assert read == report.to_dict()
    assert (read["plain"], read["closeness"]) == (None, None)
    assert read["steps"] == [{"name": "rounding", "does": "rounds", "before": None, "after": 30.0, "kept": True}]
    assert read["sensitivity"][0]["name"] == "node_b0.in"
    assert read["convergence"]["sentence"] == report.convergence.sentence
    assert [each["name"] for each in read["tensors"]] == [tensor.name for tensor in report.tensors]
    assert LayerReport.read(path.parent).layers == report.layers


def test_silence_gives_no_nan(tmp_path):
    silent = [np.zeros((1, BINS, 30), np.float32) for _ in range(6)]
    report = reported(*on_bench(one_convolution(), silent), silent)
    read = strict_json(report.write(tmp_path))
    assert by_name(report.tensors)["input"].sqnr is None
    assert read["convergence"] is None


def test_the_log_is_short(caplog):
    plan, context = on_bench(tcnn(blocks=2))
    report = reported(with_range(plan, "b1.in.relu", np.float32(0.1)), context)
    with caplog.at_level(logging.DEBUG):
        log_report(report)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) <= 12
    assert re.match(r"  what rounds worst +made by +SQNR +saturated$", lines[0])
    assert re.match(r"  b1.in.relu +Conv\+Relu +[\d.]+ dB +[\d.]+ %$", lines[1])
    assert lines[6].startswith("worst is 'b1.in.relu': it saturates")
    assert "100.0 % in int8" in lines[7]
    assert lines[8] == report.convergence.sentence
    caplog.clear()
    with caplog.at_level(logging.INFO):
        log_report(report)
    shown = [record.getMessage() for record in caplog.records if record.levelno >= logging.INFO]
    assert shown == [lines[7], *([] if report.convergence.enough else [lines[8]])]


def test_weights_and_long_names_in_the_log(caplog):
    report = reported(*on_bench(one_convolution()))
    long = dataclasses.replace(report.layers[0], name="/net" * 20 + "/Conv")
    weak = Weakness(long.name, "weights", "Conv", 3.0, "one scale for all weights")
    with caplog.at_level(logging.DEBUG):
        log_report(dataclasses.replace(report, worst=(weak,), sensitivity=(LayerLoss("Add", "Add", 6, 12.0),)))
    lines = [line for record in caplog.records for line in record.getMessage().splitlines()]
    assert any(re.match(r"  weights of /net\.\.\.\S*/net/Conv +Conv +3.0 dB$", line) for line in lines)
    assert lines[-1] == "   12.0 dB  all 6 Add"

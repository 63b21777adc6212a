"""Activations of 16 bits with weights of 8, as one key."""

from dataclasses import replace

import numpy as np
import pytest

import mask_graphs as graphs
from int8_graphs import BINS, clips
from operator_graphs import OPERATORS, plan_of
from quantizers import mask_error, quantization, ready
from recovery_bench import excerpts_of
from sezoo.audio.stft import Stft
from sezoo.base.errors import UserError
from sezoo.config.sections import Quantization
from sezoo.config.validation import build_config
from sezoo.models.onnx_graph import initializers
from sezoo.quantization.calibration.ranges import calibrate
from sezoo.quantization.fidelity.context import RecoveryContext
from sezoo.quantization.fidelity.scorer import FidelityScorer, mask_function
from sezoo.quantization.graph.qdq import write_qdq
from sezoo.quantization.graph.wide_tensors import int8_only
from sezoo.quantization.options import calibration_options
from sezoo.quantization.plan import Plan
from sezoo.quantization.recovery import activation_bits, recipe
from sezoo.quantization.recovery.activation_bits import int16_activations
from sezoo.quantization.recovery.recipe import _steps
from sezoo.quantization.target import TARGETS, check_settings


def test_all_activations_are_int16_and_all_weights_int8():
    settings, clips = quantization(), graphs.magnitudes(*[30] * 4)
    prepared, op_types = ready(graphs.tcnn(), settings)
    ranges = calibrate(prepared, [[clip] for clip in clips], op_types, calibration_options(settings))
    plan = Plan.initial(prepared, ranges, op_types)
    narrow, wide = write_qdq(plan, settings), write_qdq(plan.with_int16_activations(plan.ranges), settings)
    constants = initializers(wide.graph)
    zeros = [constants[node.input[2]] for node in wide.graph.node if node.op_type == "QuantizeLinear"]
    assert zeros and all(zero.dtype == np.int16 for zero in zeros)
    assert any(values.dtype == np.int8 and values.ndim > 1 for values in constants.values())
    assert mask_error(prepared, wide, clips) < mask_error(prepared, narrow, clips) / 3
    for name, (low, high) in plan.with_int16_activations(plan.ranges).ranges.items():
        assert (low, high) == tuple(2 * end for end in plan.ranges[name])


def test_a_target_without_kernels_refuses_them():
    with pytest.raises(UserError, match=r"quantization\.activation_bits: activations in Int16, which .*: stm32n6 does"):
        check_settings(Quantization(activation_bits=16), TARGETS["stm32n6"])
    with pytest.raises(UserError, match=r"quantization\.activation_bits: activations in Int16, which .*: stm32n6 does"):
        check_settings(Quantization(activation_bits="auto"), TARGETS["stm32n6"])
    for name in ("generic", "cortex-m"):
        check_settings(Quantization(activation_bits="16"), TARGETS[name])


def test_wrong_values_are_named():
    for changes, words in (
        ({"activation_bits": 12}, "quantization.activation_bits: found 12"),
        (
            {"activation_bits": "auto", "accuracy_recovery": "none"},
            "activation_bits: found auto, which is a step of accuracy recovery, beside accuracy_recovery: none",
        ),
        (
            {"activation_bits": 16, "activation_type": "UInt8"},
            "found 16, but activation_type is UInt8",
        ),
    ):
        with pytest.raises(UserError, match=words):
            build_config({"operation_mode": "quantization", "model": {"onnx_path": "m.onnx"}, "quantization": changes})


def bench_of(model, settings, target):
    segments = excerpts_of(clips())
    stft, masks = Stft(2 * (BINS - 1), BINS // 2, 2 * (BINS - 1)), mask_function(model)
    judges = [FidelityScorer(masks, segments[:1], stft), FidelityScorer(masks, segments[1:], stft)]
    return RecoveryContext(
        settings, calibration_options(settings), segments[1:], *judges, 8,
        target.activation_types, target.is_satisfied_by, target.can_read,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("target", "bits", "far", "is_tried"),
    [
        ("cortex-m", None, 90, True),
        ("cortex-m", None, 0, False),
        ("cortex-m", 8, 90, False),
        ("generic", None, 90, False),
    ],
)
def test_they_come_unasked_where_8_bits_are_far_from_float(monkeypatch, target, bits, far, is_tried):
    """Last, on a target that has kernels for them, unless the user has chosen 8."""
    monkeypatch.setattr(recipe, "STEPS", ())
    monkeypatch.setattr(recipe, "FAR", far)
    plan, _ = plan_of(OPERATORS["product by channel"]())
    settings = quantization(activation_bits=bits)
    found = recipe.recover(plan, bench_of(plan.model, settings, TARGETS[target]), TARGETS[target])
    assert [step.name for step in found.steps if step.kept] == (["int16_activations"] if is_tried else [])
    assert bool(found.plan.int16 - plan.int16) == is_tried
    assert found.closeness >= found.plain + (3 if is_tried else 0)


def test_of_many_activations_they_are_left_out_unasked(monkeypatch, caplog):
    caplog.set_level("INFO", logger="sezoo")
    monkeypatch.setattr(activation_bits, "MOST_UNASKED", 2)
    plan, settings = plan_of(OPERATORS["product by channel"]())
    context = bench_of(plan.model, settings, TARGETS["cortex-m"])
    assert activation_bits.int16_activations_of_few(plan, context) is plan
    assert "set quantization.activation_bits to 16, or to auto" in caplog.text


def test_of_several_activations_neighbours_are_widened_together_unasked(monkeypatch):
    plan, settings = plan_of(OPERATORS["product by channel"]())
    context = bench_of(plan.model, settings, TARGETS["cortex-m"])
    runs = []
    counted = replace(context, progress=lambda items, total, what: runs.append((what, total)) or items)
    one_by_one = activation_bits.int16_activations_of_few(plan, counted)
    monkeypatch.setattr(activation_bits, "ONE_BY_ONE", 2)
    monkeypatch.setattr(activation_bits, "GROUPS", 2)
    together = activation_bits.int16_activations_of_few(plan, counted)
    (several, few) = (total for what, total in runs if what.endswith("int16_activations"))
    assert few == 2 < several
    plain, *found = (context.fit_score(context.write_model(each)) for each in (plan, one_by_one, together))
    assert found[1] > plain + 3 and found[1] > found[0] - 3


@pytest.mark.parametrize("name", ["product by channel", "transposed in groups", "max pooling", "softmax over bins"])
def test_auto_widens_what_pays_and_what_the_target_can_run(name):
    plan, settings = plan_of(OPERATORS[name]())
    context = bench_of(plan.model, settings, TARGETS["cortex-m"])
    auto = int16_activations(plan, context)
    gain = context.score(context.write_model(auto)) - context.score(context.write_model(plan))
    if name == "max pooling":  # close enough with 8 bits, but for little
        assert gain >= 0
    else:
        assert gain > 3 and "mask" not in auto.int16
    names = plan.ranges.keys() - int8_only(plan.model)
    all_of_them = context.fit_score(context.write_model(plan.with_int16_activations(names)))
    assert context.fit_score(context.write_model(auto)) >= all_of_them - activation_bits.LEAST_GAIN
    assert auto.int16 <= plan.with_int16_activations(names).int16
    assert int16_activations(plan, replace(context, activation_types=("Int8",))) is plan


def test_auto_is_a_step_that_the_recipe_has_only_then():
    def names(**settings):
        return [step.name for step in _steps(Quantization(**settings), TARGETS["cortex-m"])]

    assert names().index("int16_activations") == len(names()) - 1  # for networks that are far from float
    assert "int16_activations" not in names(activation_bits=8)
    assert "int16_activations" in names(activation_bits="auto")
    assert names(activation_bits="auto", accuracy_recovery=("rounding",)) == ["int16_activations", "rounding"]

"""The recipe as a whole: never farther from float than the plain int8 model, whatever the network."""

import functools
import logging
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import onnx
import pytest

import foreign_graphs
import mask_graphs as graphs
from quantizers import quantization, ready, theirs
from recovery_bench import bench_of
from sezoo.base.errors import UserError
from sezoo.models.mask_model import MaskModel
from sezoo.quantization.calibration.segments import SEGMENT_FRAMES, SegmentPool
from sezoo.quantization.fidelity.scorer import EQUAL
from sezoo.quantization.recovery import range_choice, recipe
from sezoo.quantization.recovery.recipe import STEPS, check_steps, recover
from sezoo.quantization.target import TARGETS

MODELS = {"tcnn": graphs.tcnn, "viewed": graphs.viewed, "clip then relu": graphs.clip_then_relu, **foreign_graphs.PLAIN}


def context(build, **settings):
    prepared, _ = ready(build(seed=1))
    clips = graphs.magnitudes(*[40] * 15)
    plan, made = bench_of(prepared, clips, quantization(**settings))
    return plan, made, clips


@functools.lru_cache(1)  # the targets of a model follow one another
def plain(name):
    """What no target changes: the plan of the plain int8 model, and how close onnxruntime's is."""
    plan, made, clips = context(MODELS[name])
    return plan, made, clips, made.score(theirs(plan.exact, clips, plan.op_types, made.settings))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", MODELS)
def test_the_result_is_never_farther_than_the_plain_model(name, target, monkeypatch):
    if target != "generic":  # all of them look for ranges in the same way
        monkeypatch.setattr(range_choice, "TENSORS", 2)
    if (target != "generic" and "lstm" in name) or ("gru" in name and target != "generic"):
        pytest.skip("recurrent operators are for generic alone")
    plan, made, clips, of_theirs = plain(name)
    result = recover(plan, made, TARGETS[target])
    assert result.closeness >= result.plain
    onnx.checker.check_model(result.model)
    assert made.score(result.model) == result.closeness
    assert result.closeness >= of_theirs - 0.05
    assert MaskModel(result.model, "m")(clips[0]).shape == clips[0].shape


def test_all_steps_tell_how_far_they_are_one_at_a_time():
    told, open_ones = {}, []

    def progress(items, total, what):
        assert not open_ones, f"{what} within {open_ones}"  # a terminal has one bar
        open_ones.append(what)
        try:
            for done, item in enumerate(items, 1):
                yield item
                told[what] = (done, total)
        finally:
            open_ones.remove(what)

    steps = ["operators", "equalization", "ranges", "rounding", "bias_correction", "fallback"]
    plan, made, _ = context(graphs.tcnn, accuracy_recovery=steps, max_float_macs=0.9)
    recover(plan, replace(made, progress=progress), TARGETS["generic"])
    assert told.keys() >= {f"accuracy recovery: {step}" for step in steps}
    assert told.keys() >= {f"accuracy recovery: {step} against float" for step in ("plain int8", *steps[1:5])}
    assert all(done == total for done, total in told.values()), told


@pytest.mark.parametrize(
    ("target", "settings", "hint"),
    [
        ("generic", {"accuracy_recovery": "none"}, "recovery: [auto] or quantization.activation_bits: 16"),
        ("stm32n6", {"accuracy_recovery": "none"}, "try quantization.accuracy_recovery: [auto]"),
        ("stm32n6", {"accuracy_recovery": ["equalization"]}, "try quantization.accuracy_recovery: [auto]"),
    ],
)
def test_an_int8_model_that_is_far_from_float_is_warned_of(target, settings, hint, monkeypatch, caplog):
    plan, made, _ = context(graphs.tcnn, **settings)
    recover(plan, made, TARGETS[target])
    assert "audible" not in caplog.text  # 30 dB and more
    monkeypatch.setattr(recipe, "AUDIBLE", 80.0)
    recover(plan, made, TARGETS[target])
    (warning,) = (record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)
    assert "is audible" in warning and warning.endswith(hint)


def test_none_is_what_onnxruntime_writes():
    plan, made, _ = context(graphs.tcnn, accuracy_recovery="none")
    result = recover(plan, made, TARGETS["generic"])
    assert result.steps == ()
    assert result.model == made.write_model(plan)


def test_listed_steps_are_taken_without_asking(caplog):
    plan, made, _ = context(graphs.tcnn, accuracy_recovery=["rounding", "equalization"])
    with caplog.at_level(logging.DEBUG, "sezoo"):
        result = recover(plan, made, TARGETS["generic"])
    assert [step.name for step in result.steps] == ["equalization", "rounding"]  # in the recipe's order
    assert all(step.kept for step in result.steps)
    assert "equalization: " in caplog.text and " dB (quiet channels scaled up)" in caplog.text


def test_steps_are_told_with_their_effect(caplog):
    plan, made, _ = context(graphs.tcnn)
    with caplog.at_level(logging.DEBUG, "sezoo"):
        result = recover(plan, made, TARGETS["generic"])
    assert "plain int8: " in caplog.text
    for step in result.steps:
        assert f"{step.name}: {step.after:.1f} dB" in caplog.text
        assert step.kept or "not kept" in caplog.text


def test_auto_and_none_stand_alone():
    with pytest.raises(UserError, match="accuracy_recovery: found auto, rounding; auto stands alone"):
        check_steps(("auto", "rounding"))
    check_steps(("auto",))
    check_steps(tuple(step.name for step in STEPS))


def test_the_names_are_those_of_the_configuration():
    from sezoo.config.name_types import STEPS as NAMES

    assert tuple(step.name for step in STEPS) == NAMES


def test_steps_bring_weights_of_4_bits_closer():
    plan, made, _ = context(graphs.tcnn, weight_bits=4)
    result = recover(plan, made, TARGETS["stm32n6"])
    assert any(step.name == "rounding" and step.kept for step in result.steps)
    assert result.closeness > result.plain + 1
    weights = {weight.name: weight.data_type for weight in result.model.graph.initializer}
    assert weights["b0.in.weight_quantized"] == onnx.TensorProto.INT4


def test_silent_clips_are_all_the_same():
    prepared, _ = ready(graphs.tcnn())
    silent = [np.zeros((1, graphs.BINS, 40), np.float32) for _ in range(5)]
    plan, made = bench_of(prepared, silent, quantization())
    result = recover(plan, made, TARGETS["generic"])
    assert result.closeness == result.plain == EQUAL


def test_masks_that_are_no_numbers_are_as_far_as_can_be():
    plan, made, _ = context(graphs.tcnn)

    def broken(magnitude):
        raise UserError("the mask has NaN or infinite values")

    assert made.closeness(broken) == -np.inf
    assert made.closeness(MaskModel(plan.exact, "m")) == EQUAL


def test_some_float_macs_are_spent_where_they_help_most():
    plan, made, _ = context(foreign_graphs.grouped_dilated, accuracy_recovery=["fallback"], max_float_macs=0.4)
    result = recover(plan, made, TARGETS["generic"])
    assert result.plan.in_float or result.plan.int16
    assert result.closeness > result.plain
    nothing = recover(plan, replace(made, settings=quantization(accuracy_recovery=["fallback"])), TARGETS["generic"])
    assert nothing.plan is plan


# -- excerpts --------------------------------------------------------------------------------------------


def piece(frames, value):
    return np.full((3, frames), value, np.complex64), np.full((1, 3, frames), value, np.float32)


def test_one_excerpt_in_five_is_held_out():
    segments = SegmentPool()
    for value in range(12):
        segments.add(*piece(10, value))
    fit, held_out = segments.split_fit_holdout()
    assert [int(each.magnitude[0, 0, 0]) for each in held_out] == [4, 9]
    assert len(fit) == 10


def test_a_few_are_cut_in_time():
    segments = SegmentPool()
    segments.add(*piece(100, 1))
    fit, held_out = segments.split_fit_holdout()
    assert [each.magnitude.shape[2] for each in (*fit, *held_out)] == [80, 20]


def test_memory_is_bounded_and_the_rest_is_spread_evenly():
    segments = SegmentPool()
    for value in range(1000):
        segments.add(*piece(2 * SEGMENT_FRAMES, value))
    values = [int(each.magnitude[0, 0, 0]) for each in segments.kept]
    assert sum(each.spectrum.shape[1] for each in segments.kept) <= 30_000
    assert len(values) > 25
    assert np.unique(np.diff(values)).size == 1


class Unjudged:
    """A bench on which no model can be judged."""

    settings = SimpleNamespace(
        accuracy_recovery=("auto",), weight_type="Int8", activation_type="Int8", activation_bits=8
    )

    def write_model(self, plan):
        return plan

    def score(self, model, step):
        return -math.inf

    def fits_target(self, model):
        return True


def test_no_step_is_kept_where_nothing_can_be_judged(monkeypatch):
    """-inf >= -inf + 0.05 is true."""
    monkeypatch.setattr(recipe, "STEPS", (recipe.Step("equalization", lambda plan, context: plan + 1, "more"),))
    result = recipe.recover(0, Unjudged(), TARGETS["generic"])
    assert (result.plan, result.closeness, [step.kept for step in result.steps]) == (0, -math.inf, [False])

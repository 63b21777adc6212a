"""A float model that was trained with its integers carries them, and what is wrong with them is said."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import mask_graphs as graphs
from quantizers import quantization, ready
from sezoo.base.errors import UserError
from sezoo.models.onnx_graph import initializers
from sezoo.quantization.calibration.ranges import calibrate
from sezoo.quantization.graph.qdq import write_qdq
from sezoo.quantization.options import calibration_options
from sezoo.quantization.plan import Grid, Plan
from sezoo.quantization.trained import KEY, is_trained, settings_of, trained_plan, with_plan

PATH = Path("trained.onnx")


@pytest.fixture(scope="module")
def plan():
    prepared, op_types = ready(graphs.tcnn())
    clips = [[clip] for clip in graphs.magnitudes(30, 30)]
    plan = Plan(
        prepared, prepared, calibrate(prepared, clips, op_types, calibration_options(quantization())), tuple(op_types)
    )
    arrays, grids = initializers(write_qdq(plan, quantization()).graph), {}
    for name in {*plan.ranges, *initializers(prepared.graph)} & {name.removesuffix("_scale") for name in arrays}:
        scale = arrays[f"{name}_scale"] * np.float32(1.23)
        grids[name] = Grid(scale, arrays[f"{name}_zero_point"].astype(np.int32), 0 if scale.ndim else None)
    return replace(plan, grids=grids, input_floor=0.1, int16=frozenset(), fixed_ranges=frozenset({"input"}))


def test_a_plan_is_read_as_it_was_written(plan):
    settings = quantization(weight_bits=4, extra_options={"ActivationSymmetric": False})
    model = with_plan(with_plan(plan.model, replace(plan, grids={}), settings), plan, settings)  # the last one counts
    assert is_trained(model) and not is_trained(plan.model)
    found = trained_plan(model, PATH)
    for name in ("ranges", "op_types", "in_float", "int16", "fixed_ranges", "int8_input", "unrounded", "input_floor"):
        assert (
            set(getattr(found, name)) == set(getattr(plan, name))
            if name == "op_types"
            else (getattr(found, name) == getattr(plan, name))
        )
    for name, grid in plan.grids.items():
        np.testing.assert_array_equal(found.grids[name].scale, grid.scale)
        np.testing.assert_array_equal(found.grids[name].zero_point, grid.zero_point)
        assert found.grids[name].axis == grid.axis
    now = settings_of(model, PATH, quantization())
    assert (now.weight_type, now.extra_options) == ("Int4", {"ActivationSymmetric": False})


def test_it_is_written_with_its_own_integers(plan):
    found = initializers(
        write_qdq(trained_plan(with_plan(plan.model, plan, quantization()), PATH), quantization()).graph
    )
    for name, grid in plan.grids.items():
        np.testing.assert_array_equal(found[f"{name}_scale"], grid.scale)
        np.testing.assert_array_equal(found[f"{name}_zero_point"], grid.zero_point)


def test_settings_that_it_was_not_trained_for(plan):
    model = with_plan(plan.model, plan, quantization())
    with pytest.raises(
        UserError, match=r"quantization.weight_bits: found 4, but trained.onnx was trained with its int"
    ):
        settings_of(model, PATH, quantization(weight_bits=4))
    with pytest.raises(
        UserError, match=r"quantization.per_channel: found False, .* for per_channel True; leave it out"
    ):
        settings_of(model, PATH, quantization(per_channel=False))
    assert settings_of(model, PATH, quantization(weight_bits=8)).weight_type == "Int8"


@pytest.mark.parametrize(
    "text",
    [
        *("{", "[]", "{}", '{"format": 2}', '{"format": 1}'),
        json.dumps({"format": 1, "settings": {"weight_type": "Int3"}, "ranges": {"x": 3}}),
    ],
)
def test_what_is_damaged_is_said(plan, text):
    model = with_plan(plan.model, plan, quantization())
    next(entry for entry in model.metadata_props if entry.key == KEY).value = text
    for read in (trained_plan, lambda model, path: settings_of(model, path, quantization())):
        with pytest.raises(UserError, match=r"trained.onnx: its entry sezoo.quantization_aware is damaged"):
            read(model, PATH)


def test_a_graph_that_was_changed_since(plan):
    model = with_plan(plan.model, replace(plan, grids={"gone": Grid(np.float32(1), np.int32(0))}), quantization())
    with pytest.raises(UserError, match="its graph has been changed since: the tensor 'gone' is missing"):
        trained_plan(model, PATH)

"""Weights of recurrent layers rounded with compensation: closer to the float model, and kept only then."""

from dataclasses import replace

import numpy as np
import pytest

import recurrent_graphs as graphs
from mask_graphs import magnitudes
from recovery_bench import STFT, excerpts_of
from sezoo.models.mask_model import MaskModel
from sezoo.models.onnx_graph import attribute, float_weights, initializers, set_weights
from sezoo.quantization.fidelity.context import RecoveryContext
from sezoo.quantization.fidelity.scorer import FidelityScorer, mask_function
from sezoo.quantization.graph.qdq import write_qdq
from sezoo.quantization.options import calibration_options
from sezoo.quantization.recovery import recipe
from sezoo.quantization.recovery.recurrent_rounding import recurrent_rounding
from sezoo.quantization.target import TARGETS

KINDS = [("LSTM", {}), ("GRU", {}), ("GRU", {"linear_before_reset": 1})]


def with_large_weights(kind, how):
    """One weight of each row is 30 times as large: the others have few integers."""
    model = graphs.recurrent(kind, hidden=24, **how)
    weights = float_weights(model.graph)["layer0.r"].copy()
    weights[0, :, 0] *= 30
    set_weights(model.graph, {"layer0.r": weights})
    return model


def tried_on(model, **settings):
    """The plan with states and input in 16 bits, and its bench."""
    plan, settings = graphs.plan_of(model, **settings)
    plan = graphs.with_int16(plan)
    fit, held_out = (excerpts_of(magnitudes(60, 60, 60, seed=seed)) for seed in (3, 4))
    judges = [FidelityScorer(mask_function(plan.exact), each, STFT) for each in (held_out, fit)]
    return plan, RecoveryContext(settings, calibration_options(settings), fit, *judges, 1)


def error_of(model, other):
    """Mean square of what the masks of a clip differ by, which nothing was fitted to."""
    (clip,) = magnitudes(120, seed=9)
    return np.square(MaskModel(model).whole(clip) - MaskModel(other).whole(clip)).mean()


@pytest.mark.parametrize(("kind", "how"), KINDS)
def test_errors_make_up_for_each_other(kind, how):
    model = with_large_weights(kind, how)
    plan, context = tried_on(model)
    better = recurrent_rounding(plan, context)
    before, after = (error_of(model, write_qdq(each, context.settings)) for each in (plan, better))
    assert after < {"LSTM": 0.3, "GRU": 1}[kind] * before


def test_the_integers_are_those_that_were_found():
    """What is written is int8, and as real numbers the weights of the plan."""
    plan, context = tried_on(with_large_weights("LSTM", {}))
    better = recurrent_rounding(plan, context)
    int8 = write_qdq(better, context.settings)
    (scan,) = (node for node in int8.graph.node if node.op_type == "Scan")
    products = [node for node in attribute(scan, "body", None).node if node.op_type == "MatMul"]
    constants, fitted = initializers(int8.graph), float_weights(better.model.graph)
    by_output = {node.output[0]: node for node in int8.graph.node}
    for product, name in zip(products, ("layer0/state_gates/weight", "layer0/state_candidate/weight"), strict=True):
        integers, scale, _ = (constants[read] for read in by_output[product.input[1]].input)
        assert integers.dtype == np.int8
        np.testing.assert_allclose(integers * scale, fitted[name], rtol=1e-6)


def test_it_is_kept_where_it_helps_alone(monkeypatch):
    monkeypatch.setattr(recipe, "STEPS", [step for step in recipe.STEPS if step.name == "recurrent_rounding"])
    wanted = {"accuracy_recovery": ["auto"]}
    for model, is_kept in ((with_large_weights("LSTM", {}), True), (graphs.recurrent("LSTM", seed=1), False)):
        plan, context = tried_on(model, **wanted)
        found = recipe.recover(plan, context, TARGETS["cortex-m"])
        (step,) = found.steps
        assert step.kept == (step.after >= step.before + 0.05) and step.kept == is_kept


def test_a_network_without_recurrent_layers_is_left_as_it_is():
    plan, context = tried_on(graphs.recurrent("GRU"))
    in_float = replace(plan, in_float=plan.in_float | {"layer0"})
    assert recurrent_rounding(in_float, context) is in_float

"""Recurrent layers between quantizers: close to the float model, no product in float, states rounded once."""

import numpy as np
import onnx
import pytest

import recurrent_graphs as graphs
from mask_graphs import magnitudes
from sezoo.models.mask_model import MaskModel
from sezoo.models.onnx_graph import attribute, producers
from sezoo.models.onnx_session import open_session
from sezoo.quantization.graph.qdq import write_qdq
from sezoo.quantization.recurrent.expansion import recurrences


def closeness(model, other):
    """dB of the masks of a clip that was not calibrated with."""
    (clip,) = magnitudes(120, seed=9)
    exact, found = MaskModel(model).whole(clip), MaskModel(other).whole(clip)
    return 10 * np.log10(np.sum(np.square(exact)) / np.sum(np.square(exact - found)))


CASES = [
    (("LSTM", "LSTM"), {}),
    (("GRU",), {}),
    (("GRU", "GRU"), {"linear_before_reset": 1}),
]


@pytest.mark.parametrize(("kinds", "how"), CASES)
def test_masks_are_those_of_the_float_model(kinds, how):
    model = graphs.recurrent(*kinds, **how)
    plain, wide = graphs.dynamic_int8(model), graphs.dynamic_int8(model, wide=True)
    for int8 in (plain, wide):
        onnx.checker.check_model(int8, full_check=True)
    assert closeness(model, plain) > 30
    assert closeness(model, wide) > 38


@pytest.mark.parametrize(("kinds", "how"), CASES)
def test_every_product_is_of_integers(kinds, how):
    int8 = graphs.dynamic_int8(graphs.recurrent(*kinds, **how))
    graph = int8.graph
    bodies = [attribute(node, "body", None) for node in graph.node if node.op_type == "Scan"]
    assert len(bodies) == len(kinds)
    made_by = producers(graph)
    for body in bodies:
        made_by |= producers(body)
    products = [node for each in (graph, *bodies) for node in each.node if node.op_type in ("MatMul", "Conv")]
    assert len(products) == 4 * len(kinds) + 1
    for node in products:
        assert [made_by[name].op_type for name in node.input[:2]] == ["DequantizeLinear"] * 2
    assert {node.op_type for node in graph.node} & {"LSTM", "GRU"} == set()
    assert recurrences(int8) == []  # nothing gives what only calibration needs


def test_a_state_is_rounded_once():
    """What is handed to the next frame is what the next layer reads: whole steps of one quantizer."""
    int8 = graphs.dynamic_int8(graphs.recurrent("GRU"))
    (scan,) = (node for node in int8.graph.node if node.op_type == "Scan")
    (quantize,) = (
        node for node in int8.graph.node if node.op_type == "QuantizeLinear" and scan.output[1] in node.input
    )
    scale = next(onnx.numpy_helper.to_array(w) for w in int8.graph.initializer if w.name == quantize.input[1])
    int8.graph.output.append(onnx.helper.make_tensor_value_info(scan.output[1], 1, None))
    _, hidden = open_session(int8, optimization="none").run(None, {"input": magnitudes(50)[0]})
    steps = hidden / scale
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)


def test_a_layer_in_float_keeps_its_body():
    plan, settings = graphs.plan_of(graphs.recurrent("LSTM", "GRU"))
    from dataclasses import replace

    mixed = write_qdq(replace(plan, in_float=plan.in_float | {"layer0"}), settings)
    assert [each.node.name for each in recurrences(mixed)] == ["layer0"]
    assert closeness(graphs.recurrent("LSTM", "GRU"), mixed) > 30


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_states_of_the_model_are_fed_back(kind):
    model = graphs.with_own_states(kind)
    int8 = graphs.static_int8(model, 1, wide=True)
    assert "Scan" not in {node.op_type for node in int8.graph.node}
    assert closeness(model, int8) > 30

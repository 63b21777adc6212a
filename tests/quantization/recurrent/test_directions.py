"""Layers that go backwards or both ways, written as layers that go forward."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from recurrent_graphs import GATES, INITIAL
from sezoo.models.onnx_session import open_session
from sezoo.quantization.graph.preparation import with_known_shapes
from sezoo.quantization.recurrent.expansion import expand
from sezoo.quantization.recurrent.one_frame import with_bodies_in_place

STEPS, BATCH, INPUTS, HIDDEN = 7, 3, 5, 4


def layer(kind, direction, *, initial, ends=True, seed=0):
    """One layer over the steps of a sequence, its states given and returned."""
    rng, ways = np.random.default_rng(seed), 2 if direction == "bidirectional" else 1
    shapes = {"w": (ways, GATES[kind] * HIDDEN, INPUTS), "r": (ways, GATES[kind] * HIDDEN, HIDDEN)}
    shapes["b"] = (ways, 2 * GATES[kind] * HIDDEN)
    weights = [onnx.numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32), name)
               for name, shape in shapes.items()]  # fmt: skip
    states = [f"{name}0" for name in INITIAL[kind]] if initial else []
    outputs = ["all", *(f"{name}1" for name in INITIAL[kind])] if ends else ["all"]
    settings = {"linear_before_reset": 1} if kind == "GRU" else {}
    node = helper.make_node(
        kind, ["x", "w", "r", "b", *([""] if states else []), *states], outputs,
        name="layer", hidden_size=HIDDEN, direction=direction, **settings,
    )  # fmt: skip
    made = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [STEPS, BATCH, INPUTS])]
    made += [helper.make_tensor_value_info(name, TensorProto.FLOAT, [ways, BATCH, HIDDEN]) for name in states]
    given = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    graph = helper.make_graph([node], "layer", made, given, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    fed = {"x": rng.standard_normal((STEPS, BATCH, INPUTS)).astype(np.float32)}
    fed |= {name: rng.uniform(-1, 1, (ways, BATCH, HIDDEN)).astype(np.float32) for name in states}
    return with_known_shapes(model), outputs, fed


@pytest.mark.parametrize("ends", [True, False], ids=["all outputs", "the sequence"])
@pytest.mark.parametrize("initial", [True, False], ids=["states given", "from zero"])
@pytest.mark.parametrize("direction", ["reverse", "bidirectional"])
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_they_give_what_onnxruntimes_own_layer_gives(kind, direction, initial, ends):
    model, outputs, fed = layer(kind, direction, initial=initial, ends=ends)
    written = expand(model)
    assert {node.op_type for node in written.graph.node}.isdisjoint({"LSTM", "GRU"})
    expected = open_session(model).run(outputs, fed)
    for before, after in zip(expected, open_session(written).run(outputs, fed), strict=True):
        assert before.shape == after.shape
        np.testing.assert_allclose(after, before, atol=1e-5)


def test_a_layer_that_is_kept_stays_as_it_is():
    model, _, _ = layer("GRU", "bidirectional", initial=False)
    assert expand(model, kept=["layer"]) is model


def test_in_a_model_of_one_frame_layers_over_its_bins_keep_their_scans():
    model, outputs, fed = layer("GRU", "bidirectional", initial=False)
    written = expand(model)
    in_place = with_bodies_in_place(written)
    assert [node.op_type for node in in_place.graph.node] == [node.op_type for node in written.graph.node]
    for before, after in zip(
        open_session(model).run(outputs, fed), open_session(in_place).run(outputs, fed), strict=True
    ):
        np.testing.assert_allclose(after, before, atol=1e-5)

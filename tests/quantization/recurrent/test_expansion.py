"""Recurrent layers written out compute what onnxruntime's own LSTM and GRU compute."""

import numpy as np
import onnx
import pytest

import recurrent_graphs as graphs
from mask_graphs import BINS, Graph, magnitudes
from sezoo.models.macs import multiply_accumulates
from sezoo.models.mask_model import MaskModel
from sezoo.models.onnx_graph import float_weights
from sezoo.quantization.graph.preparation import with_known_shapes
from sezoo.quantization.recurrent.expansion import expand, expansion_problem, float_nodes, recurrences
from sezoo.quantization.recurrent.one_frame import with_bodies_in_place


def kinds_of(model):
    return {node.op_type for node in model.graph.node}


@pytest.mark.parametrize(
    ("kinds", "how"),
    [
        (("LSTM", "LSTM"), {}),
        (("GRU",), {}),
        (("GRU", "LSTM"), {"linear_before_reset": 1}),
    ],
)
def test_layers_written_out_compute_the_same(kinds, how):
    model = with_known_shapes(graphs.recurrent(*kinds, **how))
    written = expand(model)
    onnx.checker.check_model(written, full_check=True)
    assert kinds_of(written) & {"LSTM", "GRU"} == set()
    assert [each.kind.op_type for each in recurrences(written)] == list(kinds)
    clips = np.concatenate(magnitudes(40, 40))
    np.testing.assert_allclose(MaskModel(written)(clips), MaskModel(model)(clips), atol=1e-6)
    assert multiply_accumulates(written, 50) == multiply_accumulates(model, 50)


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_states_of_the_model_go_through_and_one_frame_needs_no_scan(kind):
    model = with_known_shapes(graphs.with_own_states(kind))
    written = expand(model)
    flat = with_bodies_in_place(written)
    assert "Scan" in kinds_of(written) and "Scan" not in kinds_of(flat)
    (clip,) = magnitudes(30)
    for other in (written, flat):
        np.testing.assert_allclose(MaskModel(other).whole(clip), MaskModel(model).whole(clip), atol=1e-6)
    nodes = {node.name: node.op_type for node in written.graph.node}
    assert {nodes[name] for name in float_nodes(written)} <= {"Squeeze", "Unsqueeze"}


def test_layers_that_are_to_stay_are_left():
    model = with_known_shapes(graphs.recurrent("LSTM", "GRU"))
    assert kinds_of(expand(model, ("GRU",))) >= {"LSTM", "Scan"}
    assert kinds_of(expand(model, kept=("layer1",))) >= {"GRU", "Scan"}
    assert expand(model, kept=("layer0", "layer1")) is model


def spoiled(kind="LSTM", *, inputs=(), **attributes):
    graph = Graph(0)
    graph.node("Transpose", ["input"], "frames_first", perm=[2, 0, 1])
    graphs.layer(graph, kind, "frames_first", BINS, "layer", **attributes)
    node = graph.nodes[-1]
    node.input.extend([""] * (8 - len(node.input)))
    for place, name in inputs:
        node.input[place] = name
    model = onnx.helper.make_model(onnx.helper.make_graph(graph.nodes, "g", [], [], graph.weights))
    return expansion_problem(node, float_weights(model.graph))


def test_what_has_no_integer_form_is_named():
    assert spoiled() is None
    assert spoiled("GRU", linear_before_reset=1) is None
    assert spoiled(activations=["sigmoid", "tanh", "tanh"]) is None
    assert "its direction is bidirectional" in spoiled(direction="bidirectional")
    assert "its direction is reverse" in spoiled("GRU", direction="reverse")
    assert "its activations are sigmoid, relu" in spoiled("GRU", activations=["Sigmoid", "Relu"])
    assert "clip" in spoiled(clip=3.0)
    assert "input_forget" in spoiled(input_forget=1)
    assert "peepholes" in spoiled(inputs=[(7, "p")])
    assert "sequence_lens" in spoiled(inputs=[(4, "lengths")])
    assert "no constants" in spoiled(inputs=[(2, "made")])

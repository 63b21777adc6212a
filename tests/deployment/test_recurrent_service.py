"""From a float model with recurrent layers to its C package, and what is refused on the way."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto

import recurrent_graphs as graphs
from mask_graphs import BINS, Graph
from sezoo.base.errors import UserError
from sezoo.models.streaming import streaming
from sezoo.services import run_services
from tiny_models import configuration

PREPROCESSING = {"n_fft": 2 * (BINS - 1), "hop_length": 32, "win_length": 64}


def config_of(mode="chain_qd", *, quantization=(), **deployment):
    sections = {
        "preprocessing": PREPROCESSING,
        "quantization": {
            "num_quantization_samples": 3,
            "accuracy_recovery": ["int16_states"],
            "target": "cortex-m",
            **dict(quantization),
        },
    }
    deployment = {"frames_per_patch": 2, "lookahead_frames": None, "emulate": False, **deployment}
    return configuration(mode, model="float.onnx", sections=sections, **deployment)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(config, folder):
    with pytest.raises(UserError) as caught:
        run_services(config, folder)
    return str(caught.value)


def test_a_network_with_a_gru_is_quantized_and_deployed(here, caplog):
    caplog.set_level("INFO", logger="sezoo")
    onnx.save(graphs.recurrent("GRU", linear_before_reset=1), here / "float.onnx")
    run_services(config_of(), here / "run")
    facts = json.loads((here / "run" / "deployment.json").read_text(encoding="utf-8"))
    assert facts["engine"] == "stream" and facts["frames_per_call"] == 2
    assert "patch computes patches" not in caplog.text and "patches would begin its states anew" in caplog.text
    assert facts["onnxruntime"]["mean_mask_difference"] < 1e-3
    assert "sezoo_dense" in (here / "run" / "c_package" / "src" / "sezoo_dense.c").read_text(encoding="utf-8")
    report = json.loads((here / "run" / "quantization_report.json").read_text(encoding="utf-8"))
    assert {layer["precision"] for layer in report["layers"]} <= {"int8", "int16"}
    assert {layer["op_type"] for layer in report["layers"]} == {"Conv", "GRU"}


def test_patches_are_not_for_recurrent_networks(here):
    onnx.save(graphs.static_int8(graphs.recurrent("GRU"), 12), here / "float.onnx")
    message = refused(config_of("deployment", engine="patch", lookahead_frames=5), here / "run")
    assert "deployment.engine: found patch" in message and "allowed: deployment.engine: stream" in message


def test_the_one_frame_form_of_an_int8_model_is_for_other_runtimes(here):
    whole = graphs.static_int8(graphs.recurrent("GRU"), 12)
    onnx.save(streaming(whole, here / "int8.onnx"), here / "float.onnx")
    message = refused(config_of("deployment"), here / "run")
    assert "Scan node 'layer0'" in message and "deploy the int8 model of whole clips" in message


def test_what_a_stream_cannot_have_is_named_before_the_work_begins(here):
    graph = Graph(0)
    graph.node("Transpose", ["input"], "frames_first", perm=[2, 0, 1])
    both = onnx.helper.make_node("LSTM", ["frames_first", "w", "r"], ["y"], "both_ways", hidden_size=4)
    both.attribute.append(onnx.helper.make_attribute("direction", "bidirectional"))
    graph.random("w", 2, 16, BINS, fan_in=BINS)
    graph.random("r", 2, 16, 4, fan_in=4)
    graph.nodes.append(both)
    shape = graph.weight("shape", [0, -1, 8])
    graph.node("Reshape", [graph.node("Transpose", ["y"], "moved", perm=[0, 2, 1, 3]), shape], "side_by_side")
    graph.node("Transpose", ["side_by_side"], "channels_first", perm=[1, 2, 0])
    graph.node("Sigmoid", [graph.conv("channels_first", "head", 8, BINS)], "mask")
    onnx.save(graph.model(axes=("batch", BINS, "seq_len")), here / "float.onnx")
    message = refused(config_of(), here / "run")
    assert "operator LSTM ('both_ways')" in message
    assert "its direction is bidirectional; forward is needed" in message


def recurrent_node(op_type, gates, **attributes):
    graph = Graph(0)
    graph.node("Transpose", ["input"], "frames_first", perm=[2, 0, 1])
    given = ["frames_first", graph.random("w", 1, gates * 4, BINS, fan_in=BINS), graph.random("r", 1, gates * 4, 4)]
    if attributes.pop("peepholes", False):
        given += ["", "", "", "", graph.random("p", 1, 12)]
    graph.node(op_type, given, "states", hidden_size=4, **attributes)
    graph.node("Squeeze", ["states", graph.weight("axis", np.array([1]))], "flat")
    made = graph.node("Transpose", ["flat"], "channels_first", perm=[1, 2, 0])
    graph.node("Sigmoid", [graph.conv(made, "head", 4, BINS)], "mask")
    return graph.model(axes=("batch", BINS, "seq_len"))


def loop_of_data():
    """As many turns as the largest value has."""
    graph, value = Graph(0), onnx.helper.make_tensor_value_info
    inner = graph.conv("input", "inner", BINS, BINS)
    nodes = [
        onnx.helper.make_node("Relu", ["x"], ["positive"], "relu"),
        onnx.helper.make_node("Identity", ["on"], ["still"], "keep"),
    ]
    given = [value("turn", TensorProto.INT64, ()), value("on", TensorProto.BOOL, ()), value("x", 1, None)]
    body = onnx.helper.make_graph(
        nodes, "body", given, [value("still", TensorProto.BOOL, ()), value("positive", 1, None)]
    )
    graph.node("ReduceMax", [inner], "largest", keepdims=0)
    graph.node("Cast", [graph.node("Ceil", ["largest"], "whole")], "turns", to=TensorProto.INT64)
    graph.node("Loop", ["turns", graph.weight("yes", np.array(True)), inner], "looped", body=body)
    graph.node("Sigmoid", ["looped"], "mask")
    return graph.model(axes=("batch", BINS, "seq_len"))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (
            lambda: recurrent_node("LSTM", 4, peepholes=True),
            ("LSTM ('node_states')", "peepholes", "forward GRU or LSTM"),
        ),
        (lambda: recurrent_node("LSTM", 4, input_forget=1), ("LSTM ('node_states')", "input_forget", "forward GRU")),
        (lambda: recurrent_node("GRU", 3, clip=1.0), ("GRU ('node_states')", "attribute clip", "forward GRU")),
        (lambda: recurrent_node("RNN", 1), ("RNN ('node_states')", "forward GRU or LSTM")),
        (loop_of_data, ("Loop ('node_looped')", "unrolled")),
    ],
    ids=["peepholes", "coupled gates", "clip", "RNN", "Loop"],
)
def test_layers_without_an_integer_form_are_named_with_a_remedy(here, model, words):
    onnx.save(model(), here / "float.onnx")
    message = refused(config_of(), here / "run")
    assert all(word in message for word in words), message
    assert "\n" not in message and len(message) < 350
    assert not (here / "run" / "saved_models").exists()


def test_states_are_handed_on_frame_by_frame(here):
    onnx.save(graphs.with_own_states("GRU", frames="frames"), here / "float.onnx")
    config = config_of(quantization={"static_sequence_length": 8})
    assert "quantization.static_sequence_length: found 8; " in refused(config, here / "run")

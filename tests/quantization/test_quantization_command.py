"""Accuracy recovery, targets and the report by the command: what is written, told and refused."""

import json
import re

import numpy as np
import onnx
import pytest
import soundfile
from onnx import helper, numpy_helper

from builders import RATE, mask_graph, noise, quantization_config, write_clips, write_yaml
from sezoo.denoising.backend import has_input_gain
from sezoo.models.onnx_file import quantized_nodes


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Four clips, a small model, a configuration."""
    monkeypatch.chdir(tmp_path)
    onnx.save(mask_graph(), tmp_path / "model.onnx")
    for folder in ("noisy", "clean"):
        write_clips(tmp_path / folder, "a.wav b.wav c.wav d.wav", seconds=1)
    write_yaml(tmp_path / "user_config.yaml", quantization_config())
    return tmp_path


def models(project):
    (folder,) = project.glob("**/saved_models")
    return {path.stem: onnx.load(path) for path in folder.iterdir()}


def report(project):
    (path,) = project.glob("**/quantization_report.json")
    return json.loads(path.read_text(encoding="utf-8"))


def test_steps_and_report_are_written_and_told(project, run):
    code, told = run()
    assert code == 0, told
    assert "plain int8: " in told
    assert len([line for line in told.splitlines() if " INFO " in line]) <= 8
    assert "quantizing for" not in told  # any runtime: nothing that one has to know
    found = report(project)
    assert found["closeness"] >= found["plain"]
    assert {step["name"] for step in found["steps"]} >= {"rounding"}
    assert found["tensors"] and found["layers"]


def test_an_input_that_stm32n6_cannot_feed_is_told(project, run):
    words = ("quantization.accuracy_recovery=split_input", "--verbose")
    code, told = run("hydra.run.dir=of_no_board", *words)
    assert code == 0, told
    (line,) = [line for line in told.splitlines() if "not for the STM32N6" in line]
    assert "which needs quantization.target: stm32n6: operator Div" in line
    assert "reads the input 'x' in float" in line
    assert "not for the STM32N6" not in run("hydra.run.dir=generic", "quantization.target=generic", *words)[1]


def test_none_says_nothing_of_steps(project, run):
    code, told = run("quantization.accuracy_recovery=none")
    assert code == 0, told
    assert "rounding" not in told
    assert report(project)["steps"] == []


def test_without_a_report_the_models_are_the_same(project, run):
    assert run("hydra.run.dir=with_report")[0] == 0
    code, told = run("hydra.run.dir=without", "general.report=False")
    assert code == 0, told
    assert "report: " not in told
    assert not (project / "without" / "report.html").exists()
    for file in (project / "with_report" / "saved_models").iterdir():
        assert file.read_bytes() == (project / "without" / "saved_models" / file.name).read_bytes()
    found = json.loads((project / "without" / "quantization_report.json").read_text(encoding="utf-8"))
    assert found["layers"] and found["steps"] and found["closeness"] is not None
    assert found["tensors"] == [] and found["convergence"] is None


def test_the_same_bytes_each_time(project, run):
    for name in ("one", "two"):
        assert run(f"hydra.run.dir={name}")[0] == 0
    for file in (project / "one" / "saved_models").iterdir():
        assert file.read_bytes() == (project / "two" / "saved_models" / file.name).read_bytes()
    one, two = ((project / name / "quantization_report.json").read_bytes() for name in ("one", "two"))
    assert one == two


def test_sensitivity_is_ranked(project, run):
    code, told = run("quantization.sensitivity=true")
    assert code == 0, told
    assert len(report(project)["sensitivity"]) >= 2
    assert "with one layer quantized at a time" in told


@pytest.mark.parametrize(("target", "kind"), [("cortex-m", "int16"), ("stm32n6", "int8")])
def test_targets_have_their_inputs(project, run, target, kind):
    words = ["quantization.accuracy_recovery=[int16_input]"] if target == "cortex-m" else []
    code, told = run(f"quantization.target={target}", *words)
    assert code == 0, told
    dynamic = models(project)["quantized_model_int8"]
    (reader,) = [node for node in dynamic.graph.node if "x" in node.input]
    weights = {weight.name: numpy_helper.to_array(weight) for weight in dynamic.graph.initializer}
    assert reader.op_type == "QuantizeLinear"
    assert weights[reader.input[2]].dtype == kind
    # ST's application shows the network a loud patch's magnitudes scaled to the peak; so were they calibrated.
    static = models(project)["quantized_model_int8_static"]
    assert has_input_gain(dynamic) == has_input_gain(static) == (target == "stm32n6")


def with_lstm(path):
    """A mask that an LSTM makes, over frames and in both directions, so that it has no form in integers."""
    rng = np.random.default_rng(0)
    weights = {"w": (2, 32, 257), "r": (2, 32, 8), "head": (16, 257)}
    initializers = [
        numpy_helper.from_array((rng.standard_normal(shape) / 16).astype(np.float32), name)
        for name, shape in weights.items()
    ]
    initializers.append(numpy_helper.from_array(np.array([0, 0, 16], np.int64), "together"))
    nodes = [
        helper.make_node("Transpose", ["x"], ["frames"], perm=[2, 0, 1]),
        helper.make_node(
            "LSTM", ["frames", "w", "r"], ["states"], name="memory", hidden_size=8, direction="bidirectional"
        ),
        helper.make_node("Transpose", ["states"], ["by_clip"], perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", ["by_clip", "together"], ["both"]),
        helper.make_node("MatMul", ["both", "head"], ["out"]),
        helper.make_node("Sigmoid", ["out"], ["sigmoid"]),
        helper.make_node("Transpose", ["sigmoid"], ["mask"], perm=[1, 2, 0]),
    ]
    ends = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ("b", 257, "seq_len")) for name in ("x", "mask")
    ]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], initializers)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def test_a_target_that_the_model_cannot_meet(project, run):
    with_lstm(project / "model.onnx")
    code, told = run("quantization.target=cortex-m")
    assert code == 2
    assert "model.onnx: not fit for quantization.target: cortex-m: operator LSTM ('memory') has no int8 form" in told
    assert "direction is bidirectional; forward is needed; use a plain forward GRU or LSTM" in told
    assert not list(project.glob("**/saved_models"))


def test_a_board_that_the_model_cannot_meet_is_passed_over(project, run):
    with_lstm(project / "model.onnx")
    write_yaml(project / "user_config.yaml", quantization_config(benchmarking={"board": "STM32N6570-DK"}))
    code, told = run()
    assert code == 0, told
    assert "quantization.target is not set: generic is taken instead" in told
    assert re.search(r"multiply-accumulates stay in float \(.*1 LSTM.*What helps: a plain forward LSTM", told)
    assert quantized_nodes(models(project)["quantized_model_int8"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("quantization.target=cortexm", "quantization.target: found 'cortexm'; allowed: generic, stm32n6, cortex-m"),
        (
            "quantization.accuracy_recovery=[auto, rounding]",
            "found auto, rounding; auto stands alone",
        ),
        ("quantization.accuracy_recovery=roundng", "(did you mean rounding?)"),
        ("quantization.max_float_macs=2", "quantization.max_float_macs: found 2; allowed: a share from 0 to 1"),
        ("quantization.target=stm32n6 quantization.per_channel=false", "quantization.per_channel: found False"),
    ],
)
def test_wrong_settings(project, run, words, message):
    code, told = run(*re.split(r" (?=quantization)", words))
    assert code == 2
    assert message in told


def test_clips_that_are_all_clipped_are_told(project, run):
    for path in (project / "noisy").iterdir():
        soundfile.write(path, np.sign(noise(1)), RATE)
    code, told = run("quantization.accuracy_recovery=none")
    assert code == 0, told
    assert "all calibration clips are clipped" in told


def test_a_tensor_that_is_always_zero_is_told(project, run):
    model = onnx.load(project / "model.onnx")
    (bias,) = [weight for weight in model.graph.initializer if weight.name == "b1"]
    bias.CopyFrom(numpy_helper.from_array(np.full(8, -1e6, np.float32), "b1"))
    onnx.save(model, project / "model.onnx")
    code, told = run()
    assert code == 0, told
    assert "is 0 on all calibration clips, so that its range is empty: are the clips silent?" in told
    assert "tensor 'c1' (and 1 more)" in told or "tensor 'r1' (and 1 more)" in told


def test_weights_that_are_no_numbers(project, run):
    with_lstm(project / "model.onnx")
    model = onnx.load(project / "model.onnx")
    (weight,) = [weight for weight in model.graph.initializer if weight.name == "w"]
    values = numpy_helper.to_array(weight).copy()
    values[0, 0, :3] = np.nan
    weight.CopyFrom(numpy_helper.from_array(values, "w"))
    onnx.save(model, project / "model.onnx")
    code, told = run()
    assert code == 2
    assert "of the 16448 weights 'w' are NaN or infinite" in told

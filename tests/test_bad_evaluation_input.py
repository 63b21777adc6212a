"""What a user can get wrong in an evaluation, end to end: exit code 2, one line, and nothing left behind."""

import shutil

import numpy as np
import onnx
import pytest
import soundfile
from onnx import helper, numpy_helper

from builders import RATE, evaluation_config, mask_graph, noise, write_clips, write_model, write_yaml
from sezoo.cli.main import main
from sezoo.quantization.graph.static_shape import with_static_shape

CLIPS = " ".join(f"clip_{index:03d}.wav" for index in range(100))


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """A folder with noisy/ and clean/, a hundred recordings each."""
    folder = tmp_path_factory.mktemp("pairs")
    for kind in ("noisy", "clean"):
        write_clips(folder / kind, CLIPS, seconds=0.1)
    return folder


@pytest.fixture
def project(tmp_path, monkeypatch, pairs):
    """A working directory where everything is right: a hundred pairs, a model, a configuration."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(pairs, tmp_path, dirs_exist_ok=True)
    write_model(tmp_path / "model.onnx")
    write_yaml(tmp_path / "user_config.yaml", evaluation_config(evaluation={"num_workers": 2}))
    return tmp_path


@pytest.fixture
def fails(project, capsys):
    """Call the command line, which must fail and leave the working directory as it was: the message."""

    def call(*words):
        before = set(project.rglob("*"))
        with pytest.raises(SystemExit) as end:
            main(list(words))
        err = capsys.readouterr().err
        assert end.value.code == 2, err
        told = [line for line in err.splitlines() if line.startswith("sezoo: error: ")]
        assert len(told) == 1, err
        assert "Traceback" not in err
        assert set(project.rglob("*")) == before
        return told[0].removeprefix("sezoo: error: ")

    return call


def test_the_project_is_right_as_it_is(project):
    main(["hydra.run.dir=out"])
    assert (project / "out" / "eval_logs" / "metrics_dict.json").is_file()


def test_one_nan_clip_among_a_hundred(project, fails):
    wave = noise(0.1)
    wave[7] = np.nan
    soundfile.write(project / "noisy" / "clip_070.wav", wave, RATE, subtype="FLOAT")
    assert "clip_070.wav: 1 of its samples are NaN or infinite; set dataset.skip_bad_files: true" in fails()


def test_a_silent_reference(project, fails):
    soundfile.write(project / "clean" / "clip_070.wav", np.zeros(1600), RATE)
    assert "clip_070.wav: it is silent (every sample is zero)" in fails()


def test_a_clean_clip_that_is_too_short(project, fails):
    soundfile.write(project / "clean" / "clip_070.wav", noise(0.08), RATE)
    message = fails()
    assert "clip_070.wav: it is 1280 samples long at 16000 Hz, but" in message
    assert "clean and noisy may differ by a hop (160) at most" in message


def test_a_test_set_without_clean_files(project, fails):
    message = fails("dataset.clean_test_files_path=")
    assert message == "evaluation.metrics: snr needs clean speech, but the test set has none; dnsmos needs none"


def test_clean_files_of_other_names(project, fails):
    (project / "clean" / "clip_070.wav").rename(project / "clean" / "other.wav")
    assert "do not match by name: 1 noisy without clean (clip_070) and 1 clean without noisy (other)" in fails()


def broken(model, how):
    weights = next(weight for weight in model.graph.initializer if weight.name == "b2")
    weights.raw_data = np.full(257, how, np.float32).tobytes()
    return model


def test_a_model_that_gives_nan(project, fails):
    onnx.save(broken(mask_graph(), np.nan), project / "model.onnx")
    assert "model.onnx: the mask has NaN or infinite values (on noisy" in fails()


def test_a_model_that_gives_the_wrong_shape(project, fails):
    model = mask_graph()
    node = next(node for node in model.graph.node if node.op_type == "Sigmoid")
    node.input[0] = "r1"  # eight channels where there should be 257
    onnx.save(model, project / "model.onnx")
    assert "the mask has shape (1, 8, 11), the magnitudes (1, 257, 11)" in fails()


def test_a_look_ahead_that_does_not_fit_the_static_length(project, fails):
    model = mask_graph()
    sigmoid = next(node for node in model.graph.node if node.op_type == "Sigmoid")
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 257, 40]), "of 40 frames"))
    model.graph.node.append(helper.make_node("Reshape", ["free", "of 40 frames"], [sigmoid.output[0]]))
    sigmoid.output[0] = "free"
    onnx.save(with_static_shape(model, 40), project / "model.onnx")
    message = fails("evaluation.frames_per_patch=30", "evaluation.lookahead_frames=14")
    assert message == (
        "evaluation.lookahead_frames: found 14; 30 new frames and two look-aheads are 58 frames, but the model has 40: "
        "5 fits 30 new frames"
    )


def test_a_model_with_other_bins(project, fails):
    write_model(project / "model.onnx", bins=129)
    assert "axis 1 of input 'x' is 129, but" in fails()


def test_a_metric_that_there_is_not(project, fails):
    message = fails("evaluation.metrics=[pesq,stoy]")
    assert message.startswith("evaluation.metrics: found ['pesq', 'stoy']; allowed: pesq, stoi")
    assert message.endswith("(did you mean stoi?)")


@pytest.mark.parametrize("key", ["metrics", "play_like"])
def test_an_empty_list(key, project, fails):
    assert fails(f"evaluation.{key}=[]").startswith(f"evaluation.{key}: found []; allowed: ")


def test_torch_weights_that_are_not_there(project, fails):
    message = fails("model.onnx_path=", "model.state_dict_path=weights.pt")
    assert message == "model.state_dict_path: there is no file weights.pt"

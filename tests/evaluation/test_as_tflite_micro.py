"""`evaluation.play_like: tflm`: a static int8 model in the integers of TFLite Micro."""

import numpy as np
import onnx
import pytest

import mask_graphs as graphs
from builders import evaluation_config
from int8_graphs import FORMS
from sezoo.audio.stft import Stft
from sezoo.base.errors import UserError
from sezoo.config.validation import build_config
from sezoo.denoising import Board, WholeClip, denoise
from sezoo.denoising.run_models import models_of
from sezoo.deployment.engine.interpreter import run_graph
from sezoo.deployment.engine.qdq_reader import integer_graph_of
from sezoo.deployment.engine.tflite_arithmetic import TFLITE
from sezoo.deployment.tflite.source import TfliteSource, open_tflite
from sezoo.evaluation.versions import explaining_versions, versions_of
from sezoo.run.run import Artefacts, Run
from sezoo.run.tracking import Trackers
from tiny_models import FRAMES, LOOKAHEAD, NEW, SPECTRUM, int8_model, static_model

PREPROCESSING = {"sample_rate": 16000, **SPECTRUM}


@pytest.fixture
def versions(tmp_path, monkeypatch):
    """The versions of an evaluation that asks for ways of playing a model."""
    monkeypatch.chdir(tmp_path)

    def of(model, *ways, artefacts=None, **changes):
        onnx.save(model, tmp_path / "model.onnx")
        (tmp_path / "scratch").mkdir(exist_ok=True)
        evaluation = {"play_like": list(ways), "frames_per_patch": NEW, "lookahead_frames": LOOKAHEAD}
        config = build_config(evaluation_config(preprocessing=PREPROCESSING, evaluation=evaluation, **changes))
        run = Run(config, tmp_path, Trackers(), artefacts or Artefacts())
        models = models_of(run, tmp_path / "scratch")
        found = versions_of(models, config)
        assert not [each for each in explaining_versions(found, models) if each.kind == "tflm"]
        return {version.name: version for version in found}

    return of


def test_it_is_played_in_patches_in_whatever_the_model_is_deployed_with(versions):
    (one,) = versions(static_model(), "tflm").values()
    assert (one.name, one.label) == ("int8_tflm", "int8 (TFLite Micro, patches)")
    assert one.play == Board(NEW, LOOKAHEAD, input_gain=False, half_away=False)
    assert isinstance(one.source, TfliteSource)


def test_the_masks_are_tflite_micros(versions):
    version = versions(static_model(), "tflm")["int8_tflm"]
    model, graph = open_tflite(version.source), integer_graph_of(static_model(), version.source.path)
    patch = graphs.magnitudes(FRAMES)[0][0]
    mask = model(patch[np.newaxis])[0]
    np.testing.assert_array_equal(mask, run_graph(graph, patch, TFLITE))
    assert np.any(mask != run_graph(graph, patch))
    wave = np.random.default_rng(0).normal(0, 0.1, 4000).astype(np.float32)
    stft = Stft(SPECTRUM["n_fft"], SPECTRUM["hop_length"], SPECTRUM["win_length"])
    assert denoise(wave, model, stft, version.play).shape == wave.shape


def test_a_float_model_beside_the_int8_one_is_left_as_it_is(versions, tmp_path):
    for name, model in (("d.onnx", int8_model()), ("s.onnx", static_model())):
        onnx.save(model, tmp_path / name)
    made = Artefacts(int8=tmp_path / "d.onnx", int8_static=tmp_path / "s.onnx")
    found = versions(graphs.tcnn(), "whole", "tflm", artefacts=made)
    assert list(found) == ["float", "int8", "int8_tflm"]
    assert isinstance(found["float"].play, WholeClip)


def test_models_that_it_cannot_be(versions):
    with pytest.raises(UserError, match="play_like: tflm is for a static int8 model"):
        versions(int8_model(), "tflm")
    with pytest.raises(UserError, match="play_like: tflm is for a static int8 model"):
        versions(graphs.tcnn(), "tflm")


def test_16_bits(tmp_path):
    onnx.save(FORMS["int16"](), tmp_path / "wide.onnx")
    with pytest.raises(UserError, match=r"wide\.onnx: tensor 'input' has 16 bits"):
        open_tflite(TfliteSource(tmp_path / "wide.onnx"))

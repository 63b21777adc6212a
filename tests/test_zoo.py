"""The models that come with sezoo are whole: float, int8 dynamic and static, the YAML that makes them, the card."""

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile

import sezoo
from sezoo.audio.stft import Stft
from sezoo.base.shipped import DEMO_RECORDINGS
from sezoo.base.yaml_text import load_yaml
from sezoo.cli.hydra_run import compose_file
from sezoo.config.validation import build_config
from sezoo.denoising import denoise
from sezoo.denoising.backend import target_in
from sezoo.denoising.latency import latency_ms
from sezoo.denoising.masking import MaskStream
from sezoo.denoising.modes import Stream, WholeClip
from sezoo.deployment.stm32n6.checks import check_model
from sezoo.metrics import si_snr
from sezoo.models.contract import check_contract
from sezoo.models.mask_model import MaskModel
from sezoo.models.onnx_file import quantized_nodes
from sezoo.models.onnx_graph import axes_of
from sezoo.models.summary import summary_of
from sezoo.zoo import zoo_model, zoo_models

ZOO = Path(sezoo.__file__).parent / "zoo"
MODELS = sorted(path.name for path in ZOO.iterdir() if (path / "README.md").is_file())
MEGABYTES = 32


def card(name):
    return (ZOO / name / "README.md").read_text(encoding="utf-8")


def noisy_clips(count=3):
    for path in sorted((DEMO_RECORDINGS / "noisy_testset").glob("*.flac"))[:count]:
        yield soundfile.read(path, dtype="float32")[0]


def test_there_are_models():
    assert {"stft_tcnn_medium", "ugru", "utcn", "utcn_live", "utcn_live_small", "utcn_small"} <= set(MODELS)
    size = sum(path.stat().st_size for path in ZOO.rglob("*") if path.is_file())
    assert size < MEGABYTES * 2**20


@pytest.mark.parametrize("name", MODELS)
def test_a_model_has_its_files(name):
    files = {path.name for path in (ZOO / name).iterdir()}
    assert files >= {f"{name}.onnx", f"{name}_int8.onnx", f"{name}_int8_static.onnx", "README.md", "training.yaml"}
    for file in files:
        if file.endswith((".onnx", ".yaml", ".csv")):
            assert f"`{file}`" in card(name), f"the card says nothing of {file}"


@pytest.mark.parametrize("name", MODELS)
def test_the_float_model_is_as_its_card_says(name):
    path = ZOO / name / f"{name}.onnx"
    model = onnx.load(path)
    check_contract(model, path, n_fft=512)
    assert axes_of(model.graph.input[0]) == axes_of(model.graph.output[0]) == ["batch", 257, "seq_len"]
    summary = summary_of(path)
    stft = Stft(512, 160, 400)
    assert zoo_model(name).latency_ms == latency_ms(Stream((0, summary.lookahead)), stft, 16000)
    said = {key.strip(): value.strip() for key, value in re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", card(name), re.M)}
    assert said["parameters"] == f"{summary.parameters:,}"
    assert said["MAC"].startswith(f"{summary.macs_per_frame:,.0f} a frame")
    before = f"{summary.field[0]} frames" if summary.field else "all frames"
    assert said["receptive field"].startswith(f"{before} before and ")
    assert f"{path.stat().st_size / 2**20:.2f} MiB" in said["float"]


def written_target(name):
    """As its YAML file has it."""
    return load_yaml((ZOO / name / "quantization.yaml").read_text(encoding="utf-8"), name)["quantization"].get(
        "target", "generic"
    )


@pytest.mark.parametrize("kind", ["", "_int8"])
@pytest.mark.parametrize("name", ["utcn", "utcn_small", "utcn_live", "utcn_live_small"])
def test_masks_do_not_depend_on_how_loud_a_clip_is(name, kind):
    """From 60 dB less to 10 dB more, of whole clips and of frames that come in pieces."""
    model = MaskModel(ZOO / name / f"{name}{kind}.onnx")
    before, after = summary_of(ZOO / name / f"{name}.onnx").field
    magnitude = Stft().magnitude(Stft().analyse(next(noisy_clips(1))[:16000]))

    def masks(gain):
        yield model(gain * magnitude[np.newaxis])[0]
        stream = MaskStream(model, WholeClip((before, after)), len(magnitude))
        pieces = [(np.ones(piece.shape, np.complex64), gain * piece) for piece in np.array_split(magnitude, 3, axis=1)]
        yield np.concatenate([*(stream.push(*piece) for piece in pieces), stream.finish()], axis=1).real

    as_it_is = list(masks(np.float32(1)))
    for decibels in (-60, 10):
        for mask, other in zip(as_it_is, masks(np.float32(10 ** (decibels / 20))), strict=True):
            assert np.abs(mask - other).mean() < 0.02


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("kind", ["int8", "int8_static"])
def test_the_int8_models_denoise_as_the_float_model(name, kind):
    path = ZOO / name / f"{name}_{kind}.onnx"
    model = onnx.load(path)
    assert quantized_nodes(model)
    assert target_in(model) == written_target(name)
    axes = axes_of(model.graph.input[0])
    if kind == "int8":
        assert axes == ["batch", 257, "seq_len"]
        float_model, int8 = MaskModel(ZOO / name / f"{name}.onnx"), MaskModel(path)
        for noisy in noisy_clips():
            assert si_snr(denoise(noisy, float_model, Stft()), denoise(noisy, int8, Stft())) > 14
    else:
        assert axes[:2] == [1, 257]
        magnitude = np.random.default_rng(0).gamma(0.5, 1, axes).astype(np.float32)
        dynamic = MaskModel(ZOO / name / f"{name}_int8.onnx")
        np.testing.assert_array_equal(MaskModel(path)(magnitude), dynamic(magnitude))


# Causal ones are for streams: in ST's patches a short look-ahead is of no use.
@pytest.mark.parametrize(
    "model", [model for model in zoo_models() if model.latency_ms > 35], ids=lambda model: model.name
)
def test_st_application_can_run_the_model_for_the_stm32n6(model):
    lookahead, _ = summary_of(model.float_model).field
    deployment = {"frames_per_patch": 30, "lookahead_frames": lookahead, "c_project_path": "project"}
    settings = build_config(
        {
            "operation_mode": "deployment",
            "model": {"onnx_path": str(model.stm32n6)},
            "preprocessing": {"sample_rate": 16000, "n_fft": 512, "hop_length": 160, "win_length": 400},
            "deployment": deployment,
        }
    )
    check_model(onnx.load(model.stm32n6), model.stm32n6, settings)
    magnitude = np.random.default_rng(0).gamma(0.5, 1, (1, 257, 30 + 2 * lookahead)).astype(np.float32)
    assert np.abs(MaskModel(model.stm32n6)(magnitude) - MaskModel(model.float_model)(magnitude)).mean() < 0.05


@pytest.mark.parametrize("path", sorted(ZOO.rglob("*.yaml")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_yaml_files_are_right(path, monkeypatch, tmp_path):
    for name in ("SPEECH", "NOISE", "NOISY", "CLEAN"):
        monkeypatch.setenv(name, str(tmp_path))
    config = compose_file(path)
    assert config.operation_mode in ("training", "chain_qe")
    assert f"`{path.name}`" in card(path.parent.name)

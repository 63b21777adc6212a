"""Networks of complex spectra: from float to integers, to C, and to sound."""

import json

import numpy as np
import onnx
import pytest

from builders import write_clips
from c_builds import HOST_GCC, built, fixed_objects, ran
from complex_graphs import BINS, int8_of, network, spectra
from int8_graphs import PATH
from sezoo.audio.clip import read_clip, write_clip
from sezoo.audio.stft import Stft
from sezoo.base.errors import UserError
from sezoo.deployment.c_package.emulated_run import Emulation, run_emulated
from sezoo.deployment.engine.agreement import agreement
from sezoo.deployment.engine.operators import Sweep
from sezoo.deployment.engine.qdq_reader import integer_graph_of
from sezoo.deployment.engine.reference import denoise_in_stream
from sezoo.deployment.engine.stream_plan import stream_masks
from sezoo.deployment.tflite.lowerable import check_operators
from sezoo.models.mask_model import MaskModel
from sezoo.models.spectra import COMPLEX_MASK, COMPLEX_SPECTRUM, PARTS_FIRST, PARTS_LAST
from sezoo.quantization.graph.static_shape import with_static_shape
from sezoo.quantization.target import TARGETS
from sezoo.services import run_services
from sezoo.targets.c_compiler import find_compiler
from sezoo.targets.cores import CORES
from sezoo.targets.emulator import find_emulator
from tiny_graphs import RATE, program_of, write_tiny_package
from tiny_models import configuration, needs_arm_gcc, needs_qemu

STFT = Stft(2 * (BINS - 1), BINS - 1, 2 * (BINS - 1), "sqrt_hann")
KINDS = {"mask": (PARTS_LAST, COMPLEX_MASK), "spectrum": (PARTS_FIRST, COMPLEX_SPECTRUM)}


BEHIND_CURVES = {"both_ways/hidden", "both_ways/backwards/hidden", "rr", "ii", "ri", "ir"}
"""17 times in a row; products with a tanh that onnxruntime does not round as a whole."""


@pytest.fixture(scope="module")
def networks():
    """The float models by what they give, and their int8 models."""
    made = {name: network(*how) for name, how in KINDS.items()}
    return {name: (model, int8_of(model, KINDS[name][0])) for name, model in made.items()}


@pytest.fixture(scope="module")
def models(networks):
    """The static int8 models by what they give."""
    return {name: with_static_shape(int8, 1) for name, (_, int8) in networks.items()}


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    if HOST_GCC is None:
        pytest.skip("gcc is not installed on this computer")
    return fixed_objects(tmp_path_factory.mktemp("objects"))


@pytest.fixture(scope="module")
def packages(models, tmp_path_factory):
    """A program and its package by what they give."""
    made = {}
    for name, model in models.items():
        program = program_of(integer_graph_of(model, PATH), STFT, 1)
        made[name] = program, write_tiny_package(program, tmp_path_factory.mktemp("packages") / name)
    return made


def sound(samples=900):
    return np.round(np.random.default_rng(0).standard_normal(samples) * 3000).astype(np.float32) / 32768


@pytest.mark.parametrize("name", KINDS)
def test_integers_are_those_of_onnxruntime(models, name):
    model, (layout, kind) = models[name], KINDS[name]
    graph = integer_graph_of(model, PATH)
    assert graph.kind == kind and graph.values == 2 * BINS
    (loop,) = graph.loops
    assert sum(isinstance(operator, Sweep) for operator in loop.operators) == 2  # there and back
    spectrum = spectra(layout, 30, seed=5)
    found = agreement(graph, model, [spectrum[0]])
    assert found.share < 0.05  # of 16 bits
    for each in found.operators:
        if each.name not in BEHIND_CURVES:
            assert each.largest <= 3, each
    wanted = MaskModel(model).whole(spectrum)[0]
    made = np.concatenate(list(stream_masks(graph, spectrum[0], 5)), axis=1)
    assert np.abs(made - wanted).mean() < 1e-3 * np.abs(wanted).mean()


@pytest.mark.parametrize("name", KINDS)
def test_the_int8_model_is_near_the_float_one(networks, name):
    spectrum = spectra(KINDS[name][0], 40, seed=7)
    wanted, made = (MaskModel(model).whole(spectrum)[0] for model in networks[name])
    assert 20 * np.log10(np.linalg.norm(wanted) / np.linalg.norm(made - wanted)) > 26  # random weights, of 8 bits


@pytest.mark.parametrize("name", KINDS)
def test_c_is_the_reference(packages, objects, name):
    _, package = packages[name]
    assert ran(built(package, "check_vectors", objects), folder=package / "test_vectors") == (
        0,
        "all masks are equal\n",
    )


@pytest.mark.parametrize("name", KINDS)
def test_sound_is_that_of_the_reference(packages, objects, tmp_path, name):
    program, package = packages[name]
    write_clip(tmp_path / "noisy.wav", sound(), RATE)
    assert ran(built(package, "denoise_wav", objects), folder=tmp_path) == (0, "")
    wanted = denoise_in_stream(program.graph, sound(), program.stft, 1)
    assert np.abs(read_clip(tmp_path / "denoised.wav", RATE) - wanted).max() * 32768 <= 1.01
    assert np.abs(wanted).max() > 0.01


@pytest.mark.parametrize("name", KINDS)
def test_an_attenuation_limit_leaves_a_share_of_the_input(packages, name):
    graph = packages[name][0].graph
    plain, limited = (
        denoise_in_stream(graph, sound(), STFT, 1, attenuation_limit=limit) for limit in (None, 20 * np.log10(4))
    )
    np.testing.assert_allclose(limited, 0.25 * sound() + 0.75 * plain, atol=2 / 32768)


@needs_qemu
@needs_arm_gcc
def test_on_an_emulated_core(packages, tmp_path):
    program, package = packages["spectrum"]
    emulation = Emulation(find_compiler(None), find_emulator(None), tmp_path / "logs")
    run = run_emulated(emulation, CORES["cortex-m55"], package, sound(), RATE, tmp_path / "run")
    assert len(run.figures.steps) == len(program.steps)
    wanted = denoise_in_stream(program.graph, sound(), program.stft, 1)
    assert np.mean(np.abs(run.denoised - wanted) * 32768 > 1) < 0.05


def test_only_the_c_package_takes_it(networks, models):
    _, model = networks["mask"]
    assert TARGETS["cortex-m"].can_read(model) and TARGETS["cortex-m"].is_satisfied_by(model)
    assert "takes complex spectra" in TARGETS["stm32n6"].first_violation(model)
    with pytest.raises(UserError, match=r"takes complex spectra, and a \.tflite file is given magnitudes"):
        check_operators(integer_graph_of(models["mask"], PATH), PATH)


def test_the_service_deploys_it(models, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    onnx.save(models["spectrum"], tmp_path / "static.onnx")
    transform = {"n_fft": STFT.n_fft, "hop_length": STFT.hop_length, "win_length": STFT.win_length}
    write_clips(tmp_path / "noisy", "clip.wav", seconds=200 * STFT.hop_length / RATE)  # the reference takes ms a frame
    dataset = {"name": "custom", "noisy_test_files_path": "noisy", "file_extension": ".wav"}
    sections = {"preprocessing": {**transform, "window": "sqrt_hann"}, "dataset": dataset}
    how = {"sections": sections, "emulate": False}
    settings = {"model": "static.onnx", "frames_per_patch": 1, "lookahead_frames": None, **how}
    run_services(configuration("deployment", **settings), tmp_path / "run")
    facts = json.loads((tmp_path / "run" / "deployment.json").read_text(encoding="utf-8"))
    assert facts["engine"] == "stream" and facts["onnxruntime"]["mean_mask_difference"] < 1e-2  # of a gate's curve
    readme = (tmp_path / "run" / "c_package" / "README.md").read_text(encoding="utf-8")
    assert "The real and imaginary parts at the network's input are not scaled" in readme
    with pytest.raises(UserError, match=r"deployment\.input_gain: found True"):
        run_services(configuration("deployment", **settings, input_gain=True), tmp_path / "other")

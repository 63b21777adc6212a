"""The C package around a network that is the user's: built here, with what stands for TFLite Micro."""

import shutil

import numpy as np
import pytest

from c_builds import SANITIZED, compiled, needs_gcc, ran
from sezoo.audio.board_input import from_int16, to_int16
from sezoo.audio.clip import write_clip
from sezoo.audio.stft import Stft
from sezoo.deployment.c_package.call_frames import Engine
from sezoo.deployment.c_package.deploy import reference_of
from sezoo.deployment.c_package.network_source import network_call
from sezoo.deployment.c_package.program import Program
from sezoo.deployment.c_package.settings import PackageSettings
from sezoo.deployment.c_package.vectors import vector_calls
from sezoo.deployment.engine import reference
from sezoo.deployment.engine.stream_plan import stream_plan
from sezoo.deployment.engine.tflite_arithmetic import TFLITE
from sezoo.deployment.recording import Recording
from sezoo.deployment.tflite.c_package import program_around, write_package_around
from sezoo.deployment.tflite.deploy import write_tflite
from sezoo.deployment.tflite.lowerable import tflite_graph_of
from sezoo.deployment.tflite.lowering import lower_graph
from sezoo.deployment.tflite.vectors import vectors_of
from tiny_models import FRAMES, LOOKAHEAD, NEW, RATE, SPECTRUM, static_model, write_tiny_model

SETTINGS = PackageSettings(RATE, False, None)


def recording(seconds=0.6):
    rng = np.random.default_rng(3)
    wave = rng.standard_normal(int(seconds * RATE)) * np.repeat([0.01, 0.2, 0.05], int(seconds * RATE / 3))
    return from_int16(to_int16(wave.astype(np.float32)))


@pytest.fixture(scope="module", params=["patch", "stream"])
def package(tmp_path_factory, request):
    """The package, its program, and the model's file."""
    folder = tmp_path_factory.mktemp("around")
    model = write_tiny_model(folder / "model.onnx")
    graph = tflite_graph_of(static_model(FRAMES), model)
    is_stream = request.param == "stream"
    lag = stream_plan(graph).lag[graph.output.name]
    engine = Engine(True, 1, lag) if is_stream else Engine(False, NEW, LOOKAHEAD)
    program = Program(graph, engine, Stft(**SPECTRUM))
    calls = vector_calls(program, recording())
    vectors = vectors_of(program, calls)
    low = lower_graph(graph, model, 1 if is_stream else None)
    assert bool(low.states) == is_stream and (lag > 0)
    write_package_around(program, low, SETTINGS, calls, vectors, folder / "c")
    write_tflite(low, model.name, folder / "c")
    return folder / "c", program, model, low


def built(package, name):
    """A program of the package, whose own sources are compiled once."""
    folders = [f"-I{package / each}" for each in ("include", "src", "examples")]
    objects = package / "objects"
    if not objects.exists():
        objects.mkdir()
        sources = [*(package / "src").glob("*.c"), *(package / "examples/host").glob("*.c")]
        compiled(*SANITIZED, *folders, "-c", *sources, folder=objects)
    main = package / f"examples/{name}.c"
    compiled(*SANITIZED, *folders, main, *objects.glob("*.o"), "-lm", "-o", package / name)
    return package / name


@needs_gcc
def test_its_masks_are_those_of_tflite_micro_and_wrong_integers_are_told(package, tmp_path):
    folder, *_ = package
    program = built(folder, "check_vectors")
    assert ran(program, folder=folder / "test_vectors") == (0, "all masks are equal\n")
    shutil.copytree(folder / "test_vectors", tmp_path / "vectors")
    given = tmp_path / "vectors/input_0.i8"
    content = bytearray(given.read_bytes())
    content[len(content) // 2] ^= 1
    given.write_bytes(content)
    code, said = ran(program, folder=tmp_path / "vectors")
    assert code == 1 and "is given other integers" in said and "masks differ" in said


@needs_gcc
def test_a_recording_is_denoised_as_in_numpy(package, tmp_path, monkeypatch):
    """By the integers that TFLite Micro makes of every call; inverse transforms round a few samples otherwise."""
    folder, program, model, _ = package
    if program.engine.is_stream:
        pytest.skip("its vectors are of frames, one behind the other, as those of the test above")
    given = []

    def noted(graph, magnitude, arithmetic, run=reference.run_graph):
        given.append(magnitude)
        return run(graph, magnitude, arithmetic)

    monkeypatch.setattr(reference, "run_graph", noted)
    wave = recording()
    expected = reference_of(program, SETTINGS, Recording(wave, None, "r", ""), model, TFLITE)
    vectors_of(program, given).write(tmp_path)
    write_clip(tmp_path / "noisy.wav", wave, RATE)
    code, said = ran(built(folder, "denoise_wav"), folder=tmp_path)
    assert (code, said) == (0, "")
    made = np.frombuffer((tmp_path / "denoised.wav").read_bytes()[44:], "<i2")
    different = np.abs(made.astype(int) - to_int16(expected))
    assert different.max() <= 1 and np.mean(different) < 1e-3 and np.abs(made).max() > 1000


def test_the_network_and_its_kernels_are_not_in_it(package):
    folder, program, _, _ = package
    source = (folder / "src/sezoo_model.c").read_text(encoding="utf-8")
    assert "_weights[" not in source and "op_" not in source
    assert not (folder / "src/sezoo_conv.c").exists()
    header = (folder / "include/sezoo_network.h").read_text(encoding="utf-8")
    assert f"SEZOO_NETWORK_OUTPUT_BYTES {{{program.engine.frames_computed * program.graph.output.items}" in header
    text = (folder / "examples/network_tflm.cc").read_text(encoding="utf-8")
    assert "MicroMutableOpResolver<" in text and "resolver.AddConv2D();" in text and "@" not in text


def test_rows_without_gaps_are_left_where_they_are(package):
    _, program, _, low = package
    around = program_around(program, low)
    network = around.steps[0]
    assert network.output.items % 16
    assert sum("memmove" in line for line in network_call(around, network, ["a"], "b", 4)) == 2

"""C packages of recurrent networks: equal to the reference in Python, here and on emulated cores."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import Phase, assume, example, given, settings
from hypothesis import strategies as st

import recurrent_graphs as graphs
from c_builds import HOST_GCC, built, fixed_objects, ran
from mask_graphs import BINS
from sezoo.audio.clip import read_clip, write_clip
from sezoo.audio.stft import Stft
from sezoo.deployment.c_package.emulated_run import Emulation, run_emulated
from sezoo.deployment.c_package.vectors import masks_that_check, vector_masks
from sezoo.deployment.engine.interpreter import run_graph
from sezoo.deployment.engine.qdq_reader import integer_graph_of
from sezoo.deployment.engine.reference import denoise_in_stream
from sezoo.deployment.engine.stream_plan import stream_masks
from sezoo.models.states import states_of
from sezoo.models.streaming import streaming
from sezoo.targets.c_compiler import build_program, find_compiler
from sezoo.targets.cores import CORES
from sezoo.targets.emulator import emulate, find_emulator
from tiny_graphs import RATE, calls_that_check, magnitudes, program_of, write_tiny_package
from tiny_loops import recurrent_graph
from tiny_models import needs_arm_gcc, needs_qemu


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    if HOST_GCC is None:
        pytest.skip("gcc is not installed on this computer")
    return fixed_objects(tmp_path_factory.mktemp("objects"))


DRAWN = {
    "seed": st.integers(0, 10000),
    "new": st.integers(1, 9),
    "bits": st.sampled_from([8, 16]),
    "layers": st.integers(1, 3),
}

EQUAL = (0, "all masks are equal\n")


@given(**DRAWN)
@example(seed=3, new=1, bits=16, layers=2)
@settings(max_examples=3, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate])
def test_masks_are_those_of_the_reference(objects, tmp_path_factory, seed, new, bits, layers):
    program = program_of(recurrent_graph(seed, 17, new, bits=bits, layers=layers), Stft(32, 10, 30), new)
    calls = magnitudes(program, calls_that_check(program))
    assume(masks_that_check(program, vector_masks(program, calls)))  # some random networks saturate
    package = write_tiny_package(program, tmp_path_factory.mktemp("drawn") / "package")
    assert ran(built(package, "check_vectors", objects), folder=package / "test_vectors") == EQUAL


@pytest.mark.parametrize(
    ("new", "model"),
    [(1, graphs.with_own_states("LSTM")), (4, graphs.with_own_states("LSTM")), (3, graphs.behind_a_level())],
    ids=["one frame", "four frames", "a level in front"],
)
def test_states_that_go_in_and_out_are_handed_on_within_a_call(objects, tmp_path, new, model):
    """A model of one frame with states of its own, called with several: the masks of one frame a call."""
    model = model if states_of(model) else streaming(model, Path("float.onnx"))
    graph = integer_graph_of(graphs.static_int8(model, 1, wide=bool(new % 3)), Path("states.onnx"))
    stft = Stft(2 * (BINS - 1), 32, 64)
    program = program_of(graph, stft, new)
    package = write_tiny_package(program, tmp_path / "package", calls=8)
    vectors = package / "test_vectors"
    assert ran(built(package, "check_vectors", objects), folder=vectors) == EQUAL
    magnitude = np.fromfile(vectors / "magnitudes.f32", "<f4").reshape(-1, stft.bins).T
    one_by_one = np.concatenate(list(stream_masks(graph, magnitude, 1)), axis=1)
    np.testing.assert_array_equal(np.fromfile(vectors / "masks.f32", "<f4").reshape(-1, stft.bins).T, one_by_one)


def slightly_trained(network):
    """A network of torch whose batch norms have seen something."""
    import torch

    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(3):
        magnitude = torch.rand(2, BINS, 12).square()
        optimizer.zero_grad()
        (network(magnitude) - magnitude).square().mean().backward()
        optimizer.step()
    return network.eval()


def int8_of(network, frames, folder, **settings):
    """What is quantized of a network of torch, for a number of frames."""
    from sezoo.training.export import export_onnx

    export_onnx(network, folder / "float.onnx", bins=BINS, opset=17)
    return graphs.static_int8(onnx.load(folder / "float.onnx"), frames, **settings)


def test_the_recurrent_network_of_the_model_zoo(objects, tmp_path):
    torch = pytest.importorskip("torch")
    from sezoo.models.torch.networks.conv_lstm import ConvLstmDenoiser

    torch.manual_seed(0)
    static = int8_of(slightly_trained(ConvLstmDenoiser(in_channels=BINS, lstm_hidden_size=6)), 12, tmp_path)
    program = program_of(integer_graph_of(static, tmp_path / "float.onnx"), Stft(2 * (BINS - 1), 32, 64), 2)
    assert len(program.graph.loops) == 2
    package = write_tiny_package(program, tmp_path / "package")
    assert ran(built(package, "check_vectors", objects), folder=package / "test_vectors") == EQUAL


@pytest.mark.parametrize("lookahead", [1, 3])
def test_a_look_ahead_before_a_gru(objects, tmp_path, lookahead):
    """The GRU waits for the frames that the layers before it look ahead, and its state begins with the clip."""
    torch = pytest.importorskip("torch")
    from sezoo.models.torch.networks.utcn import Utcn

    torch.manual_seed(lookahead)
    shape = {"tcn_latent_dim": 8, "channels": (4, 4, 6), "num_layers": 1, "level_frames": 5}
    network = slightly_trained(Utcn(in_channels=BINS, lookahead=lookahead, gru_units=6, **shape))
    graph = integer_graph_of(int8_of(network, 32, tmp_path, wide=True), tmp_path / "float.onnx")
    clip = np.random.default_rng(0).gamma(0.5, 1.0, (BINS, 32)).astype(np.float32)
    whole = run_graph(graph, clip)
    assert len(graph.loops) == 1 and whole.std() > 0.02
    stft = Stft(2 * (BINS - 1), 32, 64)
    wave = np.random.default_rng(1).standard_normal(2000).astype(np.float32) * np.linspace(0, 0.3, 2000, dtype="f4")
    expected, denoised = denoise_in_stream(graph, wave, stft, 1), []
    for new in (1, 4):
        program = program_of(graph, stft, new)
        assert program.engine.lookahead == lookahead
        masks = np.concatenate(list(stream_masks(graph, np.pad(clip, [(0, 0), (0, 4)]), new)), axis=1)
        seen = 32 - lookahead  # behind the end, a stream has silent frames where a clip has zeros in all its tensors
        np.testing.assert_array_equal(masks[:, lookahead:32], whole[:, :seen])
        package = write_tiny_package(program, tmp_path / f"{new}", calls=32 // new)
        assert ran(built(package, "check_vectors", objects), folder=package / "test_vectors") == EQUAL
        write_clip(package / "noisy.wav", wave, RATE)
        assert ran(built(package, "denoise_wav", objects), folder=package) == (0, "")
        denoised.append(read_clip(package / "denoised.wav", RATE))
    np.testing.assert_array_equal(*denoised)
    error = denoised[0] - expected  # a few magnitudes lie just between two integers of the input
    assert np.sum(error**2) < 1e-4 * np.sum(expected**2)


@pytest.mark.long
def test_ten_minutes_do_not_drift(objects, tmp_path):
    """States go on from frame to frame 60000 times, and never differ."""
    program = program_of(recurrent_graph(4, 17, 100, bits=16), Stft(32, 10, 30), 100)
    package = write_tiny_package(program, tmp_path / "package", calls=600)
    assert ran(built(package, "check_vectors", objects), folder=package / "test_vectors", seconds=1200) == EQUAL


def test_a_denoiser_begins_anew_each_time(objects, tmp_path):
    """Two clips of one program, the same twice: states are not left from the one to the other."""
    program = program_of(recurrent_graph(3, 17, 1, bits=16), Stft(32, 10, 30), 1)
    package = write_tiny_package(program, tmp_path / "package")
    vectors = package / "test_vectors"
    once = {name: (vectors / name).read_bytes() for name in ("magnitudes.f32", "masks.f32")}
    check = built(package, "check_vectors", objects)
    for _ in range(2):
        assert ran(check, folder=vectors)[0] == 0
    for name, content in once.items():
        (vectors / name).write_bytes(content * 2)  # without a new beginning
    assert ran(check, folder=vectors) == (1, "masks differ\n")


def check_on_core(folder, core, seed, bits, layers, new):
    """Masks of a random network on an emulated core: equal to those of the reference."""
    program = program_of(recurrent_graph(seed, 17, new, bits=bits, layers=layers), Stft(32, 10, 30), new)
    calls = magnitudes(program, calls_that_check(program))
    assume(masks_that_check(program, vector_masks(program, calls)))  # some random networks saturate
    package = write_tiny_package(program, folder / "package")
    elf = folder / "check.elf"
    build_program(find_compiler(None), CORES[core], package, "check_vectors", elf, folder / "build.log")
    said = emulate(find_emulator(None), CORES[core], elf, package / "test_vectors", folder / "run.log", timeout=120)
    assert said == "all masks are equal\n"


@needs_qemu
@needs_arm_gcc
@given(**DRAWN)
@settings(max_examples=2, deadline=None, derandomize=True, phases=[Phase.generate])
def test_drawn_networks_on_an_emulated_core(tmp_path_factory, seed, new, bits, layers):
    check_on_core(tmp_path_factory.mktemp("drawn"), "cortex-m55", seed, bits, layers, new)


@pytest.mark.long
@needs_qemu
@needs_arm_gcc
@pytest.mark.parametrize("core", ["cortex-m55", "cortex-m7", "cortex-m33"])
def test_many_drawn_networks_on_emulated_cores(tmp_path_factory, core):
    @given(**DRAWN)
    @settings(max_examples=25, deadline=None, derandomize=True, phases=[Phase.generate])
    def check(seed, new, bits, layers):
        check_on_core(tmp_path_factory.mktemp("drawn"), core, seed, bits, layers, new)

    check()


@needs_qemu
@needs_arm_gcc
@pytest.mark.parametrize("name", ["cortex-m55", "cortex-m7"])
def test_on_emulated_cores(tmp_path, name):
    program = program_of(recurrent_graph(4, 17, 2, bits=16), Stft(32, 10, 30), 2)
    package = write_tiny_package(program, tmp_path / "package")
    emulation = Emulation(find_compiler(None), find_emulator(None), tmp_path / "logs")
    wave = np.round(np.random.default_rng(0).standard_normal(800) * 3000).astype(np.float32) / 32768
    run = run_emulated(emulation, CORES[name], package, wave, RATE, tmp_path / "run")
    assert len(run.figures.steps) == len(program.steps)
    expected = denoise_in_stream(program.graph, wave, program.stft, 2)
    assert np.mean(np.abs(run.denoised - expected) * 32768 > 1) < 0.05

"""C packages of recurrent networks: equal to the reference in Python, here and on emulated cores."""

import numpy as np
import pytest

from c_builds import HOST_GCC, built, fixed_objects, ran
from sezoo.audio.stft import Stft
from sezoo.deployment.c_package.emulated_run import Emulation, run_emulated
from sezoo.deployment.engine.reference import denoised_in_stream
from sezoo.targets.c_compiler import find_compiler
from sezoo.targets.cores import CORES
from sezoo.targets.emulator import find_emulator
from tiny_graphs import RATE, program_of, write_tiny_package
from tiny_loops import recurrent_graph
from tiny_models import needs_arm_gcc, needs_qemu


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    if HOST_GCC is None:
        pytest.skip("gcc is not installed on this computer")
    return fixed_objects(tmp_path_factory.mktemp("objects"))


@pytest.mark.parametrize(("seed", "new", "bits"), [(0, 1, 8), (3, 1, 16), (4, 3, 8), (5, 7, 16)])
def test_masks_are_those_of_the_reference(objects, tmp_path, seed, new, bits):
    program = program_of(recurrent_graph(seed, 17, new, bits=bits), Stft(32, 10, 30), new)
    package = write_tiny_package(program, tmp_path / "package")
    assert ran(built(package, "check_vectors", objects), folder=package / "test_vectors") == (
        0,
        "all masks are equal\n",
    )


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
    expected = denoised_in_stream(program.graph, wave, program.stft, 2)
    assert np.mean(np.abs(run.denoised - expected) * 32768 > 1) < 0.05

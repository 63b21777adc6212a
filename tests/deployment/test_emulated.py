"""The C package on emulated cores: built by both compilers, equal to the reference, and counted."""

import importlib.util
import re
import shutil
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from builders import RATE
from c_builds import FIXED, OF_A_PACKAGE
from mask_graphs import BINS, Graph
from recurrent_graphs import static_int8
from sezoo.audio.stft import Stft
from sezoo.base.errors import UserError
from sezoo.deployment.c_package.call_frames import Engine
from sezoo.deployment.c_package.emulated_run import Emulation, run_emulated
from sezoo.deployment.c_package.package import PackageSettings, write_package
from sezoo.deployment.c_package.program import Program
from sezoo.deployment.c_package.vectors import MASKS
from sezoo.deployment.engine.conv import Conv
from sezoo.deployment.engine.qdq_reader import integer_graph_of
from sezoo.deployment.engine.reference import denoise_in_stream
from sezoo.deployment.engine.stream_plan import stream_plan
from sezoo.targets.c_compiler import CCompiler, build_program, find_compiler
from sezoo.targets.cores import CORES
from sezoo.targets.elf import ProgramSize, size_of
from sezoo.targets.emulator import Figures, emulate, find_emulator, read_figures
from sezoo.targets.programs import run_program
from tiny_graphs import magnitudes, program_of, random_graph, write_tiny_package
from tiny_models import SPECTRUM, needs_arm_gcc, needs_qemu, static_model

needs_zig = pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="ziglang is not installed")

KERNELS = {"cortex-m55": "Helium (MVE)", "cortex-m7": "DSP extension", "cortex-m4": "DSP extension"}


def zig():
    return CCompiler((sys.executable, "-m", "ziglang", "cc"), True, "of the tests")


def tools(compiler, folder):
    return Emulation(compiler, find_emulator(None), folder / "logs")


@pytest.fixture(scope="module")
def stream():
    """The tiny model, 8 frames a call."""
    graph = integer_graph_of(static_model(8), Path("tiny.onnx"))
    lag = stream_plan(graph).lag[graph.output.name]
    return Program(graph, Engine(True, 8, lag), Stft(**SPECTRUM))


@pytest.fixture(scope="module")
def package(stream, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny") / "folder with spaces"
    folder.mkdir()
    write_package(stream, PackageSettings(RATE, False, None), magnitudes(stream, 3), folder)
    return folder


@needs_qemu
@pytest.mark.parametrize(
    "name, compiler",
    [
        *(pytest.param(name, "gcc", marks=needs_arm_gcc) for name in CORES),
        # Zig builds a library of its own for each core at first, which takes seconds.
        pytest.param("cortex-m55", "zig", marks=needs_zig),
    ],
)
def test_every_core_by_every_compiler(stream, package, tmp_path, name, compiler):
    core = CORES[name]
    emulation = tools(find_compiler(None) if compiler == "gcc" else zig(), tmp_path)
    wave = np.round(np.random.default_rng(0).standard_normal(4000) * 3000).astype(np.float32) / 32768
    run = run_emulated(emulation, core, package, wave, RATE, tmp_path / "run")
    said = (tmp_path / "logs" / f"check_vectors_{name}.log").read_text(encoding="utf-8")
    assert said.endswith("all masks are equal\n")
    for program in ("check_vectors", "denoise_wav"):
        log = (tmp_path / "logs" / f"build_{program}_{name}.log").read_text(encoding="utf-8")
        assert log.startswith("$ ") and log.count("\n") == 1  # the compiler has nothing to say
    assert not list((tmp_path / "logs").glob("*_objects.log"))  # nor has it of what is compiled once

    expected = denoise_in_stream(stream.graph, wave, stream.stft, 8)
    assert run.denoised.shape == wave.shape
    apart = np.abs(run.denoised - expected) * 32768
    # rounded the other way, a magnitude changes a mask by a step or two
    assert np.mean(apart > 1) < 0.01 and np.abs(expected).max() > 0.01

    figures, hop = run.figures, stream.stft.hop_length
    assert figures.calls == -(-(len(wave) + stream.engine.delay(stream.stft)) // (8 * hop))
    assert figures.instructions / figures.calls <= figures.worst < 2 * figures.instructions / figures.calls
    assert len(figures.steps) == len(stream.graph.operators)
    assert 0.97 * figures.instructions < figures.spectra + sum(figures.steps) <= figures.instructions
    macs = stream.graph.macs_per_frame * 8
    fastest, slowest = (1 / 16, 3) if core.kernels == "Helium (MVE)" else (0.8, 8)
    assert fastest * macs < sum(figures.steps) / figures.calls < slowest * macs
    heaviest = np.argmax(figures.steps)
    assert isinstance(stream.graph.operators[heaviest], Conv)
    assert 200 < figures.stack < 8000
    weights = sum(conv.weights.size for conv in stream.graph.operators if isinstance(conv, Conv))
    assert weights < run.size.flash < weights + 40_000
    assert stream.arena_bytes + stream.state_bytes < run.size.ram < stream.arena_bytes + stream.state_bytes + 8000
    assert not list(package.rglob("*.elf")) and not list(package.rglob("*cache*"))


@needs_zig
@pytest.mark.parametrize("name", CORES)
def test_the_names_of_cores_for_zig_give_the_same_kernels_as_those_for_gcc(name, tmp_path):
    words = ["-target", "thumb-freestanding-eabihf", f"-mcpu={CORES[name].zig}", "-dM", "-E", "-xc"]
    (tmp_path / "empty.c").write_text("", encoding="utf-8")
    said = run_program([*zig().command, *words, tmp_path / "empty.c"], tmp_path / "log", timeout=60)
    macros = dict(line.split(" ", 2)[1:] for line in said.splitlines() if line.count(" ") > 1)
    assert int(macros["__ARM_FP"], 16) & 4 and "__ARM_FEATURE_DSP" in macros and "__ARM_FEATURE_SIMD32" in macros
    assert (macros.get("__ARM_FEATURE_MVE") == "3") == (CORES[name].kernels == "Helium (MVE)")
    assert "__ARM_PCS_VFP" in macros


@needs_qemu
@pytest.mark.parametrize("name", ["cortex-m55", "cortex-m4"])
@pytest.mark.parametrize("bits, lookahead", [(8, None), (16, 1)])
@needs_arm_gcc
def test_kernels_of_all_kinds_on_rare_networks(tmp_path, name, bits, lookahead):
    graph = random_graph(137, 33, 7, operators=9, bits=bits)
    package = write_tiny_package(program_of(graph, Stft(**SPECTRUM), 5, lookahead), tmp_path / "p")
    elf = tmp_path / "check.elf"
    build_program(find_compiler(None), CORES[name], package, "check_vectors", elf, tmp_path / "build.log")
    vectors = package / "test_vectors"
    said = emulate(find_emulator(None), CORES[name], elf, vectors, tmp_path / "run.log", timeout=60)
    assert said == "all masks are equal\n"
    masks = np.fromfile(vectors / MASKS, "<f4")
    masks[len(masks) // 2] += 1
    masks.tofile(vectors / MASKS)
    with pytest.raises(UserError, match=r"failed \(exit code 1\)[^$]*masks differ"):
        emulate(find_emulator(None), CORES[name], elf, vectors, tmp_path / "run.log", timeout=60)


@needs_qemu
@needs_arm_gcc
@pytest.mark.parametrize("channels", [80, 96, 112, 176])
def test_taps_in_time_of_more_channels_than_a_run_of_the_kernel_has(tmp_path, channels):
    """One frame a call, three taps: rows that are read from where they lie, up to 80 channels, and that are copied."""
    graph = Graph(channels)
    graph.node("Relu", [graph.conv("input", "first", BINS, channels)], "relu")
    weight = graph.random("wide.w", 24, channels, 3, fan_in=3 * channels)
    inputs = ["relu", weight, graph.random("wide.b", 24, fan_in=16)]
    graph.node("Relu", [graph.node("Conv", inputs, "wide", kernel_shape=[3], pads=[2, 0])], "rectified")
    graph.node("Sigmoid", [graph.conv("rectified", "head", 24, BINS)], "mask")
    whole = static_int8(graph.model(), 12)
    program = program_of(integer_graph_of(whole, tmp_path / "int8.onnx"), Stft(2 * (BINS - 1), 32, 64), 1)
    package, elf = write_tiny_package(program, tmp_path / "package", calls=20), tmp_path / "check.elf"
    core = CORES["cortex-m55"]
    build_program(find_compiler(None), core, package, "check_vectors", elf, tmp_path / "build.log")
    said = emulate(find_emulator(None), core, elf, package / "test_vectors", tmp_path / "run.log", timeout=120)
    assert said == "all masks are equal\n"


@needs_qemu
@needs_arm_gcc
@pytest.mark.parametrize("bits", [8, 16])
def test_powers_and_roundings_of_four_floats_at_a_time(tmp_path, bits):
    """Helium computes the beginning of a network four by four; 33 bins leave one over."""
    graph = random_graph(132, 33, 7, operators=1, bits=bits)
    assert [step.kind for step in graph.prologue] == ["pow", "quantize"]
    package = write_tiny_package(program_of(graph, Stft(**SPECTRUM), 5, None), tmp_path / "p")
    core, elf = CORES["cortex-m55"], tmp_path / "check.elf"
    build_program(find_compiler(None), core, package, "check_vectors", elf, tmp_path / "build.log")
    said = emulate(find_emulator(None), core, elf, package / "test_vectors", tmp_path / "run.log", timeout=60)
    assert said == "all masks are equal\n"


@needs_arm_gcc
@pytest.mark.parametrize("name", CORES)
def test_no_core_has_warnings_of_conversions(package, tmp_path, name):
    words = ["-std=gnu99", "-O1", "-fsyntax-only", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-DSEZOO_MEASURE"]
    words += [f"-I{package / folder}" for folder in ("include", "src", "examples")]
    sources = [*(package / "src").glob("*.c"), *package.glob("examples/*.c"), *package.glob("examples/cortex_m/*.c")]
    assert {f"sezoo_{name}.c" for name in (*FIXED, *OF_A_PACKAGE)} <= {source.name for source in sources}
    gcc = shutil.which("arm-none-eabi-gcc")
    run_program([gcc, "-mthumb", *CORES[name].gcc, *words, *sources], tmp_path / "log", timeout=60)


@needs_arm_gcc
@needs_qemu
def test_programs_and_tools_named_by_relative_paths(package, tmp_path, monkeypatch):
    """Compiler and emulator are run in other folders than ours."""
    monkeypatch.chdir(tmp_path)
    for name in ("arm-none-eabi-gcc", "qemu-system-arm"):
        (tmp_path / name).symlink_to(shutil.which(name))
    shutil.copytree(package, "package")
    compiler = find_compiler(Path("arm-none-eabi-gcc"))
    build_program(compiler, CORES["cortex-m4"], Path("package"), "check_vectors", Path("a.elf"), Path("build.log"))
    folder = Path("package/test_vectors")
    emulate(Path("qemu-system-arm"), CORES["cortex-m4"], Path("a.elf"), folder, Path("run.log"), timeout=60)


@needs_arm_gcc
@needs_qemu
def test_a_program_that_crashes(package, tmp_path):
    shutil.copytree(package, tmp_path / "p")
    source = tmp_path / "p/examples/check_vectors.c"
    text = source.read_text(encoding="utf-8")
    crash = "    *(volatile int *)0xF0000000u = 1;\n    sezoo_model_begin"
    source.write_text(text.replace("    sezoo_model_begin", crash), encoding="utf-8")
    core = CORES["cortex-m7"]
    build_program(find_compiler(None), core, tmp_path / "p", "check_vectors", tmp_path / "x.elf", tmp_path / "b.log")
    with pytest.raises(UserError, match=r"exit code 3[^$]*the processor has faulted"):
        vectors = tmp_path / "p/test_vectors"
        emulate(find_emulator(None), core, tmp_path / "x.elf", vectors, tmp_path / "r.log", timeout=60)


# -- what is read ----------------------------------------------------------------------------------------------------


def test_figures_are_read(tmp_path):
    text = "calls 3\ninstructions 900\nworst 400\nstack 512\nspectra 300\nstep 100\nstep 500\n"
    (tmp_path / "figures.txt").write_text(text, encoding="ascii")
    assert read_figures(tmp_path / "figures.txt") == Figures(3, 900, 400, 512, 300, (100, 500))
    with pytest.raises(UserError, match=r"has not written none\.txt"):
        read_figures(tmp_path / "none.txt")


def elf(*sections):
    """A 32-bit ELF file of sections (type, flags, size)."""
    head = (
        b"\x7fELF\x01\x01" + bytes(26) + struct.pack("<I", 52) + bytes(10) + struct.pack("<HHH", 40, len(sections), 0)
    )
    return head + b"".join(
        struct.pack("<10I", 0, kind, flags, 0, 0, size, 0, 0, 0, 0) for kind, flags, size in sections
    )


def test_sizes_of_a_linked_program(tmp_path):
    code, constants, data, bss, debug = (1, 6, 1000), (1, 2, 500), (1, 3, 40), (8, 3, 7000), (1, 0, 99999)
    (tmp_path / "a.elf").write_bytes(elf((0, 0, 0), code, constants, data, bss, debug))
    assert size_of(tmp_path / "a.elf") == ProgramSize(flash=1540, ram=7040)
    (tmp_path / "b.elf").write_bytes(b"\x7fELF\x02\x01" + bytes(60))
    with pytest.raises(UserError, match=re.escape("b.elf is not a 32-bit little-endian ELF file")):
        size_of(tmp_path / "b.elf")


def test_cores_have_what_their_kernels_need():
    assert {name: core.kernels for name, core in CORES.items()} == {**KERNELS, "cortex-m33": "DSP extension"}

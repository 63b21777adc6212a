"""The C package where compilers and processors differ: fast arithmetic, 64-bit and 32-bit Arm, cores without an FPU."""

import importlib.util
import shutil
import subprocess
import sys

import numpy as np
import pytest

from c_builds import needs_gcc, ran, version_of
from sezoo.audio.clip import write_clip
from sezoo.audio.stft import Stft
from sezoo.targets.c_compiler import CCompiler, build_program, find_compiler
from sezoo.targets.cores import CORES
from sezoo.targets.emulator import emulate, find_emulator
from sezoo.targets.object_cache import compiled_objects
from tiny_graphs import RATE, program_of, random_graph, write_tiny_package
from tiny_models import needs_arm_gcc, needs_qemu

needs_zig = pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="ziglang is not installed")

ZIG = f"{sys.executable} -m ziglang cc"
WARNINGS = ("-std=gnu99", "-Wall", "-Wextra", "-Werror")
FAST = (("-Ofast",), ("-O2", "-funsafe-math-optimizations", "-ffp-contract=fast"))


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A stream whose magnitudes go through a power and a logarithm: the arithmetic that options would change."""
    program = program_of(random_graph(29, 33, 6, operators=7), Stft(64, 20, 50), 6)
    assert {"pow", "log"} <= {step.kind for step in program.graph.prologue}
    folder = write_tiny_package(program, tmp_path_factory.mktemp("fast") / "p")
    random = np.random.default_rng(0)
    # Silence, and sound of some steps of 16 bits, where it matters how a sample is rounded.
    wave = np.concatenate([np.zeros(500), random.standard_normal(1500) * 4e-5, random.standard_normal(1500) * 0.1])
    write_clip(folder / "noisy.wav", wave.astype(np.float32), RATE)
    return folder


def compiled(package, folder, *words, compiler="gcc"):
    """The package's own sources, by any compiler of this computer: an object each in a folder."""
    folder.mkdir()
    folders, sources = [package / "include", package / "src"], (package / "src").glob("*.c")
    with compiled_objects(
        [compiler, *WARNINGS, *words], version_of(compiler), folders, sources, folder / "compiler.log", timeout=120
    ) as objects:
        for path in objects:
            shutil.copy(path, folder)
    return folder


def linked(package, objects, program):
    """One of the example programs with the objects of a folder, for this computer."""
    sources = [*package.glob(f"examples/{program}.c"), *package.glob("examples/host/*.c"), *objects.glob("*.o")]
    folders = [f"-I{package / name}" for name in ("include", "src", "examples")]
    done = subprocess.run(
        ["gcc", *folders, *map(str, sources), "-lm", "-o", program], cwd=objects, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return objects / program


def denoised(package, objects):
    """(samples,) int16 of the package's recording."""
    program = linked(package, objects, "denoise_wav")
    assert ran(program, package / "noisy.wav", "denoised.wav", folder=objects) == (0, "")
    return np.frombuffer((objects / "denoised.wav").read_bytes()[44:], "<i2")


# -- fast arithmetic -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exact(package, tmp_path_factory):
    """The recording as it has to be."""
    return denoised(package, compiled(package, tmp_path_factory.mktemp("exact") / "o", "-O2", "-ffp-contract=off"))


@needs_gcc
@pytest.mark.parametrize("words", FAST, ids=["Ofast", "unsafe-math"])
def test_options_for_fast_arithmetic_change_no_mask_and_no_sample(package, exact, tmp_path, words):
    objects = compiled(package, tmp_path / "o", *words)
    assert ran(linked(package, objects, "check_vectors"), folder=package / "test_vectors") == (
        0,
        "all masks are equal\n",
    )
    np.testing.assert_array_equal(denoised(package, objects), exact)
    assert 0 < np.abs(exact[700:1800]).max() < 10


@needs_arm_gcc
@needs_qemu
@pytest.mark.parametrize("name", ["cortex-m55", "cortex-m4"])
def test_fast_arithmetic_on_a_core(package, tmp_path, name):
    gcc = find_compiler(None)
    fast = CCompiler((*gcc.command, "-ffast-math"), False, gcc.version)
    build_program(fast, CORES[name], package, "check_vectors", tmp_path / "a.elf", tmp_path / "build.log")
    said = emulate(
        find_emulator(None), CORES[name], tmp_path / "a.elf", package / "test_vectors", tmp_path / "run.log", timeout=60
    )
    assert said == "all masks are equal\n"


@needs_gcc
def test_a_compiler_that_cannot_switch_fast_arithmetic_off_is_refused(package):
    """One that is none of those whose words are known, and has been given the option."""
    words = ["-U__GNUC__", "-Ofast", "-fsyntax-only", f"-I{package / 'src'}", f"-I{package / 'include'}"]
    source = package / "src" / "sezoo_elementwise.c"
    done = subprocess.run(["gcc", *words, str(source)], capture_output=True, text=True)
    assert done.returncode != 0 and "build this folder with -O3 -fno-fast-math" in done.stderr


# -- other processors ------------------------------------------------------------------------------------------------


@needs_zig
@pytest.mark.parametrize("target", ["aarch64-macos", "arm-linux-musleabi", "x86_64-windows-gnu"])
def test_it_compiles_for_other_systems(package, tmp_path, target):
    words = [*WARNINGS, "-target", target, "-Ofast", f"-I{package / 'include'}", f"-I{package / 'src'}", "-c"]
    for source in (package / "src").glob("*.c"):  # zig has a cache of its own
        command = [*ZIG.split(), *words, str(source), "-o", f"{source.stem}.o"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]


@needs_arm_gcc
@pytest.mark.parametrize(
    "words", ["-mcpu=cortex-m0plus -mthumb", "-mcpu=cortex-a7 -marm -mfpu=neon-vfpv4 -mfloat-abi=hard"]
)
def test_it_compiles_for_other_arm_cores(package, tmp_path, words):
    compiled(package, tmp_path / "o", *words.split(), "-O1", compiler="arm-none-eabi-gcc")


LINUX = """\
/* Files by Linux's system calls: a C library for each processor would take minutes to build. */
#include <string.h>

#include "files.h"

int main(int argc, char **argv);
void begin(void);

#if defined(__aarch64__)
enum { OPENAT = 56, CLOSE = 57, READ = 63, WRITE = 64, EXIT = 94 };
static long call(long number, long a, long b, long c, long d)
{
    register long x8 __asm("x8") = number, x0 __asm("x0") = a, x1 __asm("x1") = b, x2 __asm("x2") = c,
                  x3 __asm("x3") = d;
    __asm volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
    return x0;
}
#else
enum { OPENAT = 322, CLOSE = 6, READ = 3, WRITE = 4, EXIT = 248 };
static long call(long number, long a, long b, long c, long d)
{
    register long r7 __asm("r7") = number, r0 __asm("r0") = a, r1 __asm("r1") = b, r2 __asm("r2") = c,
                  r3 __asm("r3") = d;
    __asm volatile("svc 0" : "+r"(r0) : "r"(r7), "r"(r1), "r"(r2), "r"(r3) : "memory");
    return r0;
}
#endif

void begin(void) { call(EXIT, main(0, 0), 0, 0, 0); }
int file_open(const char *name, const char *mode) { (void)mode; return (int)call(OPENAT, -100, (long)name, 0, 0); }
int32_t file_read(int handle, void *to, int32_t bytes) { return (int32_t)call(READ, handle, (long)to, bytes, 0); }
void file_close(int handle) { call(CLOSE, handle, 0, 0, 0); }
void print(const char *text) { call(WRITE, 2, (long)text, (long)strlen(text), 0); }
"""


@needs_zig
@pytest.mark.parametrize(
    "words, emulator",
    [
        ("-target aarch64-linux-musl", "qemu-aarch64"),
        ("-target arm-linux-musleabihf -mcpu=cortex_a7", "qemu-arm"),
        ("-target thumb-linux-musleabihf -mcpu=cortex_a7", "qemu-arm"),
    ],
    ids=["64-bit Arm", "A32", "Thumb"],
)
def test_masks_on_other_processors(package, tmp_path, words, emulator):
    (tmp_path / "files.c").write_text(LINUX, encoding="utf-8")
    freestanding = package / "examples" / "cortex_m" / "freestanding"
    folders = [f"-I{package / name}" for name in ("include", "src", "examples")]
    sources = [*(package / "src").glob("*.c"), package / "examples" / "check_vectors.c", freestanding / "string.c"]
    options = [
        "-Ofast",
        "-fomit-frame-pointer",
        "-ffreestanding",
        "-nostdlib",
        "-static",
        "-Wl,--entry=begin",
        "-isystem",
        str(freestanding),
    ]
    command = [*ZIG.split(), *words.split(), *options, *folders, *map(str, sources), "files.c", "-o", "check_vectors"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    program = shutil.which(emulator) or shutil.which(f"{emulator}-static")
    if program is None:
        pytest.skip("it compiles; QEMU for programs of other processors is not installed")
    assert ran(program, tmp_path / "check_vectors", folder=package / "test_vectors") == (0, "all masks are equal\n")

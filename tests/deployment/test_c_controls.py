"""What products need of the C package: attenuation limit, bypass, reset, several denoisers, activity, sections."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from c_builds import SANITIZED, STRICT, compiled, needs_gcc, ran
from sezoo.audio.clip import read_clip, write_clip
from sezoo.audio.stft import Stft
from sezoo.deployment.c_package.deploy import reference_of
from sezoo.deployment.c_package.package import PackageSettings, write_sources
from sezoo.deployment.engine.stream_plan import stream_masks
from sezoo.deployment.recording import Recording
from sezoo.targets.c_compiler import build_program, find_compiler
from sezoo.targets.cores import CORES
from sezoo.targets.emulator import emulate, find_emulator
from tiny_graphs import RATE, program_of, random_graph, write_tiny_package
from tiny_models import needs_arm_gcc, needs_qemu

CONTROLS = Path(__file__).with_name("controls.c")
STFT = Stft(64, 20, 50)

ACTIVITY = """\
#include <stdio.h>
#include "sezoo_denoiser.h"
static sezoo_denoiser denoiser;
static SEZOO_ARENA(arena);
static int16_t samples[SEZOO_SAMPLES_PER_CALL];
int main(void)
{
    FILE *file = fopen("samples.s16", "rb");
    sezoo_init(&denoiser, arena);
    while (fread(samples, sizeof samples, 1, file) == 1) {
        sezoo_process(&denoiser, samples, samples);
        fprintf(stderr, "%.9g\\n", (double)sezoo_speech_activity(&denoiser));
    }
    return fclose(file);
}
"""


FLOATS = """\
#include <stdio.h>
#include "sezoo_denoiser.h"
static sezoo_denoiser denoiser;
static SEZOO_ARENA(arena);
static float values[SEZOO_SAMPLES_PER_CALL];
int main(void)
{
    FILE *file = fopen("values.f32", "rb");
    sezoo_init(&denoiser, arena);
    while (fread(values, sizeof values, 1, file) == 1) {
        sezoo_process_float(&denoiser, values, values);
        fwrite(values, sizeof values, 1, stdout);
    }
    return fclose(file);
}
"""


def tiny_package(folder, new=3, lookahead=None):
    program = program_of(random_graph(3, 33, new + 2 * (lookahead or 0)), STFT, new, lookahead)
    return program, write_tiny_package(program, folder)


def build(package, source, *options):
    """A program with the package's sources: its path."""
    folders = [f"-I{package / name}" for name in ("include", "src", "examples")]
    sources = [*sorted((package / "src").glob("*.c")), package / "examples" / "host" / "files_stdio.c"]
    compiled(*options, *folders, source, *sources, "-lm", "-o", package / "program")
    return package / "program"


@needs_gcc
@pytest.mark.parametrize(("new", "lookahead", "window"), [(1, None, 50), (5, None, 49), (6, 2, 50)])
def test_the_state_is_as_large_as_the_struct(tmp_path, new, lookahead, window):
    """Of a 32-bit core: a pointer is the first member, and nothing is padded behind it."""
    program = program_of(random_graph(3, 33, new + 2 * (lookahead or 0)), Stft(64, 20, window), new, lookahead)
    package = write_tiny_package(program, tmp_path / "p")
    size = "offsetof(sezoo_denoiser, history) + sizeof ((sezoo_denoiser *)0)->history - sizeof(void *) + 4"
    source = f'#include <stddef.h>\n#include "sezoo_denoiser.h"\n_Static_assert({size} == {program.state_bytes}, "");\n'
    (package / "size.c").write_text(source, encoding="utf-8")
    compiled("-std=c11", "-c", f"-I{package / 'include'}", package / "size.c", "-o", package / "size.o")


@needs_gcc
@pytest.mark.parametrize(("new", "lookahead"), [(1, None), (5, None), (6, 2)], ids=["a frame", "five", "a patch"])
def test_controls_on_this_computer(tmp_path, new, lookahead):
    _, package = tiny_package(tmp_path / "p", new, lookahead)
    code, said = ran(build(package, CONTROLS, *SANITIZED), folder=package)
    assert (code, said) == (0, "all is as it should be\n")


@needs_qemu
@needs_arm_gcc
@pytest.mark.parametrize("core", ["cortex-m55", "cortex-m4"])
def test_controls_on_an_emulated_core(tmp_path, core):
    _, package = tiny_package(tmp_path / "p")
    shutil.copyfile(CONTROLS, package / "examples" / "controls.c")
    elf = tmp_path / "controls.elf"
    build_program(find_compiler(None), CORES[core], package, "controls", elf, tmp_path / "build.log")
    emulate(find_emulator(None), CORES[core], elf, tmp_path, tmp_path / "run.log", timeout=60)


@needs_gcc
def test_the_limit_of_the_settings_is_that_of_a_new_denoiser(tmp_path):
    program, _ = tiny_package(tmp_path / "p")
    (tmp_path / "limited").mkdir()
    write_sources(program, PackageSettings(RATE, False, None, 12.0), tmp_path / "limited")
    header = (tmp_path / "limited" / "include" / "sezoo_denoiser.h").read_text(encoding="utf-8")
    dry = re.search(r"#define SEZOO_DRY (\S+)f", header)[1]
    assert float.fromhex(dry) == pytest.approx(10 ** (-12 / 20), rel=1e-7)
    assert "#define SEZOO_DRY 0x0.0p+0f" in (tmp_path / "p" / "include" / "sezoo_denoiser.h").read_text()


@needs_gcc
@pytest.mark.parametrize("lookahead", [None, 2], ids=["stream", "patch"])
def test_with_a_limit_the_package_does_what_is_evaluated(tmp_path, lookahead):
    program = program_of(random_graph(3, 33, 6 + 2 * (lookahead or 0)), STFT, 6, lookahead)
    settings = PackageSettings(RATE, False, None, 9.0)
    (tmp_path / "p").mkdir()
    write_sources(program, settings, tmp_path / "p")
    noise = np.random.default_rng(8).integers(-9000, 9000, 2000, np.int16).astype(np.float32) / 32768
    write_clip(tmp_path / "p" / "noisy.wav", noise, RATE)
    program_of_c = build(tmp_path / "p", tmp_path / "p" / "examples" / "denoise_wav.c", *SANITIZED)
    assert ran(program_of_c, folder=tmp_path / "p")[0] == 0
    by_c = read_clip(tmp_path / "p" / "denoised.wav", RATE)
    recording = Recording(noise, None, "noise", "")
    reference = reference_of(program, settings, recording, tmp_path / "model.onnx")
    unlimited = reference_of(program, replace(settings, attenuation_limit=None), recording, tmp_path / "model.onnx")
    np.testing.assert_allclose(by_c, reference, atol=2 / 32768)
    dry = 10 ** (-9 / 20)
    np.testing.assert_allclose(reference, dry * noise + (1 - dry) * unlimited, atol=2 / 32768)
    assert np.abs(reference - unlimited).max() > 0.02


@needs_gcc
def test_speech_activity_is_the_mean_mask_in_the_band_of_speech(tmp_path):
    program, package = tiny_package(tmp_path / "p")
    (package / "activity.c").write_text(ACTIVITY, encoding="utf-8")
    hop, new, calls = STFT.hop_length, program.engine.new, 9
    samples = np.random.default_rng(5).integers(-9000, 9000, calls * new * hop, np.int16)
    (package / "samples.s16").write_bytes(samples.astype("<i2").tobytes())
    code, said = ran(build(package, package / "activity.c", *SANITIZED), folder=package)
    assert code == 0
    # Frame n ends with the last sample of hop n.
    behind = STFT.n_fft - (STFT.n_fft - STFT.win_length) // 2 - STFT.win_length
    padded = np.pad(samples / np.float32(32768), (STFT.n_fft - behind - hop, behind))
    magnitude = np.abs(Stft(64, 20, 50, center=False).analyse(padded.astype(np.float32)))
    masks = np.concatenate(list(stream_masks(program.graph, magnitude, new)), axis=1)
    low, high = int(300 / (RATE / STFT.n_fft)), min(int(3400 / (RATE / STFT.n_fft)), STFT.n_fft // 2)
    expected = masks[low : high + 1].reshape(high + 1 - low, calls, new).mean(axis=(0, 2))
    np.testing.assert_allclose([float(line) for line in said.split()], expected, atol=0.01)
    assert np.ptp(expected) > 0.05


@needs_gcc
@pytest.mark.skipif(shutil.which("objdump") is None, reason="objdump is not installed on this computer")
def test_weights_tables_and_arena_lie_where_macros_say(tmp_path):
    _, package = tiny_package(tmp_path / "p")
    macros = [f'-DSEZOO_{name}_SECTION=".my_{name.lower()}"' for name in ("WEIGHTS", "TABLES", "ARENA")]
    program = build(package, CONTROLS, *STRICT, "-O1", *macros)
    assert ran(program, folder=package)[0] == 0
    listed = subprocess.run(["objdump", "-h", program], capture_output=True, text=True, check=True).stdout
    sizes = {name: int(size, 16) for name, size in re.findall(r" (\.my_\w+)\s+([0-9a-f]+)", listed)}
    assert set(sizes) == {".my_weights", ".my_tables", ".my_arena"}
    source = (package / "src" / "sezoo_model.c").read_text(encoding="utf-8")
    words = sum(int(count) for count in re.findall(r"_weights_words\[(\d+)\]", source))
    assert sizes[".my_weights"] >= 4 * words > 0


@needs_gcc
def test_floats_are_gated_as_samples_are_and_not_limited(tmp_path):
    program = program_of(random_graph(3, 33, 3), STFT, 3)
    package = write_tiny_package(program, tmp_path / "p", silence_threshold=-50)
    (tmp_path / "floats.c").write_text(FLOATS, encoding="utf-8")
    levels = np.repeat([0.3, 1e-4, 2.0], 1200)  # loud, below the gate, beyond full scale
    wave = (np.random.default_rng(8).uniform(-1, 1, 3600) * levels).astype("<f4")
    (package / "values.f32").write_bytes(wave.tobytes())
    floats = build(package, tmp_path / "floats.c", *SANITIZED)
    done = subprocess.run([floats], cwd=package, capture_output=True, check=True)
    out = np.frombuffer(done.stdout, "<f4")
    write_clip(package / "noisy.wav", np.clip(np.round(wave * 32768), -32768, 32767) / 32768, RATE)
    assert ran(build(package, package / "examples" / "denoise_wav.c", *SANITIZED), folder=package)[0] == 0
    samples = np.frombuffer((package / "denoised.wav").read_bytes()[44:], "<i2")
    delay = int(re.search(r"SEZOO_DELAY (\d+)", (package / "include" / "sezoo_denoiser.h").read_text())[1])
    late = out[delay:]
    np.testing.assert_array_equal(np.clip(np.round(late * 32768), -32768, 32767), samples[: len(late)])
    assert not late[1500:2100].any() and late[:1000].any()
    assert np.any(late * 32768 % 1)  # not rounded

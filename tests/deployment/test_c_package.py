"""Packages of random small networks, built strictly for this computer: equal to the reference in Python."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from c_builds import (
    DENOISE_FILE,
    HOST_GCC,
    OF_A_PACKAGE,
    SANITIZED,
    STRICT,
    built,
    compiled,
    fixed_objects,
    needs_gcc,
    ran,
)
from sezoo.audio.board_input import from_int16, to_int16
from sezoo.audio.clip import write_clip
from sezoo.audio.stft import Stft
from sezoo.denoising import Board, Stream, denoise
from sezoo.deployment.c_package.vectors import (
    MAGNITUDES,
    MASKS,
    masks_that_check,
    vector_calls,
    vector_masks,
    write_vectors,
)
from sezoo.deployment.engine.integer_graph import FloatStep
from sezoo.deployment.engine.qdq_reader import integer_graph_of
from sezoo.deployment.engine.reference import denoise_in_patches, denoise_in_stream
from sezoo.deployment.engine.stream_plan import frames_behind_a_mask
from sezoo.models.mask_model import MaskModel
from sezoo.models.receptive_field import receptive_field_of
from tiny_graphs import RATE, Builder, calls_that_check, magnitudes, program_of, random_graph, write_tiny_package
from tiny_models import SPECTRUM, int8_model, static_model

# Compiling is what takes the time: a failing example is told as it was found, not made smaller.
some_examples = settings(max_examples=10, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate])


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    if HOST_GCC is None:
        pytest.skip("gcc is not installed on this computer")
    return fixed_objects(tmp_path_factory.mktemp("objects"))


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """Of a small network, and its program."""
    program = program_of(random_graph(1, 33, 6), Stft(64, 20, 50), 6, 0)
    return write_tiny_package(program, tmp_path_factory.mktemp("package") / "folder with spaces"), program


def check(package, objects):
    """Run a package's own check of its masks."""
    return ran(built(package, "check_vectors", objects), folder=package / "test_vectors")


def denoised_by_c(package, objects, wave):
    """(samples,) float32 through the package's own program."""
    write_clip(package / "noisy.wav", wave, RATE)
    code, said = ran(built(package, "denoise_wav", objects), folder=package)
    assert code == 0, said
    content = (package / "denoised.wav").read_bytes()
    assert content[:4] == b"RIFF" and len(content) == 44 + 2 * len(wave)
    assert int.from_bytes(content[4:8], "little") == len(content) - 8
    return from_int16(np.frombuffer(content[44:], "<i2"))


def speech_like(samples, seed=0):
    """Noise that is quiet at first, then loud, as 16-bit samples: (samples,) float32."""
    level = np.where(np.arange(samples) < samples // 2, 0.004, 0.2)
    return from_int16(to_int16((np.random.default_rng(seed).standard_normal(samples) * level).astype(np.float32)))


transforms = st.builds(
    lambda n_fft, window, hop: Stft(n_fft, max(1, round(hop * window * n_fft)), round(window * n_fft)),
    st.sampled_from([16, 32, 64]),
    st.sampled_from([0.5, 0.78, 1.0]),
    st.sampled_from([0.25, 0.4, 1.0]),
)


# -- the network ---------------------------------------------------------------------------------------------------


@some_examples
@given(
    seed=st.integers(0, 10**6),
    stft=transforms,
    new=st.integers(1, 9),
    lookahead=st.sampled_from([None, None, 0, 2]),
    operators=st.integers(2, 9),
    bits=st.sampled_from([8, 8, 16]),
)
def test_masks_are_those_of_the_reference_bit_by_bit(
    tmp_path_factory, objects, seed, stft, new, lookahead, operators, bits
):
    graph = random_graph(seed, stft.bins, new + 2 * (lookahead or 0), operators=operators, bits=bits)
    program = program_of(graph, stft, new, lookahead)
    calls = magnitudes(program, calls_that_check(program), seed)
    assume(masks_that_check(program, vector_masks(program, calls)))  # some of these networks saturate
    package = write_tiny_package(program, tmp_path_factory.mktemp("random") / "p", seed=seed)
    assert check(package, objects) == (0, "all masks are equal\n")


@pytest.mark.parametrize("lookahead", [None, 0], ids=["stream", "patch"])
def test_one_channel_one_frame_a_call(tmp_path, objects, lookahead):
    builder = Builder(0, 9)
    builder.conv(outputs=1, pointwise=True)
    builder.conv(outputs=1, pointwise=True)
    program = program_of(builder.graph(1), Stft(16, 16, 16), 1, lookahead)
    assert program.engine.lookahead == 0
    package = write_tiny_package(program, tmp_path / "p", calls=7)
    assert check(package, objects) == (0, "all masks are equal\n")
    silence = [np.zeros((9, 1), np.float32)] * 7
    masks = vector_masks(program, silence)
    assert masks_that_check(program, masks) == 0
    write_vectors(silence, masks, package / "test_vectors")
    said = "all masks of masks.f32 are the same: nothing was checked\n"
    assert ran(package / "check_vectors", folder=package / "test_vectors") == (1, said)


def test_a_stream_that_keeps_rows_of_16_bits(tmp_path, objects):
    builder = Builder(4, 17, 16)
    entry = builder.entry
    while not any(conv.span for conv in builder.operators):
        builder.conv(entry)
    program = program_of(builder.graph(5), Stft(32, 8, 32), 5)
    assert program.history_rows(entry) and entry.zero_point % 257  # bytes that are not the same
    assert check(write_tiny_package(program, tmp_path / "p"), objects) == (0, "all masks are equal\n")


def test_nothing_is_read_beyond_the_working_memory(tmp_path, objects):
    """A row of 16 bits that fills its memory is the last of all, and a vector reads beyond it."""
    for seed in range(500):
        builder = Builder(seed, 129, 16)
        entry = replace(builder.entry, items=128)
        builder.prologue = [
            FloatStep("gather", ("magnitude",), "lower", 128, index=np.arange(128)),
            FloatStep("quantize", ("lower",), "entry", 128, tensor=entry),
        ]
        builder.entry, builder.tensors, builder.grids = entry, [entry], {"entry": 128}
        builder.conv(entry)
        (conv,) = builder.operators
        program = program_of(builder.graph(4), Stft(256, 80, 200), 4, 0)
        is_last = program.memory.offsets["tensor entry"] + 4 * entry.row_bytes == program.memory.size
        if is_last and conv.taps == conv.groups == conv.dilation == 1 and conv.weights.shape[3] > 1:
            break
    else:
        pytest.fail("no network was found that reads as it should here")
    assert program.arena_bytes == program.memory.size + 32
    assert check(write_tiny_package(program, tmp_path / "p"), objects) == (0, "all masks are equal\n")


def test_vectors_that_are_altered_are_noticed(package, objects, tmp_path):
    folder, _ = package
    program = built(folder, "check_vectors", objects)
    vectors = folder / "test_vectors"
    assert ran(program, folder=vectors) == (0, "all masks are equal\n")
    masks = np.fromfile(vectors / MASKS, "<f4")
    masks[-1] = np.nextafter(masks[-1], np.float32(2))
    masks.tofile(tmp_path / MASKS)
    assert ran(program, MAGNITUDES, tmp_path / MASKS, folder=vectors) == (1, "masks differ\n")
    masks[:-1].tofile(tmp_path / MASKS)
    assert ran(program, MAGNITUDES, tmp_path / MASKS, folder=vectors) == (2, "masks.f32 is too short\n")
    (tmp_path / MAGNITUDES).write_bytes((vectors / MAGNITUDES).read_bytes()[: 4 * 33 * 4])
    code, said = ran(program, tmp_path / MAGNITUDES, MASKS, folder=vectors)
    assert (code, said) == (2, "magnitudes.f32 ends in the middle of a call\n")
    (tmp_path / MAGNITUDES).write_bytes(b"")
    assert ran(program, tmp_path / MAGNITUDES, MASKS, folder=vectors) == (1, "magnitudes.f32 is empty\n")
    assert ran(program, folder=tmp_path / "..")[0] == 2


@pytest.mark.parametrize("new, lookahead", [(1, None), (6, None), (2, 1)], ids=["frame", "stream", "patch"])
def test_wrong_magnitudes_are_noticed(tmp_path, objects, new, lookahead):
    """However few frames a call has: the vectors are longer than what a stream waits for and keeps."""
    graph = random_graph(15, 33, new + 2 * (lookahead or 0))
    program = program_of(graph, Stft(64, 20, 50), new, lookahead)
    if new == 1:
        assert frames_behind_a_mask(graph) > 3 and program.engine.lookahead  # 3 calls would be too few
    wave = speech_like(4000)
    package = write_tiny_package(program, tmp_path / "p")
    calls = vector_calls(program, wave)
    write_vectors(calls, vector_masks(program, calls), package / "test_vectors")
    check_vectors = built(package, "check_vectors", objects)
    assert ran(check_vectors, folder=package / "test_vectors") == (0, "all masks are equal\n")
    wrong = np.random.default_rng(1).gamma(0.5, 1.0, (len(calls) * program.engine.frames_computed, 33))
    wrong.astype("<f4").tofile(package / "test_vectors" / MAGNITUDES)
    assert ran(check_vectors, folder=package / "test_vectors") == (1, "masks differ\n")


# -- waves ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "stft, new, lookahead, gain, threshold, samples",
    [
        (Stft(64, 20, 50), 6, 2, True, -30.0, 2500),
        (Stft(32, 17, 27, "hamming"), 3, 0, False, None, 1000),
        (Stft(16, 9, 16), 5, 1, False, -30.0, 1511),
        (Stft(64, 20, 50), 6, None, False, None, 2500),
        (Stft(16, 3, 16, "boxcar"), 1, None, False, None, 333),
        (Stft(64, 20, 50), 6, None, False, -30.0, 2500),
        (Stft(128, 65, 65), 9, None, False, None, 1),
    ],
)
def test_a_recording_is_denoised_as_by_the_reference(tmp_path, objects, stft, new, lookahead, gain, threshold, samples):
    graph = random_graph(4, stft.bins, new + 2 * (lookahead or 0), operators=3, coarseness=20)
    program = program_of(graph, stft, new, lookahead)
    package = write_tiny_package(program, tmp_path / "p", input_gain=gain, silence_threshold=threshold)
    wave = speech_like(samples)
    found = denoised_by_c(package, objects, wave)
    if lookahead is None:
        expected = denoise_in_stream(graph, wave, stft, new, threshold)
    else:
        play = Board(new, lookahead, threshold, input_gain=gain, half_away=False)
        expected = denoise_in_patches(graph, Path("model.onnx"), wave, stft, play)
    steps = np.abs(to_int16(found).astype(int) - to_int16(expected).astype(int))
    assert steps.max() <= 1 and np.mean(steps > 0) < 0.01
    if samples > 1:
        assert np.std(found) > 1e-4 and not np.array_equal(found, wave)
    if threshold is not None:
        assert not found[: samples // 4].any() and found[-samples // 4 :].any()


@pytest.mark.parametrize("new, threshold", [(1, None), (5, -24.0)])
def test_what_evaluation_plays_as_a_stream_is_what_the_package_gives(tmp_path, objects, new, threshold):
    """Masks by onnxruntime of the whole clip, against the compiled package: equal but for the rounding of float32.

    The masks are equal bit by bit where the magnitudes are; a magnitude on the edge between two integers of the input
    is now and then rounded otherwise, as the package has a Fourier transform of its own.
    """
    stft = Stft(SPECTRUM["n_fft"], SPECTRUM["hop_length"], SPECTRUM["win_length"])
    graph = integer_graph_of(static_model(), Path("model.onnx"))
    package = write_tiny_package(program_of(graph, stft, new), tmp_path / "p", silence_threshold=threshold)
    wave = speech_like(4000)
    model = MaskModel(int8_model(), Path("model.onnx"))
    play = Stream(receptive_field_of(int8_model(), Path("model.onnx")), new, threshold)
    found, expected = denoised_by_c(package, objects, wave), denoise(wave, model, stft, play)
    steps = np.abs(to_int16(found).astype(int) - to_int16(expected).astype(int))
    assert np.mean(steps > 0) < 0.01 and np.mean(np.square(steps)) < 1e-6 * np.mean(
        np.square(to_int16(expected).astype(float))
    )
    if threshold is not None:
        assert not found[:1500].any() and found[-1500:].any()


def output_of_calls(package, samples):
    """The output of all calls, the delay of its beginning included: (samples,) int16."""
    (package / "calls.c").write_text(DENOISE_FILE, encoding="utf-8")
    if not (package / "calls").exists():
        folders = [f"-I{package / name}" for name in ("include", "src")]
        sources = sorted((package / "src").glob("*.c"))
        compiled(*SANITIZED, *folders, package / "calls.c", *sources, "-lm", "-o", package / "calls")
    samples.astype("<i2").tofile(package / "in.s16")
    assert ran(package / "calls", folder=package)[0] == 0
    return np.fromfile(package / "out.s16", "<i2")


@needs_gcc
@pytest.mark.parametrize("lookahead", [None, 0], ids=["stream", "patch"])
@pytest.mark.parametrize("stft", [Stft(32, 8, 28), Stft(32, 10, 32), Stft(32, 16, 32)], ids=["8", "10", "16"])
def test_a_loud_first_call_does_not_click(tmp_path, stft, lookahead):
    """A network without a memory gives the same whether it has seen silence before or nothing at all."""
    builder = Builder(5, stft.bins)
    for _ in range(2):
        builder.conv(pointwise=True)
    program = program_of(builder.graph(2), stft, 2, lookahead)
    package = write_tiny_package(program, tmp_path / "p")
    loud = np.random.default_rng(6).integers(3000, 5000, 12 * 2 * stft.hop_length, np.int16)
    silence = np.zeros(4 * 2 * stft.hop_length, np.int16)
    at_once, later = output_of_calls(package, loud), output_of_calls(package, np.concatenate([silence, loud]))
    np.testing.assert_array_equal(at_once, later[len(silence) :])
    assert 500 < np.abs(at_once).max() < 8000


def test_a_stream_does_not_depend_on_the_frames_of_a_call(tmp_path, objects):
    stft, wave = Stft(32, 10, 30), speech_like(700)
    waves = []
    for new in (1, 6):
        graph = random_graph(8, stft.bins, new, operators=4, coarseness=20)
        package = write_tiny_package(program_of(graph, stft, new), tmp_path / str(new))
        waves.append(denoised_by_c(package, objects, wave))
    np.testing.assert_array_equal(*waves)


CMSIS_DSP = """\
#include <math.h>
#include <stdint.h>
/* The definition of what CMSIS-DSP computes, and how it packs that. */
typedef struct { int n; } arm_rfft_fast_instance_f32;
static int arm_rfft_fast_init_f32(arm_rfft_fast_instance_f32 *s, uint16_t n) { s->n = n; return 0; }
static void arm_rfft_fast_f32(arm_rfft_fast_instance_f32 *s, float *in, float *out, uint8_t inverse)
{
    const int n = s->n;
    const double turn = 2 * 3.14159265358979323846 / n;
    for (int i = 0; i < n; ++i) {
        double sum = inverse ? (double)in[0] + (i % 2 ? -1 : 1) * (double)in[1] : 0;
        for (int j = 0; !inverse && j < n; ++j) {
            const int k = i == 1 ? n / 2 : i / 2; /* the bins 0 and n / 2 are real, and come first */
            sum += (double)in[j] * (i < 2 || i % 2 == 0 ? cos(turn * k * j) : -sin(turn * k * j));
        }
        for (int k = 1; inverse && k < n / 2; ++k) {
            sum += 2 * ((double)in[2 * k] * cos(turn * k * i) - (double)in[2 * k + 1] * sin(turn * k * i));
        }
        out[i] = (float)(inverse ? sum / n : sum);
    }
}
"""


@needs_gcc
def test_the_transforms_of_cmsis_dsp_give_the_same_wave(tmp_path, objects):
    graph = random_graph(3, 33, 10, operators=3, coarseness=20)
    package = write_tiny_package(program_of(graph, Stft(64, 20, 50), 6, 2), tmp_path / "p")
    expected = denoised_by_c(package, objects, speech_like(1500))
    (tmp_path / "arm_math.h").write_text(CMSIS_DSP, encoding="utf-8")
    words = [*SANITIZED, "-DSEZOO_CMSIS_DSP", f"-isystem{tmp_path}"]
    words += [f"-I{package / name}" for name in ("include", "src", "examples")]
    sources = [*(package / "src").glob("*.c"), *package.glob("examples/denoise*.c"), *package.glob("examples/host/*.c")]
    compiled(*words, *sources, "-lm", "-o", tmp_path / "program")
    assert ran(tmp_path / "program", package / "noisy.wav", "cmsis.wav", folder=tmp_path) == (0, "")
    found = from_int16(np.frombuffer((tmp_path / "cmsis.wav").read_bytes()[44:], "<i2"))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1.01 / 32768)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda wav: b"RIFX" + wav[4:], "not a WAV file"),
        (lambda wav: wav[:40], "no samples"),
        (lambda wav: wav[:22] + b"\2" + wav[23:], "one channel, 16 bits, and the sample rate"),
        (lambda wav: wav[:24] + (8000).to_bytes(4, "little") + wav[28:], "the sample rate of the network"),
        (lambda wav: wav[:34] + b"\x18" + wav[35:], "one channel, 16 bits"),
        (lambda wav: wav[:-100], "ends too soon"),
        (lambda wav: wav[:36] + b"LIST\xff\xff\xff\x7f" + wav[36:], "ends too soon"),
    ],
)
def test_recordings_that_cannot_be_denoised(package, objects, tmp_path, change, message):
    folder, _ = package
    program = folder / "denoise_wav"
    if not program.exists():
        built(folder, "denoise_wav", objects)
    write_clip(tmp_path / "good.wav", speech_like(500), RATE)
    (tmp_path / "bad.wav").write_bytes(change((tmp_path / "good.wav").read_bytes()))
    code, said = ran(program, "bad.wav", folder=tmp_path)
    assert code == 2 and message in said
    assert ran(program, "none.wav", folder=tmp_path)[0] == 2


def test_other_chunks_of_a_wav_file_are_skipped(package, objects, tmp_path):
    folder, _ = package
    if not (folder / "denoise_wav").exists():
        built(folder, "denoise_wav", objects)
    write_clip(tmp_path / "plain.wav", speech_like(500), RATE)
    plain = (tmp_path / "plain.wav").read_bytes()
    odd = b"LIST\x03\0\0\0abc\0"  # an odd number of bytes is filled up
    (tmp_path / "chunks.wav").write_bytes(plain[:36] + odd + b"fact\x04\0\0\0abcd" + plain[36:])
    for name in ("plain", "chunks"):
        assert ran(folder / "denoise_wav", f"{name}.wav", f"{name}_out.wav", folder=tmp_path) == (0, "")
    assert (tmp_path / "plain_out.wav").read_bytes() == (tmp_path / "chunks_out.wav").read_bytes()


# -- the sources ---------------------------------------------------------------------------------------------------


@needs_gcc
def test_optimised_and_measured_it_compiles_without_a_warning(package):
    folder, _ = package
    folders = [f"-I{folder / name}" for name in ("include", "src", "examples")]
    for name in OF_A_PACKAGE:
        source = folder / "src" / f"sezoo_{name}.c"
        compiled(*STRICT, "-O2", "-DSEZOO_MEASURE", *folders, "-c", source, "-o", folder / "object.o")


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed on this computer")
def test_programs_in_cpp_can_include_the_header(package, objects, tmp_path):
    folder, program = package
    text = (
        '#include "sezoo_denoiser.h"\n'
        f'static_assert(SEZOO_ARENA_BYTES == {program.arena_bytes}, "arena");\n'
        "static sezoo_denoiser denoiser;\nalignas(16) static int8_t arena[SEZOO_ARENA_BYTES];\n"
        "int main() {\n    static int16_t wave[SEZOO_SAMPLES_PER_CALL];\n    sezoo_init(&denoiser, arena);\n"
        "    sezoo_process(&denoiser, wave, wave);\n    return wave[0];\n}\n"
    )
    (tmp_path / "main.cpp").write_text(text, encoding="utf-8")
    parts = []
    for name in OF_A_PACKAGE:
        parts.append(tmp_path / f"{name}.o")
        folders = [f"-I{folder / each}" for each in ("include", "src")]
        compiled("-std=c99", *folders, "-c", folder / "src" / f"sezoo_{name}.c", "-o", parts[-1])
    words = ["-std=c++11", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Werror", f"-I{folder / 'include'}"]
    linked = ["-fsanitize=address,undefined", *map(str, [tmp_path / "main.cpp", *parts, *objects]), "-o", "main"]
    done = subprocess.run(["g++", *words, *linked], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert ran(tmp_path / "main", folder=tmp_path) == (0, "")


@pytest.mark.skipif(shutil.which("cmake") is None, reason="cmake is not installed on this computer")
@needs_gcc
def test_the_cmake_project_builds_and_its_test_passes(package, tmp_path):
    folder, _ = package
    for command in (
        ["cmake", "-S", folder, "-B", tmp_path, "-DCMAKE_C_FLAGS=-Wall -Wextra -Werror"],
        ["cmake", "--build", tmp_path],
        ["ctest", "--test-dir", tmp_path, "--output-on-failure"],
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "100% tests passed" in done.stdout


def test_a_package_is_the_same_each_time_and_has_no_paths_in_it(package, tmp_path):
    folder, program = package
    again = write_tiny_package(program, tmp_path / "again")
    for path in again.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert content == (folder / path.relative_to(again)).read_bytes(), path.name
            assert (str(tmp_path).encode() not in content and b"\r" not in content) or path.suffix == ".f32"

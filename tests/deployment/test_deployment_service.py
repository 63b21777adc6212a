"""The service `deployment` with the C package: from a model to sources, figures and a denoised recording."""

import importlib.util
import json
import logging
import os
import re

import numpy as np
import onnx
import pytest

import mask_graphs as graphs
from sezoo.audio.clip import read_clip
from sezoo.base.errors import UserError
from sezoo.deployment.service import check_deployment
from sezoo.services import run_services
from tiny_models import (
    FRAMES,
    LOOKAHEAD,
    NEW,
    configuration,
    int8_model,
    needs_arm_gcc,
    needs_qemu,
    write_tiny_model,
)

QUANTIZATION = {"static_sequence_length": FRAMES, "num_quantization_samples": 4, "accuracy_recovery": ["auto"]}

posix = pytest.mark.skipif(os.name == "nt", reason="the stand-ins are shell scripts")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A working directory with the static model in model.onnx."""
    monkeypatch.chdir(tmp_path)
    write_tiny_model(tmp_path / "model.onnx")
    return tmp_path


@pytest.fixture
def no_ziglang(monkeypatch):
    """As if the package were not installed."""
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "ziglang" else real(name, *rest)
    )


def deployed(config, folder):
    run_services(config, folder)
    return json.loads((folder / "deployment.json").read_text(encoding="utf-8"))


def refused(config, folder):
    with pytest.raises(UserError) as caught:
        run_services(config, folder)
    return str(caught.value)


def names(folder):
    return {path.name for path in folder.iterdir()}


def stand_in(path, *lines):
    """A program that is a shell script."""
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]), encoding="utf-8")
    path.chmod(0o755)
    return path


# -- all the way -----------------------------------------------------------------------------------------------------


@needs_qemu
@needs_arm_gcc
def test_from_the_float_model_to_a_denoised_recording(here):
    onnx.save(graphs.tcnn(), here / "float.onnx")
    sections = {"quantization": QUANTIZATION}
    board = {"hardware_setup": {"board": "NUCLEO-H743ZI2"}}
    config = configuration("chain_qd", model="float.onnx", sections=sections, engine="patch", **board)
    facts = deployed(config, here / "run")
    assert facts["model"] == "quantized_model_int8_static.onnx"
    assert (facts["engine"], facts["frames_per_call"]) == ("patch", NEW)
    assert facts["latency_samples"] == LOOKAHEAD * 30 + 60 - 30 + (64 - 60) // 2 + NEW * 30
    weights = 2 * (2 * 33 * 24 + 3 * 24)
    assert weights < facts["parameters"] < weights + 200 and facts["macs_per_call"] == FRAMES * weights
    assert facts["onnxruntime"]["differing_share"] <= 1e-3 and facts["onnxruntime"]["largest_difference"] <= 1
    assert facts["onnxruntime"]["mean_mask_difference"] <= 1e-3

    core = facts["emulated"]
    assert (core["core"], core["kernels"]) == ("cortex-m7", "DSP extension")
    assert core["compiler"].startswith("arm-none-eabi-gcc 1")
    assert core["masks_equal_the_reference"] is True and core["masks_compared"] == 3 * NEW
    operators = core["operators"]
    assert [each["kind"] for each in operators][:8] == ["Conv", "Conv", "Conv", "add"] * 2
    total = sum(each["instructions_per_call"] for each in operators) + core["instructions_of_spectra_per_call"]
    assert 0.97 * core["instructions_per_call"] < total <= core["instructions_per_call"]
    assert core["instructions_per_call"] <= core["instructions_of_the_longest_call"]
    assert core["ram_bytes"] > facts["arena_bytes"] + facts["state_bytes"] + core["stack_bytes"]
    assert core["flash_bytes"] > weights
    assert core["waves_are_equal"] or core["wave_snr_db"] > 60
    assert abs(facts["pesq"]["core"] - facts["pesq"]["reference"]) < 0.005 and facts["pesq"]["core"] > 1

    package = here / "run/c_package"
    assert names(package) == {"CMakeLists.txt", "LICENSE", "README.md", "examples", "include", "src", "test_vectors"}
    readme = (package / "README.md").read_text(encoding="utf-8")
    assert f"{facts['arena_bytes']:,} bytes" in readme and f"{core['flash_bytes']:,} bytes" in readme
    assert "`quantized_model_int8_static.onnx`" in readme and "DSP extension" in readme
    assert f"PESQ {facts['pesq']['core']:.3f}" in readme
    waves = [read_clip(here / "run/emulated_cortex-m7" / f"{name}.wav", 16000) for name in ("noisy", "denoised")]
    assert len(waves[0]) == len(waves[1]) and not np.array_equal(*waves)
    logs = names(here / "run/deployment_logs")
    assert logs == {
        f"{what}_cortex-m7.log" for what in ("build_check_vectors", "build_denoise_wav", "check_vectors", "denoise_wav")
    }


@needs_qemu
@needs_arm_gcc
def test_a_stream_on_the_core_of_the_default_board(here):
    facts = deployed(configuration(engine="stream", frames_per_patch=40), here / "run")
    assert (facts["engine"], facts["frames_per_call"]) == ("stream", 40)
    assert facts["latency_samples"] == 3 * 30 + 60 - 30 + 40 * 30
    assert facts["emulated"]["core"] == "cortex-m55" and facts["emulated"]["kernels"] == "Helium (MVE)"
    assert facts["emulated"]["waves_are_equal"] or facts["emulated"]["wave_snr_db"] > 60
    assert abs(facts["pesq"]["core"] - facts["pesq"]["reference"]) < 0.005
    assert "Every frame is computed once" in (here / "run/c_package/README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("engine", ["patch", "stream"])
def test_without_tools_the_package_alone(here, monkeypatch, no_ziglang, engine):
    monkeypatch.setenv("PATH", "")
    facts = deployed(configuration(engine=engine, emulate=False), here / "run")
    assert "emulated" not in facts and set(facts["pesq"]) == {"reference"}
    assert facts["engine"] == engine
    readme = (here / "run/c_package/README.md").read_text(encoding="utf-8")
    assert "flash on" not in readme and f"{facts['arena_bytes']:,} bytes" in readme
    assert not (here / "run/deployment_logs").exists() and not list((here / "run").glob("emulated*"))


@pytest.mark.parametrize(
    "engine, gain, expected", [("patch", True, 1), ("patch", False, 0), ("patch", None, 0), (None, None, 0)]
)
def test_settings_reach_the_header(here, engine, gain, expected):
    config = configuration(engine=engine, emulate=False, input_gain=gain, output_silence_threshold=-40)
    deployed(config, here / "run")
    header = (here / "run/c_package/include/sezoo_denoiser.h").read_text(encoding="utf-8")
    values = dict(re.findall(r"#define SEZOO_(\w+) (\S+)", header))
    assert (values["INPUT_GAIN"], values["GATE"]) == (str(expected), "1")
    power = int(re.search(r"UINT64_C\((\d+)\)", values["GATE_POWER"])[1])
    assert power == pytest.approx(NEW * 30 * (32768 * 10**-2) ** 2, rel=1e-4)
    assert values["SAMPLE_RATE"] == "16000" and values["FRAMES_PER_CALL"] == str(NEW)


@pytest.mark.parametrize("engine", [None, "patch", "stream"])
def test_where_nothing_is_set_there_is_neither_gate_nor_gain(here, engine):
    deployed(configuration(emulate=False, engine=engine), here / "run")
    header = (here / "run/c_package/include/sezoo_denoiser.h").read_text(encoding="utf-8")
    assert "#define SEZOO_INPUT_GAIN 0" in header and "#define SEZOO_GATE 0" in header


@pytest.mark.parametrize(
    "settings, engine, frames, said",
    [
        ({}, "stream", 1, "engine: stream, which computes every frame once (deployment.engine: patch"),
        ({"frames_per_patch": 4}, "stream", 4, "engine: stream"),
        (
            {"lookahead_frames": 5},
            "stream",
            1,
            "deployment.lookahead_frames: found 5; it is for patches, a stream looks",
        ),
        ({"engine": "patch"}, "patch", 30, ""),  # and 1 on either side, by the length of 32
        ({"input_gain": True}, "patch", 30, "engine: patch, as deployment.input_gain: True scales patches"),
        ({"engine": "patch", "lookahead_frames": 3}, "patch", 26, ""),
    ],
)
def test_a_stream_is_deployed_wherever_nothing_speaks_against_it(here, caplog, settings, engine, frames, said):
    config = configuration(emulate=False, **{"frames_per_patch": None, "lookahead_frames": None, **settings})
    with caplog.at_level(logging.INFO, "sezoo"):
        facts = deployed(config, here / "run")
    assert (facts["engine"], facts["frames_per_call"]) == (engine, frames)
    assert said in caplog.text
    assert ("engine: " in caplog.text) == ("engine" not in settings)


@pytest.mark.parametrize("engine", ["patch", "stream"])
def test_a_gate_is_told_with_what_it_mutes_of_the_recording(here, caplog, engine):
    deployed(configuration(engine=engine, emulate=False, output_silence_threshold=-20), here / "run")
    found = re.search(
        r"deployment.output_silence_threshold: -20: the silence gate mutes ([\d.]+) % of the frames with speech "
        r"\(\S+ of the recordings that come with sezoo\)",
        caplog.text,
    )
    assert found and float(found[1]) > 10


def test_an_earlier_package_stays(here, caplog):
    run = here / "run"
    deployed(configuration(emulate=False), run)
    (run / "c_package/mine.txt").write_text("mine", encoding="utf-8")
    with caplog.at_level(logging.INFO, "sezoo"):
        deployed(configuration(emulate=False), run)
    assert (run / "c_package/mine.txt").exists() and (run / "c_package_1/src/sezoo_model.c").exists()
    assert "is there from earlier and stays" in caplog.text


def test_the_package_of_a_deployment_that_was_killed_is_written_anew(here, caplog):
    run = here / "run"
    deployed(configuration(emulate=False), run)
    (run / "c_package/src/sezoo_model.c").write_text("old", encoding="utf-8")
    (run / "deployment.json").unlink()  # killed before it was written
    with caplog.at_level(logging.INFO, "sezoo"):
        deployed(configuration(emulate=False), run)
    assert (run / "c_package/src/sezoo_model.c").read_text(encoding="utf-8") != "old"
    assert not (run / "c_package_1").exists() and "did not finish: it is written anew" in caplog.text


# -- bad input -------------------------------------------------------------------------------------------------------


def test_models_that_are_not_static_int8(here):
    onnx.save(graphs.tcnn(), here / "float.onnx")
    message = refused(configuration(model="float.onnx", emulate=False), here / "run")
    assert "float.onnx is a float model; the static int8 model is needed" in message
    onnx.save(int8_model(), here / "dynamic.onnx")
    message = refused(configuration(model="dynamic.onnx", emulate=False), here / "run")
    assert "dynamic.onnx takes any number of frames; the static int8 model is needed" in message
    assert not (here / "run").exists()


@pytest.mark.parametrize("engine", ["patch", "stream"])
def test_a_model_whose_mask_is_always_the_same(here, engine):
    """Any build would pass the comparison of its masks."""
    model = onnx.load(here / "model.onnx")
    step = model.graph.node[-2].input[1]  # with so large a one, all masks are rounded to the same integer
    for scale in model.graph.initializer:
        if scale.name == step:
            scale.CopyFrom(onnx.numpy_helper.from_array(np.float32(1000), step))
    onnx.save(model, here / "model.onnx")
    message = refused(configuration(emulate=False, engine=engine), here / "run")
    assert "model.onnx: its mask is the same for every frame of the recording" in message
    assert not (here / "run/c_package").exists()


def test_a_model_of_another_length(here):
    message = refused(configuration(engine="patch", emulate=False, lookahead_frames=5), here / "run")
    assert f"model.onnx has {FRAMES} frames" in message and "are 36" in message
    assert "deployment.lookahead_frames: 3" in message and "deployment.frames_per_patch: 22" in message
    assert "quantization.static_sequence_length: 36" in message
    sections = {"quantization": {**QUANTIZATION, "static_sequence_length": 40}}
    message = refused(configuration("chain_qd", sections=sections, engine="patch", emulate=False), here / "run")
    assert "quantization.static_sequence_length: found 40" in message and f"are {FRAMES}: set it to that" in message
    assert not (here / "run").exists()


@pytest.mark.parametrize("mode", ["deployment", "chain_qd"])
@pytest.mark.parametrize(
    "spectrum, message",
    [
        ({"n_fft": 96}, "preprocessing.n_fft: found 96; allowed: a power of two, 128 for example"),
        ({"n_fft": 8, "win_length": 8, "hop_length": 4}, "preprocessing.n_fft: found 8; allowed: a power of two, 16"),
        ({"power": 2.0}, "preprocessing.power: found 2; the board's model sees magnitudes to the power 1"),
        ({"win_length": 20, "hop_length": 10}, "preprocessing.win_length: found 20; the board's overlap-add needs"),
        ({"window": "triangles"}, "preprocessing.window: 'triangles' is no window"),
    ],
)
def test_transforms_that_the_package_does_not_have(here, mode, spectrum, message):
    config = configuration(mode, sections={"preprocessing": spectrum, "quantization": QUANTIZATION}, emulate=False)
    assert message in refused(config, here / "run")
    assert not (here / "run").exists()


def test_a_transform_of_another_length_than_the_model_has(here):
    config = configuration(sections={"preprocessing": {"n_fft": 128}}, emulate=False)
    message = refused(config, here / "run")
    assert "33" in message and "n_fft" in message and "model.onnx" in message


@pytest.mark.parametrize("mode", ["deployment", "chain_qd"])
@pytest.mark.parametrize(
    "settings, message",
    [
        ({"dry_run": True}, "deployment.dry_run: found True; it is for deployment.backend: stm32n6"),
        ({"engine": "stream", "input_gain": True}, "deployment.input_gain: found True; deployment.engine: stream has"),
    ],
)
def test_settings_that_do_not_go_together_are_told_before_anything_is_done(here, mode, settings, message):
    config = configuration(mode, sections={"quantization": QUANTIZATION}, emulate=False, **settings)
    assert message in refused(config, here / "run")
    assert not (here / "run").exists()


# -- tools -----------------------------------------------------------------------------------------------------------


def test_a_missing_compiler_says_how_to_get_one(here, monkeypatch, no_ziglang):
    monkeypatch.setenv("PATH", "")
    sections = {"quantization": QUANTIZATION}
    message = refused(configuration("chain_qd", sections=sections), here / "run")
    for words in ("no compiler for Cortex-M", "gcc-arm-none-eabi", "tools.path_to_arm_gcc", "sezoo[mcu]"):
        assert words in message
    assert "deployment.emulate: False" in message
    assert not (here / "run").exists()


@posix
def test_a_missing_emulator_says_how_to_get_one(here, monkeypatch):
    monkeypatch.setenv("PATH", "")
    gcc = stand_in(here / "my gcc", "echo 13.2.1")
    message = refused(configuration(sections={"tools": {"path_to_arm_gcc": gcc}}), here / "run")
    for words in ("qemu-system-arm was not found", "install QEMU 7 or later", "tools.path_to_qemu"):
        assert words in message
    assert "deployment.emulate: False" in message and not (here / "run").exists()


@posix
@pytest.mark.parametrize("said, shown", [("10.3.1", "10.3.1"), ("4.9", "4.9"), ("", "unknown")])
def test_a_compiler_that_is_too_old(here, said, shown):
    gcc = stand_in(here / "old-gcc", f"echo {said}")
    message = refused(configuration(sections={"tools": {"path_to_arm_gcc": gcc}}), here / "run")
    assert f"old-gcc is version {shown}; 11 or later is needed" in message and "tools.path_to_arm_gcc" in message


def test_tools_that_are_not_where_the_configuration_says(here):
    message = refused(configuration(sections={"tools": {"path_to_arm_gcc": "none/gcc"}}), here / "run")
    assert message.startswith(f"tools.path_to_arm_gcc: {os.path.join('none', 'gcc')} is not there")  # noqa: PTH118
    config = configuration(sections={"tools": {"path_to_qemu": here}}, emulate=False)
    check_deployment(config)  # nothing is to be run


@posix
def test_a_build_that_fails_leaves_no_package_and_what_was_there(here):
    run = here / "run"
    deployed(configuration(emulate=False), run)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.suffix != ".log"}
    gcc = stand_in(
        here / "gcc",
        '[ "$1" = -dumpfullversion ] && echo 12.1 && exit',
        "echo 'sezoo_conv.c:7:1: error: it is late' >&2; exit 1",
    )
    qemu = stand_in(here / "qemu", "exit 0")
    config = configuration(sections={"tools": {"path_to_arm_gcc": gcc, "path_to_qemu": qemu}})
    message = refused(config, run)
    log = "run/deployment_logs/build_check_vectors_cortex-m55_objects.log"
    assert message.startswith(f"gcc failed (exit code 1); its output is in {log}")
    assert "sezoo_conv.c:7:1: error: it is late" in message
    said = (here / log).read_text(encoding="utf-8")
    assert said.startswith("$ ") and "-mcpu=cortex-m55" in said and "it is late" in said
    now = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.suffix != ".log"}
    assert now.keys() == before.keys()
    of_this_run = ("resolved_config.yaml", "run.json")
    assert all(now[path] == before[path] for path in before if path.name not in of_this_run)


@posix
def test_a_core_that_finds_other_masks(here):
    """Stand-ins for both tools, the emulator with what check_vectors says then."""
    gcc = stand_in(here / "gcc", '[ "$1" = -dumpfullversion ] && echo 12.1', "exit 0")
    qemu = stand_in(here / "qemu", "echo masks differ", "exit 1")
    config = configuration(sections={"tools": {"path_to_arm_gcc": gcc, "path_to_qemu": qemu}})
    message = refused(config, here / "run")
    assert "qemu failed (exit code 1)" in message and "masks differ" in message
    assert not list((here / "run").glob("*c_package*")) and not list((here / "run").glob("*emulated*"))
    assert not (here / "run/deployment.json").exists()

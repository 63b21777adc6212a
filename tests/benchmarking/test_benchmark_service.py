"""The service `benchmarking` on all its targets, with a small model."""

import importlib.util
import json
import os
import sys

import pytest

from sezoo.base.errors import UserError
from sezoo.config.npus import NPUS
from sezoo.config.section import choices_of
from sezoo.config.sections import SECTIONS
from sezoo.services import run_services
from sezoo.targets.cores import CORES
from st_cloud import analysed
from tiny_models import FRAMES, NEW, configuration, needs_arm_gcc, needs_qemu, write_tiny_model

MACS = FRAMES * 2 * (2 * 33 * 24 + 3 * 24)

STAND_IN = """\
import json, sys
from pathlib import Path
if sys.argv[1:] == ["--version"]:
    print("ST Edge AI Core v2.1.0-20194")
elif Path("fails").exists():
    sys.exit("E103(CliRuntimeError): it does not fit")
else:
    output = Path(sys.argv[sys.argv.index("--output") + 1])
    (output / "network_c_info.json").write_text(Path(__file__).with_name("c_info.json").read_text())
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STM32_AI_EXE", raising=False)
    write_tiny_model(tmp_path / "model.onnx")
    return tmp_path


def benchmarked(folder, *, sections=None, deployment=None, **settings):
    config = configuration(
        "benchmarking", sections={"benchmarking": settings, **(sections or {})}, **(deployment or {})
    )
    run_services(config, folder)
    return json.loads((folder / "benchmark.json").read_text(encoding="utf-8"))


def is_png(path):
    return path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" and path.stat().st_size > 5000


@pytest.fixture
def stedgeai(here):
    """A stand-in for the program of ST."""
    folder = here / "tools"
    folder.mkdir()
    (folder / "stand_in.py").write_text(STAND_IN, encoding="utf-8")
    (folder / "c_info.json").write_text(json.dumps(analysed()["result"]["info"]), encoding="utf-8")
    path = folder / "stedgeai"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{folder}/stand_in.py" "$@"\n', encoding="utf-8")
    path.chmod(0o755)
    return {"tools": {"stedgeai": {"on_cloud": False, "path_to_stedgeai": path}}}


@needs_qemu
@needs_arm_gcc
def test_this_computer_and_a_core(here, capsys):
    run = here / "run"
    found = benchmarked(
        run, targets=["host", "cortex-m55", "host"], runs=2, board="STM32N6570-DK", deployment={"engine": "patch"}
    )
    assert found["board"]["name"] == "STM32N6570-DK" and found["board"]["core"] == "cortex-m55"
    patch, whole, core = found["measurements"]  # a target that is named twice is measured once
    assert [(each["target"], each["what"]) for each in (patch, whole)] == [("host", "patch"), ("host", "whole clip")]
    assert (core["target"], core["model"], core["what"]) == ("cortex-m55", "int8", "patch")
    assert core["macs"] == patch["macs"] == MACS
    assert core["is_estimate"] is True and patch["is_estimate"] is False
    assert core["clock_mhz"] == 800 and core["milliseconds"] == pytest.approx(core["instructions"] / 800e3, rel=1e-4)
    assert core["audio_seconds"] == pytest.approx(NEW * 30 / 16000)
    assert core["real_time_factor"] == pytest.approx(core["milliseconds"] / 1000 / core["audio_seconds"])
    assert MACS / 16 < core["instructions"] < 20 * MACS
    assert core["ram"] > core["arena"] + core["stack"] > 0 and core["flash"] > core["parameters"]
    assert "QEMU" in core["how"] and "Helium (MVE)" in core["how"] and "arm-none-eabi-gcc" in core["how"]
    spectra, *layers = core["layers"]
    assert (spectra["name"], spectra["kind"]) == ("spectra", "STFT")
    assert sum(layer["macs"] or 0 for layer in layers) == MACS
    total = spectra["instructions"] + sum(layer["instructions"] for layer in layers)
    assert 0.97 * core["instructions"] < total <= core["instructions"] + len(layers)
    (fit,) = found["fits"]
    assert fit["measurement"] == "int8, patch on cortex-m55" and fit["fits"] is True and not fit["too_large"]
    assert is_png(run / "benchmark.png")
    shown = capsys.readouterr().out
    assert "cortex-m55" in shown and "host" in shown
    assert {path.name for path in (run / "benchmark_logs").iterdir()} == {
        f"{what}_cortex-m55.log"
        for what in ("build_check_vectors", "build_denoise_wav", "check_vectors", "denoise_wav")
    }


@needs_qemu
@needs_arm_gcc
def test_a_stream_on_a_core_that_the_board_does_not_have(here):
    deployment = {"engine": "stream", "frames_per_patch": 8}
    found = benchmarked(here / "run", deployment=deployment, targets=["cortex-m4"], board="STM32H747I-DISCO")
    (core,) = found["measurements"]
    assert core["what"] == "stream" and core["macs"] == MACS // FRAMES * 8
    assert core["audio_seconds"] == pytest.approx(8 * 30 / 16000)
    assert core["clock_mhz"] == 180 and "DSP extension" in core["how"]
    again = benchmarked(here / "again", targets=["cortex-m4"], clock_mhz=90, sections={"deployment": deployment})
    assert again["measurements"][0]["instructions"] == core["instructions"]
    assert again["measurements"][0]["milliseconds"] == pytest.approx(2 * core["milliseconds"])


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for the program is a shell script")
def test_st_edge_ai_of_this_computer(here, stedgeai):
    found = benchmarked(here / "run", sections=stedgeai, targets=["stedgeai"], board="STM32H747I-DISCO")
    (one,) = found["measurements"]
    assert (one["target"], one["model"], one["what"]) == ("stedgeai", "int8", "patch")
    assert (one["flash"], one["ram"], one["macs"]) == (1050, 500, 1000)
    assert one["milliseconds"] is None and one["real_time_factor"] is None
    assert one["how"] == "ST Edge AI 2.1.0, local generate"
    assert one["audio_seconds"] == pytest.approx(NEW * 30 / 16000)
    assert found["fits"][0]["fits"] is True and is_png(here / "run/benchmark.png")
    assert "stedgeai_generate.log" in {path.name for path in (here / "run/stedgeai").iterdir()}


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for the program is a shell script")
def test_a_tool_that_fails_leaves_no_results(here, stedgeai):
    (here / "fails").touch()
    with pytest.raises(UserError, match=r"stedgeai failed \(exit code 1\)[^$]*it does not fit"):
        benchmarked(here / "run", sections=stedgeai, targets=["stedgeai"])
    assert not (here / "run/benchmark.json").exists()


def test_missing_tools_are_told_before_anything_is_measured(here, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "ziglang" else real(name, *rest)
    )
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match=r"no compiler for Cortex-M was found: .*sezoo\[mcu\]"):
        benchmarked(here / "run", targets=["host", "cortex-m7"])
    assert not (here / "run").exists()


def test_what_other_targets_measured_is_not_lost(tmp_path, monkeypatch):
    """A target that fails is told at the end, with an error; the table and the file have the others."""
    from sezoo.benchmarking import service

    def refused(run, model):
        raise UserError("the cloud is away")

    monkeypatch.setattr(service, "_by_st_edge_ai", refused)
    monkeypatch.setattr(service, "check_benchmarking", lambda config: None)
    with pytest.raises(UserError, match="not measured: stedgeai: the cloud is away"):
        benchmarked(tmp_path / "out", targets=["host", "stedgeai"], runs=2)
    assert "host" in (tmp_path / "out" / "benchmark.json").read_text(encoding="utf-8")


def test_every_core_can_be_measured_on():
    assert set(choices_of(SECTIONS["benchmarking"].model_fields["targets"])) == {
        "host",
        *CORES,
        *NPUS,
        "stedgeai",
        "all",
    }

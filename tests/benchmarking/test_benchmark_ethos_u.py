"""Benchmarks on Ethos-U: real ones where Arm's compiler is installed, and without it."""

import importlib.util
import json

import onnx
import pytest

from int8_graphs import BINS, FORMS
from sezoo.base.errors import UserError
from sezoo.benchmarking import ethos_u, service
from sezoo.benchmarking.table import print_benchmark
from sezoo.config.npus import NPUS
from sezoo.results.benchmark import Benchmark, LeftToCpu, Measurement
from sezoo.results.run_results import read_run
from sezoo.services import run_services
from sezoo.targets.cores import CORES
from tiny_models import NEW, SPECTRUM, configuration, write_tiny_model

needs_vela = pytest.mark.skipif(importlib.util.find_spec("ethosu") is None, reason="ethos-u-vela is not installed")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_tiny_model(tmp_path / "model.onnx")
    return tmp_path


def benchmarked(folder, *targets, model="model.onnx", deployment=None, **spectrum):
    sections = {"benchmarking": {"targets": list(targets)}, "preprocessing": spectrum}
    run_services(configuration("benchmarking", model=model, sections=sections, **(deployment or {})), folder)
    return json.loads((folder / "benchmark.json").read_text(encoding="utf-8"))


@needs_vela
def test_an_npu_computes_all_of_it(here):
    facts = benchmarked(here / "run", "ethos-u55-128", deployment={"engine": "patch"})
    (one,) = facts["measurements"]
    assert one["is_estimate"] and one["cycles"] > 1000 and not one["left_to_cpu"]
    assert one["milliseconds"] == pytest.approx(one["cycles"] / 500_000)
    assert one["audio_seconds"] == pytest.approx(NEW * SPECTRUM["hop_length"] / 16000)
    deployed = configuration(engine="patch", backend="tflite")
    run_services(deployed, here / "deployed")
    facts_of_file = json.loads((here / "deployed" / "deployment.json").read_text(encoding="utf-8"))
    assert one["latency_ms"] == pytest.approx(facts_of_file["latency_ms"])
    assert facts["fits"] == []  # the board's memory is not that of a chip with this NPU
    assert read_run(here / "run").sizes == []  # nor is the network alone a program
    compiled = here / "run/ethos_u/ethos-u55-128/denoiser_vela.tflite"
    assert compiled.read_bytes()[4:8] == b"TFL3"


@needs_vela
def test_several_npus_take_one_file(here, monkeypatch):
    """The model is read and lowered once, and vela asked once for its version."""
    calls = []
    for name in ("find_vela", "lower_graph"):
        original = getattr(ethos_u, name)
        monkeypatch.setattr(
            ethos_u, name, lambda *words, name=name, original=original: calls.append(name) or original(*words)
        )
    found = benchmarked(here / "run", "ethos-u55-128", "ethos-u85-256", deployment={"engine": "patch"})
    u55, u85 = found["measurements"]
    assert sorted(calls) == ["find_vela", "lower_graph"] and u85["cycles"] < u55["cycles"]


@needs_vela
def test_what_it_leaves_to_the_processor_is_named(here, caplog):
    onnx.save(FORMS["tables"](), here / "tables.onnx")
    n_fft = 2 * (BINS - 1)
    with pytest.raises(UserError, match="n_fft"):
        benchmarked(here / "odd", "ethos-u55-128", model="tables.onnx")
    (one,) = benchmarked(
        here / "run", "ethos-u55-128", model="tables.onnx", n_fft=n_fft, win_length=n_fft, hop_length=n_fft // 2
    )["measurements"]
    named = [each["name"] for each in one["left_to_cpu"]]
    assert len(named) == 7 and any("Tanh" in name for name in named)
    assert all("ReLU6" in each["remedy"] for each in one["left_to_cpu"])
    (told,) = (record.message for record in caplog.records if " leaves " in record.message)
    assert told.startswith(f"ethos-u55-128 leaves {', '.join(named)} to the processor: a function by a table")


def test_16_bits_are_refused(here):
    onnx.save(FORMS["int16"](), here / "wide.onnx")
    if importlib.util.find_spec("ethosu") is None:
        pytest.skip("ethos-u-vela is not installed")
    with pytest.raises(UserError, match=r"quantization\.target: tflite"):
        benchmarked(here / "run", "ethos-u55-128", model="wide.onnx", n_fft=22, win_length=22, hop_length=11)


def measured(target, **more):
    return Measurement(target=target, model="int8", what="patch", milliseconds=1.0, audio_seconds=0.3, **more)


def test_all_is_every_target_but_sts_and_what_is_missing_is_told(here, monkeypatch, caplog):
    def missing(npus, target):
        raise UserError("vela was not found")

    monkeypatch.setattr(service, "measure_host", lambda run: [measured("host")])
    monkeypatch.setattr(service, "measure_emulated", lambda run, model, target: measured(target))
    monkeypatch.setattr(service.Npus, "measure", missing)
    facts = benchmarked(here / "run", "all")
    assert [one["target"] for one in facts["measurements"]] == ["host", *CORES]
    told = [record.message for record in caplog.records if record.message.startswith("not measured: ")]
    assert told == [f"not measured: {', '.join(NPUS)}: vela was not found"]


def test_the_table_names_what_is_left(capsys):
    left = (LeftToCpu("/act/Tanh", "GATHER", "another function"),)
    npus = (measured("ethos-u55-128", cycles=9, is_estimate=True, clock_mhz=500, left_to_cpu=left),)
    print_benchmark(Benchmark("STM32N6570-DK", (*npus, measured("ethos-u85-256", cycles=9))))
    said = " ".join(capsys.readouterr().out.split())
    assert "ethos-u55-128: left to the processor: /act/Tanh (GATHER)" in said
    assert "ethos-u85-256: no operator of the network is left to the processor" in said
    assert "fits" not in said

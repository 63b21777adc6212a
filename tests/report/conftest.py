"""Folders of runs as the services leave them, small, made without running one."""

import json

import numpy as np
import pytest
import yaml

from sezoo.audio.clip import write_clip
from sezoo.results.listening import FOLDER, MASKS, ListenedClip, ListenedVersion, ListeningIndex

RATE = 16000
SECONDS = 3.0
VERSIONS = {"float": "float", "int8": "int8", "int8_board": "int8 on the board"}
EVIL = "<script>alert(1)</script>&.wav"
CONFIG = {
    "operation_mode": "chain_qe",
    "general": {"project_name": "a <b>project</b>", "saved_models_dir": "saved_models"},
    "dataset": {"name": "custom", "random_seed": 42},
    "preprocessing": {"sample_rate": RATE, "n_fft": 512, "hop_length": 160, "win_length": 400, "window": "hann"},
    "quantization": {"calibration_method": "MinMax", "random_seed": None},
}
RECORD = {
    "format_version": 1,
    "version": "0.0.1",
    "operation_mode": "chain_qe",
    "start": "2026-01-02T03:04:05+01:00",
    "end": "2026-01-02T03:05:05+01:00",
    "outcome": "done",
    "clips": {"calibration": {"clips": 28, "seconds": 82.0}},
    "warnings": [{"text": "the clips are <i>few</i>"}],
}


def write_json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def means(value):
    return {
        "pesq": {"mean": value, "low": value - 0.1, "high": value + 0.1, "clips": 5},
        "sisnr": {"mean": 6 * value, "low": 6 * value - 1, "high": 6 * value + 1, "clips": 5},
    }


def write_evaluation(folder, *, int8=1.9, board=1.7, clips=5):
    values = {"float": 2.0, "int8": int8, "int8_board": board}
    plays = {"int8_board": {"like": "board", "frames": 30, "lookahead": 5}}
    versions = {}
    for name, label in VERSIONS.items():
        versions[name] = {
            "label": label,
            "model": f"{name}.onnx",
            "play": plays.get(name, {"like": "whole", "context": [14, 14]}),
            "folder": f"scores_{name}",
            "means": means(values[name]),
            "improvement": means(values[name] - 1.5),
        }
        rows = ["file_name,pesq,sisnr,noisy_pesq,noisy_sisnr,not_scored"]
        rows += [f"clip{index}.wav,{values[name] + 0.01 * index},12,1.5,{index}," for index in range(clips)]
        (folder / f"scores_{name}").mkdir(parents=True)
        text = "\n".join([*rows, f'"{EVIL}",,12,,3,pesq: no speech', ""])
        (folder / f"scores_{name}" / "detailed_metrics.csv").write_text(text, encoding="utf-8")
    reason = {"clip": EVIL, "version": "int8", "metric": "pesq", "reason": "no speech <found>"}
    content = {"clips": clips + 1, "seconds": 20.0, "noisy": means(1.5), "versions": versions, "not_scored": [reason]}
    write_json(folder / "evaluation.json", content | {"left_out": {"bad.wav": "it is silent"}})


def write_listening(folder, *, seconds=SECONDS, clips=("best", "worst")):
    rng = np.random.default_rng(1)
    versions = {"noisy": "noisy", **VERSIONS, "clean": "clean"}
    time = np.arange(int(seconds * RATE)) / RATE
    kept = []
    for place in clips:
        made = []
        for order, (name, label) in enumerate(versions.items(), 1):
            wave = 0.3 * np.sin(2 * np.pi * 300 * order * time) + 0.02 * rng.standard_normal(time.size)
            write_clip(folder / FOLDER / place / f"{order}_{name}.flac", wave.astype(np.float32), RATE)
            made.append(ListenedVersion(name, label, f"{order}_{name}.flac", {"pesq": 1.5 + order / 10}))
        masks = {name: rng.random((257, time.size // 160 + 1)).astype(np.float16) for name in ("float", "int8")}
        np.savez_compressed(folder / FOLDER / place / MASKS, **masks)
        kept.append(
            ListenedClip(
                folder=place, name=f"{place} {EVIL}", why=f"{place} of 5", metric="pesq", change=-0.1, sample_rate=RATE,
                start=0.0, seconds=seconds, clip_seconds=seconds, hop_length=160, masks=list(masks), versions=made,
            )
        )  # fmt: skip
    ListeningIndex(kept).write(folder / FOLDER)


def write_quantization(folder):
    tensors = [
        {"name": "input", "op_type": "input", "dtype": "int16", "low": -30, "high": 30, "seen_low": 0, "seen_high": 24,
         "saturated": 0.0, "sqnr": 68.0, "accumulated_sqnr": 68.0},
        {"name": "/net/<conv>", "op_type": "Conv", "dtype": "int8", "low": -8.0, "high": 8.0, "seen_low": -9.0,
         "seen_high": 12.0, "saturated": 0.001, "sqnr": 30.0, "accumulated_sqnr": None, "histogram": [1, 50, 900, 3],
         "histogram_low": -10.0, "histogram_high": 14.0},
        {"name": "sum", "op_type": "Add", "dtype": "float", "low": None, "high": None, "seen_low": -1, "seen_high": 1,
         "saturated": None, "sqnr": None, "accumulated_sqnr": 25.0},
    ]  # fmt: skip
    layer = {"name": "/net/<conv>", "op_type": "Conv", "precision": "int8", "weight_sqnr": 40.0, "fitted": True}
    step = {"name": "rounding", "does": "weights <refitted>", "before": 30.0, "after": 35.0, "kept": True}
    content = {
        "tensors": tensors,
        "layers": [layer | {"weight_bytes": 1000, "macs": 5000.0, "macs_share": 1.0}],
        "worst": [{"name": "/net/<conv>", "what": "activation", "made_by": "Conv", "sqnr": 30.0, "advice": "16 bits"}],
        "macs_shares": {"int8": 1.0},
        "bytes": 1200,
        "plain": 30.0,
        "closeness": 35.0,
        "steps": [step, {**step, "name": "ranges", "after": 29.0, "kept": False}],
        "convergence": {"excerpts": 20, "median": 0.01, "largest": 0.02, "tensor": "sum"},
        "sensitivity": [{"name": "Add", "op_type": "Add", "nodes": 6, "closeness": 43.0}, {**layer, "closeness": 50.0}],
        "of_a_later_version": 1,
    }
    write_json(folder / "quantization_report.json", content)


def write_targets(folder):
    layers = [{"name": "conv", "kind": "Conv", "instructions": 9_000_000}, {"name": "spectra", "kind": "STFT"}]
    measured = {"target": "cortex-m7", "model": "int8", "what": "patch", "flash": 1_700_000, "ram": 90_000,
                "milliseconds": 173.0, "instructions": 83_000_000, "audio_seconds": 0.3, "is_estimate": True,
                "clock_mhz": 480, "how": "in QEMU", "real_time_factor": 0.58, "layers": layers}  # fmt: skip
    write_json(folder / "benchmark.json", {"board": {"name": "NUCLEO-H743ZI2"}, "measurements": [measured]})
    emulated = {"core": "cortex-m55", "kernels": "Helium", "compiler": "gcc", "flash_bytes": 1_700_000,
                "ram_bytes": 100_000, "stack_bytes": 800, "instructions_per_call": 13e6, "waves_are_equal": True,
                "operators": [{"name": "conv", "kind": "Conv", "instructions_per_call": 11e6}],
                "instructions_of_spectra_per_call": 2e6}  # fmt: skip
    content = {
        "model": "m.onnx",
        "engine": "patch",
        "frames_per_call": 30,
        "latency_samples": 1096,
        "latency_ms": 68.5,
        "emulated": emulated,
    }
    write_json(folder / "deployment.json", content | {"pesq": {"reference": 1.5, "core": 1.5}, "backend": "portable-c"})


def write_training(folder):
    logs = folder / "training_logs"
    logs.mkdir(parents=True)
    rows = ["epoch,train_loss,val_loss,pesq,learning_rate", "1,0.5,0.6,,0.001", "2,0.3,0.4,1.6,0.001"]
    rows += ["3,0.2,0.5,1.5,0.001", ""]
    (logs / "training_logs.csv").write_text("\n".join(rows), encoding="utf-8")
    summary = {"epochs": 3, "metric": "pesq", "best_epoch": 2, "best_value": 1.6, "seconds_an_epoch": 12.5}
    write_json(logs / "training.json", summary)
    for epoch in (1, 3):
        for name in ("noisy", "denoised", "clean"):
            wave = np.random.default_rng(epoch).standard_normal(RATE).astype(np.float32) / 8
            write_clip(logs / "sounds" / f"epoch_{epoch:04d}" / f"1_{name}.wav", wave, RATE)


def made_bare(folder):
    folder.mkdir()
    (folder / "resolved_config.yaml").write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
    write_json(folder / "run.json", RECORD)
    return folder


def made_full(folder):
    models = made_bare(folder) / "saved_models"
    models.mkdir()
    (models / "preprocessed_model.onnx").write_bytes(bytes(6_000_000))
    (models / "quantized_model_int8.onnx").write_bytes(bytes(1_600_000))
    for write in (write_evaluation, write_listening, write_quantization, write_targets, write_training):
        write(folder)
    return folder


@pytest.fixture
def bare_run(tmp_path):
    """The folder of a run that has no results."""
    return made_bare(tmp_path / "run")


@pytest.fixture
def full_run(tmp_path):
    """The folder of a run that has done all that there is."""
    return made_full(tmp_path / "run")


@pytest.fixture(scope="session")
def make_full_run():
    """Makes such a folder at a path."""
    return made_full


@pytest.fixture(scope="session")
def full_page(tmp_path_factory):
    """The page of such a run."""
    from sezoo.report.page import report_of

    return report_of(made_full(tmp_path_factory.mktemp("page") / "run"))


@pytest.fixture
def writers():
    """What writes the results of each service, by name."""
    return {
        "evaluation": write_evaluation,
        "listening": write_listening,
        "quantization": write_quantization,
        "targets": write_targets,
        "training": write_training,
    }

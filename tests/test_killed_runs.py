"""Each service killed at random moments, and the same command again: nothing corrupt, nothing blocked, nobody left."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile
import yaml

from builders import evaluation_config, quantization_config, write_clips, write_model, write_yaml
from tiny_models import LOOKAHEAD, NEW, SPECTRUM, write_tiny_model

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes where Linux lists them"),
]

MOMENTS = 20
FAST = {"mlflow": {"uri": "mlruns"}}
TRAINING = {
    "operation_mode": "training", "model": {"model_type": "STFTTCNN"},
    "model_specific": {"n_blocks": 1, "num_layers": 2, "in_channels": 257, "tcn_latent_dim": 16},
    "training": {"device": "cpu", "epochs": 3, "batch_size": 2, "num_dataloader_workers": 2, "save_every": 1,
                 "reference_metric": "snr"},
}  # fmt: skip
BOARD = {"model": {"onnx_path": "static.onnx"}, "preprocessing": SPECTRUM}
DEPLOYMENT = {"backend": "portable-c", "frames_per_patch": NEW, "lookahead_frames": LOOKAHEAD, "emulate": False}

SERVICES = {
    "quantization": lambda: quantization_config(**FAST),
    "evaluation": lambda: evaluation_config(**FAST, evaluation={"num_workers": 2}),
    "training": lambda: {**evaluation_config(**FAST, dataset={"num_validation_samples": 2}), **TRAINING},
    "prediction": lambda: evaluation_config(
        **FAST, operation_mode="prediction", prediction={"input_path": "noisy", "output_path": "denoised"}
    ),
    "benchmarking": lambda: evaluation_config(
        **FAST, operation_mode="benchmarking", benchmarking={"targets": ["host"], "runs": 5}
    ),
    "deployment": lambda: evaluation_config(**FAST, operation_mode="deployment", **BOARD, deployment=DEPLOYMENT),
    "chain_tqe": lambda: {
        **evaluation_config(**FAST, dataset={"num_validation_samples": 2}),
        **TRAINING,
        "operation_mode": "chain_tqe",
        "quantization": {"num_quantization_samples": 4, "static_sequence_length": 8},
    },
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("noisy", "clean"):
        write_clips(tmp_path / folder, " ".join(f"{index}.wav" for index in range(6)), seconds=1.0)
    write_model(tmp_path / "model.onnx")
    write_tiny_model(tmp_path / "static.onnx")
    return tmp_path


def started(words):
    return subprocess.Popen(
        [sys.executable, "-m", "sezoo", *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        encoding="utf-8", start_new_session=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def finished(words):
    process = started(words)
    told = process.communicate(timeout=600)[1]
    assert process.returncode == 0, told[-2000:]
    return told


def members(session):
    """The processes of a session that have not ended."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:  # has ended meanwhile
            continue
        if int(fields[3]) == session and fields[0] not in "ZX":
            found.append(int(path.parent.name))
    return found


def check_whole(path):
    """Read a file by its ending; what cannot be read raises."""
    match path.suffix:
        case ".onnx":
            onnx.checker.check_model(onnx.load(path))
        case ".wav" | ".flac":
            assert len(soundfile.read(path)[0]) > 0
        case ".json":
            json.loads(path.read_text(encoding="utf-8"))
        case ".yaml":
            assert yaml.safe_load(path.read_text(encoding="utf-8")) is not None or path.stat().st_size <= 3
        case ".npz" | ".npy":
            np.load(path)
        case ".pth":
            import torch

            torch.load(path, weights_only=True)
        case ".png":
            assert path.read_bytes().endswith(b"IEND\xaeB`\x82")
        case ".html":
            assert path.read_text(encoding="utf-8").rstrip().endswith("</html>")
        case ".csv" | ".txt" | ".md" | ".c" | ".h":
            assert path.read_text(encoding="utf-8").endswith("\n")


def files_of(folder):
    """Those that a person sees, by their names in the folder."""
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    return {path for path in files if not any(part.startswith(".") for part in path.parts)}


def has_ended(folder):
    """Whether all was done before the process was killed."""
    return (folder / "stm32ai_main.log").is_file() and not (folder / ".hydra" / "running").exists()


def unwanted(folder):
    """What is left of files that were being written."""
    return [str(path) for path in folder.rglob(".*.part*")]


@pytest.mark.parametrize("service", SERVICES)
def test_killed_at_random_moments(service, project):
    write_yaml(project / "user_config.yaml", SERVICES[service]())
    words, out = ["hydra.run.dir=out"], project / "out"
    began = time.monotonic()
    finished(words)
    duration, expected = time.monotonic() - began, files_of(out)
    assert expected
    chance = random.Random(service)
    for moment in range(MOMENTS):
        shutil.rmtree(out)
        process = started(words)
        time.sleep(duration * (moment + chance.random()) / MOMENTS)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
        until = time.monotonic() + 30
        while (left := members(process.pid)) and time.monotonic() < until:
            time.sleep(0.1)
        assert not left, f"{moment}: processes are left: {left}"
        if out.is_dir():
            for name in files_of(out):
                check_whole(out / name)
        if has_ended(out):
            continue
        finished(words)
        # what the killed run had made may stay beside it, as c_package does beside c_package_1
        assert files_of(out) >= expected, moment
        for name in files_of(out):
            check_whole(out / name)
        assert unwanted(project) == [], moment


COMMANDS = {
    "quantize": ["quantize", "model.onnx", "--data", "noisy", "-o", "out"],
    "evaluate": ["evaluate", "model.onnx", "--noisy", "noisy", "--clean", "clean", "-o", "out", "--metrics", "snr"],
    "denoise": ["denoise", "noisy", "-m", "model.onnx", "-o", "out", "--overwrite"],
    "deploy": ["deploy", "static.onnx", "-o", "out",
               *(f"preprocessing.{key}={value}" for key, value in SPECTRUM.items()),
               *(f"deployment.{key}={value}" for key, value in DEPLOYMENT.items())],
}  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_short_commands_killed_at_random_moments(command, project):
    words, out = COMMANDS[command], project / "out"
    began = time.monotonic()
    finished(words)
    duration, expected = time.monotonic() - began, files_of(out)
    chance = random.Random(command)
    for moment in range(MOMENTS // 2):
        shutil.rmtree(out)
        process = started(words)
        time.sleep(duration * (moment + chance.random()) / (MOMENTS // 2))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
        if has_ended(out):
            continue
        finished(words)
        assert files_of(out) >= expected, moment
        assert unwanted(project) == [], moment

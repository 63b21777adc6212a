import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from builders import write_clips, write_yaml
from warm_sezoo import FORKS, TRAINING

torch = pytest.importorskip("torch")

if not torch.distributed.is_available():
    pytest.skip("this torch has no torch.distributed", allow_module_level=True)

NETWORK = """
import torch

class Net(torch.nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Conv1d(33, channels, 3, padding=1), torch.nn.ReLU(),
                                          torch.nn.Conv1d(channels, 33, 1))

    def forward(self, x):
        return torch.sigmoid(self.layers(x))
"""
CONFIG = {
    "operation_mode": "training",
    "general": {"report": False},
    "model": {"model_type": "Custom", "custom": "net.py:Net"},
    "model_specific": {"channels": 8},
    "dataset": {
        "name": "custom", "noisy_train_files_path": "noisy", "clean_train_files_path": "clean",
        "num_validation_samples": 2,
    },
    "preprocessing": {"n_fft": 64, "hop_length": 32, "win_length": 64},
    "training": {
        "device": "cpu", "epochs": 2, "batch_size": 4, "num_dataloader_workers": 0, "loss": "compressed",
        "optimizer_arguments": {"lr": 0.01}, "reference_metric": "wave_mse",
    },
}  # fmt: skip
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "sezoo"]
RANKS = """
import json, os, runpy, sys

processes = []
for rank, words in enumerate(json.loads(sys.argv[1])):
    process = os.fork()
    if not process:
        os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
        sys.argv = ["sezoo", *words]
        runpy.run_module("sezoo", run_name="__main__", alter_sys=True)
        sys.exit()
    processes.append(process)
sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in processes))
"""
"""Starts sezoo in a fork for the words of each process, and ends with the worst of their exit codes."""


@pytest.fixture
def folder(tmp_path):
    for name in ("noisy", "clean"):  # of different lengths: a process's mean over frames is not that of all
        write_clips(tmp_path / name, " ".join(f"{index}.wav" for index in range(6)), seconds=0.6)
        write_clips(tmp_path / name, " ".join(f"{index}.wav" for index in range(6, 12)), seconds=0.1)
    write_yaml(tmp_path / "user_config.yaml", CONFIG)
    (tmp_path / "net.py").write_text(NETWORK, encoding="utf-8")
    return tmp_path


@pytest.fixture
def sezoo(folder, pythons, tmp_path_factory):
    """Trains in two processes, with the results in a folder of that name; the worst exit code, and what they wrote.

    `second` are words for the second process alone.

    As torchrun starts them, which a document and a test below do; its own process and the imports take most of the
    time of such a training.
    """

    script = tmp_path_factory.mktemp("ranks") / "ranks.py"
    script.write_text(RANKS, encoding="utf-8")

    def train(name, *words, second=()):
        words = [f"hydra.run.dir={name}", *words]
        if FORKS:
            meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
            environment = {**ENVIRONMENT, **meeting, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
            ranks = [script, json.dumps([words, [*words, *second]])]
            done = pythons.run(ranks, folder, environment, imported=TRAINING, limit=300)
        elif second:
            pytest.skip("torchrun starts all processes with the same words")
        else:
            done = subprocess.run(
                [*TORCHRUN, *words], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=300
            )
        return done.returncode, done.stderr

    return train


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def history(folder):
    with (folder / "training_logs" / "training_logs.csv").open(encoding="utf-8") as file:
        return [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(file)]


def test_two_processes_train_as_one_does_also_when_they_are_stopped_between(folder, sezoo, run, monkeypatch):
    code, said = sezoo("two", "mlflow.uri=./experiment_outputs/mlruns")
    assert code == 0, said
    monkeypatch.chdir(folder)
    code, said = run("hydra.run.dir=one", "mlflow.uri=./experiment_outputs/mlruns")
    assert code == 0, said
    one, two = history(folder / "one"), history(folder / "two")
    for single, parallel in zip(one, two, strict=True):
        # A share of about a thousand bins: one or two that lie on its limit fall on the other side of it.
        assert parallel.pop("speech_cut") == pytest.approx(single.pop("speech_cut"), abs=1e-3)
        assert parallel == pytest.approx(single, rel=1e-4)
    assert (folder / "two" / "saved_models" / "best_trained_model.onnx").is_file()
    left = {path.name for path in folder.iterdir()} - {"one", "two", "noisy", "clean", "user_config.yaml", "net.py"}
    assert left <= {"__pycache__", "experiment_outputs"}  # no run of the second process
    assert len(list(folder.glob("experiment_outputs/mlruns/*/*/meta.yaml"))) == 2

    assert sezoo("half", "training.epochs=1")[0] == 0
    assert sezoo("rest", "training.resume=auto")[0] == 0
    whole, rest = (folder / name / "training_logs" / "training_logs.csv" for name in ("two", "rest"))
    assert rest.read_bytes() == whole.read_bytes()


def test_what_is_wrong_is_said_once(sezoo):
    code, said = sezoo("bad", "training.batch_size=3")
    assert code in (1, 2)  # torchrun's own, or the processes'
    assert (
        said.count("training.batch_size: found 3; 2 processes share each batch, so it has to be a multiple of 2") == 1
    )
    assert "rank0" not in said  # no traceback of ours


def test_processes_that_see_as_many_other_recordings(folder, sezoo):
    for kind in ("noisy", "clean"):
        write_clips(folder / f"other_{kind}", " ".join(f"{index}x.wav" for index in range(12)), seconds=0.1)
    paths = [f"dataset.{kind}_train_files_path=other_{kind}" for kind in ("noisy", "clean")]
    code, said = sezoo("apart", second=paths)
    assert code == 2
    assert said.count("error: the recordings: process 1 of 2 has 24 files, names ") == 1
    assert "process 0 has 24 files, names " in said
    assert "Traceback" not in said
    assert not (folder / "apart" / "saved_models").exists()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_process_that_is_gone_costs_no_finished_epoch(folder):
    words = ["hydra.run.dir=killed", "training.epochs=100000", "training.save_every=100000"]
    with (folder / "said").open("w", encoding="utf-8") as said:
        started = subprocess.Popen([*TORCHRUN, *words], cwd=folder, env=ENVIRONMENT, stderr=said, text=True)
        try:
            log = folder / "killed" / "training_logs" / "training_logs.csv"
            until = time.monotonic() + 120
            while not (log.is_file() and len(history(folder / "killed")) > 2) and time.monotonic() < until:
                time.sleep(0.2)
            children = Path(f"/proc/{started.pid}/task/{started.pid}/children")
            if not children.is_file():
                pytest.skip("this system does not say which processes a process has started")
            os.kill(max(int(word) for word in children.read_text(encoding="utf-8").split()), signal.SIGKILL)
            started.wait(60)
        finally:
            started.kill()
    assert (folder / "killed" / "training_logs" / "training_snapshot.pth").is_file()
    assert "training.snapshot_path=" in (folder / "said").read_text(encoding="utf-8")

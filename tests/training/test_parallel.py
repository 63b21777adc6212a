import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from builders import write_clips, write_yaml

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


@pytest.fixture
def folder(tmp_path):
    for name in ("noisy", "clean"):  # of different lengths: a process's mean over frames is not that of all
        write_clips(tmp_path / name, " ".join(f"{index}.wav" for index in range(6)), seconds=0.6)
        write_clips(tmp_path / name, " ".join(f"{index}.wav" for index in range(6, 12)), seconds=0.1)
    write_yaml(tmp_path / "user_config.yaml", CONFIG)
    (tmp_path / "net.py").write_text(NETWORK, encoding="utf-8")
    return tmp_path


def sezoo(folder, name, *words):
    """Run it in two processes, with the results in that folder; what it wrote on standard error."""
    done = subprocess.run(
        [*TORCHRUN, f"hydra.run.dir={name}", *words], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True,
        timeout=300,
    )  # fmt: skip
    return done.returncode, done.stderr


def history(folder):
    with (folder / "training_logs" / "training_logs.csv").open(encoding="utf-8") as file:
        return [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(file)]


def test_two_processes_train_as_one_does_also_when_they_are_stopped_between(folder, run, monkeypatch):
    code, said = sezoo(folder, "two")
    assert code == 0, said
    monkeypatch.chdir(folder)
    code, said = run("hydra.run.dir=one")
    assert code == 0, said
    one, two = history(folder / "one"), history(folder / "two")
    for single, parallel in zip(one, two, strict=True):
        assert parallel == pytest.approx(single, rel=1e-4)
    assert (folder / "two" / "saved_models" / "best_trained_model.onnx").is_file()
    left = {path.name for path in folder.iterdir()} - {"one", "two", "noisy", "clean", "user_config.yaml", "net.py"}
    assert left <= {"__pycache__", "experiment_outputs"}  # no run of the second process
    assert len(list(folder.glob("experiment_outputs/mlruns/*/*/meta.yaml"))) == 2

    assert sezoo(folder, "half", "training.epochs=1")[0] == 0
    assert sezoo(folder, "rest", "training.resume=auto")[0] == 0
    whole, rest = (folder / name / "training_logs" / "training_logs.csv" for name in ("two", "rest"))
    assert rest.read_bytes() == whole.read_bytes()


def test_what_is_wrong_is_said_once(folder):
    code, said = sezoo(folder, "bad", "training.batch_size=3")
    assert code == 1  # torchrun's own
    assert (
        said.count("training.batch_size: found 3; 2 processes share each batch, so it has to be a multiple of 2") == 1
    )
    assert "rank0" not in said  # no traceback of ours


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
    assert "go on with training.snapshot_path" in (folder / "said").read_text(encoding="utf-8")

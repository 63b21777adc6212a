"""ClearML's own package, offline: what a task has been given is in the folder of its session."""

import json
import os
import subprocess
import sys

import pytest

from sezoo.base.errors import UserError
from sezoo.run import clearml as clearml_tracker
from sezoo.run.clearml import check_clearml

pytest.importorskip("clearml", reason="clearml is not installed")

TRACKED = """
from pathlib import Path
from sezoo.config.validation import build_config
from sezoo.run.tracking import start_tracking
config = build_config({"operation_mode": "benchmarking", "model": {"onnx_path": "m.onnx"}, "benchmarking": {},
                       "general": {"project_name": "denoisers"}, "mlflow": {"uri": ""},
                       "tracking": {"clearml": True}})
Path("model.txt").write_text("weights", encoding="utf-8")
with start_tracking(config, Path("some_run")) as tracker:
    tracker.metrics({"pesq": 2.5}, step=3)
    tracker.artifact(Path("model.txt"), "models")
"""


def test_a_run_is_a_task(tmp_path):
    environment = {**os.environ, "CLEARML_OFFLINE_MODE": "1", "CLEARML_CACHE_DIR": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-c", TRACKED], cwd=tmp_path, env=environment, check=True, capture_output=True)
    (session,) = [path for path in (tmp_path / "cache" / "offline").iterdir() if path.is_dir()]
    task = json.loads((session / "task.json").read_text(encoding="utf-8"))
    assert task["name"] == "some_run"
    assert "m.onnx" in json.dumps(task["hyperparams"])
    (scalar,) = [
        line for line in (session / "metrics.jsonl").read_text(encoding="utf-8").splitlines() if "pesq" in line
    ]
    assert '"value": 2.5' in scalar and '"iter": 3' in scalar
    assert [path.read_text(encoding="utf-8") for path in session.rglob("model.txt")] == ["weights"]


@pytest.mark.parametrize("variable", clearml_tracker.VARIABLES)
def test_it_needs_a_configuration(monkeypatch, tmp_path, variable):
    monkeypatch.setattr(clearml_tracker.Path, "home", lambda: tmp_path)
    for name in clearml_tracker.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match=r"tracking\.clearml: .* clearml-init"):
        check_clearml()
    monkeypatch.setenv(variable, "x")
    check_clearml()
    monkeypatch.delenv(variable)
    (tmp_path / "clearml.conf").touch()
    check_clearml()


def test_it_is_not_loaded_where_it_is_not_configured(tmp_path):
    code = (
        "import sys, sezoo.run.tracking, sezoo.services;sys.exit('clearml' in sys.modules or 'mlflow' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

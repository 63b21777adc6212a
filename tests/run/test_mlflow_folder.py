import math

import yaml

from sezoo.run.mlflow_store import FolderTracker


def runs(client, name):
    return client.search_runs([client.get_experiment_by_name(name).experiment_id])


def test_mlflow_reads_a_finished_run(tmp_path, client):
    model = tmp_path / "m.onnx"
    model.write_bytes(b"model")
    tracker = FolderTracker(
        tmp_path / "mlruns", "größe", "2026_01_01", {"a.b": "1", "path": "x y"}, {"service": "evaluation"}
    )
    tracker.metrics({"pesq": 2.5, "bad": math.nan})
    tracker.metrics({"pesq": 2.75})
    tracker.artifact(model, "models")
    assert runs(client, "größe")[0].info.status == "RUNNING"
    tracker.end("FINISHED")

    (run,) = runs(client, "größe")
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "2026_01_01"
    assert run.info.end_time >= run.info.start_time > 1.6e12
    assert run.data.params == {"a.b": "1", "path": "x y"}
    assert run.data.tags["service"] == "evaluation"
    assert run.data.metrics["pesq"] == 2.75
    assert [metric.value for metric in client.get_metric_history(run.info.run_id, "pesq")] == [2.5, 2.75]
    assert [entry.path for entry in client.list_artifacts(run.info.run_id, "models")] == ["models/m.onnx"]


def test_mlflow_reads_a_failed_run_and_the_reason(tmp_path, client):
    FolderTracker(tmp_path / "mlruns", "p", "r", {}).end("FAILED", "no such file")
    (run,) = runs(client, "p")
    assert run.info.status == "FAILED"
    assert run.data.tags["error"] == "no such file"


def test_runs_share_an_experiment_with_mlflows_own(tmp_path, client):
    experiment_id = client.create_experiment("shared")
    client.create_run(experiment_id)
    FolderTracker(tmp_path / "mlruns", "shared", "r", {}).end("FINISHED")
    FolderTracker(tmp_path / "mlruns", "shared", "s", {}).end("KILLED")
    assert len(runs(client, "shared")) == 3


def test_the_run_is_described_in_plain_yaml(tmp_path):
    tracker = FolderTracker(tmp_path / "mlruns", "p", "r", {})
    meta = yaml.safe_load((tracker.folder / "meta.yaml").read_text(encoding="utf-8"))
    assert meta["status"] == 1
    assert meta["artifact_uri"].startswith("file:")

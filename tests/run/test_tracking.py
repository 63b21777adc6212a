import pytest

from builders import quantization_config
from sezoo.base.errors import UserError
from sezoo.config.validation import build_config
from sezoo.run.tracking import ClientTracker, Trackers, start_tracking


def config(tmp_path, uri="mlruns"):
    uri = str(tmp_path / uri) if uri else uri
    return build_config({**quantization_config(), "general": {"project_name": "p"}, "mlflow": {"uri": uri}})


def runs(client):
    return client.search_runs([client.get_experiment_by_name("p").experiment_id])


def test_mlflows_own_client_tracks_the_same(tmp_path, client):
    model = tmp_path / "m.onnx"
    model.write_bytes(b"model")
    for _ in range(2):  # the experiment is there the second time
        tracker = ClientTracker(client, "p", "r", {"a.b": "1"}, {"model": "größe"})
        tracker.metrics({"pesq": 2.5})
        tracker.artifact(model, "models")
        tracker.end("FAILED", "no such file")
    for run in runs(client):
        assert run.info.status == "FAILED"
        assert run.data.params == {"a.b": "1"}
        assert run.data.metrics == {"pesq": 2.5}
        assert run.data.tags["error"] == "no such file"
        assert run.data.tags["model"] == "größe"
        assert [entry.path for entry in client.list_artifacts(run.info.run_id, "models")] == ["models/m.onnx"]
    assert len(runs(client)) == 2


def test_a_server_that_goes_away_costs_the_entry_and_not_the_run(client, caplog, tmp_path):
    tracker = ClientTracker(client, "p", "r", {})
    client.delete_run(tracker.run_id)  # what is tracked from now on is refused
    kept = ClientTracker(client, "p", "another", {})
    Trackers(tracker, kept).metrics({"pesq": 2.5})
    assert caplog.text.count("could not be recorded") == 1
    assert client.get_run(kept.run_id).data.metrics == {"pesq": 2.5}


@pytest.mark.parametrize(
    ("error", "status"), [(None, "FINISHED"), (UserError("bad"), "FAILED"), (KeyboardInterrupt(), "KILLED")]
)
def test_a_run_ends_as_it_ended(tmp_path, client, error, status):
    try:
        with start_tracking(config(tmp_path), tmp_path / "2026_01_01"):
            if error is not None:
                raise error
    except (UserError, KeyboardInterrupt) as raised:
        assert raised is error
    (run,) = runs(client)
    assert run.info.status == status
    assert run.info.run_name == "2026_01_01"
    assert (run.data.tags["service"], run.data.tags["model"]) == ("quantization", "model")
    assert run.data.params["quantization.static_sequence_length"] == "8"


def test_the_runs_of_a_multirun_are_told_apart(tmp_path, client):
    for number in ("0", "1"):
        with start_tracking(config(tmp_path), tmp_path / "sweep" / number):
            pass
    assert {run.info.run_name for run in runs(client)} == {"sweep/0", "sweep/1"}


def test_no_address_no_tracking(tmp_path):
    with start_tracking(config(tmp_path, ""), tmp_path / "r") as tracker:
        tracker.metrics({"a": 1.0})
        tracker.artifact(tmp_path / "none", "models")
    assert list(tmp_path.iterdir()) == []

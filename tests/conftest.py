import pytest


@pytest.fixture
def client(tmp_path, monkeypatch):
    """MLflow's own client of the folder `mlruns`."""
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    return mlflow.MlflowClient(tracking_uri=(tmp_path / "mlruns").as_uri())

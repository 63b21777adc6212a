import os

import pytest

# A process of tests for each core: torch and BLAS with a thread for each core in all of them wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_modifyitems(items):
    """The documents first: each takes a minute or two, and at the end one process would wait for the other."""
    items.sort(key=lambda item: item.path.name != "test_docs.py")


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """A user's folder for caches that is empty when the tests begin."""
    folder = tmp_path_factory.mktemp("cache")
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(folder)
    yield folder
    if before is None:
        del os.environ["XDG_CACHE_HOME"]
    else:
        os.environ["XDG_CACHE_HOME"] = before


WITHOUT_REPORT = {"evaluation", "training", "quantization", "deployment", "prediction", "benchmarking"}
"""Folders of tests that ask for a service's own files: the page of each run would take longer than the run."""


@pytest.fixture(autouse=True)
def no_page_of_small_runs(request, monkeypatch):
    """Runs in this process leave no report where nobody looks at it."""
    if request.path.parent.name in WITHOUT_REPORT:
        from sezoo.report import of_run

        monkeypatch.setattr(of_run, "write_run_report", lambda run: None)


@pytest.fixture
def client(tmp_path, monkeypatch):
    """MLflow's own client of the folder `mlruns`."""
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    return mlflow.MlflowClient(tracking_uri=(tmp_path / "mlruns").as_uri())


@pytest.fixture
def run(capsys):
    """Call the command line here: its exit code and standard error."""
    from sezoo.cli import main

    def call(*words):
        code = 0
        try:
            main([str(word) for word in words])
        except SystemExit as end:
            code = end.code
        return code, capsys.readouterr().err

    return call

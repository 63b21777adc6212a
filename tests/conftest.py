import gc
import logging
import os
import signal
import sys
from contextlib import closing, suppress
from importlib.util import find_spec
from pathlib import Path

import pytest

from warm_sezoo import Pythons

# A process of tests for each core: torch and BLAS with a thread for each core in all of them wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# So with the workers of a service, which cost more to start than a few short clips: tests of them say how many.
os.environ.setdefault("PYTHON_CPU_COUNT", "1")


def pytest_configure(config):
    """Ctrl-C works in what is tested, although a shell starts what is in the background with SIGINT ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    """Every other process begins with its share of the documents: each takes a while, and none may be left to the end.

    Not every one, because each process that has some builds a wheel for them. pytest-xdist gives the first part of the
    list to the first process and so on, before they take from each other.
    """
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    readers = (processes + 1) // 2
    documents = [item for item in items if item.path.name == "test_docs.py"]
    others = [item for item in items if item.path.name != "test_docs.py"]
    bounds = [len(others) * number // processes for number in range(processes + 1)]
    items[:] = [
        item
        for number in range(processes)
        for item in (
            *(documents[number // 2 :: readers] if number % 2 == 0 else ()),
            *others[bounds[number] : bounds[number + 1]],
        )
    ]


def pytest_collection_finish():
    """What all tests have imported is no garbage, and need not be looked through for it again and again."""
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory, pytestconfig):
    """A user's folder for caches that is empty when the tests begin.

    But for what compilers make, which is found by the contents of all that it is made of: it is kept for all processes
    of tests, and for the next time, in pytest's own cache; here also objects that depend on a network.
    """
    folder = tmp_path_factory.mktemp("cache")
    if hasattr(pytestconfig, "cache"):  # not with -p no:cacheprovider
        compiled = pytestconfig.cache.mkdir("compiled")
        for name in ("sezoo/objects", "zig"):
            (compiled / name).mkdir(parents=True, exist_ok=True)
            (folder / name).parent.mkdir(exist_ok=True)
            with suppress(OSError):  # Windows has links for administrators only
                (folder / name).symlink_to(compiled / name, target_is_directory=True)
    if sys.platform == "linux":  # matplotlib's list of fonts takes seconds to make, and is the same for all sessions
        users = os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")
        os.environ.setdefault("MPLCONFIGDIR", str(Path(users, "matplotlib")))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        patch.setattr("sezoo.targets.object_cache.OF_A_NETWORK", ())
        yield folder


@pytest.fixture(scope="session")
def pythons():
    """Runs commands in processes of their own, which have imported sezoo already."""
    with closing(Pythons()) as pythons:
        yield pythons


@pytest.fixture(autouse=True)
def log_as_before():
    """Commands that run in this process leave their level and handlers of the log to no other test."""
    logger = logging.getLogger("sezoo")
    level, handlers, propagate = logger.level, list(logger.handlers), logger.propagate
    yield
    logger.setLevel(level)
    logger.handlers[:], logger.propagate = handlers, propagate


WITHOUT_REPORT = {
    *("evaluation", "training", "quantization", "deployment", "prediction", "benchmarking"),
    *("test_bad_input.py", "test_bad_evaluation_input.py", "test_bad_training_input.py", "test_services.py"),
    *("test_cli.py", "test_short_commands.py"),
}
"""Folders and files of tests that ask for a service's own files: the page of each run would take longer than it."""


def places(request):
    """The names of a test's file and of the folders that it is in."""
    return {*request.path.relative_to(Path(__file__).parent).parts}


@pytest.fixture(autouse=True)
def no_page_of_small_runs(request, monkeypatch):
    """Runs in this process leave no report and no picture of scores where nobody looks at them."""
    if places(request) & WITHOUT_REPORT and "written_page" not in request.fixturenames:
        from sezoo.report import run_report, score_figure

        monkeypatch.setattr(run_report, "write_run_report", lambda run: None)
        if "evaluation" not in places(request) and "drawn_scores" not in request.fixturenames:
            monkeypatch.setattr(score_figure, "save_score_figure", lambda path, results: None)


@pytest.fixture
def written_page():
    """Lets the runs of a test write their report, and draw their scores."""


@pytest.fixture
def drawn_scores():
    """Lets the runs of a test draw their scores, as those of tests/evaluation do."""


@pytest.fixture(autouse=True)
def short_search_of_ranges(request, monkeypatch):
    """Accuracy recovery in this process tries other ranges for one tensor alone instead of eight.

    Only the tests of its steps look at how it finds them, and each trial writes and runs a model.
    """
    if "recovery" not in places(request):
        from sezoo.quantization.recovery import range_choice

        monkeypatch.setattr(range_choice, "TENSORS", 1)


@pytest.fixture
def no_curves(monkeypatch):
    """Trainings in this process draw no curves, which would take longer than the epochs of a tiny network."""
    if find_spec("torch") is not None:
        from sezoo.training import trainer

        monkeypatch.setattr(trainer, "save_curves", lambda *arguments: None)


@pytest.fixture(autouse=True)
def no_curves_of_small_trainings(request):
    """Nor do they where nobody looks at them."""
    if "training" in places(request) and "drawn_curves" not in request.fixturenames:
        request.getfixturevalue("no_curves")


@pytest.fixture
def drawn_curves():
    """Lets the trainings of a test draw their curves."""


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
    from sezoo.cli.main import main

    def call(*words):
        code = 0
        try:
            main([str(word) for word in words])
        except SystemExit as end:
            code = end.code
        return code, capsys.readouterr().err

    return call

"""The same results whatever does the work, and one line when it is gone."""

import importlib.util
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from sezoo.base.errors import UserError
from sezoo.run.clusters import _check_answers
from sezoo.run.executors import (
    IN_FLIGHT_HERE,
    LOCAL,
    SENT_ONCE_BYTES,
    TASKS_PER_WORKER,
    ConnectionLostError,
    Work,
    results_of,
)

ITEMS = list(range(40))


def prepare_squares(offset):
    return partial(square, offset)


def square(offset, item):
    return item * item + offset


def prepare_deadly(_):
    return deadly


def deadly(item):
    if item == 7:
        os._exit(3)
    return item


def prepare_refusing(_):
    return refusing


def refusing(item):
    raise UserError(f"{item}: refused")


def threads():
    return ThreadPoolExecutor(2)


def no_executor():
    return 3


def raising():
    raise ValueError("no machine is free\nat all")


class OfNoFutures(ThreadPoolExecutor):
    def submit(self, *task):
        return 3


def of_no_futures():
    return OfNoFutures(2)


class ShutDown(ThreadPoolExecutor):
    """Stops in the middle, as one whose job has run out of time."""

    def submit(self, *task):
        future = super().submit(*task)
        if 7 in task[-1]:
            self.shutdown()
        return future


def shut_down():
    return ShutDown(2)


def of_deadly_processes():
    return ProcessPoolExecutor(2)


SQUARES = Work(prepare_squares, 5)
RIGHT = {index: item * item + 5 for index, item in enumerate(ITEMS)}

needs_dask = pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="dask is not installed")
needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")


@pytest.fixture(scope="module")
def cluster():
    from distributed import LocalCluster

    with LocalCluster(2, threads_per_worker=1, dashboard_address=":0", preload=[__file__]) as cluster:
        yield f"dask:{cluster.scheduler_address}"


@pytest.mark.parametrize("workers", [1, 2])
def test_processes_of_this_machine(workers):
    assert dict(results_of(SQUARES, ITEMS, workers=workers)) == RIGHT


def test_an_executor_of_the_users_own():
    assert dict(results_of(SQUARES, ITEMS, executor=f"{__name__}:threads")) == RIGHT


def prepare_uneven(_):
    return uneven


def uneven(item):
    """Every fifth item takes longest."""
    time.sleep(0.02 if item % 5 == 0 else 0)
    return item


@pytest.mark.parametrize(
    "how", [{"workers": 3, "in_threads": True}, {"workers": 2}, {"executor": f"{__name__}:threads"}, {"workers": 1}]
)
def test_results_in_the_order_of_the_items(how):
    found = list(results_of(Work(prepare_uneven, None), ITEMS, in_order=True, **how))
    assert found == list(zip(ITEMS, ITEMS, strict=True))


def test_threads_of_this_process_do_the_work():
    here = threading.active_count()
    found = list(results_of(Work(prepare_whereabouts, None), ITEMS, workers=3, in_threads=True))
    assert sorted(index for index, _ in found) == ITEMS
    assert {process for _, (process, _) in found} == {os.getpid()}
    assert threading.get_ident() not in {thread for _, (_, thread) in found}
    assert threading.active_count() == here


def prepare_whereabouts(_):
    return lambda item: (os.getpid(), threading.get_ident())


@pytest.mark.parametrize("in_threads", [True, False])
def test_what_an_item_raises_comes_back_and_ends_the_rest(in_threads):
    with pytest.raises(UserError, match="0: refused"):
        list(results_of(Work(prepare_refusing, None), ITEMS, workers=2, in_threads=in_threads, in_order=True))


def test_no_more_results_wait_than_are_handed_over_at_a_time():
    waiting = most = 0

    def prepare(_):
        def do(item):
            nonlocal waiting, most
            waiting += 1
            most = max(most, waiting)
            return item

        return do

    for _ in results_of(Work(prepare, None), ITEMS, workers=2, in_threads=True, in_order=True):
        time.sleep(0.002)
        waiting -= 1
    assert 0 < most <= IN_FLIGHT_HERE * 2 + 1


@needs_dask
def test_what_is_large_is_sent_to_a_cluster_once(cluster):
    work = Work(prepare_squares_of_many, bytes(2 * SENT_ONCE_BYTES))
    assert dict(results_of(work, ITEMS, executor=cluster, in_order=True)) == {item: item * item for item in ITEMS}


def prepare_squares_of_many(large):
    assert len(large) == 2 * SENT_ONCE_BYTES
    return partial(square, 0)


def test_a_task_of_a_cluster_has_several_of_many_items(monkeypatch):
    sizes = []

    class Counting(ThreadPoolExecutor):
        def submit(self, *task):
            sizes.append(len(task[-1]))
            return super().submit(*task)

    monkeypatch.setitem(globals(), "threads", lambda: Counting(2))
    many = list(range(2 * TASKS_PER_WORKER * 3 + 1))
    found = list(results_of(SQUARES, many, executor=f"{__name__}:threads", in_order=True))
    assert found == [(index, index * index + 5) for index in many]
    assert set(sizes[:-1]) == {3} and sizes[-1] == 1


@needs_dask
def test_a_dask_cluster(cluster):
    assert dict(results_of(SQUARES, ITEMS, executor=cluster)) == RIGHT
    with pytest.raises(UserError, match="0: refused"):
        list(results_of(Work(prepare_refusing, None), [0], executor=cluster))


@pytest.mark.long
@needs_dask
def test_dask_workers_that_die_are_said_to_be_gone(cluster):
    from distributed import LocalCluster

    settings = {"distributed.scheduler.allowed-failures": 0}
    import dask

    with (
        dask.config.set(settings),
        LocalCluster(1, threads_per_worker=1, dashboard_address=":0", preload=[__file__]) as own,
        pytest.raises(ConnectionLostError, match=r"general\.executor: dask:.*were lost"),
    ):
        list(results_of(Work(prepare_deadly, None), ITEMS, executor=f"dask:{own.scheduler_address}"))


def prepare_slow(_):
    return slow


def slow(item):
    time.sleep(0.1)
    return item


CLUSTER = """\
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    where = dict(protocol="tcp", host="127.0.0.1", dashboard_address=":0", processes=False)
    print(LocalCluster(1, threads_per_worker=1, preload=sys.argv[1:], **where).scheduler_address, flush=True)
    sys.stdin.read()
"""

CLIENT = """\
import sys
from test_executors import ITEMS, Work, prepare_slow, results_of
from sezoo.run.executors import ConnectionLostError
try:
    for result in results_of(Work(prepare_slow, None), ITEMS, executor=sys.argv[1]):
        print(result, flush=True)
except ConnectionLostError as error:
    sys.exit(error.message)
"""


@pytest.mark.long
@needs_dask
def test_a_dask_scheduler_that_is_killed_is_one_line_on_the_terminal(tmp_path):
    for name, text in (("cluster.py", CLUSTER), ("client.py", CLIENT)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    how = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    words = [sys.executable, str(tmp_path / "cluster.py"), __file__]
    with subprocess.Popen(words, stderr=subprocess.DEVNULL, **how) as cluster:
        try:
            words = [sys.executable, str(tmp_path / "client.py"), f"dask:{cluster.stdout.readline().strip()}"]
            environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
            with subprocess.Popen(words, stderr=subprocess.PIPE, env=environment, **how) as client:
                assert client.stdout.readline().startswith("(")
                cluster.kill()
                said = client.stderr.read()
            assert client.returncode == 1
        finally:
            cluster.kill()
    assert len(said.splitlines()) == 1 and "workers or their scheduler were lost" in said


@pytest.mark.long
@needs_ray
def test_ray():
    import ray

    paths = {"env_vars": {"PYTHONPATH": str(Path(__file__).parent)}}
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env=paths)
    try:
        assert dict(results_of(SQUARES, ITEMS, executor="ray")) == RIGHT
        with pytest.raises(UserError, match="0: refused"):
            list(results_of(Work(prepare_refusing, None), [0], executor="ray"))
    finally:
        ray.shutdown()


def test_a_worker_that_dies_is_said_to_be_gone():
    with pytest.raises(ConnectionLostError, match="the number of workers: 1 needs less"):
        list(results_of(Work(prepare_deadly, None), ITEMS, executor=LOCAL, workers=2))


@pytest.mark.parametrize(
    ("executor", "words"),
    [
        pytest.param("dask:tcp://127.0.0.1:9", "no Dask scheduler answers at tcp://127.0.0.1:9", marks=needs_dask),
        ("nowhere_at_all:function", "No module named 'nowhere_at_all'"),
        (f"{__name__}:nothing", "has no function nothing"),
        (f"{__name__}:no_executor", "but int"),
        (f"{__name__}:raising", "ValueError: no machine is free"),
        (f"{__name__}:of_no_futures", "submit of OfNoFutures gives no future, but int"),
    ],
)
def test_an_executor_that_cannot_be_had(executor, words, monkeypatch):
    monkeypatch.setattr("sezoo.run.clusters.SECONDS_TO_CONNECT", 1)
    with pytest.raises(UserError, match=r"general\.executor") as caught:
        list(results_of(SQUARES, ITEMS, executor=executor))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("executor", "work"), [("shut_down", SQUARES), ("of_deadly_processes", Work(prepare_deadly, None))]
)
def test_a_users_executor_that_stops_in_the_middle_is_lost(executor, work):
    with pytest.raises(
        ConnectionLostError, match=rf"general\.executor: .*:{executor}: workers or their scheduler were lost"
    ):
        list(results_of(work, ITEMS, executor=f"{__name__}:{executor}"))


class Strange(Executor):
    """A user's own executor that goes wrong where `fault` says."""

    _max_workers = "many"

    def __init__(self, fault):
        self.fault = fault

    def __enter__(self):
        if self.fault == "enter":
            raise OSError("no room here")
        return self

    def __exit__(self, *_):
        if self.fault == "exit":
            raise OSError("stuck")

    def submit(self, function, *values):
        if self.fault == "submit":
            raise ValueError("no room here")
        future = Future()
        if self.fault == "future":
            future.set_exception(OSError("no room here"))
        else:
            future.set_result("nonsense" if self.fault == "result" else function(*values))
        return future


for _fault in ("enter", "exit", "submit", "future", "result"):
    globals()[f"wrong_in_{_fault}"] = partial(Strange, _fault)


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ("enter", UserError, "cannot be entered: OSError: no room here"),
        ("submit", ConnectionLostError, "lost (ValueError: no room here)"),
        ("future", ConnectionLostError, "lost (no room here)"),
        ("result", UserError, "a task has given str, not its result"),
    ],
)
def test_a_users_executor_that_goes_wrong(fault, kind, words):
    with pytest.raises(kind, match=r"^general\.executor: ") as caught:
        list(results_of(SQUARES, ITEMS, executor=f"{__name__}:wrong_in_{fault}"))
    assert words in str(caught.value)


def test_a_users_executor_that_cannot_be_closed_has_done_its_work(caplog):
    assert dict(results_of(SQUARES, ITEMS, executor=f"{__name__}:wrong_in_exit")) == RIGHT
    assert "cannot be closed: OSError: stuck" in caplog.text


def test_a_file_in_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = "from concurrent.futures import ThreadPoolExecutor\n\n\ndef made():\n    return ThreadPoolExecutor(2)\n"
    for name, executor in (("pools.py", "pools.py:made"), ("other_pools.py", "other_pools:made")):
        (tmp_path / name).write_text(lines, encoding="utf-8")
        assert dict(results_of(SQUARES, ITEMS, executor=executor)) == RIGHT
    (tmp_path / "broken.py").write_text("def (\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"general\.executor: broken\.py cannot be imported: SyntaxError"):
        list(results_of(SQUARES, ITEMS, executor="broken.py:made"))


def test_a_ray_cluster_that_is_not_there_is_noticed_without_ray():
    for address in ("127.0.0.1:9", "ray://127.0.0.1:9"):
        with pytest.raises(ConnectionRefusedError):
            _check_answers(address)
    for address in ("", "auto"):
        _check_answers(address)


def test_few_tasks_wait_at_a_time(monkeypatch):
    submitted = []

    class Counting(ThreadPoolExecutor):
        def submit(self, *task):
            submitted.append(task)
            return super().submit(*task)

    monkeypatch.setitem(globals(), "threads", lambda: Counting(2))
    results = results_of(SQUARES, ITEMS, executor=f"{__name__}:threads")
    next(results)
    assert len(submitted) <= 8
    results.close()

"""The same results whatever does the work, and one line when it is gone."""

import importlib.util
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from sezoo.base.errors import UserError
from sezoo.run.clusters import _check_answers
from sezoo.run.executors import LOCAL, Lost, Work, results_of

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
        pytest.raises(Lost, match=r"general\.executor: dask:.*were lost"),
    ):
        list(results_of(Work(prepare_deadly, None), ITEMS, executor=f"dask:{own.scheduler_address}"))


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
    with pytest.raises(Lost, match="the number of workers: 1 needs less"):
        list(results_of(Work(prepare_deadly, None), ITEMS, executor=LOCAL, workers=2))


@pytest.mark.parametrize(
    ("executor", "words"),
    [
        pytest.param("dask:tcp://127.0.0.1:9", "no Dask scheduler answers at tcp://127.0.0.1:9", marks=needs_dask),
        ("nowhere_at_all:function", "No module named 'nowhere_at_all'"),
        (f"{__name__}:nothing", "nothing"),
        (f"{__name__}:no_executor", "but int"),
    ],
)
def test_an_executor_that_cannot_be_had(executor, words, monkeypatch):
    monkeypatch.setattr("sezoo.run.clusters.SECONDS_TO_CONNECT", 1)
    with pytest.raises(UserError, match=r"general\.executor") as caught:
        list(results_of(SQUARES, ITEMS, executor=executor))
    assert words in str(caught.value)


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

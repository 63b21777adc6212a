import os

import pytest

from sezoo.base import processors
from sezoo.base.processors import available_processors


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """64 processors, and control groups below `tmp_path`; called with the process's own and with their files."""

    def make(own, files):
        (tmp_path / "own").write_text(own, encoding="utf-8")
        for name, content in files.items():
            path = tmp_path / "cgroups" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        monkeypatch.setattr(processors, "OWN_CGROUP", tmp_path / "own")
        monkeypatch.setattr(processors, "CGROUPS", tmp_path / "cgroups")
        monkeypatch.delenv("PYTHON_CPU_COUNT", raising=False)
        monkeypatch.setattr(os, "cpu_count", lambda: 64)
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)

    return make


V1 = "11:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n"


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "200000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "10000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "max 100000\n"}, 64),
        ("0::/a/b\n", {"a/cpu.max": "400000 100000\n", "a/b/cpu.max": "max 100000\n"}, 4),
        ("0::/a/b\n", {"a/cpu.max": "800000 100000\n", "a/b/cpu.max": "300000 100000\n"}, 3),
        ("0::/../other\n", {"cpu.max": "500000 100000\n"}, 5),
        (V1, {"cpu,cpuacct/cpu.cfs_quota_us": "200000\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n"}, 2),
        (V1, {"cpu/docker/abc/cpu.cfs_quota_us": "50000\n", "cpu/docker/abc/cpu.cfs_period_us": "10000\n"}, 5),
        (V1, {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 64),
        ("3:cpuset:/\n", {"cpuset/cpu.cfs_quota_us": "100000\n", "cpuset/cpu.cfs_period_us": "100000\n"}, 64),
        ("0::/\n", {"cpu.max": "much more\n"}, 64),
        ("0::/\n", {"cpu.max": "100000 0\n"}, 64),
        ("0::/\n", {"cpu.max": ""}, 64),
        ("nonsense\n", {}, 64),
        ("", {}, 64),
    ],
)
def test_a_containers_quota_counts(own, files, expected, machine):
    machine(own, files)
    assert available_processors() == expected


def test_so_do_affinity_and_the_systems_own_count(machine, monkeypatch):
    machine("0::/\n", {"cpu.max": "1600000 100000\n"})
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 7}, raising=False)
    assert available_processors() == 3
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    assert available_processors() == 1


@pytest.mark.parametrize(("told", "expected"), [("4", 4), ("0", 64), ("many", 64), ("", 64)])
def test_a_user_may_say_how_many(told, expected, machine, monkeypatch):
    machine("0::/\n", {})
    monkeypatch.setenv("PYTHON_CPU_COUNT", told)
    assert available_processors() == expected


def test_where_nothing_is_known(machine, monkeypatch, tmp_path):
    machine("", {})
    monkeypatch.setattr(processors, "OWN_CGROUP", tmp_path / "there is none")
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_processors() == 1


def test_here_it_is_one_at_least_and_no_more_than_there_are():
    assert 1 <= available_processors() <= os.cpu_count()

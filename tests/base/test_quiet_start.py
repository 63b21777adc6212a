"""That a script does not run again in workers is shown in test_api; here, by which means, on every system."""

import multiprocessing
import sys
from importlib import import_module
from multiprocessing import spawn

import pytest

from sezoo.base.quiet_start import _without_main_module, quiet_context

SYSTEM = "win32" if sys.platform == "win32" else "posix"


@pytest.mark.parametrize("name", [f"popen_spawn_{SYSTEM}", *(["popen_forkserver"] if SYSTEM == "posix" else [])])
def test_the_main_module_is_left_out_of_what_a_worker_prepares(name, monkeypatch, tmp_path):
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(tmp_path / "script.py"), raising=False)
    launch = "_launch" if SYSTEM == "posix" else "__init__"
    quiet = vars(_without_main_module(import_module(f"multiprocessing.{name}").Popen))[launch]
    own, ours = (each.get_preparation_data("a worker") for each in (spawn, quiet.__globals__["spawn"]))
    assert set(own) - set(ours) == {"init_main_from_path"}
    assert quiet.__globals__["spawn"].get_executable() == spawn.get_executable()


def test_contexts_are_of_the_method_asked_for():
    for method in multiprocessing.get_all_start_methods():
        assert quiet_context(method).get_start_method() == method

"""Worker processes that do not import the main module of the program that starts them.

`multiprocessing` hands the path of `__main__` on to every process that it spawns, which imports it under another name:
a script without `if __name__ == "__main__":` would run again in each of our workers. They need nothing of it. There
is no public setting for that, so that the function which launches a process gets preparation data without the path;
nothing of the calling program is changed, and processes that it starts itself are as ever.
"""

from __future__ import annotations

import multiprocessing
import sys
from multiprocessing import context, spawn
from types import FunctionType
from typing import Any

__all__ = ["quiet_context"]


class _Spawn:
    """`multiprocessing.spawn`, except that the main module is left out of what a new process is to prepare."""

    def __getattr__(self, name: str) -> Any:
        return getattr(spawn, name)

    @staticmethod
    def get_preparation_data(name: str) -> dict[str, Any]:
        data = spawn.get_preparation_data(name)
        return {key: value for key, value in data.items() if not key.startswith("init_main_")}


def _without_main_module(launcher: type) -> type:
    """A class that launches processes, with our preparation data; the method that asks for them is `_launch`, on
    Windows `__init__`."""
    methods = {
        name: FunctionType(
            method.__code__, {**method.__globals__, "spawn": _Spawn()}, name, method.__defaults__, method.__closure__
        )
        for name, method in vars(launcher).items()
        if isinstance(method, FunctionType) and "get_preparation_data" in method.__code__.co_names
    }
    return type(launcher.__name__, (launcher,), methods)


class _SpawnProcess(context.SpawnProcess):
    @staticmethod
    def _Popen(process: Any) -> Any:  # noqa: N802 - named by multiprocessing
        if sys.platform == "win32":
            from multiprocessing.popen_spawn_win32 import Popen
        else:
            from multiprocessing.popen_spawn_posix import Popen
        return _without_main_module(Popen)(process)


class _SpawnContext(context.SpawnContext):
    Process = _SpawnProcess


_CONTEXTS: dict[str, type[context.BaseContext]] = {"spawn": _SpawnContext}

if "forkserver" in multiprocessing.get_all_start_methods():

    class _ForkServerProcess(context.ForkServerProcess):
        @staticmethod
        def _Popen(process: Any) -> Any:  # noqa: N802 - named by multiprocessing
            from multiprocessing.popen_forkserver import Popen

            return _without_main_module(Popen)(process)

    class _ForkServerContext(context.ForkServerContext):
        Process = _ForkServerProcess

    _CONTEXTS["forkserver"] = _ForkServerContext


def quiet_context(method: str) -> context.BaseContext:
    """Return a multiprocessing context whose workers do not import the main module.

    Parameters
    ----------
    method : spawn or forkserver; forked processes import nothing, and fork gives Python's own context.
    """
    return _CONTEXTS[method]() if method in _CONTEXTS else multiprocessing.get_context(method)

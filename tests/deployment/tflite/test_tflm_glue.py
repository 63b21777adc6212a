"""`network_tflm.cc` compiled and run: what it makes of TFLite Micro's interface, with the real interpreter behind it.

TFLite Micro's C++ sources are not here; its interpreter is, as a Python package. Headers that stand for its public ones
hand each `Invoke()` on to it.
"""

import ctypes
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from c_builds import compiled, needs_gcc
from int8_graphs import FORMS, PATH
from sezoo.audio.stft import Stft
from sezoo.deployment.c_package.call_frames import Engine
from sezoo.deployment.c_package.program import Program
from sezoo.deployment.c_package.settings import PackageSettings
from sezoo.deployment.c_package.vectors import vector_calls
from sezoo.deployment.engine.stream_plan import stream_plan
from sezoo.deployment.tflite.c_package import write_package_around
from sezoo.deployment.tflite.deploy import ARRAY, write_tflite
from sezoo.deployment.tflite.lowerable import tflite_graph_of
from sezoo.deployment.tflite.lowering import lower_graph
from sezoo.deployment.tflite.tflm import has_tflm
from sezoo.deployment.tflite.vectors import vectors_of

GXX = shutil.which("g++")
pytestmark = [
    needs_gcc,
    pytest.mark.skipif(GXX is None, reason="g++ is not installed on this computer"),
    pytest.mark.skipif(not has_tflm(), reason="tflite-micro is not installed"),
    pytest.mark.skipif(os.name == "nt", reason="builds a shared library as GCC does"),
]
HEADERS = Path(__file__).parents[2] / "tflm_headers"
RATE, SPECTRUM = 16000, {"n_fft": 22, "hop_length": 10, "win_length": 20, "window": "hann"}
HOOKS = """
#include <stddef.h>
#include <stdint.h>
int (*stand_in_open)(const void *, const char *, size_t, int32_t *);
int (*stand_in_invoke)(const int8_t *, int8_t *);
"""
OPEN = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.POINTER(ctypes.c_int32))
INVOKE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int8), ctypes.POINTER(ctypes.c_int8))


class Interpreter:
    """TFLite Micro behind the headers: opened with the array that the program was linked with."""

    def __init__(self, low, length):
        self.low, self.length, self.calls, self.fails = low, length, 0, False
        self.sizes = [
            [int(np.prod(low.file.tensors[index].shape)) for index in each]
            for each in (low.file.inputs, low.file.outputs)
        ]

    def open(self, model, operators, arena, sizes):
        from tflite_micro import runtime

        data = ctypes.string_at(model, self.length)
        wanted = {operator.kind.name for operator in self.low.file.operators}
        if set(operators.decode().split()) != wanted or data[4:8] != b"TFL3" or model % 16:
            return 1
        try:
            self.interpreter = runtime.Interpreter.from_bytes(data, arena_size=arena)
        except RuntimeError:
            return 1
        flat = [*self.sizes[0], -1, *self.sizes[1], -1]
        for place, size in enumerate(flat):
            sizes[place] = size
        return 0

    def invoke(self, inputs, outputs):
        self.calls += 1
        if self.fails:
            return 1
        given = np.ctypeslib.as_array(inputs, (sum(self.sizes[0]),))
        ends = np.cumsum(self.sizes[0])[:-1]
        for number, (part, index) in enumerate(zip(np.split(given, ends), self.low.file.inputs, strict=True)):
            self.interpreter.set_input(part.reshape(self.low.file.tensors[index].shape).copy(), number)
        self.interpreter.invoke()
        made = [self.interpreter.get_output(number).ravel() for number in range(len(self.low.file.outputs))]
        np.ctypeslib.as_array(outputs, (sum(self.sizes[1]),))[:] = np.concatenate(made)
        return 0


def library(folder, low):
    """The whole program as a library, the example's `main` being `check`."""
    folders = [f"-I{folder / each}" for each in ("include", "src", "examples", ".")]
    (folder / "hooks.c").write_text(HOOKS, encoding="utf-8")
    names = ("examples/host/files_stdio.c", f"{ARRAY}.c", "hooks.c")
    sources = [*(folder / "src").glob("*.c"), *(folder / name for name in names)]
    compiled("-std=c99", "-O0", "-fPIC", "-ffp-contract=off", *folders, "-c", *sources, folder=folder)
    check = folder / "examples/check_vectors.c"
    compiled("-O0", "-fPIC", *folders, "-Dmain=check", "-c", check, "-o", folder / "check.o")
    strict = ("-std=c++17", "-O0", "-fPIC", "-Wall", "-Wextra", "-Wconversion", "-Werror", f"-I{HEADERS}")
    glue = [GXX, *strict, *folders, "-c", folder / "examples/network_tflm.cc", "-o", folder / "glue.o"]
    done = subprocess.run([str(word) for word in glue], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    objects = [str(path) for path in folder.glob("*.o")]
    done = subprocess.run(
        [GXX, "-shared", *objects, "-lm", "-o", str(folder / "all.so")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return ctypes.CDLL(str(folder / "all.so"))


def written(folder, form, *, is_stream):
    """A package around a small network, in a folder: the network."""
    graph = tflite_graph_of(FORMS[form](), PATH)
    lag = stream_plan(graph).lag[graph.output.name]
    engine = Engine(True, 1, lag) if is_stream else Engine(False, graph.frames - 4, 2)
    program = Program(graph, engine, Stft(**SPECTRUM))
    low = lower_graph(graph, PATH, 1 if is_stream else None)
    calls = vector_calls(program, np.random.default_rng(3).standard_normal(4000).astype(np.float32))
    write_package_around(
        program, low, PackageSettings(RATE, False, None), calls, vectors_of(program, calls), folder / "c"
    )
    data = write_tflite(low, PATH.name, folder / "c")
    return low, len(data)


@pytest.mark.parametrize("is_stream", [False, True], ids=["patch", "stream"])
@pytest.mark.parametrize("form", ["depthwise", "split input", "tanh"])
def test_masks_by_the_real_interpreter_are_those_of_the_reference(form, is_stream, tmp_path, monkeypatch):
    low, length = written(tmp_path, form, is_stream=is_stream)
    assert form != "depthwise" or bool(low.states) == is_stream
    program, there = library(tmp_path / "c", low), Interpreter(low, length)
    callbacks = OPEN(there.open), INVOKE(there.invoke)
    for name, callback in zip(("stand_in_open", "stand_in_invoke"), callbacks, strict=True):
        ctypes.c_void_p.in_dll(program, name).value = ctypes.cast(callback, ctypes.c_void_p).value
    monkeypatch.chdir(tmp_path / "c/test_vectors")
    assert program.check(0, None) == 0
    calls = there.calls
    assert calls >= 3
    there.fails = True
    assert program.check(0, None) == 1 and there.calls > calls

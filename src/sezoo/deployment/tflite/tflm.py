"""A .tflite file run in TensorFlow Lite Micro (extra `tflm`): its integers and its arena."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sezoo.base.errors import UserError
from sezoo.deployment.tflite.lowering import LoweredGraph
from sezoo.deployment.tflite.memory import arena_bytes
from sezoo.deployment.tflite.vectors import Vectors, run_calls

__all__ = ["Arena", "has_tflm", "tflm_arena", "tflm_outputs"]

SECONDS = 300

PROGRAM = """
import sys
from tflite_micro import runtime
with open(sys.argv[1], "rb") as file:
    interpreter = runtime.Interpreter.from_bytes(file.read(), arena_size=int(sys.argv[2]))
interpreter.invoke()
interpreter.print_allocations()
"""
"""Program for a child process, as the interpreter writes the sizes to standard error from C++."""


def has_tflm() -> bool:
    """Return whether TensorFlow Lite Micro is installed."""
    return importlib.util.find_spec("tflite_micro") is not None


@dataclass(frozen=True)
class Arena:
    """TensorFlow Lite Micro's arena on this computer, in bytes.

    Attributes
    ----------
    activations : memory shared by the tensors ("head").
    records : records of tensors and operators ("tail"), smaller on a microcontroller with its shorter pointers.
    """

    activations: int
    records: int

    @property
    def total(self) -> int:
        """Total size."""
        return self.activations + self.records


def tflm_arena(data: bytes, low: LoweredGraph) -> Arena:
    """Return the arena that the interpreter uses.

    Raises
    ------
    UserError : the interpreter rejects the file; the message has its output.
    """
    with tempfile.TemporaryDirectory(prefix="sezoo_") as scratch:
        path = Path(scratch) / "network.tflite"
        path.write_bytes(data)
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, path, str(arena_bytes(low.file))],
            capture_output=True, text=True, encoding="utf-8", errors="replace", stdin=subprocess.DEVNULL,
            timeout=SECONDS, check=False,
        )  # fmt: skip
    found = dict(re.findall(r"Arena allocation (head|tail) (\d+) bytes", done.stderr))
    if done.returncode or len(found) < 2:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise UserError(f"TensorFlow Lite Micro refuses the .tflite file: {said[-1] if said else 'it says nothing'}")
    return Arena(int(found["head"]), int(found["tail"]))


def tflm_outputs(data: bytes, low: LoweredGraph, vectors: Vectors) -> Iterator[np.ndarray]:
    """Yield the integers of TensorFlow Lite Micro's output for each call of the vectors.

    Raises
    ------
    UserError : the interpreter rejects the file.
    """
    from tflite_micro import runtime

    try:
        interpreter = runtime.Interpreter.from_bytes(data, arena_size=arena_bytes(low.file))
    except RuntimeError as error:
        raise UserError(f"TensorFlow Lite Micro refuses the .tflite file: {error}") from error

    def run(inputs: list[np.ndarray]) -> list[np.ndarray]:
        for number, integers in enumerate(inputs):
            interpreter.set_input(integers, number)
        interpreter.invoke()
        return [interpreter.get_output(number) for number in range(len(low.file.outputs))]

    return run_calls(run, low, vectors)

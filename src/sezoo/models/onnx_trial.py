"""A first run of a model that may never end, in a process of its own with a limit of time and of memory.

Loops, branches and tensors whose size depends on data cannot be judged by their declarations. Such a model is loaded
and run once where it can do no harm; all others are loaded where they are needed, at no cost.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import onnx

from sezoo.base.errors import UserError

__all__ = ["try_in_subprocess"]

SECONDS = 20.0
"""In which a model has to be loaded and to have run on a quarter of a second of sound; a few milliseconds are usual."""

BYTES = 2 * 2**30
"""Of memory that loading and running may take."""

FRAMES = 24

OUT_OF_MEMORY, REFUSED = 3, 4
"""Exit codes of the process: the second says that onnxruntime refuses the model, for reasons that it will repeat."""

TRIED: set[bytes] = set()
"""Digests of the models that have run."""


def try_in_subprocess(model: onnx.ModelProto, path: Path) -> None:
    """Load a model and run it once, in another process; what has run once is not tried again.

    An error that onnxruntime reports is not raised here: who loads the model gets it as well.

    Parameters
    ----------
    path : for messages.

    Raises
    ------
    UserError : it takes too long or too much memory, or it crashes onnxruntime.
    """
    content = model.SerializeToString()
    digest = hashlib.sha256(content).digest()
    if digest in TRIED or not sys.executable:
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "model.onnx"
        copy.write_bytes(content)
        # -P: nothing is imported from the working directory.
        trial = "from sezoo.models.onnx_trial import main; main()"
        command = [sys.executable, "-P", "-c", trial, str(copy), str(BYTES)]
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, env=_environment(), check=False
            )
        except subprocess.TimeoutExpired as error:
            raise UserError(
                f"{path}: a run on {FRAMES} frames has not ended after {SECONDS:g} s; does a Loop in it never end?"
            ) from error
    if done.returncode == OUT_OF_MEMORY:
        raise UserError(f"{path}: a run on {FRAMES} frames takes more than {BYTES / 2**30:g} GiB of memory")
    if done.returncode < 0 or done.returncode > 255:  # a signal; Windows has large numbers for the same
        raise UserError(f"{path}: onnxruntime crashes when it runs the model (exit code {done.returncode})")
    TRIED.add(digest)


def _environment() -> dict[str, str]:
    """This process's environment, with the path to this package, wherever it was imported from."""
    package = str(Path(__file__).parents[2])
    others = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([package, *([others] if others else [])])}


def main() -> None:
    """Load and run the model whose file is the first argument, within as many bytes of memory as the second says."""
    _limit_memory(int(sys.argv[2]))
    try:
        _run(Path(sys.argv[1]))
    except MemoryError:
        sys.exit(OUT_OF_MEMORY)
    except Exception as error:  # onnxruntime's exceptions have no base class of their own
        out_of_memory = any(words in str(error) for words in ("bad_alloc", "Failed to allocate", "bad allocation"))
        sys.exit(OUT_OF_MEMORY if out_of_memory else REFUSED)


def _limit_memory(most: int) -> None:
    try:
        import resource
    except ImportError:  # Windows; the time is limited anyway
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
    if soft == resource.RLIM_INFINITY or soft > allowed:
        resource.setrlimit(resource.RLIMIT_DATA, (allowed, hard))


def _run(path: Path) -> None:
    import numpy as np

    from sezoo.models.onnx_session import open_session

    session = open_session(path)
    random = np.random.default_rng(0)
    feeds = {}
    for value in session.get_inputs():
        last = len(value.shape) - 1
        shape = [
            axis if isinstance(axis, int) else FRAMES if place == last and place else 1
            for place, axis in enumerate(value.shape)
        ]
        if value.type == "tensor(float)":
            feeds[value.name] = random.random(shape, np.float32)
        elif value.type in ("tensor(int64)", "tensor(int32)", "tensor(bool)"):
            feeds[value.name] = np.ones(shape, value.type[7:-1])
    session.run(None, feeds)

"""A first run of a model that may never end, in a process of its own with a limit of time and of memory.

Loops, branches and tensors whose size depends on data cannot be judged by their declarations. Such a model is loaded
and run once where it can do no harm; all others are loaded where they are needed, at no cost.
"""

from __future__ import annotations

import hashlib
import math
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import onnx

from sezoo.base.errors import UserError

__all__ = ["try_in_subprocess"]

SECONDS = 20.0
"""Of processor time in which a model has to be loaded and to have run on a quarter of a second of sound; one or two are
usual. A machine that is busy with something else gives them later, so that the clock alone does not count."""

PATIENCE = 6
"""By how many times as long on the clock a run ends in any case."""

BYTES = 2 * 2**30
"""Of memory that loading and running may take."""

FRAMES = 24

OUT_OF_MEMORY, REFUSED = 3, 4
"""Exit codes of the process: the second says that onnxruntime refuses the model, for reasons that it will repeat."""

OUT_OF_TIME: set[int] = {-signal.SIGXCPU} if sys.platform != "win32" else set()
"""Exit codes of a process that has used up its processor time; Windows knows none."""

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
        command = [sys.executable, "-P", "-c", trial, str(copy), str(BYTES), str(SECONDS)]
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE * SECONDS, env=_environment(),
                check=False,
            )  # fmt: skip
            if done.returncode in OUT_OF_TIME:
                raise subprocess.TimeoutExpired(command, SECONDS)
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
    """Load and run the model of the first argument within the bytes of memory and the seconds of the next two."""
    _limit_memory(int(sys.argv[2]))
    _limit_time(float(sys.argv[3]))
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
    except ImportError:  # Windows; the time on the clock is limited anyway
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
    if soft == resource.RLIM_INFINITY or soft > allowed:
        resource.setrlimit(resource.RLIMIT_DATA, (allowed, hard))


def _limit_time(seconds: float) -> None:
    """Limit the processor time, which also passes in a loop of onnxruntime that Python cannot interrupt."""
    try:
        import resource
    except ImportError:  # Windows, as above
        return
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    allowed = math.ceil(seconds)
    if hard == resource.RLIM_INFINITY or hard > allowed:
        resource.setrlimit(resource.RLIMIT_CPU, (allowed, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))  # the signal dumps one


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

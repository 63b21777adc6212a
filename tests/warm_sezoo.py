"""Commands as a user types them, without what every new interpreter would import again.

A process that has imported what sezoo uses waits for commands, and runs each in a fork of itself: in another folder,
with other environment variables and its own output, from the script that a user would start to its exit code.
"""

import atexit
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

FORKS = sys.platform == "linux"
"""Whether commands can be forks of a process."""
IMPORTED = (
    *("sezoo.services", "sezoo.api", "sezoo.evaluation.service", "sezoo.quantization.service", "sezoo.report.page"),
    *("sezoo.cli.hydra_run", "scipy.signal", "matplotlib.figure", "onnx.version_converter", "pesq", "pystoi", "yaml"),
    *("onnxruntime", "onnxruntime.quantization"),
    *("hydra", "hydra.core.override_parser.overrides_parser", "rich.console", "matplotlib.backends.backend_svg"),
)
"""onnxruntime starts a thread, which is not there in a fork; only what it does when a process ends needs it (`_end`).

OpenBLAS, which numpy and scipy bring, ends its threads before a fork and starts them anew behind it.
"""
TRAINING = (*IMPORTED, "torch", "torch._dynamo", "torch.onnx", "torch.utils.data", "sezoo.training.service")
"""What a training imports as well; torch's optimizers import `torch._dynamo` with their first step."""
LATE = "late"
SOURCES = Path(__file__).parents[1] / "src"


class Pythons:
    """Runs commands by Pythons that have imported already, each started with the first command for it.

    Where commands cannot be forks, each has a new interpreter.
    """

    def __init__(self) -> None:
        self._started: dict[tuple[Path, tuple[str, ...]], WarmPython] = {}

    def run(
        self, words, folder: Path, environment: dict[str, str] | None = None, *, sources: Path = SOURCES,
        imported: tuple[str, ...] | None = None, limit: float = 600,
    ) -> subprocess.CompletedProcess:  # fmt: skip
        """Run words in a folder as `WarmPython.run` does; in the environment of the tests, if no other is given."""
        environment, key = {**(environment or os.environ)}, (sources, imported or IMPORTED)
        if FORKS:
            if key not in self._started:
                self._started[key] = WarmPython(*key)
            return self._started[key].run(words, folder, environment, limit)
        return subprocess.run(
            [sys.executable, *map(str, words)], cwd=folder, env={**environment, "PYTHONPATH": str(sources)},
            capture_output=True, text=True, encoding="utf-8", check=False, timeout=limit,
        )  # fmt: skip

    def close(self) -> None:
        """End them."""
        for python in self._started.values():
            python.close()


class WarmPython:
    """A Python that has imported already.

    Attributes
    ----------
    sources : a folder that modules are imported from first, as from PYTHONPATH.
    imported : the names of the modules to import.
    """

    def __init__(self, sources: Path, imported: tuple[str, ...] = IMPORTED):
        self.sources = sources
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).absolute()), *imported],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(sources)}, text=True,
            encoding="utf-8",
        )  # fmt: skip

    def run(self, words, folder: Path, environment: dict[str, str], limit: float) -> subprocess.CompletedProcess:
        """Run a Python script and its words, or -m, a module and its words; its exit code and what it wrote.

        PYTHONPATH is the folder of the sources. After ``limit`` seconds the command is killed, with what it started.

        Raises
        ------
        subprocess.TimeoutExpired : the command was killed, as by `subprocess.run`.
        """
        words = [str(word) for word in words]
        with tempfile.TemporaryDirectory() as said:
            environment = {**environment, "PYTHONPATH": str(self.sources)}
            job = {"words": words, "folder": str(folder), "said": said, "environment": environment, "limit": limit}
            self.process.stdin.write(json.dumps(job) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline().strip()
            assert answer, "the process that runs commands has ended"
            stdout, stderr = (Path(said, name).read_text(encoding="utf-8") for name in ("stdout", "stderr"))
        if answer == LATE:
            raise subprocess.TimeoutExpired(words, limit, stdout, stderr)
        return subprocess.CompletedProcess(words, int(answer), stdout, stderr)

    def close(self) -> None:
        """End the process, and a command that it runs."""
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()


def _serve() -> dict | None:
    """Answer jobs, each by a process; in that process, return what it has to do."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in iter(sys.stdin.readline, ""):
        job = json.loads(line)
        for name in ("stdout", "stderr"):
            Path(job["said"], name).touch()
        child = os.fork()
        if not child:
            os.setpgid(0, 0)
            answers.close()
            return job
        os.setpgid(child, child)  # whichever of the two is first
        answers.write(f"{_answer(child, job['limit'])}\n")
        answers.flush()
    return None


def _answer(child: int, limit: float) -> str:
    """The exit code of a process, or that it was killed: after ``limit`` seconds, or since nobody waits for it."""
    ended, in_time = os.pidfd_open(child), False
    try:
        # Nothing is sent before the answer: the input can be read from only when its other end is closed.
        in_time = ended in select.select([ended, sys.stdin], [], [], limit)[0]
    finally:
        os.close(ended)
        if not in_time:
            os.killpg(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return str(code) if in_time else LATE


def _do(job: dict) -> None:
    os.chdir(job["folder"])
    os.environ.clear()
    os.environ.update(job["environment"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in enumerate(("stdout", "stderr"), 1):
        os.dup2(os.open(Path(job["said"], name), os.O_WRONLY), number)
    words = job["words"]
    try:
        if words[0] == "-m":
            sys.path[0] = job["folder"]
            sys.argv = words[1:]
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        else:
            sys.path[0] = str(Path(words[0]).absolute().parent)
            sys.argv = words
            runpy.run_path(words[0], run_name="__main__")
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            _end(end.code or 0)
        sys.stderr.write(f"{end.code}\n")
        _end(1)
    except Exception:
        sys.excepthook(*sys.exc_info())
        _end(1)
    _end(0)


def _end(code: int) -> None:
    """End a fork as Python ends, but for what libraries in C do behind it: they wait for threads that are not there."""
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code & 0xFF)


def _build_sections() -> None:
    """Have pydantic build the sections of the configuration, which it does when each is first read."""
    from sezoo.config.section import Section
    from sezoo.config.sections import Config

    found = [Section, Config]
    for kind in found:
        found += kind.__subclasses__()
        kind.model_rebuild()


if __name__ == "__main__":
    import gc
    import importlib

    for name in sys.argv[1:]:
        importlib.import_module(name)
    if "sezoo.services" in sys.modules:
        _build_sections()
    gc.freeze()  # a fork that looks for garbage copies the memory that it looks through
    job = _serve()
    if job is not None:
        _do(job)

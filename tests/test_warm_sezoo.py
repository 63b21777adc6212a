"""A command in a fork of a Python that has imported already is as one in a new Python."""

import os
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from warm_sezoo import FORKS, WarmPython

pytestmark = pytest.mark.skipif(not FORKS, reason="forks are used on Linux only")

SCRIPT = """
import json, os, resource, signal, subprocess, sys, threading

signals = [str(signal.getsignal(each)) for each in signal.valid_signals()]
state = [sys.argv, sys.path, __name__, __file__, os.getcwd(), dict(os.environ), signals, sys.stdin.read()]
state += [signal.pthread_sigmask(signal.SIG_BLOCK, []) == set(), resource.getrlimit(resource.RLIMIT_AS), os.nice(0)]
state += [threading.active_count(), sys.stdout.isatty(), sys.stdout.encoding, subprocess.getoutput("umask")]
print(json.dumps(state))
print("to standard error", file=sys.stderr)
if sys.argv[-1] == "fails":
    raise ValueError("of the script")
if sys.argv[-1] == "killed":
    os.kill(os.getpid(), signal.SIGTERM)
if sys.argv[-1] == "hangs":
    own = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    open("new.txt", "w").write(f"{os.getpid()} {own.pid}")
    os.rename("new.txt", "processes.txt")
    own.wait()
sys.exit({"code": 3, "text": "one line"}.get(sys.argv[-1]))
"""


@pytest.fixture(scope="module")
def warm(tmp_path_factory):
    with closing(WarmPython(tmp_path_factory.mktemp("sources"), ("json",))) as python:
        yield python


@pytest.fixture
def script(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    return tmp_path / "script.py"


@pytest.mark.parametrize("end", ["well", "code", "text", "fails", "killed"])
@pytest.mark.parametrize("by_name", [False, True])
def test_a_fork_is_as_a_new_process(end, by_name, script, tmp_path, warm):
    words = [*(("-m", "script") if by_name else (str(script),)), "a word", end]
    environment = {**os.environ, "PYTHONPATH": str(warm.sources), "ONLY_HERE": "1"}
    of_fork = warm.run(words, tmp_path, environment, 60)
    new = subprocess.run(
        [sys.executable, *words], cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, capture_output=True,
        encoding="utf-8", check=False, timeout=60,
    )  # fmt: skip
    assert (of_fork.returncode, of_fork.stdout) == (new.returncode, new.stdout)
    lines, expected = of_fork.stderr.splitlines(), new.stderr.splitlines()
    assert (lines[0], lines[-1]) == (expected[0], expected[-1])  # a traceback has other lines between
    assert lines[1].startswith("Traceback") if end == "fails" else lines == expected


def test_what_hangs_is_killed_and_the_next_command_runs(script, tmp_path, warm):
    with pytest.raises(subprocess.TimeoutExpired, match="timed out after"):
        warm.run([script, "hangs"], tmp_path, {**os.environ}, 0.2)
    assert warm.run([script, "well"], tmp_path, {**os.environ}, 60).returncode == 0


def is_alive(process):
    """Whether a process is there, and not only its exit code for one that does not ask for it."""
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(condition):
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.01)
    pytest.fail("waited for a minute")


def test_a_command_and_what_it_started_end_with_the_process_that_waits_for_it(script, tmp_path):
    waits = (
        "import sys; from pathlib import Path; from warm_sezoo import FORKS, WarmPython\n"
        "WarmPython(Path.cwd(), ()).run([sys.argv[1], 'hangs'], Path.cwd(), {}, 600)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    waiting = subprocess.Popen([sys.executable, "-c", waits, str(script)], cwd=tmp_path, env=environment)
    wait_until((tmp_path / "processes.txt").exists)
    processes = (tmp_path / "processes.txt").read_text(encoding="utf-8").split()
    waiting.kill()
    waiting.wait()
    wait_until(lambda: not any(is_alive(process) for process in processes))

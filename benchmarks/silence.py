"""How long a command leaves a terminal without movement: runs commands on a pseudo-terminal, as a person sees them.

python benchmarks/silence.py                     # the commands of the first hour, one after the other
python benchmarks/silence.py -- quantize utcn_small --data demo -o out

For each command: seconds to the first line or bar, the longest time in which nothing on the terminal changed and what
stood there meanwhile, and the seconds in all. Asked for is a first line within 1 s, and never more than 3 s without
movement, on two idle cores. On a busy machine, --cpu measures in CPU seconds of the command and all that it has
started (Linux): about what an idle one takes, and more where its processes share the work.
Linux and macOS only: Windows has no such terminals.
"""

import argparse
import os
import re
import select
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from measure import SEZOO

FIRST_HOUR = (
    "demo -o demo",
    "demo --copy recordings",
    "zoo get utcn_small -o model",
    "model utcn_small",
    "quantize utcn_small --data demo -o quantized",
    "evaluate quantized/saved_models/quantized_model_int8_static.onnx --noisy demo --clean demo -o evaluated",
    "denoise recordings/noisy_testset -m utcn_small -o denoised",
    "score denoised --clean recordings/clean_testset -o scored",
    "benchmark quantized/saved_models/quantized_model_int8_static.onnx -o benchmarked",
    "deploy quantized/saved_models/quantized_model_int8_static.onnx -o deployed",
    "train --clean recordings/clean_trainset --noisy recordings/noisy_trainset --epochs 2 -o trained",
    "live utcn_small",
    "report demo --overwrite",
    "report quantized evaluated -o compared.html",
    "doctor",
)
COLUMNS, LINES = 120, 40
ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]")


@dataclass(frozen=True)
class Waited:
    """What was waited for, in seconds; `silence` began at `at`, behind `text`."""

    first: float
    silence: float
    at: float
    text: str
    total: float
    code: int

    def __str__(self):
        code = "" if self.code == 0 else f", exit code {self.code}"
        return (
            f"first line {self.first:.1f} s, longest silence {self.silence:.1f} s at {self.at:.1f} s "
            f"({self.text!r}), {self.total:.1f} s in all{code}"
        )


def cpu_seconds(process: int) -> float:
    """CPU seconds of a process and of all below it, those that have ended among them."""
    ticks, children = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        number = int(stat.parent.name)
        ticks[number] = sum(int(field) for field in fields[11:15])
        children.setdefault(int(fields[1]), []).append(number)
    tree = [process]
    for number in tree:
        tree += children.get(number, [])
    return sum(ticks.get(number, 0) for number in tree) / os.sysconf("SC_CLK_TCK")


def watched(command: list[str], folder: Path, *, cpu: bool = False) -> Waited:
    """Run a command on a pseudo-terminal and watch when what it shows changes.

    Parameters
    ----------
    cpu : measure in CPU seconds.
    """
    import fcntl
    import pty
    import struct
    import termios

    begun = time.monotonic()
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.environ.update(TERM="xterm-256color", COLUMNS=str(COLUMNS), LINES=str(LINES))
        os.execv(command[0], command)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    now, first, last, longest, drawn, text = 0.0, None, 0.0, (0.0, 0.0, ""), b"", ""
    while True:
        try:
            select.select([terminal], [], [])
            data = os.read(terminal, 65536)
        except OSError:  # the other end is closed
            data = b""
        # At the end the process may be gone already: its time is then the one before.
        now = max(now, cpu_seconds(child)) if cpu else time.monotonic() - begun
        shown = ESCAPES.sub(b"", data).strip()
        if not data or (shown and shown != drawn):
            if now - last > longest[0]:
                longest = (now - last, last, text)
            last, drawn = now, shown
            text = (shown.splitlines() or [b""])[-1].decode(errors="replace").strip()[:60] or text
            first = first if first is not None or not shown else now
        if not data:
            break
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(terminal)
    return Waited(now if first is None else first, *longest, now, code)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*", help="words of one command, behind --; else those of the first hour")
    parser.add_argument("--cpu", action="store_true", help="measure in CPU seconds, on a busy machine")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for words in [options.words] if options.words else [line.split() for line in FIRST_HOUR]:
            print(f"sezoo {' '.join(words)}", flush=True)
            where = Path.cwd() if options.words else Path(folder)
            print(f"  {watched([str(SEZOO), *words], where, cpu=options.cpu)}", flush=True)


if __name__ == "__main__":
    main()

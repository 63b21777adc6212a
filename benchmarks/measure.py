"""What a command costs: CPU seconds of it and of all that it starts, wall time, peak memory. POSIX only."""

import ctypes
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

ROOT = Path(__file__).parents[1]
MODEL = ROOT / "src" / "sezoo" / "zoo" / "stft_tcnn_medium" / "stft_tcnn_medium.onnx"
SEZOO = Path(sys.executable).with_name("sezoo")


@dataclass(frozen=True)
class Cost:
    cpu_s: float
    wall_s: float
    peak_mib: float
    exit_code: int

    def __str__(self):
        return (
            f"{self.cpu_s:5.2f} CPU s  {self.wall_s:5.2f} s wall  {self.peak_mib:5.0f} MiB peak  exit {self.exit_code}"
        )


def cost_of(command, folder):
    """Run a command in `folder` and wait for it; the CPU time of all processes that it starts counts.

    The peak is that of the largest process. Modules are compiled once and kept, as in an installed package, whatever
    the environment says; call it twice where the first time shall not count.
    """
    _adopt_orphans()
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    started = time.monotonic()
    with (folder / "output.txt").open("w", encoding="utf-8") as output:
        process = subprocess.Popen([str(word) for word in command], cwd=folder, stdout=output, stderr=output, env=env)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall, usages = time.monotonic() - started, [usage]
    while True:
        try:  # a fork server outlives the command by a moment, and has waited for the workers
            usages.append(os.wait4(-1, 0)[2])
        except ChildProcessError:
            break
    scale = 2**20 if sys.platform == "darwin" else 2**10
    cpu = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    return Cost(cpu, wall, max(usage.ru_maxrss for usage in usages) / scale, process.returncode)


def _adopt_orphans():
    """Processes whose parent ends become children of this one (Linux), so that what they used is known."""
    if sys.platform == "linux":
        pr_set_child_subreaper = 36
        ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0)


def make_clips(folder, count, seconds, *, sample_rate=48000, seed=0):
    """Noise in bursts, like speech in its levels: `count` WAV files of different lengths, `seconds` in all."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    lengths = rng.uniform(0.4, 1.6, count)
    for index, length in enumerate(lengths * seconds / lengths.sum()):
        with soundfile.SoundFile(folder / f"clip_{index:03d}.wav", "w", sample_rate, 1) as file:
            # In blocks of a tenth of a second: memory used here would count in the peak of the process started next.
            for level in 0.1 * rng.uniform(0, 1, int(10 * length)) ** 3:
                file.write(level * rng.standard_normal(sample_rate // 10))


__all__ = ["MODEL", "ROOT", "SEZOO", "Cost", "cost_of", "make_clips"]

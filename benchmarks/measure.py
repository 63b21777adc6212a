"""What a command costs: CPU seconds of it and its children, wall time, peak memory. POSIX only."""

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
    """Run a command in `folder` and wait for it; its own and its children's CPU time count."""
    started = time.monotonic()
    with (folder / "output.txt").open("w", encoding="utf-8") as output:
        process = subprocess.Popen([str(word) for word in command], cwd=folder, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    scale = 2**20 if sys.platform == "darwin" else 2**10
    wall = time.monotonic() - started
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / scale, process.returncode)


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

"""A test set of many synthetic clips of one second: seconds and peak memory, by processes here and by a Dask cluster.

python benchmarks/large_test_set.py --clips 100000
python benchmarks/large_test_set.py --clips 400 --dask      # the same two workers, as processes and as a cluster
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import soundfile

from sezoo.zoo import zoo_model

RATE, DIFFERENT = 16000, 20
"""So many different clips are made; the others are links to them, under names of their own."""

MEASURED = """\
import resource, sys
from sezoo.cli.main import main
main(sys.argv[1:])
print("peak MiB", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def make_clips(folder: Path, count: int) -> None:
    """Noisy and clean clips of one second each, in two folders."""
    rng = np.random.default_rng(1)
    for index in range(count):
        for name, level in (("clean", 0.0), ("noisy", 0.05)):
            path = folder / name / f"{index:06d}.wav"
            path.parent.mkdir(exist_ok=True)
            if index < DIFFERENT:
                tone = 0.2 * np.sin(2 * np.pi * (200 + 30 * index) * np.arange(RATE) / RATE)
                soundfile.write(path, tone + level * rng.standard_normal(RATE), RATE)
            else:
                path.hardlink_to(path.with_name(f"{index % DIFFERENT:06d}.wav"))


def scored(folder: Path, name: str, metrics: str, *settings: str) -> tuple[float, str]:
    """Seconds of one evaluation, and its peak memory in its own words."""
    command = ["evaluate", str(zoo_model("utcn_small").float_model), "--noisy", str(folder / "noisy")]
    command += ["--clean", str(folder / "clean"), "--metrics", metrics, "--workers", "2", "-o", str(folder / name)]
    command += ["evaluation.remember_noisy_scores=False", "general.report=False", "--quiet", *settings]
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", MEASURED, *command], stdout=subprocess.PIPE, text=True, check=True)
    return time.perf_counter() - started, done.stdout.splitlines()[-1]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=1000)
    parser.add_argument("--metrics", default="stoi,si_snr,snr")
    parser.add_argument("--dask", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as open_ones:
        folder = Path(scratch)
        make_clips(folder, options.clips)
        places = {"processes": ()}
        if options.dask:
            from distributed import LocalCluster

            cluster = open_ones.enter_context(LocalCluster(2, threads_per_worker=1, dashboard_address=":0"))
            places["dask"] = (f"general.executor=dask:{cluster.scheduler_address}",)
        for name, settings in places.items():
            seconds, memory = scored(folder, name, options.metrics, *settings)
            print(f"{name}: {options.clips} clips in {seconds:.1f} s, {memory}")


if __name__ == "__main__":
    main()

"""Many calls in one process, many clips in one run, one long clip: memory, descriptors and threads stay as they are."""

import gc
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sezoo
from builders import RATE, noise, write_clips, write_model

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts what Linux lists of a process"),
]

MEBIBYTE = 2**20


def state():
    """Resident memory in bytes, open descriptors and threads of this process."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize(), len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))  # noqa: PTH208


def check_flat(call, calls, growth):
    """Make calls: after the first fifth, which fills caches, memory grows by `growth` bytes at most."""
    for number in range(calls):
        call(number)
        if number == calls // 5:
            before = state()
    after = state()
    print(f"{calls} calls: {before} -> {after}")  # noqa: T201 - shown by pytest -s
    assert after[0] - before[0] <= growth
    assert after[1:] == before[1:]


def test_many_calls_of_denoise(tmp_path):
    model, (clip,) = write_model(tmp_path / "model.onnx"), write_clips(tmp_path, "a.wav", seconds=2)

    def call(number):
        if number % 2:
            sezoo.denoise([clip], model, tmp_path / "out.wav", overwrite=True)
        else:
            sezoo.denoise(noise(2.0), model)

    check_flat(call, 300, 20 * MEBIBYTE)


def test_many_calls_of_quantize(tmp_path):
    model = write_model(tmp_path / "model.onnx")
    write_clips(tmp_path / "noisy", "a.wav b.wav c.wav")
    check_flat(
        lambda number: sezoo.quantize(model, tmp_path / "noisy", folder=tmp_path / str(number)), 20, 40 * MEBIBYTE
    )


def peak_of(words, folder):
    """Run the command in a process of its own: the most memory that it, or a process of its, took."""
    code = (
        "import resource, subprocess, sys; done = subprocess.run([sys.executable, '-m', 'sezoo', *sys.argv[1:]]);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024); sys.exit(done.returncode)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], cwd=folder, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr[-2000:]
    peak = int(done.stdout.splitlines()[-1])
    print(f"{words[0]}: {peak / MEBIBYTE:.0f} MiB at most")  # noqa: T201
    return peak


def test_a_thousand_clips(tmp_path):
    for folder, seed in (("noisy", 0), ("clean", 1000)):
        (tmp_path / folder).mkdir()
        for index in range(1000):
            soundfile.write(tmp_path / folder / f"{index}.wav", noise(1.0, seed=seed + index), RATE)
    write_model(tmp_path / "model.onnx")
    words = ["evaluate", "model.onnx", "--noisy", "noisy", "--clean", "clean", "--metrics", "snr,si_snr", "-o", "out"]
    assert peak_of(words, tmp_path) < 800 * MEBIBYTE
    assert (tmp_path / "out" / "report.html").is_file()


def test_two_hours(tmp_path):
    second, seconds = noise(1.0), 2 * 3600
    with soundfile.SoundFile(tmp_path / "long.wav", "w", RATE, 1, "PCM_16") as file:
        for _ in range(seconds // 60):
            file.write(np.tile(second, 60))
    write_model(tmp_path / "model.onnx")
    (tmp_path / "noisy").mkdir()
    assert peak_of(["denoise", "long.wav", "-m", "model.onnx", "-o", "denoised.wav"], tmp_path) < 500 * MEBIBYTE
    assert soundfile.info(tmp_path / "denoised.wav").frames == seconds * RATE
    (tmp_path / "long.wav").rename(tmp_path / "noisy" / "long.wav")
    # 440 MiB of samples, and their spectrum in pieces
    assert peak_of(["quantize", "model.onnx", "--data", "noisy", "-o", "out"], tmp_path) < 3000 * MEBIBYTE

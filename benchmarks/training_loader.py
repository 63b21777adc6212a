"""How long a training step waits for its examples, and how often recordings are decoded.

    python benchmarks/training_loader.py [SPEECH NOISE]

The STFT-TCNN medium is trained for two epochs of 160 clips on the CPU, with 0, 1 and 2 loader processes, on speech and
noise that are mixed: generated FLAC and Opus files, or those of two folders. "kept": `dataset.cache`, recordings are
decoded before the first epoch; else whenever one is drawn. The time before the first epoch is no part of the share.
With 2 processes it should be below 10 %. "alone" is the loader's time for a batch where nothing is trained: steps that
are faster, on a GPU, have to wait. What else the machine does counts in all of it, so its load is printed too.
"""

import argparse
import itertools
import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
import torch

from sezoo.config.validation import build_config
from sezoo.training.examples import example_sources
from sezoo.training.loader import Loader
from training_step import training_step

EXAMPLES, BATCH, EPOCHS = 160, 16, 2
RATE = 16000
GENERATED = {"speech": (170, 6.0), "noise": (32, 10.0)}
"""Recordings and their mean length in seconds."""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, metavar="SPEECH NOISE", help="folders of recordings")
    folders = parser.parse_args().folders
    if len(folders) not in (0, 2):
        parser.error("two folders are needed, of speech and of noise, or none")
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(f"{os.cpu_count()} cores{load}, {torch.get_num_threads()} threads of torch", flush=True)
    if folders:
        compare("", *folders)
        return
    for ending in ("flac", "opus"):
        with tempfile.TemporaryDirectory() as folder:
            for seed, (kind, (count, seconds)) in enumerate(GENERATED.items()):
                make_recordings(Path(folder) / kind, count, seconds, ending, seed)
            compare(ending, Path(folder) / "speech", Path(folder) / "noise")


def compare(name, speech, noise):
    for kept, workers in itertools.product((True, False), (0, 1, 2)):
        print(f"{name:5s}{'kept' if kept else 'not kept':9s} {workers} workers  {cost(speech, noise, kept, workers)}")
        sys.stdout.flush()


def cost(speech, noise, kept, workers):
    """What the epochs cost, in words."""
    config = build_config({
        "operation_mode": "training",
        "model": {},
        "dataset": {
            "name": "mix", "speech_path": speech, "noise_path": noise, "clip_seconds": 2.0, "cache": kept,
            "num_training_samples": EXAMPLES, "num_validation_samples": 1,
        },
        "preprocessing": {},
        "training": {"batch_size": BATCH, "loss": "compressed"},
    })  # fmt: skip
    source, _ = example_sources(config)
    decoded = Decoded(source)
    step = training_step(config)
    started = time.perf_counter()
    loader = Loader(source, seed=1, batch_size=BATCH, shuffle=True, strategy="pad", workers=workers)
    before, decoded_before = time.perf_counter() - started, decoded.counts()
    waited, started = 0.0, time.perf_counter()
    for epoch in range(1, EPOCHS + 1):
        batches = loader.epoch(epoch)
        while True:
            asked = time.perf_counter()
            batch = next(batches, None)
            waited += time.perf_counter() - asked
            if batch is None:
                break
            step(*batch)
    total, steps = time.perf_counter() - started, EPOCHS * len(loader)
    told = [
        f"{kind} {first.mean():.1f} and {(last - first).mean() / EPOCHS:.1f} ({(last - first).max() / EPOCHS:.1f})"
        for kind, first, last in zip(("speech", "noise"), decoded_before, decoded.counts(), strict=True)
    ]
    started = time.perf_counter()
    batches = sum(1 for _ in loader.epoch(EPOCHS + 1))
    alone = (time.perf_counter() - started) / batches
    return (
        f"waits {waited / total:5.1%} of {total:5.1f} s ({total / steps:.2f} s a step; alone {alone:.3f} s a batch), "
        f"{before:.1f} s before; decoded before and in an epoch, mean (most): {', '.join(told)}"
    )


class Decoded:
    """How often each recording of a source was decoded, in this process and in those forked from it."""

    def __init__(self, source):
        self.recordings = source.recordings
        paths = [path for recordings in self.recordings for path in recordings.paths]
        self.times, index = multiprocessing.Array("i", len(paths)), {path: i for i, path in enumerate(paths)}
        module = sys.modules[type(self.recordings[0]).__module__]
        read = getattr(module.read_clip, "read", module.read_clip)

        def read_clip(path, *arguments, **keywords):
            with self.times.get_lock():
                self.times[index[path]] += 1
            return read(path, *arguments, **keywords)

        read_clip.read = read
        module.read_clip = read_clip

    def counts(self):
        """An array by kind of recording."""
        return np.split(np.array(self.times[:]), [len(self.recordings[0])])


def make_recordings(folder, count, seconds, ending, seed):
    """Noise in bursts, like speech in its levels: recordings of half the length to one and a half times it."""
    rng = np.random.default_rng(seed)
    folder.mkdir()
    kind = {"format": "OGG", "subtype": "OPUS"} if ending == "opus" else {"format": "FLAC"}
    for index, length in enumerate(seconds * rng.uniform(0.5, 1.5, count)):
        levels = 0.1 * rng.uniform(0, 1, max(1, int(10 * length))) ** 3
        wave = np.repeat(levels, RATE // 10) * rng.standard_normal(len(levels) * (RATE // 10))
        soundfile.write(folder / f"{index:03d}.{ending}", wave, RATE, **kind)


if __name__ == "__main__":
    main()

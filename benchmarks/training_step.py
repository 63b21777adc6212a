"""How long a training step takes on this machine's CPU, in float32 and in bfloat16.

    python benchmarks/training_step.py

Steps of 16 two-second clips, one thread and all; the median of some. "bfloat16" is what `training.mixed_precision`
does on CPUs with AMX; elsewhere it is slow, and the training stays in float32. On Linux a good part of a step is memory
that the C library gives back to the system and asks for again: with MALLOC_MMAP_THRESHOLD_=4294967296 and
MALLOC_TRIM_THRESHOLD_=4294967296 in the environment it is kept.
"""

import argparse
import itertools
import statistics
import time

import torch

from sezoo.audio.stft import stft_of
from sezoo.config.validation import build_config
from sezoo.models.torch.mask_model import build_network, computes_bfloat16
from sezoo.training.batch import spectral_batch
from sezoo.training.losses import build_loss
from sezoo.training.torch_stft import TorchStft

BATCH, RATE, STEPS = 16, 16000, 7
UTCN = {"n_blocks": 2, "num_layers": 3, "tcn_latent_dim": 256, "channels": [16, 32, 48]}
NETWORKS = {"STFTTCNN": {}, "UTCN": UTCN, "UTCN small": {**UTCN, "tcn_latent_dim": 64, "channels": [8, 16, 24]}}


def main():
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    print(f"bfloat16 in hardware: {computes_bfloat16(torch.device('cpu'))}")
    every = torch.get_num_threads()
    for (name, shape), threads in itertools.product(NETWORKS.items(), sorted({1, every})):
        torch.set_num_threads(threads)
        config = build_config({
            "operation_mode": "training", "model": {"model_type": name.partition(" ")[0]}, "model_specific": shape,
            "preprocessing": {}, "dataset": {"name": "demo"}, "training": {"loss": "perceptual"},
        })  # fmt: skip
        seconds = [median_of(training_step(config, half=half)) for half in (False, True)]
        told = ", ".join(f"{each:.3f} s in {kind}" for each, kind in zip(seconds, ("float32", "bfloat16"), strict=True))
        print(f"{name:11s} {threads} threads  {told}", flush=True)


def median_of(step):
    """Seconds of a step on noise."""
    noisy, clean = torch.randn(2, BATCH, 2 * RATE) / 10
    seconds = []
    for _ in range(STEPS):
        started = time.perf_counter()
        step(noisy, clean, torch.full((BATCH,), 2 * RATE))
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def training_step(config, *, half=None):
    """One step on a batch, as the trainer makes it; it has been made once, on noise."""
    torch.manual_seed(0)
    half = computes_bfloat16(torch.device("cpu")) if half is None else half
    stft = stft_of(config.preprocessing)
    network, torch_stft = build_network(config.model, config.model_specific).train(), TorchStft(stft)
    loss_of, optimizer = build_loss(config.training.loss, torch_stft), torch.optim.Adam(network.parameters())

    def step(noisy, clean, lengths):
        batch = spectral_batch(noisy, clean, lengths, torch_stft)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            mask = network(torch_stft.magnitude(batch.noisy_spectrum))
        loss = loss_of(batch, mask.float())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        loss.item()

    wave = torch.rand(BATCH, 2 * RATE)
    step(wave, wave, torch.full((BATCH,), 2 * RATE))
    return step


if __name__ == "__main__":
    main()

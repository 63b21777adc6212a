"""What is done behind each epoch: its row is tracked, and sounds to listen to are saved."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from sezoo.audio.clip import write_clip
from sezoo.audio.stft import Stft
from sezoo.denoising import denoise
from sezoo.models.torch.mask_model import TorchMaskModel
from sezoo.run.run import Run
from sezoo.training.examples import ExampleSource

__all__ = ["after_epoch"]

SOUNDS = 3


def after_epoch(run: Run, source: ExampleSource, stft: Stft, network: nn.Module, row: Mapping[str, Any]) -> None:
    """Track an epoch's row, and every so many epochs save sounds."""
    epoch, every = row["epoch"], run.config.training.sound_examples_every
    run.tracker.metrics({name: value for name, value in row.items() if name != "epoch" and value is not None}, epoch)
    if every and epoch % every == 0:
        _save_sounds(run, source, stft, network, epoch)


def _save_sounds(run: Run, source: ExampleSource, stft: Stft, network: nn.Module, epoch: int) -> None:
    """A few validation examples to listen to: noisy, denoised, clean."""
    model = TorchMaskModel(network, Path("the network"), str(next(network.parameters()).device))
    rate = run.config.preprocessing.sample_rate
    for index in range(min(SOUNDS, len(source))):
        noisy, clean = source.example(0, index)
        folder = run.folder / "training_logs" / "sounds" / f"epoch_{epoch:04d}"
        for name, wave in (("noisy", noisy), ("denoised", denoise(noisy, model, stft)), ("clean", clean)):
            write_clip(folder / f"{index + 1}_{name}.wav", wave, rate)

"""Work after each epoch: tracking its metrics, and saving sounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from sezoo.audio.clip import write_clip
from sezoo.audio.stft import Stft
from sezoo.denoising import denoise
from sezoo.models.torch.mask_model import TorchMaskModel
from sezoo.results.names import TRAINING
from sezoo.run.run import Run
from sezoo.training.event_files import EventFiles
from sezoo.training.examples import ExampleSource

__all__ = ["after_epoch"]

SOUNDS = 3


def after_epoch(
    run: Run, source: ExampleSource, stft: Stft, events: EventFiles, network: nn.Module, row: Mapping[str, Any]
) -> None:
    """Track an epoch's row; save sounds every few epochs, with TensorBoard after the first and last too."""
    training, epoch = run.config.training, row["epoch"]
    run.tracker.metrics({name: value for name, value in row.items() if name != "epoch" and value is not None}, epoch)
    is_saved = bool(training.sound_examples_every) and epoch % training.sound_examples_every == 0
    is_shown = training.tensorboard and (is_saved or epoch in (1, training.epochs))
    if training.tensorboard:
        events.scalars(row)
    if not (is_saved or is_shown):
        return
    rate = run.config.preprocessing.sample_rate
    for index, sounds in enumerate(_sounds(source, stft, network), 1):
        for name, waveform in sounds.items():
            if is_saved:
                folder = run.folder / TRAINING / "sounds" / f"epoch_{epoch:04d}"
                write_clip(folder / f"{index}_{name}.wav", waveform, rate)
            if is_shown:
                events.sound(f"validation example {index}/{name}", waveform, rate, epoch)


def _sounds(source: ExampleSource, stft: Stft, network: nn.Module) -> Iterator[dict[str, np.ndarray]]:
    """A few validation examples to listen to: noisy, denoised, clean."""
    model = TorchMaskModel(network, Path("the network"), str(next(network.parameters()).device))
    for index in range(min(SOUNDS, len(source))):
        noisy, clean = source.example(0, index)
        yield {"noisy": noisy, "denoised": denoise(noisy, model, stft), "clean": clean}

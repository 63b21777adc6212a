"""How good the network is on clips that it is not trained on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from torch import nn

from sezoo.denoise import denoise
from sezoo.metrics import score_clip
from sezoo.spectrum import Stft
from sezoo.torch_model import TorchMaskModel
from sezoo.training.examples import ExampleSource
from sezoo.training.history import METRIC_OF

__all__ = ["validate", "validate_noisy"]

Means = dict[str, float | None]
"""Over the examples that a metric could score, by the names of `METRIC_OF`; None where it scored none."""


def validate(network: nn.Module, source: ExampleSource, stft: Stft, sample_rate: int, device: str) -> Means:
    """Denoise the validation examples and score them against the clean ones."""
    model = TorchMaskModel(network, Path("the network"), device)
    return _means(lambda noisy: denoise(noisy, model, stft), source, sample_rate)


def validate_noisy(source: ExampleSource, sample_rate: int) -> Means:
    """The scores of the validation examples as they are, which a network has to improve on."""
    return _means(lambda noisy: noisy, source, sample_rate)


def _means(denoised: Callable[[np.ndarray], np.ndarray], source: ExampleSource, sample_rate: int) -> Means:
    found: dict[str, list[float]] = {metric: [] for metric in METRIC_OF.values()}
    for index in range(len(source)):
        noisy, clean = source.example(0, index)
        scores, _ = score_clip(clean, denoised(noisy), sample_rate, tuple(found))
        for metric, value in scores.items():
            found[metric].append(value)
    return {name: float(np.mean(found[m])) if found[m] else None for name, m in METRIC_OF.items()}

"""How good the network is on clips that it is not trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch import nn

from sezoo.denoise import denoise
from sezoo.metrics import score_clip
from sezoo.spectrum import Stft
from sezoo.torch_model import TorchMaskModel
from sezoo.training.examples import ExampleSource
from sezoo.training.history import METRIC_OF

__all__ = ["validate"]


def validate(
    network: nn.Module, source: ExampleSource, stft: Stft, sample_rate: int, device: str
) -> dict[str, float | None]:
    """Denoise the validation examples and score them against the clean ones.

    Returns
    -------
    means : over the examples that a metric could score, by the names of `METRIC_OF`; None where it scored none.
    """
    model = TorchMaskModel(network, Path("the network"), device)
    found: dict[str, list[float]] = {metric: [] for metric in METRIC_OF.values()}
    for index in range(len(source)):
        noisy, clean = source.example(0, index)
        scores, _ = score_clip(clean, denoise(noisy, model, stft), sample_rate, tuple(found))
        for metric, value in scores.items():
            found[metric].append(value)
    return {name: float(np.mean(found[m])) if found[m] else None for name, m in METRIC_OF.items()}

"""Validation of the network on held-out clips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
from torch import nn

from sezoo.audio.stft import Stft
from sezoo.base.progress import counted
from sezoo.denoising import denoise
from sezoo.metrics import METRICS
from sezoo.models.torch.mask_model import TorchMaskModel
from sezoo.run.executors import LOCAL, Work, results_of
from sezoo.training.examples import ExampleSource
from sezoo.training.history import METRIC_OF, SPEECH_FIGURES
from sezoo.training.validation_scores import Scorers

__all__ = ["validate", "validate_noisy"]

Means = dict[str, float | None]
"""Over the examples that a metric could score, by the columns of the history; None where it scored none."""


def validate(
    network: nn.Module,
    source: ExampleSource,
    stft: Stft,
    sample_rate: int,
    device: str,
    metrics: Sequence[str] = (),
    scorers: Scorers | None = None,
    loss: Callable[[nn.Module], float | None] | None = None,
    executor: str = LOCAL,
) -> Means:
    """Denoise the validation examples and score them against the clean ones.

    Parameters
    ----------
    metrics : to score besides those of every history, by the names of `sezoo.metrics`.
    scorers : that score what has been denoised; None scores it here.
    loss : of a network on the validation examples, the column `val_loss`.
    executor : that reads or mixes the examples while the network denoises others; see `sezoo.run.executors`.
    """
    model = TorchMaskModel(network, Path("the network"), device)
    means = _means(lambda noisy: denoise(noisy, model, stft), source, sample_rate, metrics, scorers, executor)
    return means if loss is None else {"val_loss": loss(network), **means}


def validate_noisy(
    source: ExampleSource,
    sample_rate: int,
    metrics: Sequence[str] = (),
    scorers: Scorers | None = None,
    executor: str = LOCAL,
) -> Means:
    """The scores of the validation examples as they are, which a network has to improve on."""
    return _means(lambda noisy: noisy, source, sample_rate, metrics, scorers, executor)


def _maker(source: ExampleSource) -> Callable[[int], tuple[np.ndarray, np.ndarray]]:
    return partial(source.example, 0)


def _means(
    denoised: Callable[[np.ndarray], np.ndarray],
    source: ExampleSource,
    sample_rate: int,
    metrics: Sequence[str],
    scorers: Scorers | None,
    executor: str,
) -> Means:
    names = METRIC_OF | {metric: metric for metric in metrics if metric in METRICS and metric not in METRIC_OF}
    found: dict[str, list[float]] = {metric: [] for metric in (*names.values(), *SPEECH_FIGURES)}
    examples = results_of(Work(_maker, source), range(len(source)), executor=executor, in_threads=True, in_order=True)
    clips = ((noisy, clean, denoised(noisy)) for _, (noisy, clean) in examples)
    with closing(examples):
        scored = (scorers or Scorers(1)).scores(clips, len(source), sample_rate, tuple(names.values()))
        for scores in counted(scored, len(source), "scoring validation clips"):
            for metric, value in scores.items():
                if metric in found:
                    found[metric].append(value)
    columns = names | {name: name for name in SPEECH_FIGURES}
    return {name: float(np.mean(found[metric])) if found[metric] else None for name, metric in columns.items()}

"""The scores of noisy clips themselves, remembered from run to run: they do not depend on any model.

PESQ takes longer than all the rest of an evaluation together, and people evaluate the same test set again and
again. The scores of a pair are kept under a hash of its samples, so that they cannot be another's.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from sezoo.base.errors import UserError
from sezoo.base.files import write_json
from sezoo.metrics import METRICS, Metric, score_clip

__all__ = ["NoisyScores", "default_folder"]

log = logging.getLogger(__name__)

PACKAGES = ("pesq", "pystoi", "speechmos", "numpy")
FORMAT = 1
"""To be counted up when a metric of our own changes."""

Found = tuple[dict[str, float], dict[str, str]]


def default_folder() -> Path:
    """Return the folder of the cached scores, in the user's cache folder."""
    from platformdirs import user_cache_path

    return user_cache_path("sezoo", appauthor=False) / "noisy_scores"


class NoisyScores:
    """Cache of the scores of noisy clips in `folder`; None for no cache."""

    def __init__(self, folder: Path | None):
        self.folder = folder

    def of(
        self,
        noisy: np.ndarray,
        clean: np.ndarray | None,
        sample_rate: int,
        metrics: Sequence[str] | Mapping[str, Metric],
    ) -> Found:
        """Return scores as `sezoo.metrics.score_clip`; user metrics are not cached, as their code may change."""
        if self.folder is None:
            return score_clip(clean, noisy, sample_rate, metrics)
        path = self.folder / f"{_key(noisy, clean, sample_rate)}.json"
        scores, reasons = _read(path)
        ours = [metric for metric in metrics if metric in METRICS]
        if missing := [metric for metric in ours if metric not in scores and metric not in reasons]:
            new_scores, new_reasons = score_clip(clean, noisy, sample_rate, missing)
            scores, reasons = {**scores, **new_scores}, {**reasons, **new_reasons}
            with suppress(UserError):  # a cache that cannot be written is none
                write_json(path, {"scores": scores, "not_scored": reasons}, indent=None)
        if isinstance(metrics, Mapping) and len(ours) < len(metrics):
            others = {name: metric for name, metric in metrics.items() if name not in METRICS}
            new_scores, new_reasons = score_clip(clean, noisy, sample_rate, others)
            scores, reasons = {**scores, **new_scores}, {**reasons, **new_reasons}
        return (
            {metric: scores[metric] for metric in metrics if metric in scores},
            {metric: reasons[metric] for metric in metrics if metric in reasons},
        )


def _key(noisy: np.ndarray, clean: np.ndarray | None, sample_rate: int) -> str:
    found = hashlib.sha256(f"{FORMAT}/{_versions()}/{sample_rate}/{len(noisy)}/{clean is not None}/".encode())
    for waveform in (noisy, clean):
        if waveform is not None:
            found.update(np.ascontiguousarray(waveform))
    return found.hexdigest()


@cache
def _versions() -> str:
    """The versions of the packages that the numbers depend on."""

    def of(package: str) -> str:
        try:
            return version(package)
        except PackageNotFoundError:
            return "-"

    return ",".join(f"{package}={of(package)}" for package in PACKAGES)


def _read(path: Path) -> Found:
    """Return the cached scores; nothing if there are none, or none that can be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        scores = {str(metric): float(value) for metric, value in found["scores"].items()}
        reasons = {str(metric): str(reason) for metric, reason in found["not_scored"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}, {}
    return scores, reasons

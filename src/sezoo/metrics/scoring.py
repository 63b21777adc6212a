"""Score a clip with several metrics, computing shared intermediate results once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from sezoo.base.user_code import exception_line, failing_line
from sezoo.metrics.checks import MetricError
from sezoo.metrics.definition import Metric, share_results
from sezoo.metrics.known import METRICS

__all__ = ["score_clip"]


def score_clip(
    clean: np.ndarray | None,
    denoised: np.ndarray,
    sample_rate: int,
    metrics: Sequence[str] | Mapping[str, Metric],
) -> tuple[dict[str, float], dict[str, str]]:
    """Score one clip with several metrics; what they have in common is computed once.

    Parameters
    ----------
    clean : (samples,) float with full scale at 1.0; None where there is no clean clip.
    denoised : (samples,) float
    sample_rate : in Hz.
    metrics : names out of METRICS, or what `load_metrics` gives.

    Returns
    -------
    scores : finite numbers by metric.
    not_scored : the reason in one line for each metric that has no number, or an infinite one: no mean could hold it.

    Raises
    ------
    ModuleNotFoundError : a metric of ours without the package that it needs.
    """
    chosen = metrics if isinstance(metrics, Mapping) else {name: METRICS[name] for name in metrics}
    scores: dict[str, float] = {}
    not_scored: dict[str, str] = {}
    with share_results():
        for name, metric in chosen.items():
            if clean is None and metric.needs_clean:
                not_scored[name] = "there is no clean clip"
                continue
            try:
                compute = metric if name in METRICS else partial(_score_user_metric, metric)
                value = compute(clean, denoised, sample_rate)
            except MetricError as error:
                not_scored[name] = str(error)
                continue
            if math.isfinite(value):
                scores[name] = value
            else:
                not_scored[name] = metric.infinite.get(value, f"the value is {value}")
    return scores, not_scored


def _score_user_metric(metric: Metric, clean: np.ndarray | None, denoised: np.ndarray, sample_rate: int) -> float:
    """Value of a user-defined metric, which gets copies of the clips."""
    try:
        value = metric(None if clean is None else clean.copy(), denoised.copy(), sample_rate)
    except MetricError:
        raise
    except (Exception, SystemExit) as error:
        folder = Path(metric.compute.__code__.co_filename).parent if hasattr(metric.compute, "__code__") else Path.cwd()
        raise MetricError(f"{exception_line(error)}{failing_line(error, folder)}") from error
    if isinstance(value, np.ndarray) and value.shape == ():
        value = value[()]
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
        what = f"an array {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
        raise MetricError(f"it returned {what}, not a number")
    try:
        return float(value)
    except OverflowError:
        raise MetricError("it returned an integer that is too large for a float") from None

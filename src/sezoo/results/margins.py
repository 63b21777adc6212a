"""Losses that matter: the margin of each metric, and changes that are judged by it."""

from __future__ import annotations

from sezoo.config.metric_facts import facts_of_metric
from sezoo.results.scores import Mean

__all__ = ["gain", "is_as_good", "is_worse", "margin"]

MARGINS = {
    **dict.fromkeys(("pesq", "csig", "cbak", "covl", "dnsmos"), 0.05),
    **dict.fromkeys(("stoi", "estoi"), 0.005),
    **dict.fromkeys(("snr", "si_snr"), 0.3),
}
"""Losses below these are no reason to change anything: half of the 0.1 MOS that listening tests resolve at best, half a
point of intelligibility, and a third of the decibel that listeners just notice."""


def margin(metric: str) -> float:
    """Return the margin of a metric; 0 for one that has none."""
    return MARGINS.get(metric, 0)


def gain(change: Mean, metric: str) -> float:
    """Return a change, counted so that more is better."""
    return change.value if facts_of_metric(metric).higher_is_better else -change.value


def is_worse(change: Mean, metric: str) -> bool:
    """Whether a change is a loss beyond the margin, and none by chance."""
    return gain(change, metric) < -margin(metric) and not change.may_be_zero


def is_as_good(change: Mean, metric: str) -> bool:
    """Whether no loss beyond the margin is left possible; of a metric without one, whether a loss is not shown."""
    if metric not in MARGINS:
        return True
    return (change.low if facts_of_metric(metric).higher_is_better else -change.high) >= -MARGINS[metric]

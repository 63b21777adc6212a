"""Metrics by name: each on its own, or several on one clip with what they share computed once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from sezoo.config.metric_facts import REFERENCE_METRICS
from sezoo.metrics.checks import MetricError
from sezoo.metrics.composite import cbak, composite_parts, composite_score, covl, csig
from sezoo.metrics.dnsmos import dnsmos_p808, dnsmos_p835
from sezoo.metrics.intelligibility import STOI_RATE, at_stoi_rate, estoi, stoi
from sezoo.metrics.perceptual_quality import pesq
from sezoo.metrics.waveform import mse, si_snr, snr

__all__ = ["METRICS", "score_clip"]

T = TypeVar("T")

INFINITE = {
    ("snr", math.inf): "the clips are identical",
    ("si_snr", math.inf): "the clips are identical up to a gain",
    ("si_snr", -math.inf): "the denoised clip holds nothing of the clean one",
}


def score_clip(
    clean: np.ndarray | None, denoised: np.ndarray, sample_rate: int, names: Sequence[str]
) -> tuple[dict[str, float], dict[str, str]]:
    """Score one clip with several metrics; what they have in common is computed once.

    Parameters
    ----------
    clean : (samples,) float with full scale at 1.0; None where there is no clean clip.
    denoised : (samples,) float
    sample_rate : in Hz.
    names : out of METRICS.

    Returns
    -------
    scores : finite numbers by metric.
    not_scored : the reason in one line for each metric that has no number, or an infinite one: no mean could hold it.

    Raises
    ------
    ModuleNotFoundError : a DNSMOS metric without the package `speechmos` (see `dnsmos_is_installed`).
    """
    opinions = _once(lambda: dnsmos_p835(denoised, sample_rate))
    quality = _once(lambda: pesq(clean, denoised, sample_rate))
    parts = _once(lambda: composite_parts(clean, denoised, sample_rate))
    at_10_khz = _once(lambda: at_stoi_rate(clean, denoised, sample_rate))
    compute: dict[str, Callable[[], float]] = {
        "pesq": quality,
        "stoi": lambda: stoi(*at_10_khz(), STOI_RATE),
        "estoi": lambda: estoi(*at_10_khz(), STOI_RATE),
        "snr": lambda: snr(clean, denoised),
        "si_snr": lambda: si_snr(clean, denoised),
        "mse": lambda: mse(clean, denoised),
        # The parts first: they are refused sooner, and PESQ takes longer.
        "csig": lambda: composite_score("csig", parts=parts(), wide_band_pesq=quality()),
        "cbak": lambda: composite_score("cbak", parts=parts(), wide_band_pesq=quality()),
        "covl": lambda: composite_score("covl", parts=parts(), wide_band_pesq=quality()),
        "dnsmos_sig": lambda: opinions()["dnsmos_sig"],
        "dnsmos_bak": lambda: opinions()["dnsmos_bak"],
        "dnsmos_ovrl": lambda: opinions()["dnsmos_ovrl"],
        "dnsmos_p808": lambda: dnsmos_p808(denoised, sample_rate),
    }
    scores: dict[str, float] = {}
    not_scored: dict[str, str] = {}
    for name in names:
        if clean is None and name in REFERENCE_METRICS:
            not_scored[name] = "there is no clean clip"
            continue
        try:
            value = compute[name]()
        except MetricError as error:
            not_scored[name] = str(error)
            continue
        if math.isfinite(value):
            scores[name] = value
        else:
            not_scored[name] = INFINITE.get((name, value), f"the value is {value}")
    return scores, not_scored


def _once(compute: Callable[[], T]) -> Callable[[], T]:
    """The same function, computed at its first call only; where it raised MetricError it raises that again."""
    outcome: list[T | MetricError] = []

    def remembered() -> T:
        if not outcome:
            try:
                outcome.append(compute())
            except MetricError as error:
                outcome.append(error)
        if isinstance(outcome[0], MetricError):
            raise outcome[0]
        return outcome[0]

    return remembered


def _without_rate(metric: Callable[[np.ndarray, np.ndarray], float]) -> Callable[..., float]:
    def scored(clean: np.ndarray, denoised: np.ndarray, sample_rate: int) -> float:
        del sample_rate
        return metric(clean, denoised)

    scored.__name__ = metric.__name__
    scored.__doc__ = metric.__doc__
    return scored


def _of_p835(name: str) -> Callable[..., float]:
    def scored(clean: np.ndarray | None, denoised: np.ndarray, sample_rate: int) -> float:
        del clean
        return dnsmos_p835(denoised, sample_rate)[name]

    scored.__name__ = name
    scored.__doc__ = dnsmos_p835.__doc__
    return scored


def _p808(clean: np.ndarray | None, denoised: np.ndarray, sample_rate: int) -> float:
    del clean
    return dnsmos_p808(denoised, sample_rate)


METRICS: dict[str, Callable[[np.ndarray, np.ndarray, int], float]] = {
    "pesq": pesq,
    "stoi": stoi,
    "estoi": estoi,
    "snr": _without_rate(snr),
    "si_snr": _without_rate(si_snr),
    "mse": _without_rate(mse),
    "csig": csig,
    "cbak": cbak,
    "covl": covl,
    "dnsmos_sig": _of_p835("dnsmos_sig"),
    "dnsmos_bak": _of_p835("dnsmos_bak"),
    "dnsmos_ovrl": _of_p835("dnsmos_ovrl"),
    "dnsmos_p808": _p808,
}
"""Every metric by name, all called as (clean, denoised, sample_rate); those in NO_REFERENCE_METRICS ignore `clean`."""

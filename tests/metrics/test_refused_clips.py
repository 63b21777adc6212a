"""Clips that metrics refuse, and the reason that they give."""

import warnings

import numpy as np
import pytest

from sezoo.metrics import METRICS, NO_REFERENCE_METRICS, REFERENCE_METRICS, MetricError
from speech_clips import RATE, noised, speech_like

COMPOSITES = ("csig", "cbak", "covl")


@pytest.mark.parametrize("name", REFERENCE_METRICS)
@pytest.mark.parametrize(
    ("clean", "denoised", "reason"),
    [
        (np.ones(9), np.ones(8), "differ in length: clean 9 samples, denoised 8"),
        (np.ones(0), np.ones(0), "clean clip is empty"),
        (np.ones((1, 9)), np.ones((1, 9)), "clean clip has 2 dimensions"),
        (np.ones(9), np.ones(9, np.int16), "denoised clip is int16"),
        (np.array([1.0, np.nan]), np.ones(2), "clean clip holds NaN"),
        (np.ones(2), np.array([1.0, np.inf]), "denoised clip holds NaN or infinite"),
    ],
)
def test_bad_clips(name: str, clean: np.ndarray, denoised: np.ndarray, reason: str) -> None:
    with pytest.raises(MetricError, match=reason):
        METRICS[name](clean, denoised, RATE)


@pytest.mark.parametrize("name", NO_REFERENCE_METRICS)
@pytest.mark.parametrize(
    ("denoised", "reason"),
    [
        (np.ones(0), "denoised clip is empty"),
        (np.ones((1, 9)), "denoised clip has 2 dimensions"),
        (np.ones(9, np.int16), "denoised clip is int16"),
        (np.array([1.0, np.inf]), "denoised clip holds NaN or infinite"),
        (np.zeros(9), "denoised clip is silent"),
    ],
)
def test_bad_clips_without_reference(name: str, denoised: np.ndarray, reason: str) -> None:
    pytest.importorskip("speechmos")
    with pytest.raises(MetricError, match=reason):
        METRICS[name](None, denoised, RATE)


@pytest.mark.parametrize("name", [name for name in REFERENCE_METRICS if name != "mse"])
def test_silent_clean(name: str) -> None:
    speech = speech_like(1.0)
    with pytest.raises(MetricError, match="the clean clip is silent"):
        METRICS[name](np.zeros_like(speech), speech, RATE)


@pytest.mark.parametrize("name", [name for name in REFERENCE_METRICS if name not in ("mse", "snr")])
def test_silent_denoised(name: str) -> None:
    speech = speech_like(1.0)
    with pytest.raises(MetricError, match="the denoised clip is silent"):
        METRICS[name](speech, np.zeros_like(speech), RATE)


@pytest.mark.parametrize("samples", [1, 100, 409, 410, 2_000, 3_999])
@pytest.mark.parametrize("name", ["pesq", "stoi", "estoi", *COMPOSITES])
def test_too_short(name: str, samples: int) -> None:
    clean = speech_like(1.0)[2_000 : 2_000 + samples]
    reason = {"stoi": "too short for STOI", "estoi": "too short for ESTOI"}.get(
        name, "1/4 of a second|too short for CS"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the error says it; no warning besides
        with pytest.raises(MetricError, match=reason):
            METRICS[name](clean, noised(clean), RATE)


@pytest.mark.parametrize("name", [*COMPOSITES, *NO_REFERENCE_METRICS])
@pytest.mark.parametrize("rate", [8_000, 48_000])
def test_at_another_rate(name: str, rate: int) -> None:
    if name in NO_REFERENCE_METRICS:
        pytest.importorskip("speechmos")
    speech = speech_like(1.0)
    with pytest.raises(MetricError, match=f"not at {rate} Hz"):
        METRICS[name](speech, noised(speech), rate)

"""CSIG, CBAK and COVL against a plain program that goes from frame to frame."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import solve_toeplitz, toeplitz

from sezoo import metrics
from sezoo.metrics import CompositeParts, composite, composite_parts, composite_score
from speech_clips import RATE, noised, real_pairs, speech_like

EPS = np.finfo(np.float64).eps


def plain_parts(clean: np.ndarray, denoised: np.ndarray) -> CompositeParts:
    clean, denoised = clean + EPS, denoised + EPS
    window = np.hanning(482)[1:-1]
    llr, wss, snr = [], [], []
    for frame in range(math.floor(len(clean) / 120 - 480 / 120)):
        part = slice(120 * frame, 120 * frame + 480)
        c, d = window * clean[part], window * denoised[part]
        llr.append(plain_llr(c, d))
        wss.append(plain_wss(c, d))
        snr.append(min(35, max(-10, 10 * math.log10(sum(c**2) / (sum((c - d) ** 2) + EPS) + EPS))))
    best = math.floor(0.95 * len(llr) + 0.5)
    return CompositeParts(np.mean(sorted(llr)[:best]), np.mean(sorted(wss)[:best]), np.mean(snr))


def plain_llr(clean: np.ndarray, denoised: np.ndarray) -> float:
    correlations, filters = [], []
    for frame in (clean, denoised):
        lags = np.array([np.dot(frame[: 480 - lag], frame[lag:]) for lag in range(17)])
        correlations.append(lags)
        filters.append(np.array([1, *-solve_toeplitz(lags[:16], lags[1:])]))
    of_clean = toeplitz(correlations[0])
    return math.log((filters[1] @ of_clean @ filters[1]) / (filters[0] @ of_clean @ filters[0]))


def plain_wss(clean: np.ndarray, denoised: np.ndarray) -> float:
    slopes, weights = [], []
    for frame in (clean, denoised):
        power = np.abs(np.fft.fft(frame, 1024)[:512]) ** 2
        level = np.array([10 * math.log10(max(1e-10, power @ bell(band))) for band in range(25)])
        slope = np.diff(level)
        peaks = [level[nearest_peak(slope, band)] for band in range(24)]
        slopes.append(slope)
        weights.append(20 / (20 + level.max() - level[:24]) * 1 / (1 + np.array(peaks) - level[:24]))
    weight = (weights[0] + weights[1]) / 2
    return sum(weight * (slopes[0] - slopes[1]) ** 2) / sum(weight)


def bell(band: int) -> np.ndarray:
    centre, width = composite.BAND_CENTRES_HZ[band], composite.BANDWIDTHS_HZ[band]
    distance = (np.arange(512) - math.floor(centre / 8000 * 512)) / (width / 8000 * 512)
    values = np.exp(-11 * distance**2 + math.log(70) - math.log(width))
    return np.where(values > math.exp(-30 / (2 * 2.303)), values, 0)


def nearest_peak(slope: np.ndarray, band: int) -> int:
    if slope[band] > 0:
        while band < 24 and slope[band] > 0:
            band += 1
        return band - 1
    while band >= 0 and slope[band] <= 0:
        band -= 1
    return band + 1


def assert_same(found: CompositeParts, expected: CompositeParts) -> None:
    assert found.llr == pytest.approx(expected.llr, rel=1e-6, abs=1e-9)
    assert found.wss == pytest.approx(expected.wss, rel=1e-9, abs=1e-9)
    assert found.segmental_snr == pytest.approx(expected.segmental_snr, rel=1e-9, abs=1e-9)


@settings(max_examples=15, deadline=None)
@given(
    samples=st.integers(600, 12_000),
    colour=st.floats(-0.95, 0.95),
    level=st.floats(1e-4, 0.5),
    noise=st.floats(1e-5, 0.5),
    seed=st.integers(0, 2**32 - 1),
)
def test_parts_of_random_signals(samples: int, colour: float, level: float, noise: float, seed: int) -> None:
    white = np.random.default_rng(seed).standard_normal((2, samples))
    clean = level * np.convolve(white[0], colour ** np.arange(50))[:samples]
    clean *= 0.5 + 0.5 * np.sin(np.arange(samples) / 700)
    denoised = 0.8 * clean + noise * white[1]
    assert_same(composite_parts(clean, denoised, RATE), plain_parts(clean, denoised))


def test_parts_of_real_pairs() -> None:
    for clean, noisy in real_pairs(2):
        assert_same(composite_parts(clean, noisy, RATE), plain_parts(clean, noisy))


def test_parts_do_not_depend_on_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    clean = speech_like(1.3)
    denoised = noised(clean)
    whole = composite_parts(clean, denoised, RATE)
    monkeypatch.setattr(composite, "FRAMES_A_CHUNK", 7)
    assert_same(composite_parts(clean, denoised, RATE), whole)


def test_scores_are_the_regressions() -> None:
    parts = CompositeParts(llr=0.5, wss=30.0, segmental_snr=4.0)
    assert composite_score("csig", 2.5, parts) == pytest.approx(3.093 - 1.029 * 0.5 + 0.603 * 2.5 - 0.009 * 30)
    assert composite_score("cbak", 2.5, parts) == pytest.approx(1.634 + 0.478 * 2.5 - 0.007 * 30 + 0.063 * 4)
    assert composite_score("covl", 2.5, parts) == pytest.approx(1.594 + 0.805 * 2.5 - 0.512 * 0.5 - 0.007 * 30)
    assert composite_score("csig", 1.0, CompositeParts(5.0, 200.0, -10.0)) == 1.0
    assert composite_score("covl", 4.64, CompositeParts(0.0, 0.0, 35.0)) == 5.0


def test_identical_clips_are_perfect() -> None:
    clean = speech_like(1.0)
    parts = composite_parts(clean, clean, RATE)
    assert parts.llr == pytest.approx(0.0, abs=1e-9)
    assert parts.wss == 0.0
    assert parts.segmental_snr == pytest.approx(35.0, abs=1.0)  # but for the pauses, whose noise is above it
    assert [metrics.METRICS[name](clean, clean, RATE) for name in ("csig", "cbak", "covl")] == [5.0, 5.0, 5.0]


def test_digital_silence_in_the_clean_clip_is_left_out_of_the_llr() -> None:
    clean = speech_like(1.0)
    clean[: RATE // 2] = 0.0
    found = composite_parts(clean, noised(clean), RATE)
    second_half = composite_parts(clean[RATE // 2 :], noised(clean)[RATE // 2 :], RATE)
    assert found.llr == pytest.approx(second_half.llr, rel=0.1)
    assert math.isfinite(found.wss)


def test_digital_silence_in_the_denoised_clip_counts() -> None:
    clean = speech_like(1.0)
    denoised = noised(clean)
    muted = denoised.copy()
    muted[: RATE // 2] = 0.0
    assert composite_parts(clean, muted, RATE).llr > composite_parts(clean, denoised, RATE).llr + 0.5

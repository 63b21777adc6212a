"""MSE, SNR and SI-SNR against plain implementations of their definitions."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sezoo import metrics
from speech_clips import noised, speech_like


def clip_of(n: int) -> st.SearchStrategy[np.ndarray]:
    # Steps of 2^-15, as recordings have them, so that no energy underflows.
    return arrays(np.int16, n).map(lambda samples: samples / 32768.0)


PAIRS = st.integers(1, 60).flatmap(lambda n: st.tuples(clip_of(n), clip_of(n)))


@given(PAIRS)
def test_mse_is_its_definition(pair: tuple[np.ndarray, np.ndarray]) -> None:
    clean, denoised = pair
    expected = math.fsum((d - c) ** 2 for c, d in zip(clean, denoised, strict=True)) / len(clean)
    assert metrics.mse(clean, denoised) == pytest.approx(expected, rel=1e-9, abs=0)


@given(PAIRS)
def test_snr_is_its_definition(pair: tuple[np.ndarray, np.ndarray]) -> None:
    clean, denoised = pair
    signal = math.fsum(c * c for c in clean)
    noise = math.fsum((d - c) ** 2 for c, d in zip(clean, denoised, strict=True))
    assume(signal > 0)
    expected = 10 * math.log10(signal / noise) if noise else math.inf
    assert metrics.snr(clean, denoised) == pytest.approx(expected, abs=1e-9)


@given(PAIRS)
def test_si_snr_is_its_definition(pair: tuple[np.ndarray, np.ndarray]) -> None:
    clean, denoised = pair
    along = math.fsum(c * d for c, d in zip(clean, denoised, strict=True))
    energy = math.fsum(c * c for c in clean)
    assume(energy > 0 and any(denoised))
    target = [along / energy * c for c in clean]
    signal = math.fsum(s * s for s in target)
    noise = math.fsum((d - s) ** 2 for d, s in zip(denoised, target, strict=True))
    value = metrics.si_snr(clean, denoised)
    if noise < 1e-12 * signal:
        assert value > 119  # only rounding is left
    elif signal < 1e-12 * noise:
        assert value < -119
    else:
        assert value == pytest.approx(10 * math.log10(signal / noise), abs=1e-3)


@given(PAIRS, st.floats(0.01, 100), st.sampled_from([-1, 1]))
def test_si_snr_ignores_the_scale(pair: tuple[np.ndarray, np.ndarray], scale: float, sign: int) -> None:
    clean, denoised = pair
    assume(clean.any() and denoised.any())
    value = metrics.si_snr(clean, denoised)
    assume(abs(value) < 100)
    assert metrics.si_snr(clean, sign * scale * denoised) == pytest.approx(value, abs=1e-3)
    assert metrics.si_snr(scale * clean, denoised) == pytest.approx(value, abs=1e-3)


@given(PAIRS)
def test_si_snr_is_snr_after_the_best_gain(pair: tuple[np.ndarray, np.ndarray]) -> None:
    clean, denoised = pair
    assume(clean.any() and denoised.any())
    along = float(np.dot(clean, denoised))
    assume(abs(along) > 1e-6)
    gain = np.dot(clean, clean) / along
    value = metrics.si_snr(clean, denoised)
    assume(value < 100)
    assert metrics.snr(clean, gain * denoised) == pytest.approx(value, abs=1e-3)


def test_no_mean_is_removed() -> None:
    clean = np.array([1.0, 2.0, 3.0, 2.0])
    # By hand: <d, c> = 26, <c, c> = 18, so a = 13/9; target energy 338/9, rest 38 - 338/9 = 4/9.
    assert metrics.si_snr(clean, clean + 1.0) == pytest.approx(10 * math.log10(338 / 4))


def test_perfect_and_orthogonal() -> None:
    clean = speech_like(1.0)
    assert metrics.snr(clean, clean) == math.inf
    assert metrics.si_snr(clean, clean) == math.inf
    assert metrics.mse(clean, clean) == 0.0
    assert metrics.si_snr(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == -math.inf


def test_float32_is_computed_in_float64() -> None:
    clean = speech_like(1.0).astype(np.float32)
    denoised = noised(clean).astype(np.float32)
    wide = clean.astype(np.float64), denoised.astype(np.float64)
    assert metrics.snr(clean, denoised) == metrics.snr(*wide)
    assert metrics.si_snr(clean, denoised) == metrics.si_snr(*wide)
    assert metrics.mse(clean, denoised) == metrics.mse(*wide)


def test_silence_that_has_a_value() -> None:
    speech = speech_like(1.0)
    assert metrics.snr(speech, np.zeros_like(speech)) == 0.0
    assert metrics.mse(np.zeros(4), np.full(4, 0.5)) == 0.25

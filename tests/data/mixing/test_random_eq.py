import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import noise
from sezoo.data.mixing.random_eq import apply_random_eq


@settings(deadline=None)
@given(seed=st.integers(0, 2**32))
def test_the_wave_is_filtered_by_two_zeros_and_two_poles(seed):
    wave = noise(0.02)
    found = apply_random_eq(wave, np.random.default_rng(seed))
    a, b, c, d = np.random.default_rng(seed).uniform(-3 / 8, 3 / 8, 4)
    x, expected = np.pad(wave.astype(np.float64), (2, 0)), np.zeros(len(wave) + 2)
    for t in range(2, len(x)):
        expected[t] = x[t] + a * x[t - 1] + b * x[t - 2] - c * expected[t - 1] - d * expected[t - 2]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected[2:], rtol=1e-4, atol=1e-6)


def test_any_filter_is_stable_and_tilts_by_17_db_at_most():
    click = np.zeros(4096, np.float32)
    click[0] = 1
    random = np.random.default_rng(1)
    gains = np.array([np.abs(np.fft.rfft(apply_random_eq(click, random))) for _ in range(500)])
    assert (20 * np.log10(gains)).max() < 17 and (20 * np.log10(gains)).min() > -17
    low, high = gains[:, 20], gains[:, -20]
    assert np.std(20 * np.log10(high / low)) > 3
    assert np.median(20 * np.log10(high / low)) == pytest.approx(0, abs=1)

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import RATE, noise
from sezoo.data.mixing.band_limit import NARROWEST, WIDEST, limit_band


@settings(deadline=None)
@given(cutoff=st.floats(500, 7500), seed=st.integers(0, 2**32))
def test_what_is_below_passes_and_what_is_above_does_not(cutoff, seed):
    wave = noise(0.5, seed=seed)
    limited, other = limit_band((wave, -2 * wave), RATE, cutoff, np.random.default_rng(seed))
    assert limited.dtype == np.float32 and len(limited) == len(wave)
    np.testing.assert_allclose(other, -2 * limited, atol=1e-5)
    hz = np.fft.rfftfreq(len(wave), 1 / RATE)
    window = np.hanning(len(wave))
    before, after = (np.abs(np.fft.rfft(window * sound)) for sound in (wave, limited))
    below, above = hz < cutoff - WIDEST, hz > cutoff + WIDEST
    assert np.linalg.norm((after - before)[below]) < 0.02 * np.linalg.norm(before[below])
    assert np.linalg.norm(after[above]) < 0.02 * np.linalg.norm(before[above])


def test_the_edge_lies_around_the_cutoff_and_is_not_always_as_steep():
    click = np.zeros(RATE, np.float32)
    click[RATE // 2] = 1
    widths = set()
    for seed in range(20):
        limited, _ = limit_band((click, click), RATE, 4000, np.random.default_rng(seed))
        gain = np.abs(np.fft.rfft(limited))
        assert gain[4000] == pytest.approx(0.5, abs=0.02)
        widths.add(np.count_nonzero((gain > 0.05) & (gain < 0.95)))
        assert np.argmax(np.abs(limited)) == RATE // 2  # no delay
    assert min(widths) > 0.5 * NARROWEST and max(widths) < WIDEST and len(widths) > 10


def test_half_the_sample_rate_and_more_changes_nothing():
    wave = noise(0.1)
    for cutoff in (RATE / 2, 9000):
        limited, _ = limit_band((wave, wave), RATE, cutoff, np.random.default_rng(0))
        np.testing.assert_array_equal(limited, wave)


def test_the_end_of_a_clip_does_not_ring_into_its_start():
    wave = np.zeros(RATE, np.float32)
    wave[-1] = 1
    limited, _ = limit_band((wave, wave), RATE, 4000, np.random.default_rng(0))
    assert np.abs(limited[: RATE // 2]).max() < 1e-4

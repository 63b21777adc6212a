"""The SNR and the level of what is mixed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import RATE, noise
from sezoo.data.mixing.mixture import active_power, mix_at_snr


def decibels(ratio):
    return 10 * np.log10(ratio)


def test_pauses_do_not_count_as_speech():
    speech = np.concatenate([noise(0.5), np.zeros(RATE, np.float32), noise(0.5) * 1e-3])
    assert active_power(speech, RATE) == pytest.approx(np.mean(noise(0.5).astype(float) ** 2))
    assert active_power(noise(0.01), RATE) == pytest.approx(np.mean(noise(0.01).astype(float) ** 2))


@settings(max_examples=50, deadline=None)
@given(st.floats(-20, 40), st.floats(-50, -14))
def test_the_snr_and_the_level_are_those_asked_for(snr, level):
    speech = np.concatenate([np.zeros(3000, np.float32), noise(0.4, seed=1) * np.float32(0.3)])
    around = noise(len(speech) / RATE, seed=2)
    noisy, clean = mix_at_snr(speech, around, RATE, snr=snr, level=level)
    assert noisy.dtype == clean.dtype == np.float32
    assert np.abs(noisy).max() <= 0.99001
    found = decibels(active_power(clean, RATE) / np.mean((noisy.astype(float) - clean) ** 2))
    assert found == pytest.approx(snr, abs=0.1)
    if np.abs(noisy).max() < 0.98:
        assert decibels(active_power(clean, RATE)) == pytest.approx(level, abs=0.1)


def test_what_would_clip_is_made_quieter_as_a_whole():
    speech, around = noise(0.5, seed=1), noise(0.5, seed=2)
    noisy, clean = mix_at_snr(speech, around, RATE, snr=0, level=0)
    assert np.abs(noisy).max() == pytest.approx(0.99)
    assert decibels(active_power(clean, RATE) / np.mean((noisy - clean) ** 2)) == pytest.approx(0, abs=0.1)

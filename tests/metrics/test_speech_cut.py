"""How much of the speech a denoiser cuts away."""

import numpy as np
import pytest

from sezoo.metrics.speech_cut import speech_figures
from sezoo.spectrum import Stft

RATE = 16000
STFT = Stft(512, 160, 400)


def tones(*hertz, seconds=1.0):
    time = np.arange(round(seconds * RATE)) / RATE
    return np.float32(sum(0.1 * np.sin(2 * np.pi * each * time) for each in hertz))


def figures(denoised, clean, noise=0.0):
    return speech_figures(clean + np.float32(noise), clean, denoised, STFT, RATE)


def test_speech_as_it_was():
    clean = tones(500, 5000)
    found = figures(clean, clean)
    assert found["speech_cut"] == 0
    assert found["high_band"] == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize(("gain", "share"), [(0.52, 0.0), (0.48, 1.0)])
def test_cut_is_what_is_more_than_6_db_quieter(gain, share):
    clean = tones(500, 5000)
    assert figures(gain * clean, clean)["speech_cut"] == share
    assert figures(gain * clean, clean)["high_band"] == pytest.approx(20 * np.log10(gain), abs=1e-3)


def test_the_upper_bands_alone_have_their_level():
    low, high = tones(500), tones(6000)
    found = figures(low + 0.5 * high, low + high)
    assert found["high_band"] == pytest.approx(-6.02, abs=0.1)
    found = figures(0.1 * low + high, low + high)
    assert found["high_band"] == pytest.approx(0, abs=0.1)
    faded = low * np.hanning(len(low)).astype(np.float32)  # without the click of its beginning
    assert "high_band" not in figures(faded, faded)


def test_bins_in_noise_are_no_speech():
    clean = tones(500, seconds=0.5)
    noise = np.random.default_rng(0).standard_normal(len(clean)).astype(np.float32)
    assert figures(0 * clean, clean, 1e-4 * noise)["speech_cut"] == 1
    loud = figures(0 * clean, clean, 10 * noise)
    assert loud.get("speech_cut", 1) == 1  # none, or the few bins that the noise has left


def test_no_speech_has_no_figures():
    silence = np.zeros(RATE, np.float32)
    noise = np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
    assert speech_figures(noise, silence, noise / 2, STFT, RATE) == {}
    assert np.isfinite(list(figures(silence, tones(500, 5000)).values())).all()

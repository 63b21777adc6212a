"""How much of the speech is taken away, on spectra that are known."""

import numpy as np
import pytest

from sezoo.metrics import MetricError, si_snr, speech_guard

RATE, SECONDS = 16000, 2
TIME = np.arange(RATE * SECONDS) / RATE


def tone(hertz, level=0.1):
    return (level * np.sin(2 * np.pi * hertz * TIME)).astype(np.float32)


def noise(level, seed=0):
    return (level * np.random.default_rng(seed).standard_normal(len(TIME))).astype(np.float32)


def test_the_speech_itself_loses_nothing():
    clean = tone(500) + tone(3000) + tone(5000) + tone(7000)
    figures = speech_guard(clean, clean + noise(0.001), clean, RATE)
    assert figures == {"speech_cut": 0.0, "level_2_4_khz": 0.0, "level_4_6_khz": 0.0, "level_6_8_khz": 0.0}


def test_bands_lose_what_their_tones_lose():
    clean = tone(500) + tone(3000) + tone(5000) + tone(7000)
    made = tone(500) + tone(3000, 0.08) + tone(5000, 0.04) + tone(7000, 0.2)
    figures = speech_guard(clean, clean + noise(0.001), made, RATE)
    levels = [figures[name] for name in ("level_2_4_khz", "level_4_6_khz", "level_6_8_khz")]
    np.testing.assert_allclose(levels, [20 * np.log10(gain) for gain in (0.8, 0.4, 2)], atol=0.02)
    assert figures["speech_cut"] == pytest.approx(1 / 4, abs=0.03)  # one tone of four, by more than 6 dB


@pytest.mark.parametrize(("gain", "share"), [(1.0, 0.0), (0.52, 0.0), (0.48, 1.0), (0.0, 1.0)])
def test_a_bin_is_cut_when_it_has_lost_more_than_6_db(gain, share):
    clean = noise(0.1)
    assert speech_guard(clean, clean + noise(0.001, 1), np.float32(gain) * clean, RATE)["speech_cut"] == share


def test_bins_of_noise_do_not_count():
    """Above 2 kHz there is more noise than speech: taking all of it away costs no speech."""
    clean = tone(500) + 0.001 * tone(3000)
    figures = speech_guard(clean, clean + 0.01 * tone(3000) + 0.01 * tone(5000), tone(500), RATE)
    assert figures == {"speech_cut": pytest.approx(0, abs=0.01)}


def test_what_it_sees_is_not_what_si_snr_sees():
    """A denoiser that drops the high bands loses little SI-SNR, and a third of the speech."""
    clean = tone(500) + tone(3000, 0.02) + tone(5000, 0.02)
    figures = speech_guard(clean, clean + noise(0.0001), tone(500) + tone(3000, 0.001) + tone(5000, 0.001), RATE)
    assert si_snr(clean, tone(500)) > 10 and figures["speech_cut"] > 0.5 and figures["level_2_4_khz"] < -20


@pytest.mark.parametrize("rate", [8000, 48000])
def test_other_sample_rates(rate):
    clean = noise(0.1)
    figures = speech_guard(clean, clean, clean, rate)
    assert set(figures) == {"speech_cut", "level_2_4_khz"} | (
        set() if rate == 8000 else {"level_4_6_khz", "level_6_8_khz"}
    )


def test_clips_without_speech():
    silence, loud = np.zeros(len(TIME), np.float32), noise(0.1)
    with pytest.raises(MetricError, match="silent"):
        speech_guard(silence, loud, loud, RATE)
    with pytest.raises(MetricError, match="no bin of the clip has an SNR above 5 dB"):
        speech_guard(0.001 * noise(0.1, 1), loud, loud, RATE)
    with pytest.raises(MetricError, match="shorter than a frame of 32 ms"):
        speech_guard(loud[:100], loud[:100], loud[:100], RATE)

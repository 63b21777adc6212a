"""The conditions of the robustness bench: what each does to a pair, and that it is the same every time."""

from pathlib import Path

import numpy as np
import pytest

from sezoo.audio.clip import BadClipError
from sezoo.data.mixing.mixture import active_power
from sezoo.evaluation.conditions import CONDITIONS, ChangedPair, conditions_for
from sezoo.metrics import si_snr

RATE = 16000
RANDOM = np.random.default_rng(0)
SPEECH = (np.sin(np.arange(RATE) * 0.3) * 0.1 + 0.02 * RANDOM.standard_normal(RATE)).astype(np.float32)
SPEECH[4000:8000] = 0  # a pause
NOISE = (0.03 * RANDOM.standard_normal(RATE)).astype(np.float32)


def apply(condition, name="a.wav", noisy=SPEECH + NOISE, clean=SPEECH):
    return ChangedPair(Path(name), Path("clean.wav"), condition=condition).apply(noisy, clean, RATE)


def decibels(power):
    return 10 * np.log10(power)


@pytest.mark.parametrize("name", CONDITIONS)
def test_every_condition_gives_a_pair_of_that_length_the_same_every_time(name):
    noisy, clean = apply(name)
    assert noisy.shape == clean.shape == SPEECH.shape and noisy.dtype == clean.dtype == np.float32
    assert np.isfinite(noisy).all() and np.abs(noisy).max() <= 1
    for one, other in zip(apply(name), (noisy, clean), strict=True):
        np.testing.assert_array_equal(one, other)
    # The reference is where the speech is, whatever has been done to it.
    correlation = np.correlate(clean[9000:12000], SPEECH[9000:12000], "full")
    assert np.argmax(correlation) == 2999


def test_as_recorded_nothing_changes():
    noisy, clean = apply("as_recorded")
    np.testing.assert_array_equal(noisy, SPEECH + NOISE)
    np.testing.assert_array_equal(clean, SPEECH)


@pytest.mark.parametrize("level", [-65, -45, -25])
def test_levels_of_the_speech(level):
    noisy, clean = apply(f"level_{-level}")
    assert decibels(active_power(clean, RATE)) == pytest.approx(level, abs=0.01)
    np.testing.assert_allclose(noisy / (SPEECH + NOISE), noisy[0] / (SPEECH + NOISE)[0], rtol=1e-4)


def test_the_loudest_has_its_peak_at_6_db_below_full_scale():
    assert np.abs(apply("peak_6")[0]).max() == pytest.approx(10 ** (-6 / 20), rel=1e-5)


@pytest.mark.parametrize("snr", [0, 5, 10, 15, 20])
def test_signal_to_noise_ratios(snr):
    noisy, clean = apply(f"snr_{snr}")
    found = active_power(clean, RATE) / np.mean(np.square(noisy - clean, dtype=np.float64))
    assert decibels(found) == pytest.approx(snr, abs=0.01)
    assert si_snr(noisy - clean, NOISE) > 40  # the same noise


@pytest.mark.parametrize("hertz", [3400, 5500, 7000])
def test_bands_end_where_they_should(hertz):
    for wave in apply(f"band_{hertz}"):
        power = np.abs(np.fft.rfft(wave[9000:])) ** 2
        above = np.fft.rfftfreq(7000, 1 / RATE) > hertz + 250
        assert power[above].sum() < 1e-4 * power.sum()
    assert [each.name for each in conditions_for(8000) if each.name.startswith("band")] == ["band_3400"]
    assert len(conditions_for(RATE)) == len(CONDITIONS) == 17


def test_a_room_adds_to_the_speech_alone_and_the_direct_sound_is_the_reference():
    noisy, clean = apply("reverberant")
    gain = np.abs(clean).max() / np.abs(SPEECH).max()  # less than 1 where the sum would go beyond full scale
    np.testing.assert_allclose(clean, gain * SPEECH, atol=1e-6)
    reverberation = noisy - clean - gain * NOISE
    assert np.sqrt(np.mean(reverberation[4200:5200] ** 2)) > 1e-3  # in the pause it goes on
    assert not np.array_equal(apply("reverberant", "b.wav")[0], noisy)  # another room for another clip


def test_clipping_leaves_the_reference_alone():
    noisy, clean = apply("clipped")
    limit = np.abs(SPEECH + NOISE).max() * 10 ** (-6 / 20)
    assert np.abs(noisy).max() == pytest.approx(limit, rel=1e-6) and np.sum(np.abs(noisy) > 0.999 * limit) > 20
    np.testing.assert_array_equal(clean, SPEECH)


def test_clean_speech_has_no_noise():
    noisy, clean = apply("clean")
    np.testing.assert_array_equal(noisy, SPEECH)
    np.testing.assert_array_equal(clean, SPEECH)


def test_a_pair_without_noise_has_no_other_snr():
    with pytest.raises(BadClipError, match="it has no noise"):
        apply("snr_5", noisy=SPEECH)


def test_babble_is_of_voices_that_are_not_the_speaker():
    noisy, clean = apply("babble")
    voices = noisy - clean
    found = active_power(clean, RATE) / np.mean(np.square(voices, dtype=np.float64))
    assert decibels(found) == pytest.approx(5, abs=0.01)
    tones = np.abs(np.fft.rfft(voices * np.hanning(RATE)))
    tone = round(0.3 * RATE / (2 * np.pi))  # in Hz, of SPEECH
    heard = [tones[round(tone * speed) - 3 : round(tone * speed) + 4].max() for speed in (0.8, 1.25)]
    assert min(heard) > 20 * np.median(tones) and tones[tone - 3 : tone + 4].max() < 0.2 * min(heard)
    with pytest.raises(BadClipError, match="it is silent: no voices can be made of it"):
        apply("babble", clean=np.zeros_like(SPEECH))

"""What microphones, converters, the mains and rumble do to a clip."""

import numpy as np
import pytest

from sezoo.data.mixing.devices import add_mains_hum, add_rumble, apply_microphone_response, clip_peaks

RATE = 16000


def white(seed=0, samples=RATE):
    return np.random.default_rng(seed).standard_normal(samples).astype(np.float32)


def test_both_waves_go_through_the_same_microphone():
    first, second = white(1), white(2)
    heard = apply_microphone_response((first, second), RATE, np.random.default_rng(3))
    ratios = [
        np.abs(np.fft.rfft(after)) / np.abs(np.fft.rfft(before))
        for after, before in zip(heard, (first, second), strict=True)
    ]
    bands = [[ratio[k : k + 400].mean() for k in range(400, 7600, 400)] for ratio in ratios]
    np.testing.assert_allclose(*bands, rtol=0.05)
    assert all(wave.dtype == np.float32 and wave.shape == (RATE,) for wave in heard)


def test_microphones_differ_by_some_decibels_and_have_no_deepest_bass():
    spreads = []
    for seed in range(10):
        heard, _ = apply_microphone_response((white(1), white(1)), RATE, np.random.default_rng(seed))
        gain = 20 * np.log10(np.abs(np.fft.rfft(heard)) / np.abs(np.fft.rfft(white(1))))
        spreads.append(gain[1000:7900].max() - gain[1000:7900].min())
        assert gain[3:8].mean() < np.median(gain) - 3
    assert 3 < np.median(spreads) < 30 and np.std(spreads) > 0.5


@pytest.mark.parametrize("decibels", [1.0, 6.0, 12.0])
def test_clipped_so_far_below_the_peak(decibels):
    wave = white()
    found = clip_peaks(wave, decibels)
    limit = np.abs(wave).max() * 10 ** (-decibels / 20)
    assert np.abs(found).max() == pytest.approx(limit, rel=1e-5)
    inside = np.abs(wave) < limit * 0.999
    np.testing.assert_array_equal(found[inside], wave[inside])


def test_hum_has_lines_at_the_harmonics_of_the_mains():
    noise = white() * np.float32(1e-3)
    seen = set()
    for seed in range(8):
        hum = add_mains_hum(noise, RATE, np.random.default_rng(seed)) - noise
        power = np.abs(np.fft.rfft(hum)) ** 2  # a second: bins of 1 Hz
        mains = next(hertz for hertz in (50, 60) if power[hertz::hertz].sum() > 0.999 * power.sum())
        seen.add(mains)
        ratio = 10 * np.log10(np.mean(hum**2) / np.mean(noise**2))
        assert -20.1 <= ratio <= 10.1
    assert seen == {50, 60}


def test_rumble_is_low_and_of_random_loudness():
    noise, levels = white(samples=4 * RATE), []
    for seed in range(8):
        rumble = add_rumble(noise, RATE, np.random.default_rng(seed)) - noise
        hertz = np.fft.rfftfreq(len(noise), 1 / RATE)
        power = np.abs(np.fft.rfft(rumble)) ** 2
        assert power[(hertz > 1) & (hertz < 300)].sum() > 0.95 * power.sum()
        levels.append(10 * np.log10(np.mean(rumble**2) / np.mean(noise**2)))
    assert -15.1 <= min(levels) < 0 and 5 < max(levels) <= 20.1


def test_rumble_differs_from_moment_to_moment_by_some_decibels():
    noise = white(samples=8 * RATE) * np.float32(1e-4)
    spreads = []
    for seed in range(8):
        rumble = add_rumble(noise, RATE, np.random.default_rng(seed)) - noise
        spreads.append(np.std(10 * np.log10(np.mean(rumble.reshape(-1, RATE // 2) ** 2, axis=1))))
    assert 1 < np.mean(spreads) < 12

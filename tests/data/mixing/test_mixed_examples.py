"""Which parts of the recordings are drawn."""

import numpy as np
import pytest
import soundfile

from builders import RATE, noise
from sezoo.data.mixing.mixed_examples import MixedExamples
from sezoo.data.mixing.mixture import active_power
from sezoo.data.mixing.recordings import Recordings


def source_of(tmp_path, speech, around, **changes):
    for name, wave in (("speech.wav", speech), ("noise.wav", around)):
        soundfile.write(tmp_path / name, wave, RATE)
    recordings = (Recordings([tmp_path / name], RATE) for name in ("speech.wav", "noise.wav"))
    options = {"count": 20, "samples": RATE // 2, "snr_range": (0, 0), "level_range": (-20, -20), "seed": 1}
    return MixedExamples(*recordings, **{**options, **changes})


def all_of(source):
    return [source.example(1, index) for index in range(len(source))]


def test_parts_without_speech_are_not_drawn(tmp_path):
    speech = np.concatenate([noise(1.0) * 1e-3, noise(0.5), noise(1.0) * 1e-3])
    for _, clean in all_of(source_of(tmp_path, speech, noise(1.0))):
        assert 10 * np.log10(active_power(clean, RATE)) == pytest.approx(-20, abs=0.1)
        frames = np.abs(clean[: len(clean) // 320 * 320]).reshape(-1, 320).max(axis=1)
        assert frames.max() > 1.0e-2
        assert frames.max() / np.median(frames) < 2000


def test_a_click_in_silence_is_found(tmp_path):
    speech, around = np.zeros(60 * RATE, np.float32), np.zeros(60 * RATE, np.float32)
    speech[50_000], around[-1] = 0.5, -0.5
    for noisy, clean in all_of(source_of(tmp_path, speech, around, count=3)):
        assert np.isfinite(noisy).all()
        assert np.count_nonzero(clean) == 1
        assert np.count_nonzero(noisy) == 2


def test_short_speech_is_whole_and_short_noise_goes_on(tmp_path):
    source = source_of(tmp_path, noise(0.3), noise(0.12), peak_normalize=True)
    starts = set()
    for noisy, clean in all_of(source):
        assert np.abs(noisy).max() == pytest.approx(1)
        spoken = np.flatnonzero(clean)
        starts.add(spoken[0])
        assert spoken[-1] - spoken[0] + 1 == pytest.approx(0.3 * RATE, abs=5)
        around = noisy - clean
        assert np.count_nonzero(np.abs(around) > 1e-6) > 0.99 * len(around)
    assert len(starts) > 10


def test_random_filters_colour_speech_and_noise_differently_and_leave_levels(tmp_path):
    speech, around = noise(1.0, seed=1), noise(1.0, seed=2)
    plain, filtered = (source_of(tmp_path, speech, around, random_filters=on) for on in (False, True))
    tilts = []
    for (noisy, clean), (other_noisy, other_clean) in zip(all_of(filtered), all_of(plain), strict=True):
        for wave, other in ((clean, other_clean), (noisy - clean, other_noisy - other_clean)):
            assert np.mean(wave**2) == pytest.approx(np.mean(other**2), rel=0.05)
            assert not np.allclose(wave, other, atol=1e-3)
        spectra = [np.abs(np.fft.rfft(x)) ** 2 for x in (clean, noisy - clean)]
        tilts.append([np.log10(s[: len(s) // 4].sum() / s[-len(s) // 4 :].sum()) for s in spectra])
    assert abs(np.corrcoef(np.array(tilts).T)[0, 1]) < 0.7
    first, again = filtered.example(2, 3), filtered.example(2, 3)
    np.testing.assert_array_equal(first, again)


def test_the_bandwidth_is_another_in_each_example_and_the_same_for_noisy_and_clean(tmp_path):
    speech, around = noise(1.0, seed=1), noise(1.0, seed=2)
    plain, cut = (source_of(tmp_path, speech, around, bandwidth_range=r) for r in (None, (4000, 10_000)))
    bandwidths = []
    for example, before in zip(all_of(cut), all_of(plain), strict=True):
        spectra, whole = ([np.abs(np.fft.rfft(x * np.hanning(len(x)))) for x in pair] for pair in (example, before))
        passed = [np.flatnonzero(s > 0.1 * np.median(w)).max() for s, w in zip(spectra, whole, strict=True)]
        assert passed[0] == pytest.approx(passed[1], abs=100)
        bandwidths.append(passed[0] * RATE / len(example[0]))
    untouched = np.mean(np.array(bandwidths) > 7900)
    assert 0.1 < untouched < 0.6  # a third of the range is above half the sample rate
    assert min(bandwidths) > 3900 and np.std(bandwidths) > 500


@pytest.mark.parametrize(("by_length", "share"), [(False, 0.5), (True, 0.8)])
def test_long_recordings_are_drawn_as_often_as_short_ones_or_by_their_length(tmp_path, by_length, share):
    for name, seconds, hz in (("short.wav", 1.0, 500), ("long.wav", 4.0, 2000)):
        tone = 0.5 * np.sin(2 * np.pi * hz / RATE * np.arange(round(seconds * RATE)))
        soundfile.write(tmp_path / name, tone, RATE)
    recordings = Recordings([tmp_path / "short.wav", tmp_path / "long.wav"], RATE)
    source = MixedExamples(
        recordings, recordings, count=300, samples=RATE // 4, snr_range=(0, 0), level_range=(-20, -20), seed=1,
        by_length=by_length,
    )  # fmt: skip
    clean = np.array([clean for _, clean in all_of(source)])
    is_long = np.abs(np.fft.rfft(clean)).argmax(axis=-1) > 250
    assert is_long.mean() == pytest.approx(share, abs=0.08)

"""What happens to examples besides noise, and to how many."""

import numpy as np
import pytest

from builders import RATE, noise
from sezoo.data.mixing.augmentation import Augmentation
from sezoo.data.mixing.mixed_examples import MixedExamples
from sezoo.data.mixing.recordings import Recordings
from sezoo.data.mixing.rooms import Rooms, exponential_response

ROOMS = Rooms(exponential_response, (0.3, 0.5), 0.02)


@pytest.fixture
def source(tmp_path):
    import soundfile

    for name, seed in (("speech", 1), ("noise", 2)):
        soundfile.write(tmp_path / f"{name}.wav", noise(2.0, seed=seed), RATE)
    recordings = [Recordings([tmp_path / f"{name}.wav"], RATE) for name in ("speech", "noise")]

    def of(augmentation=None, **changes):
        options = {"count": 8, "samples": RATE // 2, "snr_range": (0, 10), "level_range": (-30, -20), "seed": 1}
        more = {} if augmentation is None else {"augmentation": Augmentation(**augmentation)}
        return MixedExamples(*recordings, **options | more | changes)

    return of


def examples(source, epoch=1):
    return [source.example(epoch, index) for index in range(len(source))]


def decibels(wave):
    return 10 * np.log10(np.mean(np.square(wave, dtype=np.float64)))


def test_shares_are_those_asked_for():
    augmentation = Augmentation(clean=0.1, noise=0.2, high_snr=0.3, babble=0.4, hum=0.5, rumble=0.6, clipping=1.0)
    draw = [augmentation.draw(np.random.default_rng(seed)) for seed in range(4000)]
    for content, share in (("clean", 0.1), ("noise", 0.2), ("high_snr", 0.3), ("mixture", 0.4)):
        assert np.mean([each.content == content for each in draw]) == pytest.approx(share, abs=0.03)
    assert np.mean([each.babble for each in draw]) == pytest.approx(0.4, abs=0.03)
    assert np.mean([each.hum for each in draw]) == pytest.approx(0.5, abs=0.03)
    assert np.mean([each.rumble for each in draw]) == pytest.approx(0.6, abs=0.03)
    assert all(each.clipping for each in draw) and not any(each.microphone for each in draw)


def test_nothing_of_it_changes_nothing(source):
    for found, expected in zip(examples(source({})), examples(source()), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_an_example_is_the_same_at_every_call_and_another_in_every_epoch(source):
    everything = {
        **{"clean": 0.2, "noise": 0.2, "high_snr": 0.2, "babble": 0.5, "hum": 0.5, "rumble": 0.5},
        **{"reverberation": 0.5, "rooms": ROOMS, "microphone": 0.5, "clipping": 0.5},
    }
    first, again = (examples(source(everything)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, examples(source(everything), epoch=2))
    assert np.isfinite(first).all() and np.abs(first).max() <= 1


def test_clean_examples_have_no_noise(source):
    for noisy, clean in examples(source({"clean": 1.0})):
        np.testing.assert_array_equal(noisy, clean)
        assert -31 < decibels(clean) < -19


def test_examples_of_noise_have_silence_as_their_target(source):
    plain = examples(source())
    for (noisy, clean), (mixed, meant) in zip(examples(source({"noise": 1.0})), plain, strict=True):
        assert not clean.any()
        np.testing.assert_allclose(noisy, mixed - meant, atol=1e-6)  # as loud as it is beside speech


def test_high_snrs(source):
    for noisy, clean in examples(source({"high_snr": 1.0, "high_snr_range": (30, 35)})):
        assert 29.9 < decibels(clean) - decibels(noisy - clean) < 35.1


def test_babble_is_made_of_the_speech(source):
    """Of several voices: not the noise, which is a tone here, and no single part of the speech."""
    for (noisy, clean), (plain, meant) in zip(examples(source({"babble": 1.0})), examples(source()), strict=True):
        np.testing.assert_array_equal(clean, meant)
        assert not np.allclose(noisy, plain)
        snr, plain_snr = (decibels(clean) - decibels(each - clean) for each in (noisy, plain))
        assert snr == pytest.approx(plain_snr, abs=1.5)


def test_the_target_of_reverberant_speech_is_drier(source):
    augmentation = {"reverberation": 1.0, "rooms": ROOMS, "clean": 1.0}
    for noisy, clean in examples(source(augmentation)):
        late = noisy - clean
        assert decibels(late) < decibels(noisy)
        assert decibels(late) > decibels(clean) - 25
        assert not np.abs(late[: round(0.02 * RATE)]).max() > 1e-6  # nothing is late at first


def test_clipping_is_of_the_noisy_clip_alone(source):
    augmentation = {"clipping": 1.0, "clipping_range": (6, 6)}
    for (noisy, clean), (plain, meant) in zip(examples(source(augmentation)), examples(source()), strict=True):
        np.testing.assert_array_equal(clean, meant)
        assert np.abs(noisy).max() == pytest.approx(np.abs(plain).max() / 10**0.3, rel=1e-4)


def test_a_microphone_is_heard_by_both(source):
    for (noisy, clean), (plain, meant) in zip(examples(source({"microphone": 1.0})), examples(source()), strict=True):
        assert not np.allclose(clean, meant) and not np.allclose(noisy, plain)


def test_rumble_is_in_the_noise(source):
    for (noisy, clean), (plain, meant) in zip(examples(source({"rumble": 1.0})), examples(source()), strict=True):
        np.testing.assert_array_equal(clean, meant)
        assert not np.allclose(noisy, plain)
        snr, plain_snr = (decibels(clean) - decibels(each - clean) for each in (noisy, plain))
        assert snr == pytest.approx(plain_snr, abs=0.5)


def test_with_the_boards_gain_a_loud_stretch_has_full_scale_and_quiet_clips_stay(source):
    loud, quiet = {"samples": RATE, "level_range": (-20, -20)}, {"level_range": (-70, -70)}
    for (noisy, clean), (plain, meant) in zip(
        examples(source({"board_gain": True}, **loud)), examples(source(**loud)), strict=True
    ):
        gain = np.abs(noisy).max() / np.abs(plain).max()
        np.testing.assert_allclose([noisy, clean], [plain * gain, meant * gain], rtol=1e-4, atol=1e-6)
        stretches = np.lib.stride_tricks.sliding_window_view(np.abs(noisy), round(0.6 * RATE)).max(1)
        assert np.abs(stretches - 1).min() < 1e-3  # the one that was drawn
    for found, expected in zip(examples(source({"board_gain": True}, **quiet)), examples(source(**quiet)), strict=True):
        np.testing.assert_array_equal(found, expected)

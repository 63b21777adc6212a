"""Which recordings are trained on and which are held out; folders that cannot be mixed."""

import logging

import numpy as np
import pytest
import soundfile

from builders import RATE, mix, noise, write_clips, write_speech_and_noise
from sezoo.base.errors import UserError
from sezoo.config.validation import build_config
from sezoo.data.mixing.train_holdout import check_mix, make_mixed_examples, train_holdout_split


@pytest.fixture(autouse=True)
def _log(monkeypatch):
    monkeypatch.setattr(logging.getLogger("sezoo"), "propagate", True)


@pytest.fixture
def folders(tmp_path):
    return write_speech_and_noise(tmp_path)


def config_of(dataset):
    raw = {"operation_mode": "training", "model": {}, "preprocessing": {}, "training": {}, "dataset": dataset}
    return build_config(raw)


def test_the_halves_have_no_recording_in_common(folders):
    training, held_out = train_holdout_split(config_of(mix(folders)))
    for used, held, count in zip(training, held_out, (10, 6), strict=True):
        assert len(held) == 1
        assert len(used) == count - 1
        assert not set(used.paths) & set(held.paths)
    # The choice is by name: another recording changes it by that one at most, another seed altogether.
    write_clips(folders / "speech", "new.flac", seconds=1.0)
    _, after = train_holdout_split(config_of(mix(folders)))
    assert set(after.speech.paths) - set(held_out.speech.paths) <= {folders / "speech" / "new.flac"}
    held = {train_holdout_split(config_of(mix(folders, random_seed=seed)))[1].speech.paths for seed in range(10)}
    assert len(held) > 3


def test_bad_recordings_are_left_out_of_the_mix(folders, caplog):
    bad = folders / "speech" / "speaker1" / "4.flac"
    soundfile.write(bad, noise() * 0, RATE)
    training, held_out = train_holdout_split(config_of(mix(folders, skip_bad_files=True)))
    assert "1 of 10 clips left out: 4.flac" in caplog.text
    assert len(training.speech) + len(held_out.speech) == 9
    assert bad not in training.speech.paths + held_out.speech.paths


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"noise_path": "speech"}, "dataset.noise_path: speech and dataset.speech_path, speech, have recordings in"),
        ({"noise_path": "speech/speaker0"}, "dataset.noise_path: speech/speaker0 and dataset.speech_path"),
        ({"noise_path": "nowhere"}, "dataset.noise_path: there is no folder nowhere"),
        ({"noise_path": "one"}, "dataset.noise_path: one recording in one that can be used; two are needed"),
        ({"noise_path": "empty"}, "dataset.noise_path: no recordings in empty; files that end in"),
        ({"bandwidth_range": [8000, 9000]}, r"dataset.bandwidth_range: found \[8000.0, 9000.0\]; no clip would be cut"),
        (
            {"reverberation_share": 0.1, "impulse_responses_path": "nowhere"},
            "impulse_responses_path: there is no folder",
        ),
        ({"reverberation_share": 0.1, "impulse_responses_path": "empty"}, "impulse_responses_path: no recordings in"),
        ({"clip_seconds": 0.01}, "dataset.clip_seconds: found 0.01, which is 160 samples at 16000 Hz; .* needs 400"),
    ],
)
def test_what_cannot_be_mixed(folders, monkeypatch, changes, words):
    write_clips(folders / "one", "a.wav")
    (folders / "empty").mkdir()
    monkeypatch.chdir(folders)
    config = config_of(mix(folders, **{"speech_path": "speech", **changes}))
    with pytest.raises(UserError, match=words):
        train_holdout_split(config)
    if "one" not in changes.values():  # that needs a look at the recordings
        with pytest.raises(UserError, match=words):
            check_mix(config)


def test_shares_of_clips_that_exclude_each_other(folders):
    with pytest.raises(UserError, match=r"dataset.high_snr_share: found 0.5; allowed: what clean_share \(0.4\)"):
        config_of(mix(folders, clean_share=0.4, noise_share=0.2, high_snr_share=0.5))


def test_recorded_impulse_responses(folders):
    """Of the user's own: a click and an echo behind the early reflections, in speech that has no noise."""
    response = np.zeros(RATE // 4, np.float32)
    response[100], response[100 + RATE // 10] = 0.9, 0.45
    (folders / "rooms").mkdir()
    soundfile.write(folders / "rooms" / "hall.wav", response, RATE)
    settings = {"reverberation_share": 1.0, "impulse_responses_path": str(folders / "rooms"), "clean_share": 1.0}
    config = config_of(mix(folders, **settings))
    training, _ = train_holdout_split(config)
    source = make_mixed_examples(config, training, count=3, seed=1, to_train=True)
    for index in range(3):
        noisy, clean = source.example(1, index)
        echo = RATE // 10
        np.testing.assert_allclose(noisy[echo:], clean[echo:] + clean[:-echo] / 2, atol=1e-3)
    still = make_mixed_examples(config, training, count=1, seed=1).example(1, 0)
    assert not np.array_equal(*still)  # what validates is mixed as ever


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, r"dataset\.impulse_responses_path: .*hall\.wav: it is silent"),
        ({"skip_bad_files": True}, r"dataset\.impulse_responses_path: none of the 2 clips can be used"),
    ],
)
def test_impulse_responses_that_are_silent_or_no_sound(settings, words, folders):
    (folders / "rooms").mkdir()
    soundfile.write(folders / "rooms" / "hall.wav", np.zeros(400), RATE)
    (folders / "rooms" / "room.wav").write_text("no sound", encoding="utf-8")
    settings |= {"reverberation_share": 0.5, "impulse_responses_path": str(folders / "rooms")}
    config = config_of(mix(folders, **settings))
    training, _ = train_holdout_split(config)
    with pytest.raises(UserError, match=words):
        make_mixed_examples(config, training, count=1, seed=1, to_train=True)

import logging

import numpy as np
import pytest
import soundfile
from scipy.signal import fftconvolve

from builders import RATE, mix, noise, write_clips, write_speech_and_noise
from sezoo.audio.clip import read_clip
from sezoo.base.errors import UserError
from sezoo.config.validation import build_config
from sezoo.data.mixing.decoded import Memory
from sezoo.data.mixing.mixture import active_power
from sezoo.data.mixing.recordings import Recordings
from sezoo.training.examples import PairExamples, example_sources


@pytest.fixture(autouse=True)
def _log(monkeypatch):
    monkeypatch.setattr(logging.getLogger("sezoo"), "propagate", True)


def config_of(dataset, **changes):
    """A training on this data set; the other sections have their defaults."""
    training = {"batch_size": 2, **changes.pop("training", {})}
    raw = {"operation_mode": "training", "model": {}, "preprocessing": {}, "training": training, "dataset": dataset}
    return build_config({**raw, **changes})


def decibels(ratio):
    return 10 * np.log10(ratio)


# -- examples that are mixed --------------------------------------------------------------------------


@pytest.fixture
def folders(tmp_path):
    return write_speech_and_noise(tmp_path)


def all_of(source, epoch):
    return [source.example(epoch, index) for index in range(len(source))]


def assert_same(first, second):
    for ours, theirs in zip(first, second, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_mixed_example_depends_on_seed_epoch_and_index_alone(folders):
    training, _ = example_sources(config_of(mix(folders)))
    again, _ = example_sources(config_of(mix(folders, cache=False)))
    other, _ = example_sources(config_of(mix(folders, random_seed=2)))
    first = all_of(training, 1)
    assert len(first) == 9  # as many as recordings of speech
    for index in reversed(range(9)):
        assert_same(again.example(1, index), first[index])
    waves = [noisy.tobytes() for noisy, _ in [*first, *all_of(training, 2), *all_of(other, 1)]]
    assert len(set(waves)) == 27
    assert {(noisy.shape, clean.dtype.name) for noisy, clean in first} == {((RATE,), "float32")}


def test_validation_is_the_same_in_every_epoch(folders):
    _, validation = example_sources(config_of(mix(folders)))
    assert len(validation) == 4
    for one, two in zip(all_of(validation, 0), all_of(validation, 7), strict=True):
        assert_same(one, two)
    assert not np.array_equal(*(validation.example(0, index)[0] for index in (0, 1)))


def test_the_clean_clip_is_of_the_speech_and_the_rest_of_the_noise(folders):
    training, _ = example_sources(config_of(mix(folders, snr_range=[3, 3], level_range=[-30, -30])))
    speech = [recording.astype(float) for recording in map(training.recordings[0].samples, range(9))]
    for noisy, clean in all_of(training, 1):
        # Scaled down from a part of a recording, it is found there, and nowhere else.
        peaks = [np.abs(fftconvolve(recording, clean[::-1])).max() for recording in speech]
        best = max(peaks) / np.linalg.norm(clean) ** 2
        level = decibels(active_power(clean, RATE))
        assert best > 1
        assert level == pytest.approx(-30, abs=0.1)
        assert level - decibels(np.mean((noisy.astype(float) - clean) ** 2)) == pytest.approx(3, abs=0.1)


def test_all_of_the_ranges_is_drawn(folders):
    source, _ = example_sources(
        config_of(mix(folders, num_training_samples=200, snr_range=[-5, 20], level_range=[-40, -30], clip_seconds=0.1))
    )
    found = []
    for noisy, clean in all_of(source, 1):
        level = decibels(active_power(clean, RATE))
        found.append((level, level - decibels(np.mean((noisy.astype(float) - clean) ** 2))))
    for values, (low, high) in zip(np.transpose(found), ((-40, -30), (-5, 20)), strict=True):
        assert low - 0.1 <= values.min() < low + (high - low) / 10
        assert high + 0.1 >= values.max() > high - (high - low) / 10


@pytest.mark.parametrize(("amount", "count"), [(None, 9), (30, 30), (0.5, 4)])
def test_how_many_are_mixed_in_an_epoch(folders, amount, count):
    training, validation = example_sources(
        config_of(mix(folders, num_training_samples=amount, num_validation_samples=0.5))
    )
    assert len(training) == count
    assert len(validation) == round(count / 2)


# -- pairs --------------------------------------------------------------------------------------------


@pytest.fixture
def custom(tmp_path):
    """Ten pairs of noise, the fourth's clean clip a hop shorter."""
    for seed, folder in enumerate(("noisy", "clean")):
        for index in range(10):
            path = tmp_path / folder / f"{index}.wav"
            path.parent.mkdir(exist_ok=True)
            samples = RATE // 2 - (160 if (seed, index) == (1, 3) else 0)
            soundfile.write(path, noise(0.5, seed=10 * seed + index)[:samples], RATE)
    paths = {f"{kind}_train_files_path": tmp_path / kind for kind in ("noisy", "clean")}
    return {"name": "custom", **paths, "num_validation_samples": 3}


def names(source):
    return [path.name for path in source.recordings[0].paths]


def test_pairs_are_read_whole_and_split_by_name(custom, tmp_path):
    training, validation = example_sources(config_of(custom))
    assert (len(training), len(validation)) == (7, 3)
    assert sorted(names(training) + names(validation)) == [f"{index}.wav" for index in range(10)]
    for source in (training, validation):
        for index, name in enumerate(names(source)):
            waves = source.example(5, index)
            for wave, kind in zip(waves, ("noisy", "clean"), strict=True):
                assert len(wave) == RATE // 2 - (160 if name == "3.wav" else 0)
                np.testing.assert_array_equal(wave, read_clip(tmp_path / kind / name, RATE)[: len(wave)])
    before = set(names(validation))
    for kind in ("noisy", "clean"):
        write_clips(tmp_path / kind, "new.wav")
    after = set(names(example_sources(config_of(custom))[1]))
    assert len(before - after) <= 1
    assert after - before <= {"new.wav"}


def test_fewer_pairs_to_train_on_leave_the_validation_as_it_is(custom):
    _, whole = example_sources(config_of(custom))
    training, validation = example_sources(config_of({**custom, "num_training_samples": 2}))
    assert len(training) == 2
    assert names(validation) == names(whole)
    assert not set(names(training)) & set(names(whole))


def test_both_clips_of_a_pair_are_normalized_alike(custom):
    plain, _ = example_sources(config_of(custom))
    normalized, _ = example_sources(config_of(custom, preprocessing={"peak_normalize": True}))
    for (noisy, clean), waves in zip(all_of(plain, 1), all_of(normalized, 1), strict=True):
        assert np.abs(waves[0]).max() == 1
        np.testing.assert_allclose(waves[0] * np.abs(noisy).max(), noisy, rtol=1e-6)
        np.testing.assert_allclose(waves[1] * np.abs(noisy).max(), clean, rtol=1e-6)


def test_the_demo_trains():
    training, validation = example_sources(config_of({"name": "demo", "num_validation_samples": 0.25}))
    assert (len(training), len(validation)) == (21, 7)
    noisy, clean = training.example(0, 0)
    assert noisy.shape == clean.shape


@pytest.mark.parametrize(("pairs", "held"), [(2, 1), (3, 1), (12, 3), (399, 99), (404, 100)])
def test_of_a_small_set_one_in_four_is_held_out_where_no_number_is_set(tmp_path, pairs, held, caplog):
    for kind in ("noisy", "clean"):
        write_clips(tmp_path / kind, " ".join(f"{index}.wav" for index in range(pairs)), seconds=0.03)
    paths = {f"{kind}_train_files_path": tmp_path / kind for kind in ("noisy", "clean")}
    with caplog.at_level(logging.INFO):
        sources = example_sources(config_of({"name": "custom", **paths}, training={"batch_size": 1}))
    assert [len(source) for source in sources] == [pairs - held, held]
    told = f"dataset.num_validation_samples: not set; {held} of {pairs} clips held out, not 100"
    assert (told in caplog.text) == (held != 100)
    if pairs == 12:  # a number that is set is that number
        with pytest.raises(UserError, match=r"found 100, but the training set has 12 clips: .*; 3 would do"):
            example_sources(config_of({"name": "custom", **paths, "num_validation_samples": 100}))


def test_the_demo_trains_where_no_number_is_set():
    assert [len(source) for source in example_sources(config_of({"name": "demo"}))] == [21, 7]


# -- what does not do ---------------------------------------------------------------------------------


def test_bad_pairs_are_left_out_of_training_and_validation(custom, tmp_path, caplog):
    (tmp_path / "noisy" / "1.wav").write_bytes(b"")
    soundfile.write(tmp_path / "clean" / "2.wav", noise() * 0, RATE)
    soundfile.write(tmp_path / "clean" / "5.wav", noise(0.4), RATE)
    with pytest.raises(UserError, match=r"noisy.1\.wav: the file has 0 bytes; set dataset.skip_bad_files: true"):
        example_sources(config_of(custom))
    sources = example_sources(config_of({**custom, "skip_bad_files": True}))
    assert sorted(names(sources[0]) + names(sources[1])) == [f"{index}.wav" for index in (0, 3, 4, 6, 7, 8, 9)]
    assert "3 of 10 clips left out: 1.wav, 2.wav, 5.wav" in caplog.text
    for source in sources:
        all_of(source, 1)


def test_a_bad_recording_that_its_header_does_not_show_is_told_when_it_is_read(custom, tmp_path):
    for index in range(10):
        soundfile.write(tmp_path / "clean" / f"{index}.wav", noise() * 0, RATE)
    training, _ = example_sources(config_of(custom))
    with pytest.raises(UserError, match=r"clean.\d\.wav: it is silent .*; set dataset.skip_bad_files: true"):
        training.example(1, 0)


def test_fewer_clips_than_a_batch_are_one(custom, caplog):
    training, _ = example_sources(config_of(custom, training={"batch_size": 8}))
    assert len(training) == 7
    assert "batch_size: found 8, but there are only 7 clips to train on: each batch is all of them" in caplog.text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_validation_samples": 10}, "dataset.num_validation_samples: found 10, but the training set has 10 clips"),
        ({"num_validation_samples": 1.0}, "none would be left to train on"),
        ({"clean_train_files_path": "nowhere"}, "dataset.clean_train_files_path: there is no folder nowhere"),
        ({"file_extension": ".mp3"}, "dataset.noisy_train_files_path: no .mp3 files in"),
    ],
)
def test_too_few_pairs(custom, changes, words):
    training = changes.pop("training", {})
    with pytest.raises(UserError, match=words):
        example_sources(config_of({**custom, **changes}, training=training))


def test_too_few_to_mix_for_a_batch(folders, caplog):
    example_sources(config_of(mix(folders, num_training_samples=1)))
    assert "training.batch_size: found 2, but there is only 1 clip" in caplog.text


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        ({"name": "mix", "noise_path": "n"}, r"^dataset.speech_path: not set; operation_mode training needs it with"),
        ({"name": "mix"}, r"dataset.speech_path: not set; .* \(and 1 more problem: dataset.noise_path\)$"),
        ({"name": "mixed"}, r"dataset.name: found 'mixed'; allowed: .* \(did you mean mix\?\)"),
        (
            {"snr_range": [20, -5]},
            r"dataset.snr_range: found \[20, -5\]; allowed: two numbers in dB from -120 to 120, the lower",
        ),
        ({"clip_seconds": 0}, "dataset.clip_seconds: found 0; allowed: a number above 0"),
    ],
)
def test_settings_that_will_not_do(dataset, words):
    with pytest.raises(UserError, match=words):
        config_of(dataset)


def test_the_sources_share_their_room(custom):
    training, validation = example_sources(config_of(custom))
    memories = {recordings.memory for source in (training, validation) for recordings in source.recordings}
    (memory,) = memories
    assert memory.size == 2e9
    assert example_sources(config_of({**custom, "cache": False}))[0].recordings[0].memory.size == 0


def test_pairs_of_recordings_need_no_configuration(custom, tmp_path):
    noisy, clean = (Recordings([tmp_path / kind / "0.wav"], RATE, Memory()) for kind in ("noisy", "clean"))
    waves = PairExamples(noisy, clean, hop_length=160).example(0, 0)
    np.testing.assert_array_equal(waves[0], read_clip(noisy.paths[0], RATE))

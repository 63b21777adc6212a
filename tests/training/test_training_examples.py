import logging

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import fftconvolve

from builders import RATE, noise, write_clips
from sezoo.audio import read_clip
from sezoo.config.validation import build_config
from sezoo.errors import UserError
from sezoo.training.examples import MixedExamples, PairExamples, example_sources
from sezoo.training.mixing import active_power, mixed
from sezoo.training.recordings import Memory, Recordings


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


# -- mixing -------------------------------------------------------------------------------------------


def test_pauses_do_not_count_as_speech():
    speech = np.concatenate([noise(0.5), np.zeros(RATE, np.float32), noise(0.5) * 1e-3])
    assert active_power(speech, RATE) == pytest.approx(np.mean(noise(0.5).astype(float) ** 2))
    assert active_power(noise(0.01), RATE) == pytest.approx(np.mean(noise(0.01).astype(float) ** 2))


@settings(max_examples=50, deadline=None)
@given(st.floats(-20, 40), st.floats(-50, -14))
def test_the_snr_and_the_level_are_those_asked_for(snr, level):
    speech = np.concatenate([np.zeros(3000, np.float32), noise(0.4, seed=1) * np.float32(0.3)])
    around = noise(len(speech) / RATE, seed=2)
    noisy, clean = mixed(speech, around, RATE, snr=snr, level=level)
    assert noisy.dtype == clean.dtype == np.float32
    assert np.abs(noisy).max() <= 0.99001
    found = decibels(active_power(clean, RATE) / np.mean((noisy.astype(float) - clean) ** 2))
    assert found == pytest.approx(snr, abs=0.1)
    if np.abs(noisy).max() < 0.98:
        assert decibels(active_power(clean, RATE)) == pytest.approx(level, abs=0.1)


def test_what_would_clip_is_made_quieter_as_a_whole():
    speech, around = noise(0.5, seed=1), noise(0.5, seed=2)
    noisy, clean = mixed(speech, around, RATE, snr=0, level=0)
    assert np.abs(noisy).max() == pytest.approx(0.99)
    assert decibels(active_power(clean, RATE) / np.mean((noisy - clean) ** 2)) == pytest.approx(0, abs=0.1)


# -- examples that are mixed --------------------------------------------------------------------------


@pytest.fixture
def folders(tmp_path):
    """Ten recordings of speech, of 0.6 to 1.5 s, and six of noise, of 0.2 to 1.2 s, in subfolders."""
    for index in range(10):
        write_clips(tmp_path / "speech" / f"speaker{index % 3}", f"{index}.flac", seconds=0.6 + index / 10)
    for index in range(6):
        write_clips(tmp_path / "noise" / "street", f"{index}.wav", seconds=0.2 + index / 5)
    return tmp_path


def mix(folders, **changes):
    paths = {"speech_path": folders / "speech", "noise_path": folders / "noise"}
    return {"name": "mix", **paths, "clip_seconds": 1.0, "num_validation_samples": 4, **changes}


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


def test_recordings_held_out_are_never_trained_on(folders):
    training, validation = example_sources(config_of(mix(folders)))
    for used, held, count in zip(training.recordings, validation.recordings, (10, 6), strict=True):
        assert len(held) == 1
        assert len(used) == count - 1
        assert not set(used.paths) & set(held.paths)
    # The choice is by name: another recording changes it by that one at most, another seed altogether.
    write_clips(folders / "speech", "new.flac", seconds=1.0)
    _, after = example_sources(config_of(mix(folders)))
    assert set(after.recordings[0].paths) - set(validation.recordings[0].paths) <= {folders / "speech" / "new.flac"}
    held = {example_sources(config_of(mix(folders, random_seed=seed)))[1].recordings[0].paths for seed in range(10)}
    assert len(held) > 3


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


def source_of(tmp_path, speech, around, **changes):
    for name, wave in (("speech.wav", speech), ("noise.wav", around)):
        soundfile.write(tmp_path / name, wave, RATE)
    recordings = (Recordings([tmp_path / name], RATE) for name in ("speech.wav", "noise.wav"))
    options = {"count": 20, "samples": RATE // 2, "snr_range": (0, 0), "level_range": (-20, -20), "seed": 1}
    return MixedExamples(*recordings, **{**options, **changes})


def test_parts_without_speech_are_not_drawn(tmp_path):
    speech = np.concatenate([noise(1.0) * 1e-3, noise(0.5), noise(1.0) * 1e-3])
    for _, clean in all_of(source_of(tmp_path, speech, noise(1.0)), 1):
        assert decibels(active_power(clean, RATE)) == pytest.approx(-20, abs=0.1)
        frames = np.abs(clean[: len(clean) // 320 * 320]).reshape(-1, 320).max(axis=1)
        assert frames.max() > 1.0e-2
        assert frames.max() / np.median(frames) < 2000


def test_a_click_in_silence_is_found(tmp_path):
    speech, around = np.zeros(60 * RATE, np.float32), np.zeros(60 * RATE, np.float32)
    speech[50_000], around[-1] = 0.5, -0.5
    for noisy, clean in all_of(source_of(tmp_path, speech, around, count=3), 1):
        assert np.isfinite(noisy).all()
        assert np.count_nonzero(clean) == 1
        assert np.count_nonzero(noisy) == 2


def test_short_speech_is_whole_and_short_noise_goes_on(tmp_path):
    source = source_of(tmp_path, noise(0.3), noise(0.12), peak_normalize=True)
    starts = set()
    for noisy, clean in all_of(source, 1):
        assert np.abs(noisy).max() == pytest.approx(1)
        spoken = np.flatnonzero(clean)
        starts.add(spoken[0])
        assert spoken[-1] - spoken[0] + 1 == pytest.approx(0.3 * RATE, abs=5)
        around = noisy - clean
        assert np.count_nonzero(np.abs(around) > 1e-6) > 0.99 * len(around)
    assert len(starts) > 10


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


def test_bad_recordings_are_left_out_of_the_mix(folders, caplog):
    bad = folders / "speech" / "speaker1" / "4.flac"
    soundfile.write(bad, noise() * 0, RATE)
    training, validation = example_sources(config_of(mix(folders, skip_bad_files=True)))
    assert "1 of 10 clips left out: 4.flac" in caplog.text
    assert len(training.recordings[0]) + len(validation.recordings[0]) == 9
    assert bad not in training.recordings[0].paths + validation.recordings[0].paths


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_validation_samples": 10}, "dataset.num_validation_samples: found 10, but the training set has 10 clips"),
        ({"num_validation_samples": 1.0}, "none would be left to train on"),
        ({"training": {"batch_size": 8}}, "training.batch_size: found 8, but there are only 7 clips to train on"),
        ({"clean_train_files_path": "nowhere"}, "dataset.clean_train_files_path: there is no folder nowhere"),
        ({"file_extension": ".mp3"}, "dataset.noisy_train_files_path: no .mp3 files in"),
    ],
)
def test_too_few_pairs(custom, changes, words):
    training = changes.pop("training", {})
    with pytest.raises(UserError, match=words):
        example_sources(config_of({**custom, **changes}, training=training))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"noise_path": "speech"}, "dataset.noise_path: speech and dataset.speech_path, speech, have recordings in"),
        ({"noise_path": "speech/speaker0"}, "dataset.noise_path: speech/speaker0 and dataset.speech_path"),
        ({"noise_path": "nowhere"}, "dataset.noise_path: there is no folder nowhere"),
        ({"noise_path": "one"}, "dataset.noise_path: one recording in one that can be used; two are needed"),
        ({"noise_path": "empty"}, "dataset.noise_path: no recordings in empty; files that end in"),
        ({"clip_seconds": 0.01}, "dataset.clip_seconds: found 0.01, which is 160 samples at 16000 Hz; .* needs 400"),
        ({"num_training_samples": 1}, "training.batch_size: found 2, but there are only 1 clip to train on"),
    ],
)
def test_what_cannot_be_mixed(folders, monkeypatch, changes, words):
    write_clips(folders / "one", "a.wav")
    (folders / "empty").mkdir()
    monkeypatch.chdir(folders)
    with pytest.raises(UserError, match=words):
        example_sources(config_of(mix(folders, **{"speech_path": "speech", **changes})))


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        ({"name": "mix", "noise_path": "n"}, r"^dataset.speech_path: not set; operation_mode training needs it with"),
        ({"name": "mix"}, r"dataset.speech_path: not set; .* \(and 1 more problem: dataset.noise_path\)$"),
        ({"name": "mixed"}, r"dataset.name: found 'mixed'; allowed: .* \(did you mean mix\?\)"),
        ({"snr_range": [20, -5]}, r"dataset.snr_range: found \[20, -5\]; allowed: two numbers in dB, the lower one"),
        ({"clip_seconds": 0}, "dataset.clip_seconds: found 0; allowed: a number above 0"),
    ],
)
def test_settings_that_will_not_do(dataset, words):
    with pytest.raises(UserError, match=words):
        config_of(dataset)


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("chain_tqe", "needed for evaluation and quantization: those of dataset.name valentini, custom or demo$"),
        ("evaluation", "needed for evaluation: "),
        ("quantization", r"quantization: those of .* demo \(or quantization.noisy_quantization_files_path\)$"),
        ("chain_tq", r"quantization: those of .* demo \(or quantization.noisy_quantization_files_path\)$"),
        ("prediction", r"needed for prediction: those of .* demo \(or prediction.input_path\)$"),
    ],
)
def test_a_mix_is_for_training_alone(folders, mode, words):
    raw = {"operation_mode": mode, "model": {"onnx_path": "m.onnx"}, "quantization": {}, "dataset": mix(folders)}
    raw |= {"preprocessing": {}, "training": {}}
    with pytest.raises(UserError, match=f"dataset.name: found 'mix', which has clips for training alone; .*{words}"):
        build_config(raw)
    if "q" in mode and "e" not in mode.removeprefix("chain_"):
        build_config({**raw, "quantization": {"noisy_quantization_files_path": "noisy"}})


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

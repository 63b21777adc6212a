"""Which clips a model is calibrated on: recordings, or speech and noise mixed."""

import tracemalloc

import numpy as np
import pytest
import soundfile

from builders import RATE, mix, noise, quantization_config, write_clips, write_model, write_speech_and_noise
from sezoo.audio.clip import read_clip
from sezoo.base.errors import UserError
from sezoo.config.validation import build_config
from sezoo.data.mixing.mixture import active_power
from sezoo.data.mixing.train_holdout import train_holdout_split
from sezoo.quantization.calibration.clips import calibration_clips, check_calibration_clips
from sezoo.training.examples import example_sources


@pytest.fixture
def folders(tmp_path):
    return write_speech_and_noise(tmp_path)


def config_of(dataset, amount=6, **changes):
    raw = quantization_config(dataset=None, quantization={"num_quantization_samples": amount})
    changes = {name: {**raw.get(name, {}), **entries} for name, entries in changes.items()}
    return build_config({**raw, "dataset": dataset, **changes})


def all_of(clips):
    return map(clips.read, range(len(clips)))


def waves(config):
    return [wave for _, wave in all_of(calibration_clips(config))]


def read_paths(monkeypatch):
    """The recordings that are decoded from now on."""
    read = []
    monkeypatch.setattr(
        "sezoo.data.mixing.recordings.read_clip", lambda path, *a, **k: read.append(path) or read_clip(path, *a, **k)
    )
    return read


def test_a_mix_is_the_same_each_time(folders):
    clips = calibration_clips(config_of(mix(folders)))
    first = list(all_of(clips))
    assert [name for name, _ in first] == [f"mixed clip {index}" for index in range(1, 7)]
    assert {(wave.shape, wave.dtype.name) for _, wave in first} == {((RATE,), "float32")}
    again = [waves(config_of(mix(folders, cache=cache))) for cache in (True, False)]
    for (_, wave), *others in zip(first, [wave for _, wave in all_of(clips)], *again, strict=True):
        for other in others:
            np.testing.assert_array_equal(other, wave)
    # more of them begin with the same
    np.testing.assert_array_equal(waves(config_of(mix(folders), 9))[5], first[5][1])


def test_the_seed_is_that_of_quantization_or_of_the_data_set(folders):
    drawn = [
        waves(config_of(mix(folders, random_seed=seed), 1, quantization={"random_seed": own}))[0].tobytes()
        for seed, own in ((1, None), (1, 1), (1, 2), (3, None))
    ]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) == 3


@pytest.mark.parametrize(("amount", "count"), [(4, 4), (40, 40), (0.5, 4), (0.001, 1), (None, 9)])
def test_how_many_are_mixed(folders, amount, count):
    assert len(calibration_clips(config_of(mix(folders), amount))) == count


def test_recordings_held_out_are_never_calibrated_on(folders, monkeypatch):
    for path in ("speech/speaker0/0.flac", "speech/speaker1/1.flac", "noise/street/3.wav"):
        soundfile.write(folders / path, noise() * 0, RATE)  # which headers do not show
    dataset = mix(folders, skip_bad_files=True)
    training = {"operation_mode": "training", "training": {"batch_size": 2}, "model": {}, "preprocessing": {}}
    for seed in range(4):
        dataset["random_seed"] = seed
        sources = example_sources(build_config({**training, "dataset": dataset}))
        clips = calibration_clips(config_of(dataset, 60, quantization={"random_seed": 7}))
        with monkeypatch.context() as patched:
            read = read_paths(patched)
            assert len(list(all_of(clips))) == 60
        used, held_out = ({path for half in source.recordings for path in half.paths} for source in sources)
        assert set(read) == used
        assert not used & held_out


def test_mixed_as_the_data_set_says(folders):
    ranges = {"snr_range": [100, 100], "level_range": [-30, -30], "clip_seconds": 0.5}
    for wave in waves(config_of(mix(folders, **ranges))):
        assert len(wave) == RATE // 2
        assert 10 * np.log10(active_power(wave, RATE)) == pytest.approx(-30, abs=0.1)
    for wave in waves(config_of(mix(folders, **ranges), preprocessing={"peak_normalize": True})):
        assert np.abs(wave).max() == 1


def test_recordings_are_normalized_likewise(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_clips(tmp_path / "noisy", "a.wav b.wav")
    custom = {"name": "custom", "noisy_train_files_path": "noisy"}
    for name, wave in all_of(calibration_clips(config_of(custom, 2))):
        np.testing.assert_array_equal(wave, read_clip(tmp_path / name, RATE))
    for wave in waves(config_of(custom, 2, preprocessing={"peak_normalize": True})):
        assert np.abs(wave).max() == 1


def test_memory_does_not_grow_with_the_mixed_clips(folders):
    def peak(count):
        clips = calibration_clips(config_of(mix(folders), count))
        tracemalloc.start()
        try:
            for _ in all_of(clips):
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(2)  # imports and caches
    assert peak(60) < 1.5 * peak(12)


def test_what_needs_no_look_at_recordings_is_checked_first(folders, monkeypatch):
    read = read_paths(monkeypatch)
    config = config_of(mix(folders))
    check_calibration_clips(config)
    train_holdout_split(config)
    assert read == []
    (folders / "empty").mkdir()
    for changes, words in (
        ({"noise_path": folders / "nowhere"}, r"^dataset\.noise_path: there is no folder .*nowhere$"),
        ({"speech_path": folders / "empty"}, r"^dataset\.speech_path: no recordings in .*empty; files that end in .*$"),
        ({"noise_path": folders}, r"^dataset\.noise_path: .* have recordings in common$"),
        ({"clip_seconds": 0.02}, r"^dataset\.clip_seconds: found 0\.02, which is 320 samples at 16000 Hz; .* 400$"),
    ):
        for look in (check_calibration_clips, calibration_clips):
            with pytest.raises(UserError, match=words):
                look(config_of(mix(folders, **changes)))


def test_a_model_is_quantized_on_a_mix(folders, run, monkeypatch):
    monkeypatch.chdir(folders)
    write_model(folders / "model.onnx")
    dataset = {"name": "mix", "speech_path": "speech", "noise_path": "noise", "clip_seconds": 0.5}
    raw = quantization_config(dataset=None, quantization={"calibration_method": "Entropy"})  # reads the clips twice
    words = [f"dataset.{key}={value}" for key, value in dataset.items()]
    (folders / "user_config.yaml").write_text(str({**raw, "dataset": {}}), encoding="utf-8")
    models = []
    for folder in ("one", "two"):
        code, err = run(*words, f"hydra.run.dir={folder}")
        assert code == 0, err
        assert "clips are mixed of 9 recordings of speech and 5 of noise" in err
        assert "calibrated on 4 clips, 2 s of audio" in err
        models.append((folders / folder / "saved_models" / "quantized_model_int8.onnx").read_bytes())
    assert models[0] == models[1]


def test_a_bad_recording_to_mix_is_one_line(folders, run, monkeypatch):
    monkeypatch.chdir(folders)
    write_model(folders / "model.onnx")
    raw = quantization_config(dataset=None)
    dataset = {"name": "mix", "speech_path": "speech", "noise_path": "noise"}
    (folders / "user_config.yaml").write_text(str({**raw, "dataset": dataset}), encoding="utf-8")
    (folders / "noise" / "street" / "2.wav").write_bytes(b"")
    code, err = run("hydra.run.dir=out")
    assert code == 2
    words = "2.wav: the file has 0 bytes; set dataset.skip_bad_files: true to leave such clips out"
    assert err.splitlines()[-1].endswith(words)
    assert not (folders / "out").exists()
    code, err = run("hydra.run.dir=out", "dataset.skip_bad_files=true")
    assert code == 0, err
    assert "1 of 6 clips left out: 2.wav" in err

"""Denoised recordings that something else has made, scored in place of a model."""

import numpy as np
import pytest
import soundfile

from sezoo.audio.clip import BadClipError
from sezoo.base.errors import UserError
from sezoo.data.pairs import Pair
from sezoo.evaluation.recordings import RecordingsSource, check_recordings

RATE = 16000


def write(folder, name, wave):
    folder.mkdir(exist_ok=True)
    soundfile.write(folder / name, wave, RATE, subtype="FLOAT")


@pytest.fixture
def noise():
    return np.random.default_rng(0).normal(0, 0.1, 3 * RATE).astype(np.float32)


@pytest.mark.parametrize("shift", [0, 17, 800, 15999, -17, -4000])
def test_a_recording_is_aligned_and_as_long_as_its_clip(tmp_path, noise, shift):
    shifted = np.concatenate([np.zeros(shift, np.float32), noise]) if shift >= 0 else noise[-shift:]
    write(tmp_path / "denoised", "a.wav", shifted)
    found = RecordingsSource(tmp_path / "denoised", ("a",), RATE)(noise, tmp_path / "noisy" / "a.flac")
    assert found.dtype == np.float32 and found.shape == noise.shape
    inside = slice(max(0, -shift), None)
    np.testing.assert_array_equal(found[inside], noise[inside])


def test_a_delay_beyond_a_second_and_another_length_are_refused(tmp_path, noise):
    write(tmp_path / "denoised", "late.wav", np.concatenate([np.zeros(RATE + 8, np.float32), noise]))
    write(tmp_path / "denoised", "long.wav", np.tile(noise, 2))
    far = np.concatenate([np.zeros(5 * RATE // 2, np.float32), noise])[: len(noise)]  # as long as its clip
    write(tmp_path / "denoised", "far.wav", far)
    source = RecordingsSource(tmp_path / "denoised", ("late", "long", "far"), RATE)
    with pytest.raises(BadClipError, match=r"it is 2\.50 s later than the clip; at most 1 s is made up for"):
        source(noise, tmp_path / "far.wav")
    with pytest.raises(BadClipError, match=r"it is 1\.00 s later than the clip; at most 1 s is made up for"):
        source(noise, tmp_path / "late.wav")
    with pytest.raises(BadClipError, match=r"it is 6\.00 s long, the clip 3\.00 s"):
        source(noise, tmp_path / "long.wav")


def test_a_folder_that_does_not_match_is_one_line(tmp_path, noise):
    folder = tmp_path / "denoised"
    pairs = [Pair(tmp_path / f"{name}.wav", None) for name in ("one", "two", "three")]
    with pytest.raises(UserError, match=r"^model\.denoised_path: there is no folder .*denoised$"):
        check_recordings(folder, pairs, RATE)
    folder.mkdir()
    with pytest.raises(UserError, match=r"no recordings in .*; it needs one for every clip of the test set"):
        check_recordings(folder, pairs, RATE)
    write(folder, "two.wav", noise)
    with pytest.raises(UserError, match=r"does not match the test set: 2 of 3 clips have no recording \(one, three\)"):
        check_recordings(folder, pairs, RATE)
    write(folder, "five.wav", noise)
    with pytest.raises(UserError, match=r"\(one, three\); 1 recording of no clip \(five\)$"):
        check_recordings(folder, pairs, RATE)


def test_recordings_of_no_clip_are_left_out_where_all_clips_have_theirs(tmp_path, noise, caplog):
    pairs = [Pair(tmp_path / f"{name}.wav", None) for name in ("one", "two")]
    for name in ("one.wav", "two.wav", "three.wav", "one_take_2.wav"):
        write(tmp_path / "denoised", name, noise)
    source = check_recordings(tmp_path / "denoised", pairs, RATE, pairs)
    assert {clip: path.name for clip, path in source.files.items()} == {"one": "one.wav", "two": "two.wav"}
    assert caplog.messages == [f"{tmp_path / 'denoised'}: not scored: 2 recordings of no clip (one_take_2, three)"]


def test_clips_drawn_from_a_test_set_find_their_recordings_among_all(tmp_path, noise):
    pairs = [Pair(tmp_path / f"{name}.wav", None) for name in ("one", "two", "three")]
    for name in ("one_enhanced.wav", "two_enhanced.wav", "three_enhanced.wav"):
        write(tmp_path / "denoised", name, noise)
    source = check_recordings(tmp_path / "denoised", pairs[1:2], RATE, pairs)
    assert {clip: path.name for clip, path in source.files.items()} == {"two": "two_enhanced.wav"}
    with pytest.raises(UserError, match="does not match the test set"):
        check_recordings(tmp_path / "denoised", pairs[1:2], RATE)

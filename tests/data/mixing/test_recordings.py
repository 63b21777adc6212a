import multiprocessing
import pickle

import numpy as np
import pytest
import soundfile

from builders import RATE, noise, write_clips
from sezoo.audio.clip import BadClipError, read_clip
from sezoo.base.errors import UserError
from sezoo.data.mixing.decoded import Memory
from sezoo.data.mixing.recordings import Recordings
from sezoo.data.mixing.recordings_found import recordings_under


@pytest.fixture
def paths(tmp_path):
    return write_clips(tmp_path / "clips", "a.wav b.wav c.wav", seconds=0.5)


def test_recordings_of_16_bits_are_exact(paths):
    extremes = noise(0.5)
    extremes[[10, 20]] = (-1, 1)
    soundfile.write(paths[2], extremes, RATE)
    recordings = Recordings(paths, RATE)
    for index, path in enumerate(paths):
        wave = recordings.samples(index)
        assert wave.dtype == np.float32
        np.testing.assert_array_equal(wave, read_clip(path, RATE))


@pytest.mark.parametrize("level", [1e-4, 0.3, 0.99999, 1.0, 1.7, 40])
def test_others_are_closer_than_the_16_bits_of_their_own_level(tmp_path, level):
    wave = noise(0.5) * np.float32(2 * level)
    soundfile.write(tmp_path / "a.wav", wave, RATE, subtype="FLOAT")
    found = Recordings([tmp_path / "a.wav"], RATE).samples(0)
    assert np.abs(found - wave).max() <= np.abs(wave).max() / 2**15


def test_resampled_to_the_rate_asked_for(tmp_path):
    (path,) = write_clips(tmp_path, "a.wav", rate=48000)
    recordings = Recordings([path], RATE)
    assert recordings.length(0) == RATE // 2
    assert recordings.check(thorough=False) == recordings.check(thorough=True) == [RATE // 2]


def test_segments_have_zeros_beyond_the_ends(paths):
    recordings = Recordings(paths, RATE)
    whole = recordings.samples(1)
    np.testing.assert_array_equal(recordings.segment(1, 100, 50), whole[100:150])
    np.testing.assert_array_equal(recordings.segment(1, -10, 20), [*np.zeros(10), *whole[:10]])
    np.testing.assert_array_equal(recordings.segment(1, len(whole) - 10, 20), [*whole[-10:], *np.zeros(10)])
    np.testing.assert_array_equal(recordings.segment(1, len(whole) + 5, 20), np.zeros(20))
    np.testing.assert_array_equal(recordings.segment(1, -10, len(whole) + 20)[10:-10], whole)


def test_the_loudest_sample(paths):
    recordings = Recordings(paths, RATE)
    whole = np.abs(recordings.samples(0))
    assert recordings.loudest(0) == (np.argmax(whole), pytest.approx(whole.max()))


def test_each_is_decoded_once_while_there_is_room(paths, monkeypatch):
    read = []
    monkeypatch.setattr(
        "sezoo.data.mixing.recordings.read_clip", lambda path, *a, **k: read.append(path) or read_clip(path, *a, **k)
    )
    bytes_of_one = RATE // 2 * 2
    recordings = Recordings(paths, RATE, Memory(2 * bytes_of_one))
    for _ in range(2):
        for index in (0, 1, 2, 2):  # the last one asked for is there in any case
            recordings.samples(index)
    assert [path.name for path in read] == ["a.wav", "b.wav", "c.wav"]
    assert recordings.samples(0).size and recordings.samples(2).size
    assert set(recordings.kept) == {0, 1}
    assert recordings.memory.left == 0


@pytest.mark.parametrize("room", [0, 1, 2, 3])
def test_what_is_kept_changes_nothing(paths, room):
    plain, filled = Recordings(paths, RATE), Recordings(paths, RATE, Memory(room * RATE))
    filled.fill_memory()
    assert len(filled.kept) == room
    for index in range(3):
        np.testing.assert_array_equal(plain.samples(index), filled.samples(index))


def long_recording(folder, name="long.flac", rate=RATE, channels=1):
    wave = np.concatenate([0.1 * noise(21.0, seed=1), 0.7 * noise(0.5, seed=2)])
    soundfile.write(folder / name, np.stack([wave] * channels, axis=1), rate)
    return folder / name


@pytest.mark.parametrize(("name", "channels"), [("long.flac", 1), ("long.wav", 2), ("long.ogg", 1)])
def test_parts_of_long_recordings_are_sought(tmp_path, monkeypatch, name, channels):
    """Decoded once, for its peak; where a part can be had by itself it is what it is of the whole."""
    path = long_recording(tmp_path, name, channels=channels)
    (tmp_path / "other").mkdir()
    other = long_recording(tmp_path / "other")
    whole = Recordings([path], RATE).samples(0)
    recordings = Recordings([path, other], RATE)
    expected = recordings.length(0), recordings.loudest(0)
    read = []
    monkeypatch.setattr(
        "sezoo.data.mixing.recordings.read_clip", lambda path, *a, **k: read.append(path) or read_clip(path, *a, **k)
    )
    for start in (-100, 0, 12_345, len(whole) - 500):
        recordings.samples(1)  # takes the place of the last one decoded
        found = recordings.segment(0, start, 1000)
        inside = slice(max(0, start), min(len(whole), start + 1000))
        np.testing.assert_array_equal(found[max(0, -start) :][: inside.stop - inside.start], whole[inside])
        assert (recordings.length(0), recordings.loudest(0)) == expected
    assert (read.count(path) > 1) == (name == "long.ogg")


def test_long_recordings_at_another_rate_are_decoded(tmp_path):
    paths = [long_recording(tmp_path, rate=RATE // 2), long_recording(tmp_path, "b.wav")]
    recordings, whole = Recordings(paths, RATE), Recordings(paths, RATE, Memory(10**9)).samples(0)
    for _ in range(2):
        np.testing.assert_array_equal(recordings.segment(0, 5000, 800), whole[5000:5800])
        recordings.samples(1)


def test_recordings_that_share_their_room(paths):
    memory = Memory(2 * RATE)
    first, second = Recordings(paths[:2], RATE, memory), Recordings(paths[1:], RATE, memory)
    first.fill_memory()
    second.fill_memory()
    assert (len(first.kept), len(second.kept)) == (2, 0)


def test_a_subset_has_what_was_kept(paths, monkeypatch):
    recordings = Recordings(paths, RATE, Memory(3 * RATE))
    waves = [recordings.samples(index) for index in range(3)]
    monkeypatch.setattr("sezoo.data.mixing.recordings.read_clip", None)
    chosen = recordings.subset([2, 0])
    assert chosen.paths == (paths[2], paths[0])
    np.testing.assert_array_equal(chosen.samples(0), waves[2])
    np.testing.assert_array_equal(chosen.samples(1), waves[0])


def test_pickled_without_what_is_kept(paths):
    memory = Memory(10**9)
    recordings = Recordings(paths, RATE, memory), Recordings(paths, RATE, memory)
    recordings[0].fill_memory()
    pickled = pickle.dumps(recordings)
    assert len(pickled) < 2000
    again = pickle.loads(pickled)
    assert again[0].memory is again[1].memory
    assert (again[0].kept, again[0].memory.left) == ({}, 10**9)
    np.testing.assert_array_equal(again[0].samples(2), recordings[0].samples(2))


def sum_of(recordings):
    return [float(recordings.samples(index).sum()) for index in range(len(recordings))]


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_the_same_in_another_process(paths, method):
    recordings = Recordings(paths, RATE, Memory(10**9))
    recordings.fill_memory()
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.apply(sum_of, (recordings,)) == sum_of(recordings)


def test_bad_recordings(paths, tmp_path):
    paths[0].write_bytes(b"")
    soundfile.write(paths[1], noise() * 0, RATE)
    whole = paths[2].read_bytes()
    cut = tmp_path / "cut.wav"
    cut.write_bytes(whole[: len(whole) // 2])
    faint = tmp_path / "faint.wav"
    soundfile.write(faint, noise() * 1e-18, RATE, subtype="FLOAT")
    (short,) = write_clips(tmp_path, "short.wav", seconds=0.01)
    everything = [*paths, cut, tmp_path / "gone.wav", short, faint]
    recordings = Recordings(everything, RATE, Memory(10**9), min_samples=400)
    quick, thorough = (recordings.check(thorough=thorough) for thorough in (False, True))
    reasons = ["0 bytes", "silent", None, "truncated", "no such file", "shorter than the 400 needed", "silent"]
    for index, (reason, at_once, decoded) in enumerate(zip(reasons, quick, thorough, strict=True)):
        if reason is None:
            assert at_once == decoded == recordings.length(index)
            continue
        assert reason in decoded.reason
        assert decoded.path == everything[index]
        if reason != "silent":
            assert at_once.reason == decoded.reason
        with pytest.raises(BadClipError, match=reason):
            recordings.segment(index, 0, 10)
    with pytest.raises(BadClipError, match="0 bytes"):
        recordings.fill_memory()


def test_recordings_are_found_in_subfolders(tmp_path):
    for name in ("b.wav", "a/x.FLAC", "a/deep/y.opus", "a/notes.txt", ".hidden/z.wav", "a/._b.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = [path.relative_to(tmp_path).as_posix() for path in recordings_under(tmp_path, "k")]
    assert found == ["a/deep/y.opus", "a/x.FLAC", "b.wav"]


def test_linked_folders_are_followed_and_circles_are_not(tmp_path):
    folder, elsewhere = tmp_path / "folder", tmp_path / "elsewhere"
    for name in (folder / "a.wav", elsewhere / "b.wav"):
        name.parent.mkdir()
        name.touch()
    try:
        (folder / "link").symlink_to(elsewhere, target_is_directory=True)
        (elsewhere / "back").symlink_to(folder, target_is_directory=True)
    except OSError:
        pytest.skip("this system or user cannot make symbolic links")
    assert [path.name for path in recordings_under(folder, "k")] == ["a.wav", "b.wav"]


def test_folders_without_recordings(tmp_path):
    (tmp_path / "a.txt").touch()
    for folder, words in (
        (tmp_path / "no", r"^k: there is no folder .*no$"),
        (tmp_path / "a.txt", r"^k: .*a\.txt is a file; a folder of recordings is needed$"),
        (tmp_path, r"^k: no recordings in .*; files that end in \.aif, .* are taken for recordings$"),
    ):
        with pytest.raises(UserError, match=words):
            recordings_under(folder, "k")

import logging
import os
import random
import unicodedata
from pathlib import Path

import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from builders import RATE, noise, read_clips, write_clips
from sezoo.base.errors import UserError
from sezoo.config.sections import Dataset
from sezoo.data import dataset
from sezoo.data.dataset import sample, training_noisy_clips
from sezoo.data.folders import clips_in, pair_clips
from sezoo.data.pairs import Pair

NAMES = [f"p{number:03}.wav" for number in range(20)]
PATHS = [Path("noisy") / name for name in NAMES]


@pytest.fixture(autouse=True)
def _log(monkeypatch):
    """The command line keeps the package's log to itself; the tests read it."""
    monkeypatch.setattr(logging.getLogger("sezoo"), "propagate", True)


def named(folder, names):
    return [Path(folder) / name for name in names.split()]


# -- pairs --------------------------------------------------------------------------------------------


def test_pairs_are_made_by_name_whatever_the_order_and_the_extension(caplog):
    pairs = pair_clips(named("n", "b.wav c.wav a.wav"), named("c", "a.flac b.wav c.WAV"))
    assert pairs == [
        Pair(Path("n/a.wav"), Path("c/a.flac")),
        Pair(Path("n/b.wav"), Path("c/b.wav")),
        Pair(Path("n/c.wav"), Path("c/c.WAV")),
    ]
    assert [pair.name for pair in pairs] == ["a.wav", "b.wav", "c.wav"]
    assert not caplog.records


def test_names_that_are_not_the_same_are_paired_by_their_numbers_and_it_is_said(caplog):
    caplog.set_level("INFO", "sezoo")
    pairs = pair_clips(named("n", "n10.wav n9.wav"), named("c", "c09.wav c10.wav"))
    assert pairs == [Pair(Path("n/n10.wav"), Path("c/c10.wav")), Pair(Path("n/n9.wav"), Path("c/c09.wav"))]
    (record,) = caplog.records
    assert record.getMessage() == "clips of n and c are paired by the number: n10.wav with c10.wav ..."


def test_where_no_name_matches_nothing_is_paired():
    with pytest.raises(UserError) as caught:
        pair_clips(named("n", "kitchen.wav street.wav"), named("c", "anna.wav bert.wav"))
    assert str(caught.value) == (
        "the clips of n and c do not match by name: 2 noisy without clean (kitchen, street) and 2 clean without noisy "
        "(anna, bert); the clips of a pair need the same name, or a number or a part of it that no other clip of a "
        "folder has"
    )


def test_a_name_of_macos_is_the_same_name(tmp_path):
    names = [unicodedata.normalize(form, "größe.wav") for form in ("NFD", "NFC")]
    assert pair_clips([Path(names[0])], [Path(names[1])]) == [Pair(Path(names[0]), Path(names[1]))]
    with pytest.raises(UserError, match="have the same name"):
        pair_clips([Path(name) for name in names], [Path(names[0])])
    paths = [Path(f"ö{number}.wav") for number in range(20)]
    draw = sample([Path(unicodedata.normalize("NFD", path.name)) for path in paths], 5, 1, "key")
    assert [unicodedata.normalize("NFC", path.name) for path in draw] == [p.name for p in sample(paths, 5, 1, "key")]


@pytest.mark.parametrize(
    ("noisy", "clean", "words"),
    [
        ("a.wav b.wav", "a.wav", "1 noisy without clean (b)"),
        ("a.wav", "a.wav b.wav", "1 clean without noisy (b)"),
        ("a.wav x.wav", "a.wav y.wav", "1 noisy without clean (x) and 1 clean without noisy (y)"),
        ("a.wav b.wav", "a.wav x.wav y.wav", "1 noisy without clean (b) and 2 clean without noisy (x, y)"),
        ("a.wav b.wav c.wav d.wav e.wav", "a.wav", "4 noisy without clean (b, c, d, ...)"),
    ],
)
def test_folders_that_do_not_match(noisy, clean, words):
    with pytest.raises(UserError) as caught:
        pair_clips(named("n", noisy), named("c", clean))
    assert str(caught.value) == f"the clips of n and c do not match by name: {words}"


# -- layouts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("speakers", [28, 56])
def test_the_valentini_layout(tmp_path, speakers):
    for folder in (f"noisy_trainset_{speakers}spk_wav", f"clean_trainset_{speakers}spk_wav"):
        write_clips(tmp_path / folder, "b.wav a.wav")
    for folder in ("noisy_testset_wav", "clean_testset_wav"):
        write_clips(tmp_path / folder, "t.wav")
    config = Dataset(name="valentini", root_folder=tmp_path, n_speakers=speakers)
    folder = tmp_path / f"noisy_trainset_{speakers}spk_wav"
    assert training_noisy_clips(config) == [folder / "a.wav", folder / "b.wav"]
    assert dataset.test_pairs(config) == [
        Pair(tmp_path / "noisy_testset_wav" / "t.wav", tmp_path / "clean_testset_wav" / "t.wav")
    ]


def test_the_valentini_layout_needs_its_folder(tmp_path):
    with pytest.raises(UserError, match=r"dataset\.root_folder: not set"):
        training_noisy_clips(Dataset(name="valentini"))
    with pytest.raises(UserError, match=r"dataset\.root_folder: there is no folder .*nothing"):
        training_noisy_clips(Dataset(name="valentini", root_folder=tmp_path / "nothing"))
    with pytest.raises(UserError, match=r"dataset\.root_folder: there is no folder .*noisy_trainset_56spk_wav"):
        training_noisy_clips(Dataset(name="valentini", root_folder=tmp_path))


def test_a_custom_layout_needs_no_clean_clips_to_calibrate(tmp_path):
    clips = write_clips(tmp_path / "noisy", "a.wav b.wav")
    config = Dataset(name="custom", noisy_train_files_path=tmp_path / "noisy")
    assert training_noisy_clips(config) == clips


def test_a_custom_layout_with_clean_clips_must_match(tmp_path):
    write_clips(tmp_path / "noisy", "a.wav b.wav")
    write_clips(tmp_path / "clean", "a.wav")
    folders = {"noisy_train_files_path": tmp_path / "noisy", "clean_train_files_path": tmp_path / "clean"}
    with pytest.raises(UserError, match=r"1 noisy without clean \(b\)"):
        training_noisy_clips(Dataset(name="custom", **folders))


def test_a_custom_test_set_may_have_no_clean_clips(tmp_path):
    write_clips(tmp_path / "noisy", "b.wav a.wav")
    pairs = dataset.test_pairs(Dataset(name="custom", noisy_test_files_path=tmp_path / "noisy"))
    assert [(pair.name, pair.clean) for pair in pairs] == [("a.wav", None), ("b.wav", None)]


def test_the_demo_layout():
    config = Dataset(name="demo", num_test_samples=3)
    clips, pairs = training_noisy_clips(config), dataset.test_pairs(config)
    assert len(clips) > 10
    assert len(pairs) == 3
    assert all(path.suffix == ".flac" and path.is_file() for path in clips)
    assert all(pair.noisy.name == pair.clean.name for pair in pairs)


# -- folders ------------------------------------------------------------------------------------------


def test_clips_are_found_in_any_case_and_sorted(tmp_path):
    for name in ("b.WAV", "a.wav", "C.Wav", "größe 1.wav", ".hidden.wav", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "folder.wav").mkdir()
    assert [path.name for path in clips_in(tmp_path, "key", ".wav")] == ["C.Wav", "a.wav", "b.WAV", "größe 1.wav"]
    assert [path.name for path in clips_in(tmp_path, "key", ".TXT")] == ["notes.txt"]


def test_folders_that_are_not_set_not_there_or_empty(tmp_path):
    (tmp_path / "empty").mkdir()
    other = tmp_path / "other"
    other.mkdir()
    for name in ("a.flac", "b.flac", "c.mp3", "README"):
        (other / name).touch()
    for folder, words in [
        (None, "some.key: not set; a folder of clips is needed"),
        (tmp_path / "no", f"some.key: there is no folder {tmp_path / 'no'}"),
        (other / "README", f"some.key: {other / 'README'} is a file; a folder of clips is needed"),
        (
            tmp_path / "empty",
            f"some.key: no .wav files in {tmp_path / 'empty'} (found: nothing); see dataset.file_extension",
        ),
    ]:
        with pytest.raises(UserError) as caught:
            clips_in(folder, "some.key", ".wav")
        assert str(caught.value) == words
    with pytest.raises(UserError, match=r"found: 2 \.flac, 1 \.mp3, 1 no extension"):
        clips_in(other, "some.key", ".wav")


@pytest.mark.parametrize(("names", "found"), [("b a", "2 folders: a, b"), ("a b c d .e", "4 folders: a, b, c, ...")])
def test_a_folder_that_holds_only_folders(tmp_path, names, found):
    for name in names.split():
        (tmp_path / name).mkdir()
    with pytest.raises(UserError) as caught:
        clips_in(tmp_path, "some.key", ".wav")
    assert str(caught.value) == (
        f"some.key: no .wav files in {tmp_path} (found: {found}); folders in it are not searched: name the one that "
        "holds the clips"
    )


def test_a_folder_whose_folders_hold_recordings_is_told_which(tmp_path):
    for name in ("a/readme.txt", "b/deep/1.flac", "c/1.wav", "c/2.WAV", ".git/3.wav"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with pytest.raises(UserError) as caught:
        clips_in(tmp_path, "some.key", ".wav")
    assert str(caught.value).endswith(
        f"name the one that holds the clips, {tmp_path / 'c'} (2 recordings), {tmp_path / 'b' / 'deep'} (1 recording)"
    )


def test_clips_below_a_folder_that_holds_none_itself(tmp_path, caplog, monkeypatch):
    caplog.set_level("INFO")
    for name in ("b/Größe 1.wav", "a 1/x.WAV", "a 1/deep/y.wav", "a 1/._x.wav", ".git/z.wav", "b/notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = clips_in(tmp_path, "some.key", "wav", below=True)
    names = [path.relative_to(tmp_path).as_posix() for path in found]
    assert names == ["a 1/deep/y.wav", "a 1/x.WAV", "b/Größe 1.wav"]
    assert "3 clips in the folders in it" in caplog.text
    with pytest.raises(UserError, match=r"found: 2 folders: a 1, b\); there are none in its folders either"):
        clips_in(tmp_path, "some.key", "flac", below=True)
    unreadable, listed = str(tmp_path / "b"), os.scandir

    def scandir(folder):
        if str(folder) == unreadable:
            raise PermissionError(13, "Permission denied", str(folder))
        return listed(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    assert len(clips_in(tmp_path, "some.key", "wav", below=True)) == 2
    monkeypatch.undo()
    (tmp_path / "own.wav").touch()
    assert clips_in(tmp_path, "some.key", "wav", below=True) == [tmp_path / "own.wav"]


@pytest.mark.parametrize("extension", ["wav", ".wav", " .wav"])
def test_the_extension_may_be_written_without_its_dot(tmp_path, extension):
    (tmp_path / "a.wav").touch()
    assert [path.name for path in clips_in(tmp_path, "key", extension)] == ["a.wav"]


# -- the draw -----------------------------------------------------------------------------------------


def test_the_draw_is_the_same_on_every_machine():
    assert [path.stem for path in sample(PATHS, 5, 42, "key")] == ["p000", "p005", "p013", "p014", "p019"]
    assert [path.stem for path in sample(PATHS, 5, 7, "key")] == ["p004", "p008", "p010", "p015", "p017"]


def test_the_draw_by_number_fraction_and_none():
    assert sample(PATHS, None, 1, "key") == PATHS
    assert len(sample(PATHS, 7, 1, "key")) == 7
    assert len(sample(PATHS, 0.25, 1, "key")) == 5
    assert len(sample(PATHS, 0.001, 1, "key")) == 1
    assert sample(PATHS, 1.0, 1, "key") == PATHS
    assert len(sample(PATHS, 1, 1, "key")) == 1


def test_no_seed_is_seed_0():
    assert sample(PATHS, 5, None, "key") == sample(PATHS, 5, 0, "key")
    assert sample(PATHS, 5, 1, "key") != sample(PATHS, 5, 0, "key")


def test_pairs_are_drawn_as_their_noisy_clips_are():
    pairs = [Pair(path, Path("clean") / path.name) for path in PATHS]
    assert [pair.noisy for pair in sample(pairs, 6, 3, "key")] == sample(PATHS, 6, 3, "key")


def test_more_than_there_are(caplog):
    assert sample(PATHS, 21, 1, "some.key") == PATHS
    (record,) = caplog.records
    assert record.getMessage() == "some.key: 21 asked for, but there are only 20 clips: all are used"


@given(st.permutations(NAMES), st.integers(1, 20), st.integers(0, 2**32))
def test_the_draw_does_not_depend_on_the_listing(names, amount, seed):
    draw = sample([Path("elsewhere") / name for name in names], amount, seed, "key")
    assert {path.name for path in draw} == {path.name for path in sample(PATHS, amount, seed, "key")}
    assert [path.name for path in draw] == [name for name in names if name in {path.name for path in draw}]


@given(st.integers(1, 19), st.integers(0, 1000))
def test_a_larger_draw_holds_the_smaller_one(amount, seed):
    assert set(sample(PATHS, amount, seed, "key")) < set(sample(PATHS, amount + 1, seed, "key"))


def test_another_clip_in_the_folder_changes_the_draw_by_that_clip_at_most():
    before, after = (set(sample(paths, 8, 1, "key")) for paths in (PATHS, [*PATHS, Path("noisy/new.wav")]))
    assert len(before - after) <= 1


def test_every_clip_has_its_turn():
    draw = [path for seed in range(200) for path in sample(PATHS, 5, seed, "key")]
    counts = [draw.count(path) for path in PATHS]
    assert 25 < min(counts) <= max(counts) < 80  # 50 expected


# -- reading ------------------------------------------------------------------------------------------


@pytest.fixture
def clips(tmp_path):
    """Six clips of which the second has no bytes and the fifth is silent."""
    paths = write_clips(tmp_path / "clips", "a.wav b.wav c.wav d.wav e.wav f.wav")
    paths[1].write_bytes(b"")
    soundfile.write(paths[4], noise() * 0, RATE)
    return paths


def test_a_bad_clip_is_an_error(clips):
    with pytest.raises(UserError) as caught:
        list(read_clips(clips, RATE, skip_bad=False))
    assert str(caught.value) == (
        f"{clips[1]}: the file has 0 bytes; set dataset.skip_bad_files: true to leave such clips out"
    )


def test_bad_clips_are_left_out_and_counted(clips, caplog):
    read = list(read_clips(clips, RATE, skip_bad=True))
    assert [path.name for path, _ in read] == ["a.wav", "c.wav", "d.wav", "f.wav"]
    assert all(wave.shape == (RATE // 2,) for _, wave in read)
    messages = [record.getMessage() for record in caplog.records]
    assert messages == [
        f"left out {clips[1]}: the file has 0 bytes",
        f"left out {clips[4]}: it is silent (every sample is zero)",
        "2 of 6 clips left out: b.wav, e.wav",
    ]


def test_nothing_but_bad_clips_is_an_error_in_any_case(clips):
    with pytest.raises(UserError, match=r"none of the 2 clips can be used; the first is .*b\.wav"):
        list(read_clips([clips[1], clips[4]], RATE, skip_bad=True))


def test_clips_are_read_one_at_a_time(clips):
    read = read_clips(clips, RATE, skip_bad=False)
    assert next(read)[0] == clips[0]  # the bad one after it has not been looked at


def test_two_clips_of_one_name_are_no_pair(tmp_path):
    with pytest.raises(UserError, match=r"a\.WAV and a\.wav"):
        pair_clips(named("n", "a.WAV a.wav"), named("c", "a.wav"))


def test_shuffled_listings_make_the_same_pairs():
    noisy, clean = named("n", " ".join(NAMES)), named("c", " ".join(NAMES))
    expected = pair_clips(noisy, clean)
    random.Random(0).shuffle(noisy)
    assert pair_clips(noisy, clean) == expected


def test_recordings_of_other_formats_are_not_left_out_in_silence(tmp_path, caplog):
    for name in ("a.wav", "b.flac", "c.ogg", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in clips_in(tmp_path, "k", ".wav")] == ["a.wav"]
    assert "only .wav files are used, not 2 other recordings (b.flac, c.ogg)" in caplog.text


def test_a_link_that_leads_nowhere_is_told_when_it_is_read(tmp_path):
    try:
        (tmp_path / "gone.wav").symlink_to(tmp_path / "nothing.wav")
    except OSError:
        pytest.skip("this system or user cannot make symbolic links")
    (clip,) = clips_in(tmp_path, "k", ".wav")
    with pytest.raises(UserError, match=r"gone\.wav: no such file"):
        list(read_clips([clip], 16000, skip_bad=False))


def test_names_that_are_no_utf8_can_be_drawn():
    names = [Path(f"clip{index}\udcff.wav") for index in range(5)]
    assert len(sample(names, 3, 1, "k")) == 3

"""A user's layout of the recordings: what it gives, what it is given, and what is said of a bad one."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders import write_clips
from sezoo.base.errors import UserError
from sezoo.config.sections import Dataset
from sezoo.data.dataset import test_pairs, training_noisy_clips, training_pairs, validation_pairs

CODE = """
from pathlib import Path

class Speakers:
    def __init__(self, dataset, held_out="s2"):
        self.root, self.held_out = dataset.root_folder, held_out

    def pairs(self, part):
        folders = [f for f in sorted(self.root.iterdir()) if (f.name == self.held_out) == (part == "test")]
        if part == "valid":
            return None
        return [(path, path.parent / ("clean_" + path.name)) for f in folders for path in f.glob("[!c]*.wav")]

class NoisyOnly:
    def __init__(self, dataset):
        self.root = dataset.root_folder

    def pairs(self, part):
        return [(path, None) for path in (self.root / "s1").glob("[!c]*.wav")]

class Raises(NoisyOnly):
    def pairs(self, part):
        return 1 / 0

class Gone(NoisyOnly):
    def pairs(self, part):
        return [("nowhere.wav", "nowhere_clean.wav")]

class Odd(NoisyOnly):
    def pairs(self, part):
        return [5]

class Empty(NoisyOnly):
    def pairs(self, part):
        return []

class NoPairs:
    def __init__(self, dataset):
        pass
"""


@pytest.fixture
def dataset(tmp_path, monkeypatch):
    """`dataset(name, ...)` in a folder with three speakers' clips, 1.wav and clean_1.wav in each."""
    monkeypatch.chdir(tmp_path)
    Path("layout.py").write_text(CODE, encoding="utf-8")
    for speaker in ("s1", "s2", "s3"):
        write_clips(tmp_path / "set" / speaker, "1.wav clean_1.wav")

    def make(name: str, **more):
        return Dataset(name=f"layout.py:{name}", root_folder=tmp_path / "set", **more)

    return make


def test_pairs_of_the_same_name_are_told_apart_by_their_folders(dataset):
    pairs = training_pairs(dataset("Speakers"))
    assert [pair.name for pair in pairs] == ["s1_1.wav", "s3_1.wav"]
    assert all(pair.clean.name == "clean_1.wav" and pair.clean.parent == pair.noisy.parent for pair in pairs)
    assert [pair.name for pair in test_pairs(dataset("Speakers"))] == ["1.wav"]
    assert validation_pairs(dataset("Speakers")) is None
    assert len(training_noisy_clips(dataset("Speakers"))) == 2


def test_arguments_of_the_configuration(dataset):
    found = test_pairs(dataset("Speakers", layout_arguments={"held_out": "s1"}))
    assert found[0].noisy.parent.name == "s1"


def test_without_clean_clips(dataset):
    assert test_pairs(dataset("NoisyOnly"))[0].clean is None
    with pytest.raises(UserError, match=r"1\.wav has no clean clip, which training needs"):
        training_pairs(dataset("NoisyOnly"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Raises", "pairs('test'): ZeroDivisionError: division by zero (layout.py, line 23)"),
        ("Gone", "pairs('test'): there is no file nowhere.wav (and 1 other)"),
        ("Odd", "pairs('test') gives 5; a noisy and a clean path, or None, are needed"),
        ("Empty", "pairs('test') gives none"),
        ("NoPairs", "is no layout: it has no method pairs"),
    ],
)
def test_bad_layouts(name, message, dataset):
    with pytest.raises(UserError) as error:
        test_pairs(dataset(name))
    assert str(error.value).startswith(f"dataset.name: layout.py:{name}")
    assert str(error.value).endswith(message)


def test_arguments_that_it_does_not_take(dataset):
    with pytest.raises(UserError, match=r"cannot be built: TypeError: .* unexpected keyword argument 'speed'"):
        test_pairs(dataset("Speakers", layout_arguments={"speed": 2}))


def test_a_name_that_is_not_in_the_file(dataset):
    with pytest.raises(UserError, match=r"dataset\.name: layout\.py has no layout Speaker; did you mean Speakers\?"):
        test_pairs(dataset("Speaker"))

"""What a validation set of few voices or noises is told by."""

from pathlib import Path

import pytest

from sezoo.training.variety import variety_problem, voices


def paths(names):
    return [Path("folder", f"{name}.wav") for name in names.split()]


@pytest.mark.parametrize(
    ("names", "count"),
    [
        ("p226_001 p226_002 p227_001", 2),
        ("84-121123-0000 84-121550-0001 174-50561-0000", 2),
        ("one two three", 3),
        ("p226_001 two", 2),
        ("", 0),
    ],
)
def test_voices(names, count):
    assert voices(paths(names)) == count


def test_little_variety():
    speakers = paths(" ".join(f"p{number}_001" for number in range(5)))
    assert variety_problem(speakers) is None
    assert variety_problem(speakers, speakers) is None
    assert "1 voice:" in variety_problem(paths("p1_001 p1_002 p1_003 p1_004 p1_005"))
    assert "1 voice and 2 noises:" in variety_problem(paths("p1_001 p1_002"), paths("wind rain"))
    assert "has 1 noise:" in variety_problem(speakers, paths("wind"))

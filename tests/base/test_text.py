from sezoo.base.text import nearest, only, pluralize


def test_counted():
    assert [pluralize(n, "clip") for n in (0, 1, 2)] == ["0 clips", "1 clip", "2 clips"]


def test_only():
    assert [only(n, "clip") for n in (1, 2)] == ["there is only 1 clip", "there are only 2 clips"]


def test_nearest():
    assert nearest("minmx", ["MinMax", "Entropy"]) == "MinMax"
    assert nearest("xyz", ["MinMax", "Entropy"]) is None
    assert nearest("a", []) is None

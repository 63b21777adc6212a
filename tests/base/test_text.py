from sezoo.base.text import closest_match, did_you_mean_path, latency_text, pluralize, there_are_only


def test_counted():
    assert [pluralize(n, "clip") for n in (0, 1, 2)] == ["0 clips", "1 clip", "2 clips"]


def test_only():
    assert [there_are_only(n, "clip") for n in (1, 2)] == ["there is only 1 clip", "there are only 2 clips"]


def test_nearest():
    assert closest_match("minmx", ["MinMax", "Entropy"]) == "MinMax"
    assert closest_match("xyz", ["MinMax", "Entropy"]) is None
    assert closest_match("a", []) is None


def test_what_lies_beside_a_missing_path_may_have_been_meant(tmp_path):
    (tmp_path / "noisy").mkdir()
    assert did_you_mean_path(tmp_path / "nosy") == f"; did you mean {tmp_path / 'noisy'}?"
    assert did_you_mean_path(tmp_path / "demoo", ["demo"]) == "; did you mean demo?"
    assert did_you_mean_path(tmp_path / "clean") == ""
    assert did_you_mean_path(tmp_path / "nowhere" / "noisy") == ""


def test_latencies():
    assert [latency_text(each) for each in (25.0, 22.5, 34.83, 10025)] == ["25 ms", "22.5 ms", "34.8 ms", "10025 ms"]

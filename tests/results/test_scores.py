import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from sezoo.results.scores import ClipScores, bootstrap_interval, change, mean_scores


def clip(name, **scores):
    return ClipScores(name, 1.0, scores)


def test_a_clip_that_cannot_be_scored_counts_in_no_versions_mean():
    clips = [
        clip("a", noisy={"pesq": 1.0, "mse": 1.0}, d={"mse": 3.0}),
        clip("b", noisy={"pesq": 2.0}, d={"pesq": 4.0}),
    ]
    means = mean_scores(clips)
    assert (means["noisy"]["pesq"].value, means["noisy"]["pesq"].clips) == (2.0, 1)
    assert means["d"]["pesq"].value == 4.0
    assert means["noisy"]["mse"].clips == 1


def test_a_version_that_was_never_scored_takes_nothing_from_the_others():
    clips = [clip("a", noisy={"pesq": 1.0}, silent={}), clip("b", noisy={"pesq": 2.0}, silent={})]
    means = mean_scores(clips)
    assert means["noisy"]["pesq"].value == 1.5
    assert means["silent"] == {}


def test_changes_are_clip_by_clip():
    clips = [
        clip("a", noisy={"pesq": 1.0}, d={"pesq": 2.0}),
        clip("b", noisy={"pesq": 3.0}, d={"pesq": 3.5}),
        clip("c", noisy={"pesq": 3.0}, d={}),
    ]
    found = change(clips, "d", "noisy", "pesq")
    assert (found.value, found.clips) == (0.75, 2)
    assert 0.5 <= found.low < 0.75 < found.high <= 1.0
    assert change(clips, "d", "noisy", "stoi") is None


def test_the_interval_is_that_of_scipys_bootstrap():
    values = np.random.default_rng(1).gamma(2, 1, 200)
    low, high = bootstrap_interval(values)
    theirs = scipy.stats.bootstrap((values,), np.mean, method="percentile", n_resamples=9999, random_state=0)
    spread = theirs.confidence_interval.high - theirs.confidence_interval.low
    assert low == pytest.approx(theirs.confidence_interval.low, abs=0.08 * spread)
    assert high == pytest.approx(theirs.confidence_interval.high, abs=0.08 * spread)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.floats(-100, 100), min_size=1, max_size=20))
def test_the_interval_lies_within_the_values_and_is_repeated(values):
    low, high = bootstrap_interval(values)
    assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9
    assert (low, high) == bootstrap_interval(values)


def test_one_clip_has_an_interval_of_no_width():
    assert bootstrap_interval([2.5]) == (2.5, 2.5)


def test_the_interval_of_very_many_values_is_that_of_the_bootstrap_too(monkeypatch):
    values = np.random.default_rng(3).gamma(2, size=12_000)
    quick = bootstrap_interval(values)
    monkeypatch.setattr("sezoo.results.scores.MOST_RESAMPLED", len(values))
    np.testing.assert_allclose(quick, bootstrap_interval(values), atol=0.1 * (quick[1] - quick[0]))

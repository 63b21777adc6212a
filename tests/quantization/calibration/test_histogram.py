import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sezoo.quantization.calibration.histogram import BINS_A_SIDE, SignedHistogram

arrays = st.tuples(
    st.integers(0, 2**32 - 1),  # seed
    st.integers(1, 3000),  # values
    st.sampled_from(["normal", "exponential", "uniform", "constant", "negative"]),
    st.floats(-12, 6),  # magnitude, power of ten
)


def drawn(seed, count, kind, exponent):
    rng = np.random.default_rng(seed)
    values = {
        "normal": rng.standard_normal,
        "exponential": rng.standard_exponential,
        "uniform": rng.random,
        "constant": np.ones,
        "negative": lambda count: -rng.standard_exponential(count),
    }[kind](count)
    return (values * 10**exponent).astype(np.float32)


def histogram_of(*clips):
    histogram = SignedHistogram()
    for clip in clips:
        histogram.add(clip)
    return histogram


def merged(histograms):
    found = SignedHistogram()
    for histogram in histograms:
        found.merge(histogram)
    return found


def exact_counts(values, histogram):
    """How many values lie in each bin, told in float64."""
    index = np.floor(values.astype(np.float64) / histogram.limit * BINS_A_SIDE).astype(int) + BINS_A_SIDE
    return np.bincount(np.minimum(index, 2 * BINS_A_SIDE - 1), minlength=2 * BINS_A_SIDE)


@settings(deadline=None, max_examples=80)
@given(st.lists(arrays, min_size=1, max_size=5))
def test_every_value_is_counted_in_its_bin(clips):
    clips = [drawn(*clip) for clip in clips]
    histogram, values = histogram_of(*clips), np.concatenate(clips)
    assert histogram.counts.nbytes == 2 * BINS_A_SIDE * 8
    assert histogram.counts.sum() == values.size
    assert (histogram.low, histogram.high) == (values.min(), values.max())
    largest = float(np.abs(values).max())
    assert largest <= histogram.limit <= 2 * largest
    # a value next to an edge may fall on its other side by float32 rounding: never farther
    moved = np.cumsum(histogram.counts - exact_counts(values, histogram))
    position = values.astype(np.float64) / histogram.limit * BINS_A_SIDE
    at_edges = np.abs(position - np.round(position)) < 2e-3
    assert np.abs(moved).max() <= at_edges.sum()


@settings(deadline=None, max_examples=50)
@given(st.lists(arrays, min_size=2, max_size=5), st.randoms())
def test_merged_in_any_order_and_by_any_way_it_is_the_same(clips, random):
    histograms = [histogram_of(drawn(*clip)) for clip in clips]
    values = np.concatenate([drawn(*clip) for clip in clips])
    in_order = merged(histograms)
    assert in_order.counts.sum() == values.size
    assert (in_order.low, in_order.high) == (values.min(), values.max())
    sent = [pickle.loads(pickle.dumps(each)) for each in histograms]
    random.shuffle(sent)
    half = len(sent) // 2
    for other in (merged(sent), merged([merged(sent[:half]), merged(sent[half:])])):
        assert (other.limit, other.low, other.high) == (in_order.limit, in_order.low, in_order.high)
        np.testing.assert_array_equal(other.counts, in_order.counts)


def test_zeros_stay_in_their_bin():
    nothing, values = histogram_of(np.zeros(7, np.float32)), histogram_of(np.float32([0.3, 40, -3]))
    for found in (merged([nothing, values]), merged([values, nothing])):
        np.testing.assert_array_equal(found.counts, histogram_of(np.float32([0] * 7 + [0.3, 40, -3])).counts)
    assert merged([nothing, nothing]).counts[BINS_A_SIDE] == 14


@settings(deadline=None, max_examples=30)
@given(st.lists(arrays, min_size=2, max_size=5), st.floats(50, 100))
def test_the_order_of_clips_does_not_matter(clips, percentile):
    clips = [drawn(*clip) for clip in clips]
    first, second = histogram_of(*clips), histogram_of(*clips[::-1])
    assert (first.limit, first.low, first.high) == (second.limit, second.low, second.high)
    width = first.limit / BINS_A_SIDE * (1 + 1e-3)
    np.testing.assert_allclose(
        first.percentile_range(percentile, symmetric=False),
        second.percentile_range(percentile, symmetric=False),
        atol=width,
    )


def test_a_tiny_first_clip_leaves_room_for_loud_ones():
    rng = np.random.default_rng(1)
    tiny, loud = (rng.random(5000).astype(np.float32) * scale for scale in (np.float32(1e-6), np.float32(1e3)))
    histogram = histogram_of(tiny, loud)
    assert histogram.counts.size == 2 * BINS_A_SIDE
    width = histogram.limit / BINS_A_SIDE
    assert width <= 1e3 / 4096
    _, high = histogram.percentile_range(90, symmetric=True)
    assert high == pytest.approx(np.percentile(np.concatenate([tiny, loud]), 90), abs=2 * width)


@settings(deadline=None, max_examples=80)
@given(st.lists(arrays, min_size=1, max_size=4), st.floats(50, 100), st.booleans())
def test_percentile_ranges_are_numpys_within_a_bin(clips, percentile, symmetric):
    clips = [drawn(*clip) for clip in clips]
    histogram, values = histogram_of(*clips), np.concatenate(clips)
    width = histogram.limit / BINS_A_SIDE * (1 + 1e-3)
    low, high = histogram.percentile_range(percentile, symmetric=symmetric)
    assert values.min() <= low
    assert high <= values.max()
    if symmetric:  # "inverted_cdf": the smallest value up to which so many lie, no interpolation
        expected_high = np.percentile(np.abs(values), percentile, method="inverted_cdf").astype(np.float64)
        expected_low = -expected_high
    else:
        cut = (100 - percentile) / 2
        expected_high = np.percentile(values, 100 - cut, method="inverted_cdf").astype(np.float64)
        expected_low = -np.percentile(-values, 100 - cut, method="inverted_cdf").astype(np.float64)
    assert high == pytest.approx(min(expected_high, values.max()), abs=width, rel=1e-6)
    assert low == pytest.approx(max(expected_low, values.min()), abs=width, rel=1e-6)


@settings(deadline=None, max_examples=30)
@given(st.lists(arrays, min_size=1, max_size=3))
def test_entropy_ranges_lie_within_what_was_seen(clips):
    clips = [drawn(*clip) for clip in clips]
    low, high = histogram_of(*clips).entropy_range()
    values = np.concatenate(clips)
    assert values.min() <= low <= high <= values.max()
    largest = np.abs(values).max()
    assert max(abs(low), abs(high)) >= largest / 8 * (1 - 1e-3)


def test_entropy_keeps_uniform_data_whole():
    values = np.random.default_rng(0).uniform(-3, 3, 100_000).astype(np.float32)
    low, high = histogram_of(values).entropy_range()
    assert (low, high) == pytest.approx((-3, 3), rel=0.01)


def test_entropy_cuts_a_far_outlier():
    values = np.random.default_rng(0).standard_normal(200_000).astype(np.float32)
    low, high = histogram_of(*[values] * 10, np.float32([30])).entropy_range()
    assert 3.5 < high < 6  # the outlier holds a two-thousandth of the energy
    assert low == values.min()  # on the other side there is nothing to cut


def test_entropy_does_not_cut_what_holds_the_energy():
    """Most values next to zero, as in a denoiser's mask: by number alone the loud tenth would be cut off."""
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.random(90_000) * 0.01, rng.uniform(0.5, 1, 10_000)]).astype(np.float32)
    _, high = histogram_of(values).entropy_range()
    assert high > 0.95


def test_a_range_that_holds_nothing_loses_everything():
    """All values far from zero: candidates below them must not win because they have nothing to round."""
    values = np.random.default_rng(0).uniform(0.6, 1.0, 50_000).astype(np.float32)
    assert histogram_of(values).entropy_range() == pytest.approx((0.6, 1.0), rel=0.02)
    assert histogram_of(-values).entropy_range() == pytest.approx((-1.0, -0.6), rel=0.02)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.zeros(7), (0, 0)),
        ([2.5], (2.5, 2.5)),
        ([-2.5], (-2.5, -2.5)),
        ([-1.0, 1.0], (-1, 1)),
        ([1e-38], (1e-38, 1e-38)),
        ([-3e38, 3e38], (-3e38, 3e38)),
    ],
)
def test_special_data(values, expected):
    values = np.array(values, np.float32)
    histogram = histogram_of(values, values)
    assert histogram.counts.sum() == 2 * values.size
    for found in (
        histogram.entropy_range(),
        histogram.percentile_range(100, symmetric=True),
        histogram.percentile_range(100, symmetric=False),
    ):
        assert found == pytest.approx(expected, rel=1e-6)
        assert all(isinstance(end, np.float32) for end in found)


def test_zeros_before_anything_else_stay_counted():
    histogram = histogram_of(np.zeros(100, np.float32), np.full(100, 8, np.float32), np.zeros(100, np.float32))
    assert histogram.counts[BINS_A_SIDE] == 200
    assert histogram.percentile_range(50, symmetric=True)[1] < 0.01
    assert histogram.percentile_range(100, symmetric=True)[1] == 8


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_shows_in_the_ends(bad):
    for values in ([bad, 1, 2], [1, bad, 2], [1, 2, bad]):
        histogram = histogram_of(np.array(values, np.float32))
        assert not np.isfinite([histogram.low, histogram.high]).all()

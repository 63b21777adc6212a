"""Weights fitted and rounded from second moments: against least squares, plain rounding and brute force."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sezoo.quantization.recovery.rounding import refit_weights, round_weights
from sezoo.quantization.recovery.second_moments import Moments


def moments_of(exact, rounded_):
    moments = Moments()
    moments.add(exact, rounded_, np.ones(exact.shape[2], np.float32))
    return moments


def inputs(seed, groups=1, features=12, positions=4000):
    """Correlated inputs, and the same in steps of 0.5."""
    rng = np.random.default_rng(seed)
    mixed = rng.standard_normal((groups, features, features)) @ rng.standard_normal((groups, features, positions))
    exact = np.maximum(mixed, 0).astype(np.float32)
    return exact, (np.rint(exact / 0.5) * 0.5).astype(np.float32)


def plainly_rounded(weights, largest):
    scales = np.abs(weights).max(axis=2, keepdims=True) / largest
    return np.rint(weights / scales) * scales


def loss(error, covariance):
    return float(np.einsum("gof,gfh,goh->", error, covariance, error))


def test_moments_are_those_of_numpy():
    exact, rough = inputs(0, groups=2, features=3)
    weights = np.random.default_rng(1).random(exact.shape[2]).astype(np.float32)
    moments = Moments()
    for part in (slice(None, 1000), slice(1000, None)):
        moments.add(exact[:, :, part], rough[:, :, part], weights[part])
    for group in range(2):
        expected = np.cov(rough[group], aweights=weights, ddof=0)
        np.testing.assert_allclose(moments.covariance[group], expected, rtol=1e-3, atol=1e-3)
        both = np.cov(exact[group], rough[group], aweights=weights, ddof=0)[:3, 3:]
        np.testing.assert_allclose(moments.cross_covariance[group], both, rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(moments.rounded_means[group], np.average(rough[group], 1, weights), rtol=1e-4)
        np.testing.assert_allclose(moments.exact_means[group], np.average(exact[group], 1, weights), rtol=1e-4)


def test_many_features_in_groups_are_summed_alike():
    exact, rough = inputs(0, groups=3, features=11, positions=50)
    moments = moments_of(exact, rough)
    np.testing.assert_allclose(moments.squares, rough @ rough.swapaxes(1, 2), rtol=1e-4)
    np.testing.assert_allclose(moments.products, exact @ rough.swapaxes(1, 2), rtol=1e-4)


def test_refitted_weights_are_those_of_least_squares():
    exact, rough = inputs(0)
    weights = np.random.default_rng(1).standard_normal((1, 5, 12)).astype(np.float32)
    moments = moments_of(exact, rough)
    fitted = refit_weights(weights, moments.covariance, moments.cross_covariance)
    columns = np.vstack([rough[0], np.ones(rough.shape[2])]).T
    expected = np.linalg.lstsq(columns, (weights[0] @ exact[0]).T, rcond=None)[0][:-1].T
    np.testing.assert_allclose(fitted[0], expected, atol=2e-3)


def test_without_rounding_the_weights_stay():
    exact, _ = inputs(2)
    weights = np.random.default_rng(1).standard_normal((1, 5, 12)).astype(np.float32)
    moments = moments_of(exact, exact)
    fitted = refit_weights(weights, moments.covariance, moments.cross_covariance)
    np.testing.assert_allclose(fitted, weights, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), features=st.sampled_from([2, 3, 7, 40]), largest=st.sampled_from([7, 64, 127]))
def test_compensation_is_better_than_plain_rounding(seed, features, largest):
    groups = 3 if features < 4 else 1
    exact, rough = inputs(seed, groups, features, 2000)
    weights = np.random.default_rng(seed + 1).standard_normal((groups, 4, features))
    covariance = moments_of(exact, rough).covariance
    found = round_weights(weights, covariance, largest=largest, per_channel=True)
    assert np.abs(found.integers).max() <= largest
    np.testing.assert_array_equal(found.integers, np.rint(found.integers))
    mine = loss(weights - found.integers * found.scales[..., np.newaxis], covariance)
    assert mine <= loss(weights - plainly_rounded(weights, largest), covariance) * 1.05 + 1e-9


def test_three_taps_are_the_best_of_all_neighbours():
    exact, rough = inputs(5, groups=6, features=3)
    weights = np.random.default_rng(6).standard_normal((6, 1, 3))
    covariance = moments_of(exact, rough).covariance
    found = round_weights(weights, covariance, largest=7, per_channel=True)
    for group in range(6):
        scale = found.scales[group, 0]
        nearest = np.rint(weights[group, 0] / scale)
        tried = [np.clip(nearest + step, -7, 7) for step in product((-1, 0, 1), repeat=3)]
        errors = [weights[group, 0] - each * scale for each in (found.integers[group, 0], *tried)]
        mine, *others = (error @ covariance[group] @ error for error in errors)
        assert mine <= min(others) * 1.02 + 1e-12  # damped: nearly the same


def test_blocks_give_what_single_features_give(monkeypatch):
    exact, rough = inputs(3, features=50)
    weights, covariance = np.random.default_rng(4).standard_normal((1, 6, 50)), moments_of(exact, rough).covariance
    blocked = round_weights(weights, covariance, largest=127, per_channel=True)
    monkeypatch.setattr("sezoo.quantization.recovery.rounding.BLOCK", 1)
    one_by_one = round_weights(weights, covariance, largest=127, per_channel=True)
    np.testing.assert_array_equal(one_by_one.integers, blocked.integers)


def test_one_scale_for_all():
    exact, rough = inputs(7)
    weights = np.random.default_rng(8).standard_normal((1, 5, 12)) * np.array([1, 10, 1, 1, 0.1])[:, np.newaxis]
    found = round_weights(weights, moments_of(exact, rough).covariance, largest=127, per_channel=False)
    assert np.unique(found.scales).size == 1


@pytest.mark.parametrize("per_channel", [True, False])
def test_zeros_stay_zeros(per_channel):
    exact, rough = inputs(9)
    weights = np.zeros((1, 3, 12))
    found = round_weights(weights, moments_of(exact, rough).covariance, largest=127, per_channel=per_channel)
    assert not found.integers.any()
    assert (found.scales > 0).all()


def test_silent_inputs_do_no_harm():
    silent = np.zeros((1, 12, 100), np.float32)
    weights, moments = np.random.default_rng(0).standard_normal((1, 3, 12)), moments_of(silent, silent)
    fitted = refit_weights(weights, moments.covariance, moments.cross_covariance)
    np.testing.assert_allclose(fitted, weights)
    found = round_weights(fitted, moments.covariance, largest=127, per_channel=True)
    np.testing.assert_allclose(found.integers * found.scales[..., np.newaxis], weights, atol=0.02)


def test_few_integers_get_a_finer_step_than_the_largest_weight_needs():
    random = np.random.default_rng(0)
    weights = random.laplace(size=(1, 8, 64))
    found = round_weights(weights, np.eye(64)[np.newaxis], largest=7, per_channel=True)
    steps = np.abs(weights).max(axis=2) / 7
    plain = np.clip(np.rint(weights / steps[..., np.newaxis]), -7, 7) * steps[..., np.newaxis]
    errors = [np.square(weights - each).mean() for each in (found.integers * found.scales[..., np.newaxis], plain)]
    assert errors[0] < 0.95 * errors[1]
    assert np.mean(found.scales < 0.99 * steps) > 0.5


@pytest.mark.parametrize("share", [-0.5, 0.0])
def test_a_covariance_that_is_none_by_the_rounding_of_its_sums(share):
    """Features that hardly change beside their means: some directions have less than no variance."""
    rng = np.random.default_rng(0)
    vectors = np.linalg.qr(rng.standard_normal((12, 12)))[0]
    variances = np.r_[np.ones(6), np.full(6, share)] * (share != 0)
    covariance = ((vectors * variances) @ vectors.T)[np.newaxis]
    weights = rng.standard_normal((1, 4, 12)).astype(np.float32)
    found = round_weights(weights, covariance, largest=127, per_channel=True)
    errors = weights - found.integers * found.scales[..., np.newaxis]
    real = (vectors * np.maximum(variances, 0)) @ vectors.T  # what the covariance would be
    plain = loss(weights - plainly_rounded(weights, 127), real[np.newaxis])
    assert np.isfinite(found.integers).all() and loss(errors, real[np.newaxis]) <= max(plain, 1e-12)

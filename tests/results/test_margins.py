"""Which changes of a metric's mean are losses that matter."""

import pytest

from sezoo.results.margins import gain, is_as_good, is_worse, margin
from sezoo.results.scores import Mean


@pytest.mark.parametrize(
    ("metric", "change", "worse", "as_good"),
    [
        ("pesq", (-0.06, -0.08, -0.051), True, False),
        ("pesq", (-0.02, -0.03, -0.01), False, True),  # a loss for certain, and a small one
        ("pesq", (-0.06, -0.13, 0.01), False, False),  # too few clips to tell
        ("pesq", (0.2, 0.1, 0.3), False, True),
        ("mse", (0.1, 0.05, 0.2), True, True),  # less of it is better; it has no margin
        ("mse", (-0.1, -0.2, -0.05), False, True),
        ("si_snr", (-0.4, -0.5, -0.3), True, False),
    ],
)
def test_losses_beyond_the_margin(metric, change, worse, as_good):
    mean = Mean(*change, clips=9)
    assert (is_worse(mean, metric), is_as_good(mean, metric)) == (worse, as_good)
    assert (gain(mean, metric) < 0) == (worse or (metric != "mse" and change[0] < 0))


def test_metrics_of_users_have_no_margin():
    assert margin("my_metric") == 0
    assert margin("stoi") == 0.005

"""Scoring of validation clips: how far it is."""

import numpy as np
import pytest

pytest.importorskip("torch")

from sezoo.base import progress
from sezoo.training.validation import validate_noisy


class Clips:
    """Three pairs of noise and the same with more noise."""

    def __len__(self):
        return 3

    def example(self, epoch, index):
        rng = np.random.default_rng(index)
        clean = rng.normal(0, 0.1, 16000).astype(np.float32)
        return clean + rng.normal(0, 0.01, 16000).astype(np.float32), clean


def test_the_log_says_how_far_it_is(monkeypatch, caplog):
    monkeypatch.setattr(progress, "SECONDS_A_LINE", 0)
    caplog.set_level("INFO")
    means = validate_noisy(Clips(), 16000)
    assert means["snr"] == pytest.approx(20, abs=0.2)
    assert caplog.messages[0] == "scoring validation clips: 1 of 3"
    assert caplog.messages[1].startswith("scoring validation clips: 2 of 3, ")

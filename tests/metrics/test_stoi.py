"""STOI and ESTOI: the package's numbers, and what it cannot score."""

import numpy as np
import pytest

from sezoo import metrics
from sezoo.metrics import MetricError
from speech_clips import RATE, noised, speech_like


def test_are_the_package() -> None:
    from pystoi import stoi

    clean = speech_like(2.0)
    denoised = noised(clean)
    assert metrics.stoi(clean, clean, RATE) == pytest.approx(1.0)
    assert metrics.estoi(clean, clean, RATE) == pytest.approx(1.0)
    assert metrics.stoi(clean, denoised, RATE) == stoi(clean, denoised, RATE)
    assert metrics.estoi(clean, denoised, RATE) == pytest.approx(stoi(clean, denoised, RATE, True), abs=1e-9)


def test_a_clip_with_digital_silence_has_one_score() -> None:
    clean = speech_like(2.0)
    gated = noised(clean)
    gated[RATE // 2 : RATE] = 0
    np.random.seed(1)
    first = metrics.estoi(clean, gated, RATE)
    assert np.random.random() == pytest.approx(0.417022)  # the caller's random numbers go on as they would
    assert metrics.estoi(clean, gated, RATE) == first


def test_with_too_little_speech() -> None:
    clean = np.zeros(2 * RATE)
    clean[: RATE // 10] = speech_like(1.0)[1_000 : 1_000 + RATE // 10]
    with pytest.raises(MetricError, match="fewer than 30 frames"):
        metrics.stoi(clean, noised(clean), RATE)


def test_at_another_rate() -> None:
    speech = speech_like(2.0)
    assert 0.0 < metrics.stoi(speech, noised(speech), 22_050) < 1.0
    with pytest.raises(MetricError, match="sample rate"):
        metrics.stoi(speech, speech, 0)

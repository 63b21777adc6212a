"""PESQ: the package's numbers, and what it must not be given."""

import numpy as np
import pytest

from sezoo import metrics
from sezoo.metrics import MetricError
from speech_clips import RATE, noised, speech_like


def test_is_the_package() -> None:
    from pesq import pesq

    clean = speech_like(2.0)
    denoised = noised(clean)
    assert metrics.pesq(clean, clean, RATE) == pytest.approx(4.644, abs=0.001)
    assert metrics.pesq(clean, denoised, RATE) == pesq(RATE, clean, denoised, "wb")
    assert metrics.pesq(clean, denoised, 8_000) == pesq(8_000, clean, denoised, "nb")


def test_float32_is_computed_in_float64() -> None:
    clean = speech_like(1.0).astype(np.float32)
    denoised = noised(clean).astype(np.float32)
    wide = clean.astype(np.float64), denoised.astype(np.float64)
    assert metrics.pesq(clean, denoised, RATE) == metrics.pesq(*wide, RATE)


def test_without_speech() -> None:
    clean = 1e-4 * np.random.default_rng(0).standard_normal(4_000)
    clean[1_000:1_200] += 0.1
    with pytest.raises(MetricError, match="No utterances"):
        metrics.pesq(clean, noised(clean), RATE)


def test_not_a_number() -> None:
    clean = np.zeros(4_000)
    clean[3_990:] = 0.1
    with pytest.raises(MetricError, match="no finite score"):
        metrics.pesq(clean, noised(clean), RATE)


@pytest.mark.parametrize("rate", [44_100, 48_000, 0])
def test_at_another_rate(rate: int) -> None:
    speech = speech_like(1.0)
    with pytest.raises(MetricError, match=f"not at {rate} Hz"):
        metrics.pesq(speech, speech, rate)


def words(count: int) -> np.ndarray:
    """Bursts of 0.3 s with pauses of 0.3 s between them."""
    burst = 0.1 * np.random.default_rng(3).standard_normal(int(0.3 * RATE))
    return np.tile(np.concatenate((burst, np.zeros_like(burst))), count)


def test_refuses_what_its_code_cannot_hold() -> None:
    # `pesq` itself ends the process on such a clip, so it must not be reached.
    clean = words(120)
    with pytest.raises(MetricError, match="about 120 utterances in 72 s"):
        metrics.pesq(clean, noised(clean, 0.001), RATE)


def test_scores_a_long_clip_with_few_pauses() -> None:
    clean = words(35)
    assert clean.size > 20 * RATE
    assert 1.0 <= metrics.pesq(clean, noised(clean, 0.001), RATE) <= 4.65

"""Several metrics at once, and what is known of each."""

from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pytest

from sezoo.metrics import (
    METRICS,
    NO_REFERENCE_METRICS,
    REFERENCE_METRICS,
    MetricError,
    definition,
    score_clip,
    scoring,
)
from speech_clips import RATE, noised, real_pairs, speech_like


def test_names() -> None:
    assert REFERENCE_METRICS == ("pesq", "stoi", "estoi", "snr", "si_snr", "mse", "csig", "cbak", "covl")
    assert list(METRICS) == [*REFERENCE_METRICS, *NO_REFERENCE_METRICS]
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric.facts.form.format(1.0)


def test_more_noise_is_worse() -> None:
    clean = speech_like(2.0)
    little, much = noised(clean, 0.003), noised(clean, 0.03)
    for name in REFERENCE_METRICS:
        better, worse = METRICS[name](clean, little, RATE), METRICS[name](clean, much, RATE)
        assert (better > worse) == METRICS[name].facts.higher_is_better


def test_are_the_metrics_one_by_one() -> None:
    clean = speech_like(2.0)
    denoised = noised(clean)
    scores, not_scored = score_clip(clean, denoised, RATE, REFERENCE_METRICS)
    assert not not_scored
    expected = {name: METRICS[name](clean, denoised, RATE) for name in REFERENCE_METRICS}
    assert scores.pop("estoi") == pytest.approx(expected.pop("estoi"), abs=1e-9)  # pystoi adds random noise
    assert scores == expected


def test_dnsmos_one_by_one() -> None:
    pytest.importorskip("speechmos")
    denoised = noised(speech_like(5.0))  # twice that is one segment
    scores, not_scored = score_clip(None, denoised, RATE, NO_REFERENCE_METRICS)
    assert not not_scored
    assert scores == {name: METRICS[name](None, denoised, RATE) for name in NO_REFERENCE_METRICS}


def test_at_other_rates() -> None:
    clean = speech_like(3.0)
    denoised = noised(clean)
    for rate in (10_000, 8_000):
        scores, not_scored = score_clip(clean, denoised, rate, ("stoi", "estoi", "csig"))
        assert scores["stoi"] == METRICS["stoi"](clean, denoised, rate)
        assert not_scored == {"csig": f"CSIG, CBAK and COVL score clips at 16000 Hz, not at {rate} Hz: resample first"}


def counting(result: float | MetricError) -> tuple[Callable, list[int]]:
    calls: list[int] = []

    @definition.cache_per_clip
    def shared(clean: np.ndarray, denoised: np.ndarray) -> float:
        calls.append(1)
        if isinstance(result, MetricError):
            raise result
        return result

    return shared, calls


@pytest.mark.parametrize("result", [1.0, MetricError("no")])
def test_what_metrics_share_is_computed_once_a_clip(
    result: float | MetricError, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared, calls = counting(result)
    metrics = {name: definition.metric(name)(lambda clean, denoised: shared(clean, denoised)) for name in "ab"}
    monkeypatch.setattr(scoring, "METRICS", metrics)
    clips = [np.ones(9), np.full(9, 0.5)]
    for _ in range(2):
        calls.clear()
        _, not_scored = score_clip(*clips, RATE, metrics)
        assert (len(calls), len(not_scored)) == (1, 0 if result == 1.0 else 2)
        clips[1] *= 0.5  # the next clip may be in the same array
    calls.clear()
    for _ in range(2):
        with suppress(MetricError):
            shared(*clips)
    assert len(calls) == 2  # nothing is remembered outside


def test_the_slow_ones_are_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    pesq_calls: list[int] = []
    package = __import__("pesq").pesq
    monkeypatch.setattr("pesq.pesq", lambda *arguments: pesq_calls.append(1) or package(*arguments))
    clean = speech_like(2.0)
    scores, _ = score_clip(clean, noised(clean), RATE, ("pesq", "csig", "cbak", "covl"))
    assert (len(scores), len(pesq_calls)) == (4, 1)


def test_without_a_clean_clip() -> None:
    scores, not_scored = score_clip(None, speech_like(1.0), RATE, REFERENCE_METRICS)
    assert scores == {}
    assert not_scored == dict.fromkeys(REFERENCE_METRICS, "there is no clean clip")


def test_infinite_values_are_no_numbers() -> None:
    clean = speech_like(1.0)
    names = ("snr", "si_snr", "mse")
    assert score_clip(clean, clean, RATE, names) == (
        {"mse": 0.0},
        {"snr": "the clips are identical", "si_snr": "the clips are identical up to a gain"},
    )
    _, not_scored = score_clip(np.array([1.0, 0.0]), np.array([0.0, 1.0]), RATE, ("si_snr",))
    assert not_scored == {"si_snr": "the denoised clip holds nothing of the clean one"}


def test_reasons_are_one_line_each() -> None:
    clean = speech_like(1.0)[:1000]
    scores, not_scored = score_clip(clean, noised(clean), RATE, REFERENCE_METRICS)
    assert set(scores) == {"snr", "si_snr", "mse"}
    assert set(not_scored) == {"pesq", "stoi", "estoi", "csig", "cbak", "covl"}
    assert all(reason and "\n" not in reason for reason in not_scored.values())


def test_an_unknown_metric_is_a_mistake_of_the_program() -> None:
    with pytest.raises(KeyError):
        score_clip(np.ones(9), np.ones(9), RATE, ("mos",))


def test_noisy_scores_of_voicebank_demand() -> None:
    """First 20 clips of speaker p232.

    On all 393 the means are PESQ 2.165, STOI 0.9269, SNR 8.453 dB, SI-SNR 8.451 dB, CSIG 3.414, CBAK 2.553 and COVL
    2.763. Papers print PESQ 1.97, CSIG 3.35, CBAK 2.44 and COVL 2.63 for the noisy clips of both speakers.
    """
    scored = [score_clip(clean, noisy, RATE, REFERENCE_METRICS) for clean, noisy in real_pairs(20)]
    assert not any(not_scored for _, not_scored in scored)
    means = {name: float(np.mean([scores[name] for scores, _ in scored])) for name in REFERENCE_METRICS}
    assert means["pesq"] == pytest.approx(2.23716, abs=2e-4)
    assert means["stoi"] == pytest.approx(0.947518, abs=1e-5)
    assert means["estoi"] == pytest.approx(0.858287, abs=1e-5)
    assert means["snr"] == pytest.approx(9.187208, abs=1e-5)
    assert means["si_snr"] == pytest.approx(9.184220, abs=1e-5)
    assert means["mse"] == pytest.approx(0.00125314, abs=1e-7)
    assert means["csig"] == pytest.approx(3.588726, abs=2e-4)
    assert means["cbak"] == pytest.approx(2.795583, abs=2e-4)
    assert means["covl"] == pytest.approx(2.905897, abs=2e-4)

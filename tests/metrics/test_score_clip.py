"""Several metrics at once, and what is known of each."""

from collections.abc import Callable

import numpy as np
import pytest

from sezoo.metrics import (
    HIGHER_IS_BETTER,
    METRIC_FACTS,
    METRICS,
    NO_REFERENCE_METRICS,
    REFERENCE_METRICS,
    MetricError,
    dnsmos_is_installed,
    score_clip,
    scoring,
)
from speech_clips import RATE, noised, real_pairs, speech_like


def test_names() -> None:
    assert REFERENCE_METRICS == ("pesq", "stoi", "estoi", "snr", "si_snr", "mse", "csig", "cbak", "covl")
    assert list(METRICS) == list(HIGHER_IS_BETTER) == list(METRIC_FACTS) == [*REFERENCE_METRICS, *NO_REFERENCE_METRICS]
    for facts in METRIC_FACTS.values():
        assert facts.form.format(1.0)


def test_more_noise_is_worse() -> None:
    clean = speech_like(2.0)
    little, much = noised(clean, 0.003), noised(clean, 0.03)
    for name in REFERENCE_METRICS:
        better, worse = METRICS[name](clean, little, RATE), METRICS[name](clean, much, RATE)
        assert (better > worse) == HIGHER_IS_BETTER[name]


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


def counted(function: Callable, calls: list[str]) -> Callable:
    def called(*arguments: object) -> object:
        calls.append(function.__name__)
        return function(*arguments)

    return called


def test_what_metrics_share_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    for name in ("pesq", "composite_parts", "at_stoi_rate", "dnsmos_p835"):
        monkeypatch.setattr(scoring, name, counted(getattr(scoring, name), calls))
    names = [name for name in METRICS if name != "dnsmos_p808"]
    if not dnsmos_is_installed():
        names = list(REFERENCE_METRICS)
    clean = speech_like(5.0)
    score_clip(clean, noised(clean), RATE, names)
    assert len(calls) == len(set(calls))
    calls.clear()
    _, not_scored = score_clip(clean, np.zeros_like(clean), RATE, names)
    assert len(calls) == len(set(calls))
    assert set(not_scored) == set(names) - {"snr", "mse"}
    calls.clear()
    score_clip(clean, noised(clean), RATE, ["snr", "mse"])
    assert calls == []


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


def test_remembers_an_error_too() -> None:
    calls = []

    def refuse() -> float:
        calls.append(1)
        raise MetricError("no")

    once = scoring._once(refuse)
    for _ in range(2):
        with pytest.raises(MetricError, match="no"):
            once()
    assert len(calls) == 1


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

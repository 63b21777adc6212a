"""Metrics against plain implementations of their definitions, and what they refuse to score."""

import math
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sezoo import metrics
from sezoo.metrics import HIGHER_IS_BETTER, METRICS, MetricError

VOICEBANK = Path(__file__).resolve().parents[2] / "shared" / "data" / "voicebank_demand_p232"
RATE = 16_000


def clip_of(n: int) -> st.SearchStrategy[np.ndarray]:
    # Steps of 2^-15, as recordings have them, so that no energy underflows.
    return arrays(np.int16, n).map(lambda samples: samples / 32768.0)


PAIRS = st.integers(1, 60).flatmap(lambda n: st.tuples(clip_of(n), clip_of(n)))


def speech_like(seconds: float, seed: int = 0) -> np.ndarray:
    """Syllables of a buzz: enough of speech for PESQ and STOI to score."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * RATE)) / RATE
    pitch = 120 + 30 * np.sin(2 * np.pi * 0.7 * t)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    buzz = sum(np.sin(k * phase) / k for k in range(1, 25))
    syllables = np.clip(np.sin(2 * np.pi * 2.2 * t), 0, None) ** 0.5
    return 0.1 * syllables * buzz + 1e-4 * rng.standard_normal(t.size)


def noised(clean: np.ndarray, level: float = 0.01, seed: int = 1) -> np.ndarray:
    return clean + level * np.random.default_rng(seed).standard_normal(clean.size)


# ---- Definitions ----


@given(PAIRS)
def test_mse_is_its_definition(pair: tuple[np.ndarray, np.ndarray]) -> None:
    clean, denoised = pair
    expected = math.fsum((d - c) ** 2 for c, d in zip(clean, denoised, strict=True)) / len(clean)
    assert metrics.mse(clean, denoised) == pytest.approx(expected, rel=1e-9, abs=0)


@given(PAIRS)
def test_snr_is_its_definition(pair: tuple[np.ndarray, np.ndarray]) -> None:
    clean, denoised = pair
    signal = math.fsum(c * c for c in clean)
    noise = math.fsum((d - c) ** 2 for c, d in zip(clean, denoised, strict=True))
    assume(signal > 0)
    expected = 10 * math.log10(signal / noise) if noise else math.inf
    assert metrics.snr(clean, denoised) == pytest.approx(expected, abs=1e-9)


@given(PAIRS)
def test_si_snr_is_its_definition(pair: tuple[np.ndarray, np.ndarray]) -> None:
    clean, denoised = pair
    along = math.fsum(c * d for c, d in zip(clean, denoised, strict=True))
    energy = math.fsum(c * c for c in clean)
    assume(energy > 0 and any(denoised))
    target = [along / energy * c for c in clean]
    signal = math.fsum(s * s for s in target)
    noise = math.fsum((d - s) ** 2 for d, s in zip(denoised, target, strict=True))
    value = metrics.si_snr(clean, denoised)
    if noise < 1e-12 * signal:
        assert value > 119  # only rounding is left
    elif signal < 1e-12 * noise:
        assert value < -119
    else:
        assert value == pytest.approx(10 * math.log10(signal / noise), abs=1e-3)


@given(PAIRS, st.floats(0.01, 100), st.sampled_from([-1, 1]))
def test_si_snr_ignores_the_scale(pair: tuple[np.ndarray, np.ndarray], scale: float, sign: int) -> None:
    clean, denoised = pair
    assume(clean.any() and denoised.any())
    value = metrics.si_snr(clean, denoised)
    assume(abs(value) < 100)
    assert metrics.si_snr(clean, sign * scale * denoised) == pytest.approx(value, abs=1e-3)
    assert metrics.si_snr(scale * clean, denoised) == pytest.approx(value, abs=1e-3)


@given(PAIRS)
def test_si_snr_is_snr_after_the_best_gain(pair: tuple[np.ndarray, np.ndarray]) -> None:
    clean, denoised = pair
    assume(clean.any() and denoised.any())
    along = float(np.dot(clean, denoised))
    assume(abs(along) > 1e-6)
    gain = np.dot(clean, clean) / along
    value = metrics.si_snr(clean, denoised)
    assume(value < 100)
    assert metrics.snr(clean, gain * denoised) == pytest.approx(value, abs=1e-3)


def test_no_mean_is_removed() -> None:
    clean = np.array([1.0, 2.0, 3.0, 2.0])
    # By hand: <d, c> = 26, <c, c> = 18, so a = 13/9; target energy 338/9, rest 38 - 338/9 = 4/9.
    assert metrics.si_snr(clean, clean + 1.0) == pytest.approx(10 * math.log10(338 / 4))


def test_perfect_and_orthogonal() -> None:
    clean = speech_like(1.0)
    assert metrics.snr(clean, clean) == math.inf
    assert metrics.si_snr(clean, clean) == math.inf
    assert metrics.mse(clean, clean) == 0.0
    assert metrics.si_snr(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == -math.inf
    assert metrics.pesq(clean, clean, RATE) == pytest.approx(4.644, abs=0.001)
    assert metrics.stoi(clean, clean, RATE) == pytest.approx(1.0)
    assert metrics.estoi(clean, clean, RATE) == pytest.approx(1.0)


def test_float32_is_computed_in_float64() -> None:
    clean = speech_like(1.0).astype(np.float32)
    denoised = noised(clean).astype(np.float32)
    wide = clean.astype(np.float64), denoised.astype(np.float64)
    assert metrics.snr(clean, denoised) == metrics.snr(*wide)
    assert metrics.si_snr(clean, denoised) == metrics.si_snr(*wide)
    assert metrics.mse(clean, denoised) == metrics.mse(*wide)
    assert metrics.pesq(clean, denoised, RATE) == metrics.pesq(*wide, RATE)


def test_pesq_and_stoi_are_the_packages() -> None:
    from pesq import pesq
    from pystoi import stoi

    clean = speech_like(2.0)
    denoised = noised(clean)
    assert metrics.pesq(clean, denoised, RATE) == pesq(RATE, clean, denoised, "wb")
    assert metrics.pesq(clean, denoised, 8_000) == pesq(8_000, clean, denoised, "nb")
    assert metrics.stoi(clean, denoised, RATE) == stoi(clean, denoised, RATE)
    assert metrics.estoi(clean, denoised, RATE) == pytest.approx(stoi(clean, denoised, RATE, True), abs=1e-9)


def test_more_noise_is_worse() -> None:
    clean = speech_like(2.0)
    little, much = noised(clean, 0.003), noised(clean, 0.03)
    for name, metric in METRICS.items():
        better, worse = metric(clean, little, RATE), metric(clean, much, RATE)
        assert (better > worse) == HIGHER_IS_BETTER[name]


def test_names() -> None:
    assert list(METRICS) == list(HIGHER_IS_BETTER) == ["pesq", "stoi", "estoi", "snr", "si_snr", "mse"]


# ---- What cannot be scored ----


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize(
    ("clean", "denoised", "reason"),
    [
        (np.ones(9), np.ones(8), "differ in length: clean 9 samples, denoised 8"),
        (np.ones(0), np.ones(0), "clean clip is empty"),
        (np.ones((1, 9)), np.ones((1, 9)), "clean clip has 2 dimensions"),
        (np.ones(9), np.ones(9, np.int16), "denoised clip is int16"),
        (np.array([1.0, np.nan]), np.ones(2), "clean clip holds NaN"),
        (np.ones(2), np.array([1.0, np.inf]), "denoised clip holds NaN or infinite"),
    ],
)
def test_bad_clips(name: str, clean: np.ndarray, denoised: np.ndarray, reason: str) -> None:
    with pytest.raises(MetricError, match=reason):
        METRICS[name](clean, denoised, RATE)


@pytest.mark.parametrize("name", ["pesq", "stoi", "estoi", "snr", "si_snr"])
def test_silent_clean(name: str) -> None:
    speech = speech_like(1.0)
    with pytest.raises(MetricError, match="the clean clip is silent"):
        METRICS[name](np.zeros_like(speech), speech, RATE)


@pytest.mark.parametrize("name", ["pesq", "stoi", "estoi", "si_snr"])
def test_silent_denoised(name: str) -> None:
    speech = speech_like(1.0)
    with pytest.raises(MetricError, match="the denoised clip is silent"):
        METRICS[name](speech, np.zeros_like(speech), RATE)


def test_silence_that_has_a_value() -> None:
    speech = speech_like(1.0)
    assert metrics.snr(speech, np.zeros_like(speech)) == 0.0
    assert metrics.mse(np.zeros(4), np.full(4, 0.5)) == 0.25


@pytest.mark.parametrize("samples", [1, 100, 409, 410, 2_000, 3_999])
@pytest.mark.parametrize("name", ["pesq", "stoi", "estoi"])
def test_too_short(name: str, samples: int) -> None:
    clean = speech_like(1.0)[2_000 : 2_000 + samples]
    reason = "1/4 of a second" if name == "pesq" else "too short for E?STOI"
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the error says it; no warning besides
        with pytest.raises(MetricError, match=reason):
            METRICS[name](clean, noised(clean), RATE)


def test_stoi_with_too_little_speech() -> None:
    clean = np.zeros(2 * RATE)
    clean[: RATE // 10] = speech_like(1.0)[1_000 : 1_000 + RATE // 10]
    with pytest.raises(MetricError, match="fewer than 30 frames"):
        metrics.stoi(clean, noised(clean), RATE)


def test_pesq_without_speech() -> None:
    clean = 1e-4 * np.random.default_rng(0).standard_normal(4_000)
    clean[1_000:1_200] += 0.1
    with pytest.raises(MetricError, match="No utterances"):
        metrics.pesq(clean, noised(clean), RATE)


def test_pesq_that_is_not_a_number() -> None:
    clean = np.zeros(4_000)
    clean[3_990:] = 0.1
    with pytest.raises(MetricError, match="no finite score"):
        metrics.pesq(clean, noised(clean), RATE)


@pytest.mark.parametrize("rate", [44_100, 48_000, 0])
def test_pesq_at_another_rate(rate: int) -> None:
    speech = speech_like(1.0)
    with pytest.raises(MetricError, match=f"not at {rate} Hz"):
        metrics.pesq(speech, speech, rate)


def test_stoi_at_another_rate() -> None:
    speech = speech_like(2.0)
    assert 0.0 < metrics.stoi(speech, noised(speech), 22_050) < 1.0
    with pytest.raises(MetricError, match="sample rate"):
        metrics.stoi(speech, speech, 0)


def words(count: int) -> np.ndarray:
    """Bursts of 0.3 s with pauses of 0.3 s between them."""
    burst = 0.1 * np.random.default_rng(3).standard_normal(int(0.3 * RATE))
    return np.tile(np.concatenate((burst, np.zeros_like(burst))), count)


def test_pesq_refuses_what_its_code_cannot_hold() -> None:
    # `pesq` itself ends the process on such a clip, so it must not be reached.
    clean = words(120)
    with pytest.raises(MetricError, match="about 120 utterances in 72 s"):
        metrics.pesq(clean, noised(clean, 0.001), RATE)


def test_pesq_scores_a_long_clip_with_few_pauses() -> None:
    clean = words(35)
    assert clean.size > 20 * RATE
    assert 1.0 <= metrics.pesq(clean, noised(clean, 0.001), RATE) <= 4.65


# ---- Published set ----


def test_noisy_scores_of_voicebank_demand() -> None:
    """First 20 clips of speaker p232; on all 393 these functions give 2.165, 0.9269, 8.453 and 8.451 dB."""
    if not VOICEBANK.is_dir():
        pytest.skip("the VoiceBank+DEMAND test clips of speaker p232 are not at ../shared/data")
    paths = sorted((VOICEBANK / "clean_testset").glob("*.flac"))[:20]
    scores: dict[str, list[float]] = {name: [] for name in METRICS}
    for path in paths:
        clean, rate = soundfile.read(path)
        noisy, _ = soundfile.read(VOICEBANK / "noisy_testset" / path.name)
        for name, metric in METRICS.items():
            scores[name].append(metric(clean, noisy, rate))
    means = {name: float(np.mean(values)) for name, values in scores.items()}
    assert means["pesq"] == pytest.approx(2.23716, abs=2e-4)
    assert means["stoi"] == pytest.approx(0.947518, abs=1e-5)
    assert means["estoi"] == pytest.approx(0.858287, abs=1e-5)
    assert means["snr"] == pytest.approx(9.187208, abs=1e-5)
    assert means["si_snr"] == pytest.approx(9.184220, abs=1e-5)
    assert means["mse"] == pytest.approx(0.00125314, abs=1e-7)

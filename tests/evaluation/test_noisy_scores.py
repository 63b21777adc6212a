import json

import numpy as np
import pytest

from builders import noise
from sezoo.evaluation import noisy_scores
from sezoo.evaluation.noisy_scores import NoisyScores
from sezoo.metrics import score_clip

NAMES = ("snr", "si_snr", "mse")


@pytest.fixture
def computed(monkeypatch):
    """The metrics that were computed, call by call."""
    calls = []

    def counted(clean, denoised, rate, names):
        calls.append(tuple(names))
        return score_clip(clean, denoised, rate, names)

    monkeypatch.setattr(noisy_scores, "score_clip", counted)
    return calls


def test_they_are_computed_once_and_the_same_to_the_last_digit(tmp_path, computed):
    noisy, clean = noise(0.5, seed=1), noise(0.5, seed=2)
    expected = score_clip(clean, noisy, 16000, NAMES)
    for _ in range(2):
        assert NoisyScores(tmp_path).of(noisy, clean, 16000, NAMES) == expected
    assert computed == [NAMES]


def test_metrics_that_are_missing_are_added(tmp_path, computed):
    noisy, clean = noise(0.5, seed=1), noise(0.5, seed=2)
    store = NoisyScores(tmp_path)
    store.of(noisy, clean, 16000, ("snr",))
    scores, _ = store.of(noisy, clean, 16000, NAMES)
    assert list(scores) == list(NAMES)
    store.of(noisy, clean, 16000, ("mse", "snr"))
    assert computed == [("snr",), ("si_snr", "mse")]


def test_a_reason_is_remembered_too(tmp_path, computed):
    wave = noise(0.5)
    for _ in range(2):
        scores, reasons = NoisyScores(tmp_path).of(wave, wave, 16000, NAMES)
        assert scores == {"mse": 0.0}
        assert reasons["snr"] == "the clips are identical"
    assert len(computed) == 1


@pytest.mark.parametrize(
    "other",
    [
        lambda noisy, clean: (noisy, clean[:-1], 16000),
        lambda noisy, clean: (noisy, clean, 8000),
        lambda noisy, clean: (clean, noisy, 16000),
        lambda noisy, clean: (np.nextafter(noisy, np.float32(1)), clean, 16000),
        lambda noisy, clean: (noisy, None, 16000),
    ],
)
def test_another_pair_has_other_scores(other, tmp_path, computed):
    noisy, clean = noise(0.5, seed=1), noise(0.5, seed=2)
    NoisyScores(tmp_path).of(noisy, clean, 16000, NAMES)
    NoisyScores(tmp_path).of(*other(noisy, clean), NAMES)
    assert len(computed) == 2


def test_other_versions_of_the_packages_have_others(tmp_path, computed, monkeypatch):
    noisy, clean = noise(0.5, seed=1), noise(0.5, seed=2)
    NoisyScores(tmp_path).of(noisy, clean, 16000, NAMES)
    monkeypatch.setattr(noisy_scores, "_versions", lambda: "pesq=99")
    NoisyScores(tmp_path).of(noisy, clean, 16000, NAMES)
    assert len(computed) == 2


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"scores": 5, "not_scored": {}}', '{"scores": {"snr": "x"}}']
)
def test_what_cannot_be_understood_is_computed_again(content, tmp_path, computed):
    noisy, clean = noise(0.5, seed=1), noise(0.5, seed=2)
    expected = NoisyScores(tmp_path).of(noisy, clean, 16000, NAMES)
    (path,) = tmp_path.iterdir()
    path.write_text(content, encoding="utf-8")
    assert NoisyScores(tmp_path).of(noisy, clean, 16000, NAMES) == expected
    assert json.loads(path.read_text(encoding="utf-8"))["scores"] == expected[0]
    assert len(computed) == 2


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(tmp_path, computed):
    (tmp_path / "file").write_text("", encoding="utf-8")
    store = NoisyScores(tmp_path / "file" / "folder")
    for _ in range(2):
        assert store.of(noise(0.5, seed=1), noise(0.5, seed=2), 16000, ("snr",))[0]
    assert len(computed) == 2


def test_without_a_folder_nothing_is_kept(computed):
    for _ in range(2):
        NoisyScores(None).of(noise(0.5, seed=1), noise(0.5, seed=2), 16000, ("snr",))
    assert len(computed) == 2

import numpy as np
import pytest
import soundfile

from builders import noise
from sezoo.dataset import DEMO_RECORDINGS, Pair
from sezoo.errors import UserError
from sezoo.evaluation.scoring import ClipScores, mean_scores, score_pairs
from sezoo.metrics import METRICS


@pytest.fixture
def pairs():
    noisy = sorted((DEMO_RECORDINGS / "noisy_testset").glob("*.flac"))[:2]
    return [Pair(path, DEMO_RECORDINGS / "clean_testset" / path.name) for path in noisy]


def test_each_version_is_scored_against_the_clean_clip(pairs):
    halved = {"half": lambda wave: wave / 2}
    clips = list(score_pairs(pairs, halved, 16000, ["snr", "stoi"]))
    assert [clip.name for clip in clips] == [pair.name for pair in pairs]
    for pair, clip in zip(pairs, clips, strict=True):
        noisy, clean = (soundfile.read(path, dtype="float32")[0] for path in (pair.noisy, pair.clean))
        assert list(clip.scores) == ["noisy", "half"]
        assert clip.scores["noisy"]["snr"] == pytest.approx(METRICS["snr"](clean, noisy, 16000))
        assert clip.scores["half"]["snr"] == pytest.approx(METRICS["snr"](clean, noisy / 2, 16000))
        assert clip.scores["noisy"]["stoi"] == pytest.approx(clip.scores["half"]["stoi"], abs=1e-4)
        np.testing.assert_array_equal(clip.waves["clean"], clean)


def test_what_cannot_be_scored_is_left_out_of_every_versions_mean(pairs, caplog):
    silenced = iter([True, False])
    clips = list(score_pairs(pairs, {"d": lambda wave: wave * (0 if next(silenced) else 1)}, 16000, ["stoi", "mse"]))
    assert "stoi" not in clips[0].scores["d"]
    assert "no stoi" in caplog.text
    means = mean_scores(clips)
    assert means["noisy"]["stoi"] == clips[1].scores["noisy"]["stoi"] == means["d"]["stoi"]
    assert means["noisy"]["mse"] == pytest.approx(np.mean([clip.scores["noisy"]["mse"] for clip in clips]))


def test_a_metric_that_scored_nothing_has_no_mean():
    clips = [ClipScores("a", {}, {"noisy": {"snr": 1.0}, "d": {"snr": 2.0, "pesq": 3.0}})]
    assert mean_scores(clips) == {"noisy": {"snr": 1.0}, "d": {"snr": 2.0}}


def test_pairs_of_different_lengths_are_refused(tmp_path):
    for name, seconds in (("noisy.wav", 0.5), ("clean.wav", 0.4)):
        soundfile.write(tmp_path / name, noise(seconds), 16000)
    with pytest.raises(UserError, match=r"noisy\.wav has 8000 samples, .*clean\.wav has 6400"):
        list(score_pairs([Pair(tmp_path / "noisy.wav", tmp_path / "clean.wav")], {}, 16000, ["snr"]))

import numpy as np
import pytest
import soundfile

from builders import mask_graph, noise, write_model
from sezoo.audio.clip import BadClipError, read_clip
from sezoo.audio.stft import Stft
from sezoo.base.errors import UserError
from sezoo.base.shipped import DEMO_RECORDINGS
from sezoo.data.pairs import Pair
from sezoo.denoising import Board, Patches, WholeClip, denoise
from sezoo.evaluation.scoring import ClipScorer, Scoring
from sezoo.evaluation.versions import Version
from sezoo.metrics import METRICS
from sezoo.models.mask_model import MaskModel
from sezoo.models.source import OnnxSource

PLAYS = {"whole": WholeClip((0, 0)), "patches": Patches(12, 3), "board": Board(12, 3)}


@pytest.fixture
def pair():
    name = sorted(path.name for path in (DEMO_RECORDINGS / "noisy_testset").glob("*.flac"))[0]
    return Pair(DEMO_RECORDINGS / "noisy_testset" / name, DEMO_RECORDINGS / "clean_testset" / name)


@pytest.fixture
def scoring(tmp_path):
    source = OnnxSource(write_model(tmp_path / "m.onnx"))
    versions = tuple(Version(name, name, "float", name, source, play, name) for name, play in PLAYS.items())
    return Scoring(versions, Stft(), 16000, ("snr", "si_snr", "mse", "stoi"))


def changed(scoring, **changes):
    return Scoring(**{**vars(scoring), **changes})


def written(folder, noisy, clean, rate=16000):
    for name, wave in (("noisy.wav", noisy), ("clean.wav", clean)):
        soundfile.write(folder / name, wave, rate, subtype="FLOAT")
    return Pair(folder / "noisy.wav", folder / "clean.wav")


def test_every_version_is_scored_against_the_clean_clip(scoring, pair):
    scores = ClipScorer(scoring).score(pair)
    noisy, clean = (read_clip(path, 16000) for path in (pair.noisy, pair.clean))
    assert (scores.name, scores.seconds) == (pair.noisy.name, len(noisy) / 16000)
    assert list(scores.scores) == ["noisy", *PLAYS]
    assert scores.not_scored == {}
    model = MaskModel(mask_graph())
    waves = {"noisy": noisy, **{name: denoise(noisy, model, Stft(), play) for name, play in PLAYS.items()}}
    for name, wave in waves.items():
        for metric, value in scores.scores[name].items():
            assert value == pytest.approx(METRICS[metric](clean, wave, 16000), rel=1e-4), (name, metric)


def test_the_spectrum_is_computed_once_for_all(scoring, pair, monkeypatch):
    computed = []
    blocks = Stft.analyse_blocks

    def counted(self, wave, max_frames):
        computed.append(len(wave))
        return blocks(self, wave, max_frames)

    monkeypatch.setattr(Stft, "analyse_blocks", counted)
    scorer = ClipScorer(changed(scoring, versions=scoring.versions[:2] * 2))
    scorer.waveforms(pair)
    assert len(computed) == 1


def test_a_model_is_opened_once_for_all_its_versions(scoring):
    players = ClipScorer(scoring).players
    assert len({id(model) for model, _ in players.values()}) == 1


def test_what_cannot_be_scored_has_its_reason(scoring, tmp_path):
    clean = np.zeros(16000, np.float32)
    clean[:200] = 0.1  # too little speech for STOI
    scores = ClipScorer(scoring).score(written(tmp_path, noise(1.0), clean))
    assert "stoi" not in scores.scores["noisy"]
    assert "too short for STOI" in scores.not_scored["noisy"]["stoi"]
    assert "snr" in scores.scores["whole"]


def test_without_a_clean_clip_the_reason_is_that(scoring, pair):
    scores = ClipScorer(scoring).score(Pair(pair.noisy, None))
    assert scores.scores["whole"] == {}
    assert scores.not_scored["whole"]["snr"] == "there is no clean clip"


def test_a_hop_more_or_less_is_left_out(scoring, tmp_path):
    noisy = noise(1.0)
    waves = ClipScorer(scoring).waveforms(written(tmp_path, noisy, noisy[:-160]))
    assert {len(waves.noisy), len(waves.clean), *(len(wave) for wave in waves.denoised.values())} == {16000 - 160}


@pytest.mark.parametrize(("noisy", "clean"), [(16000, 15839), (15839, 16000)])
def test_more_than_a_hop_is_a_bad_clip(scoring, tmp_path, noisy, clean):
    wave = noise(1.0)
    with pytest.raises(BadClipError, match=f"it is {clean} samples long at 16000 Hz, but .*noisy.wav is {noisy}: "):
        ClipScorer(scoring).score(written(tmp_path, wave[:noisy], wave[:clean]))


def test_peak_normalization_changes_what_the_model_sees_and_not_what_is_compared(scoring, tmp_path):
    wave = noise(1.0) / 10
    pair = written(tmp_path, wave, wave)
    plain, normalized = (ClipScorer(changed(scoring, peak_normalize=on)).waveforms(pair) for on in (False, True))
    np.testing.assert_array_equal(plain.noisy, normalized.noisy)
    model = MaskModel(mask_graph())
    peak = np.abs(wave).max()
    np.testing.assert_allclose(normalized.denoised["whole"], denoise(wave / peak, model, Stft()) * peak, atol=1e-6)
    assert np.abs(plain.denoised["whole"] - normalized.denoised["whole"]).max() > 1e-4


def test_a_board_hears_a_stream_and_knows_no_peak(scoring, tmp_path):
    wave = noise(1.0) / 10
    pair = written(tmp_path, wave, wave)
    plain, normalized = (
        ClipScorer(changed(scoring, peak_normalize=on)).waveforms(pair).denoised for on in (False, True)
    )
    assert list(plain) == list(normalized) == list(PLAYS)
    np.testing.assert_array_equal(normalized["board"], plain["board"])
    for name in ("whole", "patches"):
        assert np.abs(plain[name] - normalized[name]).max() > 1e-4


def test_a_mask_that_is_none_names_model_and_clip(scoring, pair, tmp_path):
    model = mask_graph()
    weights = next(weight for weight in model.graph.initializer if weight.name == "b2")
    weights.raw_data = np.full(257, np.nan, np.float32).tobytes()
    (tmp_path / "nan.onnx").write_bytes(model.SerializeToString())
    version = Version("float", "float", "float", "whole", OnnxSource(tmp_path / "nan.onnx"), WholeClip(), "logs")
    with pytest.raises(UserError, match=rf"nan.onnx: the mask has NaN or infinite values \(on .*{pair.name}\)"):
        ClipScorer(changed(scoring, versions=(version,))).score(pair)

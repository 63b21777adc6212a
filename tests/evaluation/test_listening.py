"""Which clips are kept to listen to, and what is kept of them."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from builders import RATE
from sezoo.audio.stft import Stft
from sezoo.denoising import Board, Patches, WholeClip
from sezoo.evaluation.listening import SECONDS, choose_clips, save_listening
from sezoo.evaluation.scoring import ClipWaves
from sezoo.results.listening import FOLDER, MASKS, ListeningIndex
from sezoo.results.scores import ClipScores


def version(name):
    model, _, kind = name.partition("_")
    return SimpleNamespace(name=name, label=name.replace("_", " "), model=model, kind=kind or "whole")


def clips_with(changes, metric="pesq"):
    return [
        ClipScores(
            f"clip{index}", 1.0, {"noisy": {metric: 1.0}, "float": {metric: 2.0}, "int8": {metric: 2.0 + change}}
        )
        for index, change in enumerate(changes)
    ]


VERSIONS = [version("float"), version("int8"), version("int8_board")]


def test_the_best_the_median_and_the_worst_by_the_change_of_pesq():
    found = choose_clips(clips_with([0.0, -0.5, 0.1, -0.1, -0.2]), VERSIONS, ["stoi", "pesq"])
    assert [(choice.place, choice.clip.name) for choice in found] == [
        ("best", "clip2"), ("median", "clip3"), ("worst", "clip1"),
    ]  # fmt: skip
    assert found[2].why == "worst of 5 by PESQ from float to int8"
    assert found[2].change == pytest.approx(-0.5)
    assert found[2].compared == ("float", "int8")


def test_the_worst_on_the_board_is_one_more_where_it_is_another():
    clips = clips_with([0.0, -0.5, 0.1, -0.1, -0.2])
    clips = [
        replace(clip, scores={**clip.scores, "int8_board": {"pesq": 2.0 - loss}})
        for clip, loss in zip(clips, (0.6, 0.5, 0.9, 0.95, 1.0), strict=True)
    ]
    last = choose_clips(clips, VERSIONS, ["pesq"])[-1]
    assert (last.place, last.clip.name, last.compared) == ("board", "clip4", ("float", "int8_board"))
    assert last.why == "worst of 5 by PESQ from float to int8 board"
    assert last.change == pytest.approx(-1.0)
    clips[1].scores["int8_board"]["pesq"] = 0.0  # of the clip that is the worst without the board too
    found = choose_clips(clips, VERSIONS, ["pesq"])
    assert [choice.place for choice in found] == ["best", "median", "worst"]
    assert found[-1].why == "worst of 5 by PESQ from float to int8, and worst of 5 by PESQ from float to int8 board"
    assert found[-1].change == pytest.approx(-2.0)


def test_one_model_is_compared_with_the_noisy_clip():
    clips = [ClipScores(f"clip{index}", 1.0, {"noisy": {"pesq": 1.0}, "int8": {"pesq": index}}) for index in (3, 1, 2)]
    found = choose_clips(clips, VERSIONS[1:2], ["pesq"])
    assert [choice.clip.name for choice in found] == ["clip3", "clip2", "clip1"]
    assert "from noisy to int8" in found[0].why
    assert found[0].compared == ("int8",)


def test_where_lower_is_better_the_worst_is_the_largest():
    found = choose_clips(clips_with([0.3, 0.1, 0.2], "mse"), VERSIONS, ["mse"])
    assert {choice.place: choice.clip.name for choice in found} == {
        "best": "clip1", "median": "clip2", "worst": "clip0",
    }  # fmt: skip


def test_a_clip_is_kept_once_and_one_that_has_no_scores_still():
    assert [choice.place for choice in choose_clips(clips_with([0.0]), VERSIONS, ["pesq"])] == ["best"]
    unscored = [ClipScores("a", 1.0, {name: {} for name in ("noisy", "float", "int8")})]
    (choice,) = choose_clips(unscored, VERSIONS, ["pesq"])
    assert (choice.place, choice.clip.name, choice.metric, choice.change) == ("first", "a", None, None)


class Scorer:
    """Gives made-up waves: the models differ in the last seconds alone."""

    def __init__(self, seconds):
        self.samples = int(seconds * RATE)
        self.noisy = np.random.default_rng(3).standard_normal(self.samples).astype(np.float32) / 8
        self.scoring = SimpleNamespace(
            versions=tuple(VERSIONS), metrics=("pesq",), sample_rate=RATE, stft=Stft(), peak_normalize=False
        )

        def half(magnitude):
            return np.full_like(magnitude, 0.5)

        def by_bin(magnitude):
            return np.broadcast_to(np.linspace(0, 1, 257, dtype=np.float32)[:, np.newaxis], magnitude.shape)

        for model in (half, by_bin):
            model.batch = model.frames = None
        self.metrics = {"pesq": None}
        self.players = {
            "float": (half, WholeClip((3, 3))), "int8": (by_bin, Patches(30, 5)), "int8_board": (by_bin, Board(30, 5)),
        }  # fmt: skip

    def waveforms(self, pair):
        other = self.noisy.copy()
        other[-RATE:] *= 0.5
        return ClipWaves(self.noisy, self.noisy * 0.3, {"float": self.noisy, "int8": other, "int8_board": other})


def saved(folder, seconds):
    clip = ClipScores("clip.wav", seconds, {name: {"pesq": 2.0} for name in ("noisy", "float", "int8", "int8_board")})
    save_listening(folder, Scorer(seconds), [clip], {"clip.wav": None})
    (kept,) = ListeningIndex.read(folder / FOLDER).clips
    return kept


def test_every_version_and_the_masks_are_kept(tmp_path):
    kept = saved(tmp_path, 2.0)
    assert [each.name for each in kept.versions] == ["noisy", "float", "int8", "int8_board", "clean"]
    for each in kept.versions:
        info = soundfile.info(tmp_path / FOLDER / kept.folder / each.file)
        assert (info.frames, info.samplerate, info.subtype, info.format) == (2 * RATE, RATE, "PCM_16", "FLAC")
    with np.load(tmp_path / FOLDER / kept.folder / MASKS) as masks:
        assert set(masks) == set(kept.masks) == {"float", "int8", "int8_board"}
        assert masks["float"].dtype == np.float16
        assert (masks["float"] == 0.5).all()
        np.testing.assert_allclose(masks["int8"][:, 50], np.linspace(0, 1, 257), atol=1e-3)
        assert masks["float"].shape == masks["int8"].shape == (257, 200)


def test_of_a_long_clip_the_seconds_in_which_the_models_differ_are_kept(tmp_path):
    kept = saved(tmp_path, 20.0)
    assert kept.seconds == SECONDS
    assert kept.start == pytest.approx(12.0, abs=0.02)
    assert kept.clip_seconds == 20.0
    with np.load(tmp_path / FOLDER / kept.folder / MASKS) as masks:
        assert masks["int8"].shape == (257, int(SECONDS * RATE) // 160)


def test_what_is_of_an_earlier_run_is_replaced_and_what_is_the_users_own_stays(tmp_path):
    saved(tmp_path, 1.0)
    (tmp_path / FOLDER / "best" / "9_old.flac").touch()
    (tmp_path / FOLDER / "mine.txt").touch()
    saved(tmp_path, 1.0)
    assert not (tmp_path / FOLDER / "best" / "9_old.flac").exists()
    assert (tmp_path / FOLDER / "mine.txt").exists()

import numpy as np

from builders import noise
from sezoo.audio.stft import Stft
from sezoo.report.comparison import median_clip, save_comparison
from sezoo.results.scores import ClipScores, mean_scores


def clip(name, change):
    return ClipScores(name, 0.3, {"noisy": {"pesq": 1.5}, "float": {"pesq": 2.0}, "int8": {"pesq": 2.0 + change}})


def test_the_median_clip_is_the_middle_one_by_what_int8_changed():
    assert median_clip([clip("worst", -0.5), clip("best", 0.1), clip("middle", -0.1)]).name == "middle"


def test_the_picture_is_drawn_also_where_a_clip_has_no_score(tmp_path):
    unscored = ClipScores("x", 0.3, {"noisy": {}, "float": {}, "int8": {}})
    clips = [clip("a.flac", -0.2), clip("b.flac", 0.1), unscored]
    waves = {version: noise(0.3) for version in ("noisy", "float", "int8", "clean")}
    save_comparison(tmp_path / "p.png", clips, mean_scores(clips), waves, Stft(), 16000)
    from matplotlib.image import imread

    picture = imread(tmp_path / "p.png")
    assert picture.shape[0] > 500
    assert picture.shape[1] > 1000
    assert np.ptp(picture) > 0.9
    assert [path.name for path in tmp_path.iterdir()] == ["p.png"]

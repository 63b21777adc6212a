import numpy as np

from builders import noise
from sezoo.audio.clip import write_clip
from sezoo.config.sections import Preprocessing
from sezoo.report.comparison import save_comparison
from sezoo.results.evaluation import Evaluation
from sezoo.results.evaluation_parts import VersionScores
from sezoo.results.listening import FOLDER, ListenedClip, ListenedVersion, ListeningIndex
from sezoo.results.scores import ClipScores, mean_scores


def clip(name, change):
    return ClipScores(name, 0.3, {"noisy": {"pesq": 1.5}, "float": {"pesq": 2.0}, "int8": {"pesq": 2.0 + change}})


def test_the_picture_is_drawn_also_where_a_clip_has_no_score(tmp_path):
    unscored = ClipScores("x", 0.3, {"noisy": {}, "float": {}, "int8": {}})
    clips = [clip("a.flac", -0.2), clip("b.flac", 0.1), unscored]
    versions = [ListenedVersion(name, name, f"{name}.flac", {}) for name in ("noisy", "float", "int8", "clean")]
    for version in versions:
        write_clip(tmp_path / FOLDER / "median" / version.file, noise(0.3), 16000)
    median = ListenedClip("median", "a.flac", "", "pesq", -0.2, 16000, 0, 0.3, 0.3, 160, [], versions)
    ListeningIndex([median]).write(tmp_path / FOLDER)
    means = mean_scores(clips)
    scored = [VersionScores(name, name, "", {}, name, means[name], {}) for name in ("float", "int8")]
    results = Evaluation(clips=3, seconds=1, noisy=means["noisy"], versions=scored, scores=clips)
    path = save_comparison(tmp_path, results, Preprocessing())
    from matplotlib.image import imread

    picture = imread(path)
    assert picture.shape[0] > 500
    assert picture.shape[1] > 1000
    assert np.ptp(picture) > 0.9
    assert {each.name for each in tmp_path.iterdir()} == {path.name, FOLDER}

"""Which clip a notebook plays."""

from sezoo.api.shown import listened_sounds
from sezoo.results.listening import FOLDER, ListenedClip, ListenedVersion, ListeningIndex


def keep(folder, clips, version):
    """A run's folder with clips to listen to."""
    (folder / FOLDER).mkdir(parents=True)
    versions = [ListenedVersion(name, name, f"{name}.flac", {}) for name in ("noisy", version, "clean")]
    kept = [
        ListenedClip(
            folder=name[0], name=name, why="", metric=None, change=None, sample_rate=16000, start=0.0, seconds=3.0,
            clip_seconds=3.0, hop_length=160, masks=[], versions=versions,
        )
        for name in clips
    ]  # fmt: skip
    ListeningIndex(kept).write(folder / FOLDER)
    return folder


def test_several_models_play_the_clip_that_most_of_them_have(tmp_path):
    folders = {
        "one": keep(tmp_path / "one", ["a.wav", "b.wav"], "float"),
        "two": keep(tmp_path / "two", ["c.wav", "b.wav"], "int8"),
        "three": keep(tmp_path / "three", ["b.wav"], "int8"),
    }
    found = listened_sounds(folders)
    assert list(found) == ["b.wav: noisy", "one: float", "two: int8", "three: int8", "clean"]
    assert found["two: int8"] == tmp_path / "two" / FOLDER / "b" / "int8.flac"
    assert next(iter(listened_sounds({"": folders["one"]}))) == "a.wav: noisy"  # of one model the first

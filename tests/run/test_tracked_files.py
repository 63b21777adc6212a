"""Figures and sounds of a run in its tracking."""

from pathlib import Path

from sezoo.run import tracked_files
from sezoo.run.run import Run
from sezoo.run.tracked_files import track_figures_and_sounds

FILES = {
    "evaluation.png": 10,
    "training_logs/training_metrics.png": 10,
    "listen/1_changed/0_noisy.flac": 100,
    "listen/1_changed/1_int8.flac": 100,
    "training_logs/sounds/epoch_0001/1_noisy.wav": 100,
    "training_logs/sounds/epoch_0002/1_denoised.wav": 100,
    "predictions/a.flac": 100,
}


class Tracked:
    def __init__(self):
        self.files = []

    def artifact(self, path, folder):
        self.files.append(f"{folder}/{path.name}")


def tracked(folder: Path):
    for name, size in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))
    tracker = Tracked()
    track_figures_and_sounds(Run(None, folder, tracker))
    return tracker.files


def test_figures_and_the_newest_sounds_are_tracked(tmp_path):
    assert tracked(tmp_path) == [
        *("figures/evaluation.png", "figures/training_metrics.png"),
        *("sounds/1_changed/0_noisy.flac", "sounds/1_changed/1_int8.flac"),
        "sounds/epoch_0002/1_denoised.wav",
    ]


def test_sounds_that_are_too_many_stay_in_the_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tracked_files, "MOST_SOUND_BYTES", 150)
    assert [name for name in tracked(tmp_path) if name.startswith("sounds")] == ["sounds/1_changed/0_noisy.flac"]

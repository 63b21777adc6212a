"""TensorBoard's event files, read back by TensorBoard itself."""

import sys

import numpy as np
import pytest
from PIL import Image

from sezoo.base.errors import UserError

pytest.importorskip("torch")
pytest.importorskip("tensorboard")

from sezoo.training.event_files import EventFiles, check_tensorboard


def read(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder)).Reload()


def test_tensorboard_reads_scalars_sounds_and_pictures(tmp_path):
    wave = np.sin(np.linspace(0, 400, 1600, dtype=np.float32))
    Image.new("RGB", (5, 4), "red").save(tmp_path / "curves.png")
    events = EventFiles(tmp_path / "events")
    for epoch, snr in ((1, 3.5), (2, None)):
        events.scalars({"epoch": epoch, "train_loss": 0.5 / epoch, "snr": snr, "learning_rate": 1e-3})
    events.sound("example/noisy", 2 * wave, 16000, 2)
    events.picture("curves", tmp_path / "curves.png", 2)
    events.picture("gone", tmp_path / "gone.png", 2)
    events.close()
    found = read(tmp_path / "events")
    assert [(each.step, each.value) for each in found.Scalars("loss/training")] == [(1, 0.5), (2, 0.25)]
    assert [(each.step, each.value) for each in found.Scalars("validation/snr")] == [(1, 3.5)]
    (sound,) = found.Audio("example/noisy")
    assert (sound.step, sound.sample_rate, sound.length_frames) == (2, 16000, 1600)
    (picture,) = found.Images("curves")
    assert (picture.width, picture.height) == (5, 4)
    assert found.Tags()["images"] == ["curves"]


def test_epochs_that_are_trained_again_are_shown_once(tmp_path):
    for epochs in ((1, 2, 3), (3, 4)):  # interrupted after the third, resumed after the second
        events = EventFiles(tmp_path)
        for epoch in epochs:
            events.scalars({"epoch": epoch, "train_loss": 1.0 / epoch})
        events.close()
    assert [each.step for each in read(tmp_path).Scalars("loss/training")] == [1, 2, 3, 4]


def test_where_nothing_is_written_there_is_no_folder(tmp_path):
    EventFiles(tmp_path / "events").close()
    assert not (tmp_path / "events").exists()


def test_the_package_is_needed(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(UserError, match=r"training.tensorboard: .*pip install 'sezoo\[tensorboard\]'"):
        check_tensorboard()

"""Which training a command goes on with, and with what data."""

import os

import pytest

from builders import write_yaml
from sezoo.base.errors import UserError
from sezoo.base.part_files import owner
from sezoo.results.unfinished import (
    is_unfinished_training,
    newest_unfinished_training,
    settings_of_run,
    settings_to_resume,
)

SETTINGS = {
    "operation_mode": "training",
    "dataset": {"name": "mix", "speech_path": "speech", "noise_path": "noise"},
    "training": {"epochs": 3},
}


@pytest.fixture
def begun(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def made(name, *, settings=SETTINGS, at=0):
        folder = tmp_path / "runs" / name
        for path in (folder / "training_logs", folder / ".hydra"):
            path.mkdir(parents=True)
        snapshot = folder / "training_logs" / "training_snapshot.pth"
        snapshot.write_bytes(b"")
        os.utime(snapshot, (at, at))
        write_yaml(folder / ".hydra" / "config.yaml", settings)
        return folder

    return made


def test_a_training_is_unfinished_until_it_has_models(begun, tmp_path):
    assert not is_unfinished_training(tmp_path / "nothing")
    folder = begun("a")
    assert is_unfinished_training(folder)
    (folder / "saved_models").mkdir()
    (folder / "saved_models" / "best_trained_model.onnx").write_bytes(b"")
    assert not is_unfinished_training(folder)


def test_the_newest_of_the_unfinished(begun, tmp_path):
    assert newest_unfinished_training(tmp_path / "runs") is None
    begun("a", at=10)
    begun("b", at=30)
    (begun("c", at=40) / ".hydra" / "config.yaml").unlink()
    assert newest_unfinished_training(tmp_path / "runs") == tmp_path / "runs" / "b"


def test_the_same_data_go_on_with_other_epochs(begun, tmp_path):
    data = {**SETTINGS["dataset"], "noise_path": tmp_path / "noise"}  # the same place, by its whole path
    resumed = settings_to_resume(begun("a"), {**SETTINGS, "dataset": data, "training": {"epochs": 9}})
    assert resumed["training"] == {"epochs": 9, "resume": "own"} and resumed["dataset"] is data


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"speech_path": "other"}, "dataset.speech_path was speech, is other"),
        ({"snr_range": [0, 5]}, r"dataset.snr_range was None, is \[0, 5\]"),
    ],
)
def test_other_data_are_refused_in_one_line(begun, change, told):
    with pytest.raises(
        UserError, match=rf"a holds an unfinished training with other data: {told}; name another"
    ) as error:
        settings_to_resume(begun("a"), {**SETTINGS, "dataset": {**SETTINGS["dataset"], **change}})
    assert "\n" not in str(error.value)


def test_a_training_at_work_is_left_alone(begun):
    folder = begun("a")
    (folder / ".hydra" / "running").write_text(f"{owner()}\n", encoding="utf-8")
    with pytest.raises(UserError, match="a training is running there"):
        settings_to_resume(folder, SETTINGS)


def test_the_settings_of_a_run_are_read_again(begun):
    folder = begun("a")
    assert settings_of_run(folder) == SETTINGS
    (folder / ".hydra" / "config.yaml").write_text("[1, 2]", encoding="utf-8")
    with pytest.raises(UserError, match="is not the configuration of a run"):
        settings_of_run(folder)

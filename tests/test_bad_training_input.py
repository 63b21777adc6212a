"""What a user can get wrong in a training, end to end: exit code 2, one line, and nothing half-written left."""

import os
import sys
from pathlib import Path

import pytest

from builders import evaluation_config, write_clips, write_yaml

torch = pytest.importorskip("torch")
torch.set_num_threads(1)  # the tests share the cores

NETWORKS = '''
import torch
from torch import nn


class Good(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(257, 257)

    def forward(self, x):
        return torch.sigmoid(self.layer(x.transpose(1, 2))).transpose(1, 2)


class Short(Good):
    def forward(self, x):
        return super().forward(x)[:, :, 1:]


class Bins(Good):
    def forward(self, x):
        return super().forward(x)[:, 1:]


class Flat(Good):
    def forward(self, x):
        return super().forward(x)[:, None]


class Two(Good):
    def forward(self, x):
        return super().forward(x), x


class Raises(Good):
    def forward(self, x):
        raise KeyError("no\\nmask")


class Infinite(Good):
    def forward(self, x):
        return super().forward(x) / 0


class RaisesInTraining(Good):
    def forward(self, x):
        return {}["mask"] if self.training else super().forward(x)


class ShortInTraining(Good):
    def forward(self, x):
        return super().forward(x)[:, :, int(self.training) :]


class Detached(Good):
    def forward(self, x):
        return super().forward(x).detach()


class NotForOnnx(Good):
    def forward(self, x):
        return super().forward(x).mT.mT


class Picky(Good):
    def forward(self, x):
        if x.shape[2] == 51:  # half a second
            raise ValueError("51 frames are too many")
        return super().forward(x)


class Plain:
    """No network."""

    def forward(self, x):
        return x


def function(x):
    return x
'''


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A working directory where everything is right: six pairs, a configuration, networks of the user's own."""
    monkeypatch.chdir(tmp_path)
    for folder in ("noisy", "clean"):
        write_clips(tmp_path / folder, " ".join(f"{index}.wav" for index in range(6)), seconds=0.5)
    (tmp_path / "nets.py").write_text(NETWORKS, encoding="utf-8")
    raw = evaluation_config(
        operation_mode="training", dataset={"num_validation_samples": 2},
        model={"model_type": "Custom", "custom": "nets.py:Good", "onnx_path": None},
        training={
            "device": "cpu", "epochs": 1, "batch_size": 2, "num_dataloader_workers": 0, "reference_metric": "snr",
            "save_every": 1,
        },
    )  # fmt: skip
    write_yaml(tmp_path / "user_config.yaml", raw)
    yield tmp_path
    sys.modules.pop("sezoo_custom_nets", None)


@pytest.fixture
def fails(project, run):
    """Call the command line, which must fail: the message."""

    def call(*words):
        code, err = run("hydra.run.dir=out", *words)
        assert code == 2, err
        assert "Traceback" not in err
        (told,) = (line for line in err.splitlines() if line.startswith("sezoo: error: "))
        return told.removeprefix("sezoo: error: ")

    return call


def left(project):
    """What was written besides the project's own files, without Python's caches."""
    own = {"noisy", "clean", "nets.py", "user_config.yaml", "__pycache__"}
    files = (path.relative_to(project) for path in project.rglob("*") if path.is_file())
    return {path.as_posix() for path in files if path.parts[0] not in own}


def test_the_project_is_right_as_it_is(project, run):
    code, err = run("hydra.run.dir=out", "training.regularization.activation_regularization=0.1")
    assert code == 2, err
    assert "act_reg_layer_types: the network has none of Conv1d, DepthwiseSeparableConv; it has Good, Linear" in err
    assert left(project) == set()
    code, err = run("hydra.run.dir=out")
    assert code == 0, err
    assert {"out/saved_models/best_trained_model.onnx", "out/ckpts/epoch_0001.pth"} <= left(project)


# -- networks of the user's own -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Short", "nets.py:Short: the mask has shape (1, 257, 23), the magnitudes (1, 257, 24)"),
        ("Bins", "nets.py:Bins: the mask has shape (1, 256, 24), the magnitudes (1, 257, 24)"),
        ("Flat", "nets.py:Flat: the mask has shape (1, 1, 257, 24), the magnitudes (1, 257, 24)"),
        ("Two", "nets.py:Two: the network returns tuple; one float tensor is needed, the mask"),
        ("Infinite", "nets.py:Infinite: the mask has NaN or infinite values"),
        ("Raises", "nets.py:Raises: cannot be run on shape (1, 257, 24): KeyError: 'no\\nmask'"),
        (
            "RaisesInTraining",
            "nets.py:RaisesInTraining: cannot be run on shape (2, 257, 37) in training mode: KeyError: 'mask'",
        ),
        ("ShortInTraining", "nets.py:ShortInTraining: the mask has shape (2, 257, 36), the magnitudes (2, 257, 37)"),
        ("Detached", "nets.py:Detached: the mask has no gradient: it depends on no weight, or is detached"),
        (
            "NotForOnnx",
            "training.opset_version: the network cannot be exported in opset 17: "
            "Exporting the operator 'aten::mT' to ONNX opset version 17 is not supported",
        ),
        ("Plain", "model.custom: Plain of nets.py is no class derived from torch.nn.Module"),
        ("function", "model.custom: function of nets.py is no class derived from torch.nn.Module"),
        ("torch", "model.custom: torch of nets.py is no class derived from torch.nn.Module"),
        ("Godo", "model.custom: nets.py has no class Godo; did you mean Good?"),
    ],
)
def test_a_class_that_is_no_mask_network(name, message, project, fails):
    assert fails(f"model.custom=nets.py:{name}") == message
    assert left(project) == set()


def test_a_network_that_fails_at_the_clips_own_length(project, fails):
    assert fails("model.custom=nets.py:Picky") == (
        "the network cannot be run on shape (2, 257, 51): ValueError: 51 frames are too many"
    )


# -- where the checkpoints go -------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["file", "file/x", "file/x/y"])
def test_a_checkpoint_folder_below_a_file(folder, project, fails):
    (project / "file").write_text("kept", encoding="utf-8")
    message = fails(f"training.ckpt_path={project / folder}")
    assert message.startswith(f"training.ckpt_path: cannot write to the folder {Path(folder)}: ")
    assert message.endswith(": Not a directory")
    assert (project / "file").read_text(encoding="utf-8") == "kept"
    assert left(project) == {"file"}


def test_a_checkpoint_folder_without_the_right_to_write(project, fails):
    locked = project / "locked"
    locked.mkdir(mode=0o500)
    if os.name != "posix" or os.access(locked, os.W_OK):
        pytest.skip("this user may write anywhere")
    message = fails(f"training.ckpt_path={locked}")
    assert message.startswith("training.ckpt_path: cannot write to the folder locked: ")
    assert message.endswith(": Permission denied")
    assert left(project) == set()
